//! The spec with its defaults filled in and its values parsed: what everything behind [`validate`](super::validate()) reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::names::HOLD_AT;
use super::spec::{DeletionPolicy, NetworkBaseline, Phase};
use crate::model::Enforced;
use crate::model::{Direction, Peer, PortMatch, Ports, Selector};

/// A valid spec, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Whether the namespace is frozen.
    pub suspend: bool,
    /// What becomes of the policies when the baseline is deleted.
    pub deletion_policy: DeletionPolicy,
    /// How far ingress may go: the rollout's phase, its cap and hold-at, whichever is least.
    pub ingress: Phase,
    /// How far egress may go, likewise.
    pub egress: Phase,
    /// The annotation that caps both, while it is there.
    pub hold: Option<Hold>,
    /// The pods that phase Canary isolates.
    pub canary: Option<Selector>,
    /// What stays reachable.
    pub allow: Allowances,
}

impl Effective {
    /// How far a direction may go.
    pub fn phase(&self, direction: Direction) -> Phase {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }

    /// The pods that a phase isolates here. Canary without a selector isolates none: nobody said whom.
    pub fn enforced_at(&self, phase: Phase) -> Enforced {
        match (phase, &self.canary) {
            (Phase::Off | Phase::Audit, _) | (Phase::Canary, None) => Enforced::None,
            (Phase::Canary, Some(pods)) => Enforced::Canary(pods.clone()),
            (Phase::Enforce, _) => Enforced::All,
        }
    }
}

/// The allowances that are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// Lookups; `None`: switched off.
    pub dns: Option<Builtin>,
    /// The pods of this namespace that may talk to each other; `None`: switched off.
    pub same_namespace: Option<Selector>,
    /// The Kubernetes API; `None`: switched off.
    pub api_server: Option<Builtin>,
    /// Scrapes; `None`: switched off.
    pub monitoring: Option<Builtin>,
    /// The Internet; `None`: switched off.
    pub external_https: Option<External>,
    /// Explicit allowances into the namespace, by name.
    pub ingress: Vec<Explicit>,
    /// Explicit allowances out of the namespace, by name.
    pub egress: Vec<Explicit>,
}

/// An allowance whose other end is discovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builtin {
    /// The pods of this namespace that it speaks of.
    pub pods: Selector,
    /// `from` or `to`: these peers instead of the discovered ones.
    pub instead: Option<BTreeSet<Peer>>,
}

/// Connections to the Internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The pods of this namespace that it speaks of.
    pub pods: Selector,
    /// On which ports.
    pub ports: BTreeSet<PortMatch>,
    /// Ranges that are closed besides the private ones.
    pub except: BTreeSet<IpNet>,
    /// These ranges, each with what is left out of it, instead of every external address.
    pub instead: Option<BTreeSet<Peer>>,
}

/// An explicit allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explicit {
    /// Its name, unique in its list.
    pub name: Arc<str>,
    /// The pods of this namespace that it speaks of.
    pub pods: Selector,
    /// The other end.
    pub peers: BTreeSet<Peer>,
    /// On which ports.
    pub ports: Ports,
    /// Why, in the owner's words.
    pub reason: Option<String>,
}

/// The annotation `netbaseline.dev/hold-at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The phase that neither direction may pass.
    pub at: Phase,
    /// Whether the annotation says so; if not, it could not be read and counts as Audit.
    pub readable: bool,
    /// The annotation's value.
    pub value: String,
}

impl Hold {
    /// The hold on a baseline. Needs no valid spec: in the night of an outage the annotation alone counts.
    pub fn of(baseline: &NetworkBaseline) -> Option<Self> {
        let value = baseline.metadata.annotations.as_ref()?.get(HOLD_AT)?.clone();
        let canary = baseline.spec.rollout.as_ref().is_some_and(|rollout| rollout.canary.is_some());
        let at = match value.as_str() {
            "Off" => Some(Phase::Off),
            "Audit" => Some(Phase::Audit),
            // Without a canary selector nobody can tell which pods would stay isolated.
            "Canary" => canary.then_some(Phase::Canary),
            "Enforce" => Some(Phase::Enforce),
            _ => None,
        };
        Some(Self { at: at.unwrap_or(Phase::Audit), readable: at.is_some(), value })
    }
}
