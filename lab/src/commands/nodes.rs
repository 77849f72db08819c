//! `cargo lab nodes`

use std::process::ExitCode;

use lab::{ControlPlane, nodes};

pub(crate) async fn run(name: &str) -> anyhow::Result<ExitCode> {
    let plane = ControlPlane::attach(name)?;
    nodes::stand_in(plane.client().await?).await?;
    Ok(ExitCode::SUCCESS)
}
