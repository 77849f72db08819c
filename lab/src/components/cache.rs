//! The lab's cache: one folder per set of pins and build flags, so that a change of either never runs old binaries.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{Component, build, go};
use crate::error::Doing;
use crate::progress::say;
use crate::{Error, Result};

const CACHE: &str = "NETBASELINE_LAB_CACHE";

pub(super) struct Cache {
    root: PathBuf,
    binaries: PathBuf,
}

impl Cache {
    pub(super) fn open() -> Result<Self> {
        let root = match std::env::var_os(CACHE) {
            Some(path) => PathBuf::from(path),
            None => std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
                .unwrap_or_else(std::env::temp_dir)
                .join("netbaseline-lab"),
        };
        let binaries = root.join(format!("control-plane-{}", key()));
        fs::create_dir_all(&binaries).at("creating the lab's cache", &binaries)?;
        Ok(Self { root, binaries })
    }

    /// Paths of the components, built now if they are missing.
    pub(super) fn ensure(&self, wanted: &[Component]) -> Result<BTreeMap<Component, PathBuf>> {
        if !self.missing(wanted).is_empty() {
            let _lock = self.lock()?;
            // Asked again: whoever held the lock may have built them.
            let missing = self.missing(wanted);
            if !missing.is_empty() {
                let go = go::find_or_install(&missing)?;
                build::build(&go, &missing, &self.root, &self.binaries)?;
            }
        }
        Ok(wanted.iter().map(|&component| (component, self.binaries.join(component.name()))).collect())
    }

    /// A binary is moved to its place only when it is whole, so being there is being usable.
    fn missing(&self, wanted: &[Component]) -> Vec<Component> {
        wanted.iter().copied().filter(|component| !self.binaries.join(component.name()).exists()).collect()
    }

    fn lock(&self) -> Result<File> {
        let path = self.root.join("build.lock");
        let file = File::create(&path).at("opening", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("another lab is building the components, waiting for it");
                file.lock().at("locking", &path)?;
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { doing: format!("locking {}", path.display()), source });
            }
        }
        Ok(file)
    }
}

/// Everything that decides what the binaries are, as 16 hex digits.
fn key() -> String {
    let mut hash = Sha256::new();
    for part in [build::GO_MOD, build::GO_SUM, &build::linker_flags(), std::env::consts::ARCH, std::env::consts::OS] {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
