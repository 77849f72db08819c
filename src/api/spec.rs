//! `spec` of a NetworkBaseline.
//!
//! No field has a `default:` in the schema: the API server would write it into an object that Git owns. What is absent is
//! defaulted by [`validate`](super::validate()).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::NetworkBaselineStatus;

/// How one namespace is isolated, and how far that has come.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "netbaseline.dev",
    version = "v1alpha1",
    kind = "NetworkBaseline",
    plural = "networkbaselines",
    namespaced,
    status = "NetworkBaselineStatus",
    shortname = "nb",
    shortname = "nbl",
    category = "netpol",
    derive = "PartialEq",
    doc = "NetworkBaseline declares the minimum-viable NetworkPolicy set of its namespace and how far it is enforced.",
    validation = kube::core::Rule::new("self.metadata.name == 'default'")
        .message("a namespace has one NetworkBaseline, and its name is default"),
    printcolumn(name = "Ingress", type_ = "string", json_path = ".status.ingress.phase"),
    printcolumn(name = "Egress", type_ = "string", json_path = ".status.egress.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since")
)]
#[serde(rename_all = "camelCase")]
pub struct NetworkBaselineSpec {
    /// Freezes the namespace: no policy is written, but for hold-at and deletion. Absent: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// What becomes of the policies when this object is deleted. Absent: Remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// How far the baseline is enforced. Absent: Audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What stays reachable under the baseline. A built-in that is absent is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

/// What becomes of the policies when the baseline is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They are taken down in an order that cuts nobody off.
    #[default]
    Remove,
    /// They stay and go on isolating.
    Keep,
}

/// How far a baseline is enforced, from least to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing is enforced and nothing is planned.
    Off,
    /// Nothing is enforced; plan and findings are shown in status.
    #[default]
    Audit,
    /// The pods of the canary selector are isolated.
    Canary,
    /// All pods are isolated.
    Enforce,
}

/// How far the baseline is enforced.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new(
        "has(self.canary) || !((has(self.phase) && self.phase == 'Canary') || (has(self.ingress) && self.ingress.phase == 'Canary') || (has(self.egress) && self.egress.phase == 'Canary'))"
    ).message("phase Canary needs rollout.canary.podSelector: which pods are enforced first")
)]
pub struct Rollout {
    /// How far this namespace may go. Absent: Audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Holds ingress lower than `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<DirectionCap>,
    /// Holds egress lower than `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<DirectionCap>,
    /// Which pods are enforced first; needed by phase Canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// Holds one direction lower than the rollout's phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionCap {
    /// The highest phase of this direction.
    pub phase: Phase,
}

/// Which pods are enforced first.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new(
        "(has(self.podSelector.matchLabels) && size(self.podSelector.matchLabels) > 0) || (has(self.podSelector.matchExpressions) && size(self.podSelector.matchExpressions) > 0)"
    ).message("an empty podSelector is every pod: name a label that only the canary's pods carry")
)]
pub struct Canary {
    /// The pods of this namespace that phase Canary isolates.
    pub pod_selector: LabelSelector,
}

/// What stays reachable under the baseline.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allow {
    /// Lookups at the cluster's resolver, UDP and TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<EgressBuiltin>,
    /// Connections between pods of this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_namespace: Option<SameNamespace>,
    /// The Kubernetes API, followed when it moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<EgressBuiltin>,
    /// Scrapes by Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<IngressBuiltin>,
    /// Connections to the Internet: every address less private, cluster, link-local and metadata ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_https: Option<ExternalHttps>,
    /// Explicit allowances into this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub ingress: Option<Vec<IngressAllow>>,
    /// Explicit allowances out of this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub egress: Option<Vec<EgressAllow>>,
}

/// Allowance inside the namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SameNamespace {
    /// Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The pods that take part, on both ends. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
}

/// A built-in allowance out of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressBuiltin {
    /// Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The pods of this namespace that it speaks of. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Instead of what is discovered: these peers, on the discovered ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub to: Option<Vec<Peer>>,
}

/// A built-in allowance into the namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressBuiltin {
    /// Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The pods of this namespace that it speaks of. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Instead of what is discovered: these peers, on the discovered ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub from: Option<Vec<Peer>>,
}

/// Connections to the Internet.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new("!has(self.except) || self.except.all(part, isCIDR(part) && cidr(part) == cidr(part).masked())")
        .message("every except is the first address of a range and its length, such as 203.0.113.0/24"),
    validation = kube::core::Rule::new("!has(self.to) || self.to.all(peer, has(peer.cidr))")
        .message("to names ranges by cidr; pods are allowed under spec.allow.egress")
)]
pub struct ExternalHttps {
    /// Absent: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The pods of this namespace that it speaks of. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Absent: 443/TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub ports: Option<Vec<Port>>,
    /// Ranges that are closed besides the private ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 43)))]
    pub except: Option<Vec<String>>,
    /// Instead of every external address: these ranges.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub to: Option<Vec<Peer>>,
}

/// An explicit allowance into the namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressAllow {
    /// Its name, part of the policy's.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The pods of this namespace that it speaks of. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Who may connect.
    #[schemars(length(min = 1, max = 16))]
    pub from: Vec<Peer>,
    /// On which ports of the pods. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub ports: Option<Vec<Port>>,
    /// Why; shown in every explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

/// An explicit allowance out of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressAllow {
    /// Its name, part of the policy's.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The pods of this namespace that it speaks of. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// What may be connected to.
    #[schemars(length(min = 1, max = 16))]
    pub to: Vec<Peer>,
    /// On which ports. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub ports: Option<Vec<Port>>,
    /// Why; shown in every explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

/// The other end of a connection: pods (of this namespace, of one by name, of some by label) or an address range.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new("!(has(self.cidr) && (has(self.namespace) || has(self.namespaceSelector) || has(self.podSelector)))")
        .message("a peer is either a cidr or pods: cidr stands alone"),
    validation = kube::core::Rule::new("!(has(self.namespace) && has(self.namespaceSelector))")
        .message("write namespace or namespaceSelector, not both"),
    validation = kube::core::Rule::new("has(self.cidr) || has(self.namespace) || has(self.namespaceSelector) || has(self.podSelector)")
        .message("a peer needs one of namespace, namespaceSelector, podSelector, cidr"),
    validation = kube::core::Rule::new("!has(self.except) || has(self.cidr)")
        .message("except belongs to a cidr"),
    validation = kube::core::Rule::new("!has(self.cidr) || (isCIDR(self.cidr) && cidr(self.cidr) == cidr(self.cidr).masked())")
        .message("cidr is the first address of a range and its length, such as 203.0.113.0/24 or 2001:db8::/32"),
    validation = kube::core::Rule::new(
        "!has(self.cidr) || !isCIDR(self.cidr) || !has(self.except) || self.except.all(part, isCIDR(part) && cidr(part) == cidr(part).masked() && cidr(part).prefixLength() > cidr(self.cidr).prefixLength() && cidr(self.cidr).containsIP(cidr(part).ip()))"
    ).message("every except is a range inside cidr and smaller than it")
)]
pub struct Peer {
    /// A namespace by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// Namespaces by label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Pods by label; alone: of this namespace. Absent: all pods of the namespaces named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// An address range, IPv4 or IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 43))]
    pub cidr: Option<String>,
    /// Parts of `cidr` that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 43)))]
    pub except: Option<Vec<String>>,
}

/// A port, a range of ports, or every port of a protocol.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new("!has(self.endPort) || (has(self.port) && type(self.port) == int && self.port <= self.endPort)")
        .message("endPort needs a port by number, not above it")
)]
pub struct Port {
    /// A port number or a container port's name. Absent: every port of the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "minimum" = 1, "maximum" = 65535, "maxLength" = 15,
        "pattern" = "^([a-z0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$"
    ))]
    pub port: Option<IntOrString>,
    /// The last port of a range that starts at `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i32>,
    /// Absent: TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<crate::model::Protocol>,
}
