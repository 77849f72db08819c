//! A Go tool chain to build with: found, or brought here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Component, build};
use crate::error::Doing;
use crate::progress::{Progress, say};
use crate::{Error, Result};

/// The first release that fetches the tool chain a `go.mod` asks for by itself (<https://go.dev/doc/toolchain>).
const SELF_UPDATING: (u32, u32) = (1, 21);
/// Debian's package. In Debian 12 it is Go 1.19: too old to build with, and enough to fetch a newer one.
const INSTALL: [&str; 5] = ["apt-get", "install", "--yes", "--no-install-recommends", "golang-go"];

pub(super) struct Go(PathBuf);

impl Go {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        // A caller's workspace, flags or pinned tool chain would change what is built or stop the build.
        command.env("GOTOOLCHAIN", "auto").env("GOWORK", "off").env_remove("GOFLAGS").env_remove("GOROOT");
        command
    }
}

/// A Go that can build the components: one that is here, else one that an older Go fetches, else Debian's.
pub(super) fn find_or_install(missing: &[Component]) -> Result<Go> {
    if let Some(go) = find()? {
        return Ok(go);
    }
    let refuse = |found: String| Error::NoGo {
        missing: missing.iter().map(|component| component.name()).collect::<Vec<_>>().join(", "),
        found,
        remedy: format!("run `sudo {}`, or install Go from https://go.dev/dl and put it into PATH", INSTALL.join(" ")),
    };
    if !rustix::process::geteuid().is_root() {
        return Err(refuse("no `go`, and installing one takes root".to_owned()));
    }
    say(&format!("there is no Go to build the components with, so this installs it: {}", INSTALL.join(" ")));
    let progress = Progress::start("installing golang-go");
    let output = Command::new(INSTALL[0])
        .args(&INSTALL[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| refuse(format!("no `go`, and {}: {error}", INSTALL[0])))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(refuse(format!("no `go`, and installing it failed: {}", complaint.trim())));
    }
    progress.done();
    find()?.ok_or_else(|| refuse("no `go` even after its package was installed".to_owned()))
}

/// The first Go that is new enough, in PATH or where its installers put it.
fn find() -> Result<Option<Go>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/local/go/bin".into());
    let mut old = None;
    for go in places.into_iter().map(|place| place.join("go")).filter(|go| go.is_file()) {
        match version(&go) {
            Some(version) if version >= SELF_UPDATING => return Ok(Some(Go(go))),
            Some(_) => old = old.or(Some(go)),
            None => {}
        }
    }
    old.map(|go| fetch_tool_chain(&go)).transpose()
}

/// Has an old Go fetch the tool chain that `go.mod` asks for. It is a module like any other, so the module proxy
/// delivers it and the checksum database vouches for it; only the executable bits are set by newer releases alone.
fn fetch_tool_chain(old: &Path) -> Result<Go> {
    let version = build::GO_MOD.lines().find_map(|line| line.strip_prefix("go ")).expect("every go.mod says its go");
    let (os, arch) = (std::env::consts::OS, architecture());
    let module = format!("golang.org/toolchain@v0.0.1-go{version}.{os}-{arch}");
    let progress = Progress::start(format!("fetching Go {version} ({} is too old)", old.display()));
    let output = Command::new(old)
        .args(["mod", "download", "-json", &module])
        .env_remove("GOFLAGS")
        .current_dir("/")
        .output()
        .doing(|| format!("starting {}", old.display()))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(folder) = answer["Dir"].as_str().filter(|_| output.status.success()).map(Path::new) else {
        let complaint = answer["Error"].as_str().map_or_else(|| String::from_utf8_lossy(&output.stderr), Into::into);
        return Err(std::io::Error::other(complaint.into_owned())).doing(|| format!("fetching {module}"));
    };
    for programs in [folder.join("bin"), folder.join(format!("pkg/tool/{os}_{arch}"))] {
        for entry in fs::read_dir(&programs).at("listing", &programs)? {
            let program = entry.at("listing", &programs)?.path();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o555)).at("making executable", &program)?;
        }
    }
    progress.done();
    Ok(Go(folder.join("bin/go")))
}

/// Go's word for this machine.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Major and minor of `go version`'s "go version go1.26.8 linux/amd64".
fn version(go: &Path) -> Option<(u32, u32)> {
    let output = Command::new(go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(' ').nth(2)?.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read() {
        for (text, wanted) in [
            ("go version go1.26.8 linux/amd64", Some((1, 26))),
            ("go version go1.19 linux/arm64", Some((1, 19))),
            ("go version go1.27rc1 linux/amd64", Some((1, 27))),
            ("go version devel +abc linux/amd64", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), wanted, "{text}");
        }
    }
}
