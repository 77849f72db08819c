//! From a Service to what stands behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{EndpointSlice, Protocol, Selector, Service, ServicePort, Snapshot, TargetPort};

/// The EndpointSlices of a Service.
pub(super) fn slices<'a>(
    snapshot: &'a Snapshot,
    namespace: &str,
    name: &'a str,
) -> impl Iterator<Item = &'a Arc<EndpointSlice>> {
    let slices = snapshot.endpoint_slices.get(namespace);
    slices.into_iter().flat_map(|slices| slices.values()).filter(move |slice| slice.service.as_deref() == Some(name))
}

/// The numbers on the pods that a port of a Service leads to. Empty when its name is declared by nobody yet.
pub(super) fn target_ports(snapshot: &Snapshot, service: &Service, port: &ServicePort) -> BTreeSet<u16> {
    if let (TargetPort::Number(number), Some(_)) = (&port.target, &service.selector) {
        return BTreeSet::from([*number]);
    }
    let resolved: BTreeSet<u16> = slices(snapshot, &service.namespace, &service.name)
        .flat_map(|slice| &slice.ports)
        .filter(|found| found.name == port.name && found.protocol == port.protocol)
        .filter_map(|found| found.port)
        .collect();
    if !resolved.is_empty() {
        return resolved;
    }
    match (&port.target, &service.selector) {
        (TargetPort::Name(name), Some(selector)) => {
            container_ports(snapshot, &service.namespace, &Selector::of_labels(selector.iter()), port.protocol, name)
        }
        (TargetPort::Number(number), None) => BTreeSet::from([*number]),
        (TargetPort::Number(_), Some(_)) | (TargetPort::Name(_), None) => BTreeSet::new(),
    }
}

/// The numbers that living pods declare under a name.
pub(super) fn container_ports(
    snapshot: &Snapshot,
    namespace: &str,
    pods: &Selector,
    protocol: Protocol,
    name: &str,
) -> BTreeSet<u16> {
    snapshot
        .pods_in(namespace)
        .filter(|pod| !pod.ended && pods.matches(&pod.labels))
        .flat_map(|pod| &pod.ports)
        .filter(|declared| declared.protocol == protocol && declared.name.as_deref() == Some(name))
        .map(|declared| declared.port)
        .collect()
}
