//! A Go tool chain to build with.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Component;
use crate::{Error, Result};

/// The first release that fetches the tool chain a `go.mod` asks for by itself (<https://go.dev/doc/toolchain>).
const OLDEST: (u32, u32) = (1, 21);

pub(super) struct Go(PathBuf);

impl Go {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        // A caller's workspace, flags or pinned tool chain would change what is built or stop the build.
        command.env("GOTOOLCHAIN", "auto").env("GOWORK", "off").env_remove("GOFLAGS");
        command
    }
}

/// The first Go that is new enough, in PATH or where its installers put it.
pub(super) fn find_or_install(missing: &[Component]) -> Result<Go> {
    let names = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&names).collect();
    places.push("/usr/local/go/bin".into());
    places.extend(std::env::home_dir().map(|home| home.join("go/bin")));
    let mut found = "nothing".to_owned();
    for go in places.into_iter().map(|place| place.join("go")).filter(|go| go.is_file()) {
        match version(&go) {
            Some(version) if version >= OLDEST => return Ok(Go(go)),
            Some((major, minor)) => found = format!("{} is {major}.{minor}", go.display()),
            None => {}
        }
    }
    Err(Error::NoGo {
        missing: missing.iter().map(|component| component.name()).collect::<Vec<_>>().join(", "),
        found,
        remedy: format!("install Go {}.{} or newer (https://go.dev/dl) and put it into PATH", OLDEST.0, OLDEST.1),
    })
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
