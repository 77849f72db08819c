//! What a person should know: each finding has a name, and some stop every rise.

pub mod cluster;
pub mod foreign;
pub mod half_open;
pub mod labels;
pub mod nodes;
pub mod services;
mod wording;

use serde::{Deserialize, Serialize};

use crate::model::PolicyKey;

/// The name of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingName {
    /// The spec cannot be honoured; the last good policies stay.
    InvalidSpec,
    /// The engine is known to ignore policies.
    EngineIgnoresPolicies,
    /// No engine was recognised.
    EngineUnknown,
    /// The cluster's resolver was not found.
    NoDns,
    /// A foreign object holds a name that the plan writes.
    NameConflict,
    /// The pod selectors in use cut the pods into too many classes.
    TooManyClasses,
    /// A source that decisions need is not complete.
    SourceNotSynced,
    /// The API server refused a step in its dry run (admission, quota).
    WriteRefused,
    /// Nodes or the engine's pods on them are not ready, so a plan that isolates more waits.
    NodesNotReady,
    /// A fact vanished or cannot be read; its last value is kept.
    FactKept,
    /// No trusted Prometheus was found.
    MonitoringNotFound,
    /// Pods of the host network are not isolated by any NetworkPolicy.
    HostNetworkPodsNotIsolated,
    /// Other policies isolate pods of this namespace; names what ours would newly open.
    ForeignPolicies,
    /// An explicit allowance whose other end refuses.
    HalfOpen,
    /// A selector names a label that this engine does not see.
    LabelIgnored,
    /// A Service whose target port no rule admits.
    ServicePortNotAdmitted,
    /// A rule of the spec that this engine never matches, or reads as less than it says.
    RuleNeverMatches,
    /// Policy kinds that can override NetworkPolicy are in use.
    TiersAbove,
}

impl FindingName {
    /// Whether nothing rises while it stands.
    pub fn blocking(self) -> bool {
        match self {
            Self::InvalidSpec
            | Self::EngineIgnoresPolicies
            | Self::NoDns
            | Self::NameConflict
            | Self::TooManyClasses
            | Self::SourceNotSynced
            | Self::WriteRefused
            | Self::NodesNotReady => true,
            Self::EngineUnknown
            | Self::FactKept
            | Self::MonitoringNotFound
            | Self::HostNetworkPodsNotIsolated
            | Self::ForeignPolicies
            | Self::HalfOpen
            | Self::LabelIgnored
            | Self::ServicePortNotAdmitted
            | Self::RuleNeverMatches
            | Self::TiersAbove => false,
        }
    }
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which.
    pub name: FindingName,
    /// What was found, where, and what to do.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(name: FindingName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}

/// The finding about foreign objects under names of ours.
pub fn name_conflict<'a>(held: impl IntoIterator<Item = &'a PolicyKey>) -> Finding {
    let names: Vec<String> = held.into_iter().map(ToString::to_string).collect();
    let message = format!("{}: not ours, so left alone; rename or delete it, nothing rises before", names.join(", "));
    Finding::new(FindingName::NameConflict, message)
}
