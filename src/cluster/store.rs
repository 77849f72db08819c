//! The snapshot that the watches write and everybody else reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::model::{Availability, Snapshot, Source};

/// What a watch changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Objects of this namespace.
    Namespace(Arc<str>),
    /// Objects that concern every namespace, or a whole source.
    Everywhere,
}

/// The cluster as last heard. A reader takes the whole moment and keeps it while the watches go on.
#[derive(Debug)]
pub struct Store {
    snapshot: Mutex<Arc<Snapshot>>,
    parts: Mutex<BTreeMap<(Source, usize), Availability>>,
    changes: broadcast::Sender<Change>,
}

impl Default for Store {
    fn default() -> Self {
        Self { snapshot: Mutex::default(), parts: Mutex::default(), changes: broadcast::channel(4096).0 }
    }
}

impl Store {
    /// The cluster at this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hears of every change from now on. A receiver that lags has missed some: it must look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Lets a watch write. `write` says what it changed; `None`: nothing that anybody could see.
    pub(super) fn update(&self, write: impl FnOnce(&mut Snapshot) -> Option<Change>) {
        let change = {
            let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            write(Arc::make_mut(&mut snapshot))
        };
        if let Some(change) = change {
            // Nobody listening is no error: before the operator leads there is nobody.
            let _ = self.changes.send(change);
        }
    }

    /// Says how far a part of a source can be believed; the source is as good as its worst part.
    pub(super) fn set_availability(&self, part: (Source, usize), availability: Availability) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(part, availability);
        let all = || parts.iter().filter(|((source, _), _)| *source == part.0).map(|(_, availability)| availability);
        let worst = all()
            .find(|of| matches!(of, Availability::Unreadable(_)))
            .or_else(|| all().find(|of| matches!(of, Availability::Syncing)))
            .or_else(|| all().find(|of| matches!(of, Availability::Synced)))
            .cloned()
            .unwrap_or(Availability::NotServed);
        self.update(|snapshot| {
            let before = snapshot.sources.insert(part.0, worst.clone());
            (before.as_ref() != Some(&worst)).then_some(Change::Everywhere)
        });
    }
}
