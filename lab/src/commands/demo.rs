//! `cargo lab demo`

use std::process::ExitCode;

use lab::Options;

use crate::demo;

/// Name of the lab that `--keep` leaves running.
const KEPT: &str = "demo";

pub(crate) async fn run(keep: bool) -> anyhow::Result<ExitCode> {
    let options = if keep { Options::detached(KEPT) } else { Options::ephemeral() };
    let (plane, elapsed) = demo::tell(options).await?;
    anstream::println!(
        "\nThat was the product in {:.0} s. What it showed was read from the API server, nothing was faked.",
        elapsed.as_secs_f32()
    );
    if keep {
        anstream::println!("The control plane, the operator and the stand-ins for nodes stay up:");
        anstream::println!("  export KUBECONFIG={}", plane.kubeconfig_path().display());
        anstream::println!("  cargo lab kubectl --name {KEPT} get networkbaselines,networkpolicies -A");
        anstream::println!("  cargo lab down --name {KEPT}");
    } else {
        anstream::println!("Everything is gone again; `cargo lab demo --keep` leaves it running to play with.");
    }
    Ok(ExitCode::SUCCESS)
}
