//! What every reconcile shares.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::events::Recorder;
use tokio::sync::watch;

use super::error::Error;
use super::lease::Leadership;
use crate::cluster::Cluster;
use crate::discovery::Facts;
use crate::model::Snapshot;
use crate::policy::Capabilities;
use crate::telemetry::{Board, Metrics};

/// The cluster at one moment, and what was discovered in it.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The cluster.
    pub snapshot: Arc<Snapshot>,
    /// What was discovered in it.
    pub facts: Arc<Facts>,
}

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// The newest moment.
    pub moments: watch::Receiver<Moment>,
    /// The right to write.
    pub leadership: Leadership,
    /// Kubernetes Events.
    pub recorder: Recorder,
    /// What is counted.
    pub metrics: Metrics,
    /// Where every namespace stands, for the metrics.
    pub board: Arc<Board>,
    /// How long a change takes to be in force; `None`: as the engine's record says.
    pub settle: Option<Duration>,
    /// When policies of a namespace were last written.
    pub last_writes: LastWrites,
    /// Failures in a row, by namespace.
    pub attempts: Attempts<String>,
    /// Plans in a row that were refused, by namespace.
    pub refusals: Attempts<String>,
}

impl Context {
    /// The cluster now.
    pub fn moment(&self) -> Moment {
        self.moments.borrow().clone()
    }

    /// Asked before every single write: the Lease may have been lost while the last one was under way.
    pub fn may_write(&self) -> Result<(), Error> {
        if self.leadership.may_write() { Ok(()) } else { Err(Error::NotLeading) }
    }

    /// How long a change takes to be in force on this engine.
    pub fn settle(&self, engine: &Capabilities) -> Duration {
        self.settle.unwrap_or(engine.settle)
    }
}

/// When policies of a namespace were last written, by this process or, before it led, by any.
#[derive(Debug)]
pub struct LastWrites {
    since: Instant,
    by_namespace: Mutex<HashMap<String, Instant>>,
}

impl LastWrites {
    /// Nothing written by this process, which leads since now; a leader before it may have written until now.
    pub fn since_now() -> Self {
        Self { since: Instant::now(), by_namespace: Mutex::default() }
    }

    /// Notes a write.
    pub fn note(&self, namespace: &str) {
        let mut writes = self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner);
        writes.insert(namespace.to_owned(), Instant::now());
    }

    /// How much of `settle` is left since the last write.
    pub fn left_of(&self, settle: Duration, namespace: &str) -> Option<Duration> {
        let writes = self.by_namespace.lock().unwrap_or_else(PoisonError::into_inner);
        let last = writes.get(namespace).copied().unwrap_or(self.since);
        settle.checked_sub(last.elapsed()).filter(|left| !left.is_zero())
    }
}

/// Failures in a row, by key: the controller's own error policy never hears of success (kube-rs/kube#1916).
#[derive(Debug)]
pub struct Attempts<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Attempts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The longest wait between two attempts: recovery from a long outage must not take longer than that.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl<K: Eq + Hash> Attempts<K> {
    /// Counts a failure; how long to wait before the next attempt, with jitter so that namespaces do not march in step.
    pub fn failed(&self, key: K, first_wait: Duration) -> Duration {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = attempts.entry(key).or_default();
        let wait = first_wait.saturating_mul(1 << (*count).min(16)).min(LONGEST_WAIT);
        *count += 1;
        wait.mul_f64(0.75 + 0.5 * fastrand::f64())
    }

    /// Forgets the failures of a key.
    pub fn succeeded(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_anew_after_success() {
        let attempts = Attempts::default();
        let first = Duration::from_secs(1);
        let waits: Vec<Duration> = (0..40).map(|_| attempts.failed("shop", first)).collect();
        assert!(waits[0] < Duration::from_millis(1300), "{waits:?}");
        assert!(waits[39] > LONGEST_WAIT / 2 && waits[39] <= LONGEST_WAIT.mul_f64(1.25), "{waits:?}");
        attempts.succeeded(&"shop");
        assert!(attempts.failed("shop", first) < Duration::from_millis(1300));
    }

    #[test]
    fn a_namespace_settles_after_its_own_last_write() {
        let writes = LastWrites::since_now();
        let settle = Duration::from_secs(60);
        assert!(writes.left_of(settle, "shop").is_some(), "an earlier leader may have written just before");
        assert_eq!(writes.left_of(Duration::ZERO, "shop"), None);
        writes.note("shop");
        assert!(writes.left_of(settle, "shop") >= writes.left_of(settle, "payments"));
    }
}
