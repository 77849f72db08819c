//! `status` of a NetworkBaseline: what the operator did, knows and waits for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::Phase;

/// What the operator did, knows and waits for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkBaselineStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ingress as the live policies enforce it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<DirectionStatus>,
    /// Egress as the live policies enforce it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<DirectionStatus>,
    /// When what is enforced last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The policies the operator steers for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetStatus>,
    /// What was discovered, and where it came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub facts: Vec<FactStatus>,
    /// What a person should know. At most 64; `findingsTotal` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub findings: Vec<FindingStatus>,
    /// How many findings there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings_total: Option<i64>,
    /// Summaries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// One direction, read from the live policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectionStatus {
    /// The phase that holds.
    pub phase: Phase,
    /// The phase that spec, caps and hold-at ask for.
    pub desired: Phase,
    /// Which pods are isolated: `none`, `all`, or the canary's selector.
    pub isolated: String,
}

/// The policies the operator steers for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Hash of the rendered rules with facts symbolic: the same in every cluster.
    pub hash: String,
    /// Names of the policies of the set, as enforced at the phase that spec asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Steps still to do, or (phase Audit) that phase Enforce would do. At most 32; `pendingTotal` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending_steps: Vec<String>,
    /// How many steps are pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_total: Option<i64>,
}

/// A fact, its value and its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactStatus {
    /// `dns`, `apiServer`, `monitoring`, `engine`.
    pub name: String,
    /// The value, in words.
    pub value: String,
    /// Where it was read.
    pub origin: String,
    /// Parts of the fact that are no longer discovered and leave at their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retiring>,
}

/// A part of a fact that is no longer discovered but still allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// The part, as the plan prints it.
    pub value: String,
    /// Since when it is no longer needed.
    pub since: Time,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingStatus {
    /// Its name, such as `NoDns`.
    pub name: String,
    /// Whether it stops every rise.
    pub blocking: bool,
    /// What was found and what to do.
    pub message: String,
}
