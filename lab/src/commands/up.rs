//! `cargo lab up`

use std::process::ExitCode;
use std::time::Instant;

use lab::{ControlPlane, Error, Options};

pub(crate) async fn run(name: String) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let (plane, news) = match ControlPlane::start(Options::detached(&name)).await {
        Ok(plane) => (plane, format!("up in {:.1} s", began.elapsed().as_secs_f32())),
        Err(Error::AlreadyUp { .. }) => (ControlPlane::attach(&name)?, "already up".to_owned()),
        Err(error) => return Err(error.into()),
    };
    anstream::println!("lab {:?} is {news}: https://127.0.0.1:{}", plane.name(), plane.port());
    let option = if name == "default" { String::new() } else { format!(" --name {name}") };
    anstream::println!("  export KUBECONFIG=$(cargo lab kubeconfig{option})");
    anstream::println!("  cargo lab kubectl{option} get namespaces");
    anstream::println!("  cargo lab down{option}");
    Ok(ExitCode::SUCCESS)
}
