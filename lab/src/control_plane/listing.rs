//! Labs seen from outside: which there are, and their end.

use std::path::PathBuf;

use jiff::Timestamp;

use super::folder::{Folder, Lifetime};
use super::{processes, ready};
use crate::components::Component;
use crate::{Error, Result};

/// One lab of this user.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// How long it lives; absent while it starts.
    pub lifetime: Option<Lifetime>,
    /// When it was started; absent while it starts.
    pub created: Option<Timestamp>,
    /// Port of its API server; absent while it starts.
    pub port: Option<u16>,
    /// What runs.
    pub processes: Vec<ListedProcess>,
    /// What that makes of it.
    pub condition: Condition,
}

/// One process of a lab.
#[derive(Debug)]
pub struct ListedProcess {
    /// Process id.
    pub id: i32,
    /// File name of the program.
    pub program: String,
    /// Resident memory in KiB.
    pub resident_kib: u64,
}

/// Whether a lab works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All components run and the API server listens.
    Up,
    /// Some of it.
    Partial,
    /// Nothing runs: a folder that a reboot or a kill left.
    Down,
}

/// Every lab of this user, by name.
///
/// # Errors
/// When the folder of the labs cannot be listed.
pub fn list() -> Result<Vec<Listed>> {
    let folders = Folder::all()?;
    Ok(folders.iter().map(look).collect())
}

fn look(folder: &Folder) -> Listed {
    let state = folder.state();
    let port = state.as_ref().map(|state| state.port);
    let mut found = processes::of_lab(folder.path());
    found.sort_by_key(|process| process.id);
    let whole = Component::CONTROL_PLANE.iter().all(|part| found.iter().any(|process| process.program == part.name()));
    let condition = match (found.is_empty(), whole && port.is_some_and(ready::serves)) {
        (true, _) => Condition::Down,
        (false, true) => Condition::Up,
        (false, false) => Condition::Partial,
    };
    let processes = found
        .into_iter()
        .map(|process| ListedProcess { id: process.id, program: process.program, resident_kib: process.resident })
        .collect();
    Listed {
        name: folder.name().to_owned(),
        folder: folder.path().to_owned(),
        lifetime: state.as_ref().map(|state| state.lifetime),
        created: state.as_ref().map(|state| state.created),
        port,
        processes,
        condition,
    }
}

/// Ends the lab and removes its folder. `false`: there was none of that name.
///
/// # Errors
/// When it belongs to a test that runs, or a process or file of it cannot be removed.
pub fn down(name: &str) -> Result<bool> {
    let folder = Folder::named(name)?;
    let Some(_claim) = folder.try_claim()? else {
        return Ok(false);
    };
    folder.clear()?;
    Ok(true)
}

/// Ends every lab that no running test holds, and names them.
///
/// # Errors
/// As [`down`].
pub fn down_all() -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for folder in Folder::all()? {
        match down(folder.name()) {
            Ok(true) => ended.push(folder.name().to_owned()),
            Ok(false) | Err(Error::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}
