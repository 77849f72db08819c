//! Live × target → ordered [`Step`]s, every prefix of them proven safe before the first write.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Policy, PolicyKey};

/// A policy that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// What it says.
    pub policy: Policy,
    /// The allowance it carries: value of the label `netbaseline.dev/allowance`.
    pub allowance: Arc<str>,
    /// Why it exists, in a sentence: value of the annotation `netbaseline.dev/reason`.
    pub reason: String,
}

/// A policy of ours that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What it says.
    pub policy: Policy,
    /// Its allowance label (empty when somebody removed it).
    pub allowance: Arc<str>,
    /// Its reason annotation (empty when somebody removed it).
    pub reason: String,
    /// Whether labels, annotations and managed fields are as the operator writes them for the baseline that lives.
    pub marks_intact: bool,
    /// UID, for deletion.
    pub uid: String,
    /// Resource version, for every write.
    pub resource_version: String,
    /// When it was created or last written by us, as far as the object tells.
    pub written: Option<Timestamp>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the policy, or change it in place.
    Apply(Desired),
    /// Delete the policy.
    Delete(PolicyKey),
    /// Let the steps before come into force on every node.
    Await,
}
