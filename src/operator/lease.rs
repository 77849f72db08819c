//! Who may write: one replica at a time, by a Lease.
//!
//! Every write of the Lease carries the resource version it was decided on, so two replicas can never both win. Expiry is
//! judged by this machine's own monotonic clock, from when it last saw the Lease change; clocks of others do not matter. A new
//! leader that takes over an expired Lease waits one request timeout more: a write that the old one sent may still arrive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use tracing::{debug, info, warn};

use crate::cluster::{Cluster, Failure};

/// Name of the Lease.
const NAME: &str = "netbaseline";

/// What to do about a Lease as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// There is none, or its holder gave it up.
    Take,
    /// Its holder has not renewed it for its whole duration.
    TakeOver,
    /// It is ours.
    Renew,
    /// Somebody else holds it, for at least this long.
    Wait(Duration),
}

/// `unchanged_for`: how long the Lease has been seen in this version.
fn evaluate(spec: &LeaseSpec, identity: &str, unchanged_for: Duration, default: Duration) -> Move {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() {
        return Move::Take;
    }
    if holder == identity {
        return Move::Renew;
    }
    let duration = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(default, Duration::from_secs);
    match duration.checked_sub(unchanged_for) {
        Some(left) if !left.is_zero() => Move::Wait(left),
        _ => Move::TakeOver,
    }
}

/// The right to write, as far as this replica knows.
#[derive(Clone, Debug)]
pub struct Leadership {
    term: Arc<Mutex<Option<Term>>>,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    not_before: Instant,
    until: Instant,
}

impl Leadership {
    /// Whether a write may be sent now.
    pub fn may_write(&self) -> bool {
        let now = Instant::now();
        self.term().is_some_and(|term| term.not_before <= now && now < term.until)
    }

    fn term(&self) -> Option<Term> {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, term: Option<Term>) {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term;
    }
}

/// One replica's candidacy.
pub struct Candidate {
    cluster: Cluster,
    leases: Api<Lease>,
    identity: String,
    duration: Duration,
    leadership: Leadership,
    seen: Option<(String, Instant)>,
    /// Whether the Lease was taken from somebody whose last write may still arrive; also while our claim is unanswered.
    owes_wait: bool,
}

impl Candidate {
    /// A candidate for the Lease in this namespace. `duration`: how long a leader may be silent.
    pub fn new(cluster: Cluster, namespace: &str, identity: String, duration: Duration) -> Self {
        let leases = Api::namespaced(cluster.client.clone(), namespace);
        let leadership = Leadership { term: Arc::default() };
        Self { cluster, leases, identity, duration, leadership, seen: None, owes_wait: false }
    }

    /// The right to write, to be asked before every write.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Returns when this replica leads and may write.
    pub async fn win(&mut self) {
        loop {
            match self.try_once().await {
                Ok(Move::Take | Move::TakeOver | Move::Renew) => {
                    if let Some(term) = self.leadership.term() {
                        tokio::time::sleep_until(term.not_before.into()).await;
                        info!(identity = self.identity, "leading");
                        return;
                    }
                }
                Ok(Move::Wait(left)) => tokio::time::sleep(left.min(self.retry_period())).await,
                Err(Failure::Conflict(reason)) => debug!(reason, "another replica was faster"),
                Err(error) => {
                    warn!(%error, "the Lease cannot be read or written");
                    tokio::time::sleep(self.retry_period()).await;
                }
            }
        }
    }

    /// Renews until the Lease is lost. Losing it must end the process: what it still does would not be its to do.
    pub async fn hold(&mut self) {
        loop {
            tokio::time::sleep(self.retry_period()).await;
            match self.try_once().await {
                Ok(Move::Renew | Move::Take) => {}
                Ok(Move::Wait(_) | Move::TakeOver) => return,
                Err(error) => {
                    warn!(%error, "the Lease could not be renewed");
                    if self.leadership.term().is_none_or(|term| term.until <= Instant::now()) {
                        return;
                    }
                }
            }
        }
    }

    /// Gives the Lease up, so that another replica need not wait. To be called when nothing writes any more.
    pub async fn release(&mut self) {
        self.leadership.set(None);
        let released = async {
            let lease = self.cluster.within_time(self.leases.get(NAME)).await?;
            if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(self.identity.as_str()) {
                self.write(Lease { spec: Some(LeaseSpec::default()), ..lease }).await?;
            }
            Ok::<_, Failure>(())
        };
        if let Err(error) = released.await {
            debug!(%error, "the Lease was not released");
        }
    }

    fn retry_period(&self) -> Duration {
        self.duration / 4
    }

    async fn try_once(&mut self) -> Result<Move, Failure> {
        let asked = Instant::now();
        let Some(lease) = self.cluster.within_time(self.leases.get_opt(NAME)).await? else {
            let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.claim(0)) };
            self.cluster.within_time(self.leases.create(&PostParams::default(), &lease)).await?;
            self.begin(asked);
            return Ok(Move::Take);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => Instant::now(),
        };
        self.seen = Some((version, since));
        let spec = lease.spec.clone().unwrap_or_default();
        let step = evaluate(&spec, &self.identity, since.elapsed(), self.duration);
        let transitions = spec.lease_transitions.unwrap_or_default();
        match step {
            Move::Wait(_) => self.owes_wait = false,
            Move::Renew => {
                let acquired = spec.acquire_time.clone();
                let claim = LeaseSpec { acquire_time: acquired, ..self.claim(transitions) };
                self.write(Lease { spec: Some(claim), ..lease }).await?;
                self.begin(asked);
            }
            Move::Take | Move::TakeOver => {
                self.owes_wait = step == Move::TakeOver;
                self.write(Lease { spec: Some(self.claim(transitions + 1)), ..lease }).await?;
                self.begin(asked);
            }
        }
        Ok(step)
    }

    async fn write(&self, lease: Lease) -> Result<Lease, Failure> {
        self.cluster.within_time(self.leases.replace(NAME, &PostParams::default(), &lease)).await
    }

    /// A term counts from before the request was sent: the API server saw it no earlier.
    fn begin(&mut self, asked: Instant) {
        let grace = if self.owes_wait { self.cluster.request_timeout } else { Duration::ZERO };
        let not_before = self.leadership.term().map_or(asked + grace, |term| term.not_before);
        self.leadership.set(Some(Term { not_before, until: asked + self.duration }));
    }

    fn claim(&self, transitions: i32) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs().max(1)).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests;
