//! The cluster as values: selectors, ports, policies, pods, namespaces, and the [`Snapshot`] that holds them.

mod enforced;
pub mod from_api;
mod policy;
mod port;
mod selector;
mod snapshot;
pub mod to_api;

pub use enforced::Enforced;
pub use policy::{
    Atom, Direction, Entity, IpBlock, NamespaceScope, Peer, Peers, Policy, PolicyKey, PolicyKind, Ports, Rule,
};
pub use port::{PortMatch, PortRange, Protocol};
pub use selector::{Labels, NAMESPACE_NAME_LABEL, Selector, SelectorError, Values, labels};
pub use snapshot::{
    Availability, ByNamespace, ConfigMap, Container, ContainerPort, DaemonSet, Endpoint, EndpointPort, EndpointSlice,
    Monitor, MonitorKind, MonitorPort, Namespace, Node, ObservedPolicy, Pod, Service, ServicePort, Snapshot, Source,
    TargetPort,
};
