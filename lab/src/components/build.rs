//! `go build` of the pinned components, with a line per component.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::go::Go;
use super::{Component, VERSION};
use crate::error::Doing;
use crate::progress::Progress;
use crate::{Error, Result};

// Inside the binary, so that the lab builds the same from wherever it is started. go.sum holds the checksums.
pub(super) const GO_MOD: &str = include_str!("../../control-plane/go.mod");
pub(super) const GO_SUM: &str = include_str!("../../control-plane/go.sum");
/// How much of a failed build is shown.
const SHOWN_LINES: usize = 20;

/// Without the version an API server calls itself v0.0.0-master and clients refuse it.
pub(super) fn linker_flags() -> String {
    let package = "k8s.io/component-base/version";
    let (major, minor) = super::MINOR_VERSION.split_once('.').expect("the constant has a dot");
    format!(
        "-s -w -X {package}.gitVersion=v{VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
    )
}

const WORK: &str = "build-";

/// Builds the components one by one and moves each to `into` when it is whole. `scratch` lies on the same file system,
/// and the caller holds its lock, so what other builds left there is of killed ones.
pub(super) fn build(go: &Go, components: &[Component], scratch: &Path, into: &Path) -> Result<()> {
    for entry in fs::read_dir(scratch).at("listing", scratch)? {
        let entry = entry.at("listing", scratch)?;
        if entry.file_name().to_string_lossy().starts_with(WORK) && entry.path().is_dir() {
            fs::remove_dir_all(entry.path()).at("removing", &entry.path())?;
        }
    }
    let work = tempfile::Builder::new().prefix(WORK).tempdir_in(scratch).at("creating a folder in", scratch)?;
    for (name, content) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = work.path().join(name);
        fs::write(&path, content).at("writing", &path)?;
    }
    for &component in components {
        let built = work.path().join("out");
        compile(go, component, work.path(), &built)?;
        fs::rename(&built, into.join(component.name())).at("moving into the cache", &built)?;
    }
    Ok(())
}

fn compile(go: &Go, component: Component, module: &Path, output: &Path) -> Result<()> {
    let mut progress = Progress::start(format!("building {component} {}", version(component)));
    let mut child = go
        .command()
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", &linker_flags(), "-o"])
        .arg(output)
        .arg(component.package())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .doing(|| format!("starting {}", go.path().display()))?;

    let stderr = child.stderr.take().expect("standard error is piped");
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let (mut packages, mut modules, mut tail) = (0_u32, 0_u32, VecDeque::new());
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => {
                if line.starts_with("go: downloading") {
                    modules += 1
                } else {
                    packages += 1
                }
                if tail.len() == SHOWN_LINES {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let last = tail.back().map_or("", String::as_str);
        progress.at(&format!("{modules} modules fetched, {packages} packages compiled, {last}"));
    }
    let status = child.wait().doing(|| "waiting for go build".to_owned())?;
    if status.success() {
        progress.done();
        return Ok(());
    }
    Err(Error::Build { component, output: Vec::from(tail).join("\n") })
}

/// The pinned version, from `go.mod` itself.
fn version(component: Component) -> &'static str {
    let module = if component == Component::Etcd { "go.etcd.io/etcd/server/v3" } else { "k8s.io/kubernetes" };
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module)?.strip_prefix(' '))
        .find_map(|rest| rest.split(' ').next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_linked_in_is_the_pinned_one() {
        for component in [Component::ApiServer, Component::ControllerManager, Component::Kubectl] {
            assert_eq!(version(component), format!("v{VERSION}"), "{component}");
        }
        assert!(VERSION.starts_with(super::super::MINOR_VERSION));
        assert!(version(Component::Etcd).starts_with("v3."));
    }

    #[test]
    fn every_component_is_a_tool_of_the_pinned_module() {
        for component in Component::ALL {
            assert!(GO_MOD.contains(&format!("\t{}\n", component.package())), "{component}");
        }
    }
}
