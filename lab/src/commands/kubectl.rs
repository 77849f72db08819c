//! `cargo lab kubectl`

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::Context;
use lab::ControlPlane;
use lab::components::{self, Component};

pub(crate) fn run(name: &str, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let plane = ControlPlane::attach(name)?;
    let binaries = components::ensure(&[Component::Kubectl])?;
    let program = binaries.path(Component::Kubectl).context("kubectl was asked for")?;
    // Returns only when it fails: the process becomes kubectl.
    let error = Command::new(program)
        .env("KUBECONFIG", plane.kubeconfig_path())
        // Beside the lab's other files, so that it goes with them.
        .env("KUBECACHEDIR", plane.folder().join("home"))
        .args(arguments)
        .exec();
    Err(error).with_context(|| format!("running {}", program.display()))
}
