//! A lab is a folder; this is who may use it and where it lies.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::processes;
use crate::error::Doing;
use crate::{Error, Result};

const PREFIX: &str = "netbaseline-lab-";

/// How long a lab lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lifetime {
    /// As long as the [`ControlPlane`](super::ControlPlane) value or, when that is never dropped, the process that started it.
    Ephemeral,
    /// Until `down`.
    Detached,
}

/// What a lab says about itself in `lab.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub(crate) lifetime: Lifetime,
    pub(crate) port: u16,
    pub(crate) created: Timestamp,
}

/// The folder of one lab.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    name: String,
    path: PathBuf,
}

/// The right to a folder. While it is held nobody sweeps the folder away; the kernel drops it with the process.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "held for its lock")] File);

impl Folder {
    pub(crate) fn named(name: &str) -> Result<Self> {
        let fits = (1..=40).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            return Err(Error::Name { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), path: root().join(format!("{PREFIX}{name}")) })
    }

    /// Every lab of this user, by name.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let root = root();
        let own = rustix::process::geteuid().as_raw();
        let mut folders = Vec::new();
        for entry in fs::read_dir(&root).at("listing", &root)? {
            let entry = entry.at("listing", &root)?;
            let name = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)).map(str::to_owned);
            if let Some(folder) = name.and_then(|name| Self::named(&name).ok())
                && entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == own)
            {
                folders.push(folder);
            }
        }
        folders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(folders)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// `None`: there is no such lab, or its start has not come that far.
    pub(crate) fn state(&self) -> Option<State> {
        serde_json::from_slice(&fs::read(self.join("lab.json")).ok()?).ok()
    }

    pub(crate) fn write_state(&self, state: &State) -> Result<()> {
        let path = self.join("lab.json");
        let text = serde_json::to_vec(state).expect("the state has no map keys that JSON lacks");
        fs::write(&path, text).at("writing", &path)
    }

    /// Makes the folder if need be and takes it.
    pub(crate) fn claim(&self) -> Result<Claim> {
        loop {
            match DirBuilder::new().mode(0o700).create(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error).at("creating", &self.path);
                }
                _ => {}
            }
            if let Some(claim) = self.try_claim()? {
                return Ok(claim);
            }
        }
    }

    /// Takes the folder; `None` when it vanished meanwhile.
    pub(crate) fn try_claim(&self) -> Result<Option<Claim>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).at("opening", &self.path),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Busy { name: self.name.clone(), path: self.path.clone() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { doing: format!("locking {}", self.path.display()), source });
            }
        }
        // Another process may have removed the folder between open and lock: then the lock is on nothing.
        let held = file.metadata().at("reading", &self.path)?;
        let same = fs::metadata(&self.path).is_ok_and(|there| there.ino() == held.ino() && there.dev() == held.dev());
        Ok(same.then_some(Claim(file)))
    }

    /// Ends every process of the lab and removes the folder.
    pub(crate) fn clear(&self) -> Result<()> {
        processes::kill_all(&self.path)?;
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("removing", &self.path),
            _ => Ok(()),
        }
    }
}

/// Clears the labs whose owner is gone: killed together with the watcher that should have cleaned up after it.
pub(crate) fn sweep() -> Result<()> {
    for folder in Folder::all()? {
        if folder.state().is_some_and(|state| state.lifetime == Lifetime::Detached) {
            continue;
        }
        match folder.try_claim() {
            Ok(Some(_claim)) => folder.clear()?,
            Ok(None) | Err(Error::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The data of a lab is small and its etcd never syncs to disk, so it needs no memory file system of its own
/// (`/dev/shm` holds no more than 64 MiB in many containers).
fn root() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}
