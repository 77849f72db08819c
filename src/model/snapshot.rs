//! What the watches know of the cluster at one moment, slimmed to what decisions need.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::port::Protocol;
use super::selector::{Labels, Selector};

/// Objects by namespace and name. Cheap to clone: a reader keeps its moment while a writer goes on.
pub type ByNamespace<T> = BTreeMap<Arc<str>, Arc<BTreeMap<Arc<str>, Arc<T>>>>;

/// The kinds of object that a snapshot is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// Namespaces.
    Namespaces,
    /// Pods.
    Pods,
    /// Services.
    Services,
    /// EndpointSlices.
    EndpointSlices,
    /// NetworkPolicies.
    NetworkPolicies,
    /// CiliumNetworkPolicies.
    CiliumNetworkPolicies,
    /// ServiceMonitors of the Prometheus operator.
    ServiceMonitors,
    /// PodMonitors of the Prometheus operator.
    PodMonitors,
    /// Nodes.
    Nodes,
    /// DaemonSets.
    DaemonSets,
    /// The ConfigMaps by which engines are configured.
    ConfigMaps,
    /// Names of custom resource definitions.
    CustomResourceDefinitions,
}

impl Source {
    /// The kind's name in the plural, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "Namespaces",
            Self::Pods => "Pods",
            Self::Services => "Services",
            Self::EndpointSlices => "EndpointSlices",
            Self::NetworkPolicies => "NetworkPolicies",
            Self::CiliumNetworkPolicies => "CiliumNetworkPolicies",
            Self::ServiceMonitors => "ServiceMonitors",
            Self::PodMonitors => "PodMonitors",
            Self::Nodes => "Nodes",
            Self::DaemonSets => "DaemonSets",
            Self::ConfigMaps => "ConfigMaps",
            Self::CustomResourceDefinitions => "CustomResourceDefinitions",
        }
    }
}

/// Whether a source can be believed: an empty list says something only when it is [`Availability::Synced`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// Its first list has not arrived.
    #[default]
    Syncing,
    /// Complete and followed.
    Synced,
    /// The API server refuses or fails; what is held may be old.
    Unreadable(String),
    /// The cluster does not serve this kind: there are none.
    NotServed,
}

/// The cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How far each source can be believed; a source that is not named is [`Availability::Syncing`].
    pub sources: BTreeMap<Source, Availability>,
    /// Namespaces by name.
    pub namespaces: BTreeMap<Arc<str>, Arc<Namespace>>,
    /// Pods.
    pub pods: ByNamespace<Pod>,
    /// Services.
    pub services: ByNamespace<Service>,
    /// EndpointSlices.
    pub endpoint_slices: ByNamespace<EndpointSlice>,
    /// Network policies of every kind we read, ours and others'; the inner name is prefixed `cilium/` for CiliumNetworkPolicies.
    pub policies: ByNamespace<ObservedPolicy>,
    /// ServiceMonitors and PodMonitors; the inner name is prefixed `service/` or `pod/`.
    pub monitors: ByNamespace<Monitor>,
    /// Nodes by name.
    pub nodes: BTreeMap<Arc<str>, Arc<Node>>,
    /// DaemonSets.
    pub daemon_sets: ByNamespace<DaemonSet>,
    /// ConfigMaps by which engines are configured.
    pub config_maps: ByNamespace<ConfigMap>,
    /// Names of the custom resource definitions served, such as `ciliumnetworkpolicies.cilium.io`.
    pub definitions: BTreeSet<Arc<str>>,
    /// Whether the served schema of CiliumNetworkPolicy has `spec.enableDefaultDeny` ([`super::from_api::serves_default_deny`]).
    pub cilium_default_deny: bool,
}

impl Snapshot {
    /// How far a source can be believed.
    pub fn availability(&self, source: Source) -> &Availability {
        self.sources.get(&source).unwrap_or(&Availability::Syncing)
    }

    /// Whether an absent object of this source is known to be absent.
    pub fn is_conclusive(&self, source: Source) -> bool {
        matches!(self.availability(source), Availability::Synced | Availability::NotServed)
    }

    /// Which of these sources cannot be believed, and why, in words; `None` when all can.
    pub fn gap(&self, sources: &[Source]) -> Option<String> {
        let gaps: Vec<String> = sources
            .iter()
            .filter_map(|&source| match self.availability(source) {
                Availability::Synced | Availability::NotServed => None,
                Availability::Syncing => Some(format!("{} are not listed yet", source.name())),
                Availability::Unreadable(reason) => Some(format!("{} cannot be read: {reason}", source.name())),
            })
            .collect();
        (!gaps.is_empty()).then(|| gaps.join("; "))
    }

    /// The labels of a namespace; of one that is not known, just its name.
    pub fn namespace_labels(&self, name: &str) -> Labels {
        self.namespaces.get(name).map_or_else(
            || super::selector::labels([(super::selector::NAMESPACE_NAME_LABEL, name)]),
            |namespace| namespace.labels.clone(),
        )
    }

    /// The pods of a namespace.
    pub fn pods_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.get(namespace).into_iter().flat_map(|pods| pods.values())
    }

    /// The policies in a namespace, ours and others'.
    pub fn policies_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<ObservedPolicy>> {
        self.policies.get(namespace).into_iter().flat_map(|policies| policies.values())
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Arc<str>,
    /// Labels, `kubernetes.io/metadata.name` among them.
    pub labels: Labels,
    /// Whether it is being deleted.
    pub terminating: bool,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// The annotations that discovery reads (`prometheus.io/*`), no others.
    pub annotations: Labels,
    /// Its addresses, one a family.
    pub ips: Vec<IpAddr>,
    /// Declared container ports, native sidecars' among them.
    pub ports: Vec<ContainerPort>,
    /// Whether it shares its node's network: NetworkPolicy does not isolate it.
    pub host_network: bool,
    /// Whether it has ended (`Succeeded` or `Failed`).
    pub ended: bool,
    /// Whether its `Ready` condition is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The node that runs it.
    pub node: Option<Arc<str>>,
    /// Kind and name of its controller (`ReplicaSet`, `web-7d9`).
    pub owner: Option<(Arc<str>, Arc<str>)>,
}

/// A declared container port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Name, if it has one.
    pub name: Option<Arc<str>>,
    /// Number.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

/// What a Service port leads to on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// A container port by name.
    Name(Arc<str>),
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Pod labels it selects; `None`: it selects none (its endpoints are written by somebody).
    pub selector: Option<Labels>,
    /// Cluster addresses; empty when headless.
    pub cluster_ips: Vec<IpAddr>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// Whether it is an alias for a name outside (`ExternalName`).
    pub external_name: bool,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, if it has one.
    pub name: Option<Arc<str>>,
    /// The Service's own port.
    pub port: u16,
    /// Where it leads.
    pub target: TargetPort,
    /// Protocol.
    pub protocol: Protocol,
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The Service it belongs to (`kubernetes.io/service-name`).
    pub service: Option<Arc<str>>,
    /// Backends.
    pub endpoints: Vec<Endpoint>,
    /// Ports of every backend.
    pub ports: Vec<EndpointPort>,
}

/// A backend of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Namespace and name of the pod behind it.
    pub pod: Option<(Arc<str>, Arc<str>)>,
    /// Whether it is ready (absent counts as ready, as the API says).
    pub ready: bool,
}

/// A port of an EndpointSlice: already the target port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// Name of the Service port it belongs to.
    pub name: Option<Arc<str>>,
    /// Number; absent means all ports.
    pub port: Option<u16>,
    /// Protocol.
    pub protocol: Protocol,
}

/// A policy as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPolicy {
    /// What it says; `Err` with the reason for what we cannot express (a foreign CiliumNetworkPolicy, say).
    pub policy: Result<Policy, String>,
    /// Its name, also where it could not be read.
    pub name: Arc<str>,
    /// Whether it is the operator's own (two of three marks, see `plan`).
    pub ours: bool,
}

/// What declares a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonitorKind {
    /// ServiceMonitor: selects Services.
    Service,
    /// PodMonitor: selects pods.
    Pod,
}

/// A ServiceMonitor or PodMonitor (`monitoring.coreos.com/v1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Which of the two.
    pub kind: MonitorKind,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it selects.
    pub selector: Selector,
    /// `namespaceSelector`: `Some(names)` for `matchNames`, its own namespace when that is absent; `None` for `any: true`.
    pub namespaces: Option<BTreeSet<Arc<str>>>,
    /// The ports it scrapes.
    pub ports: Vec<MonitorPort>,
}

/// A port that a monitor scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitorPort {
    /// `port` of a ServiceMonitor: a Service port's name; of a PodMonitor: a container port's name.
    Name(Arc<str>),
    /// `targetPort` (ServiceMonitor) or `portNumber` (PodMonitor): a number on the pod.
    Number(u16),
    /// `targetPort` by name: a container port's name.
    TargetName(Arc<str>),
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Annotations that fingerprints read (`flannel.alpha.coreos.com/*`, `k3s.io/*`, `projectcalico.org/*`, `k8s.ovn.org/*`).
    pub annotations: Labels,
    /// Internal addresses.
    pub ips: Vec<IpAddr>,
    /// Ranges its pods get addresses from.
    pub pod_cidrs: Vec<IpNet>,
    /// Whether its `Ready` condition is true.
    pub ready: bool,
}

/// A DaemonSet, for the fingerprints of engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSet {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Labels of its pod template.
    pub pod_labels: Labels,
    /// Containers of its pod template.
    pub containers: Vec<Container>,
}

/// A container of a DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Name.
    pub name: Arc<str>,
    /// Image.
    pub image: Arc<str>,
    /// Command and arguments.
    pub args: Vec<Arc<str>>,
}

/// A ConfigMap by which an engine is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMap {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Data.
    pub data: BTreeMap<Arc<str>, Arc<str>>,
}
