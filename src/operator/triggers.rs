//! What wakes a reconcile: changes in the cluster, gathered and turned into moments.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};

use super::context::Moment;
use crate::cluster::{Change, Store};
use crate::discovery::{Hints, discover};

/// Changes come in bursts (a roll-out, a relist): they are gathered for this long.
const GATHER: Duration = Duration::from_millis(200);

/// Whose reconcile to wake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The baseline of this namespace.
    Namespace(Arc<str>),
    /// All baselines.
    All,
}

/// The cluster now.
pub fn observe(store: &Store, hints: &Hints) -> Moment {
    let snapshot = store.snapshot();
    let facts = Arc::new(discover(&snapshot, hints));
    Moment { snapshot, facts }
}

/// Publishes a moment for every burst of changes, then wakes those whom it concerns. Ends when nobody listens.
pub async fn follow_changes(
    store: Arc<Store>,
    hints: Hints,
    mut changes: broadcast::Receiver<Change>,
    moments: watch::Sender<Moment>,
    triggers: mpsc::Sender<Trigger>,
) {
    loop {
        let mut everywhere = false;
        let mut namespaces = BTreeSet::new();
        let mut note = |heard: Result<Change, broadcast::error::RecvError>| match heard {
            Ok(Change::Namespace(namespace)) => {
                namespaces.insert(namespace);
            }
            // Some were missed: anything may have changed.
            Ok(Change::Everywhere) | Err(_) => everywhere = true,
        };
        match changes.recv().await {
            Err(broadcast::error::RecvError::Closed) => return,
            first => note(first),
        }
        tokio::time::sleep(GATHER).await;
        loop {
            match changes.try_recv() {
                Ok(change) => note(Ok(change)),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                    note(Err(broadcast::error::RecvError::Lagged(missed)));
                }
                Err(_) => break,
            }
        }
        let moment = observe(&store, &hints);
        everywhere |= moment.facts != moments.borrow().facts;
        moments.send_replace(moment);
        let woken: Vec<Trigger> =
            if everywhere { vec![Trigger::All] } else { namespaces.into_iter().map(Trigger::Namespace).collect() };
        for trigger in woken {
            if triggers.send(trigger).await.is_err() {
                return;
            }
        }
    }
}
