//! `cargo lab kubeconfig`

use std::process::ExitCode;

use lab::ControlPlane;

pub(crate) fn run(name: &str) -> anyhow::Result<ExitCode> {
    anstream::println!("{}", ControlPlane::attach(name)?.kubeconfig_path().display());
    Ok(ExitCode::SUCCESS)
}
