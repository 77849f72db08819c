//! Pods and DaemonSets.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet as ApiDaemonSet;
use k8s_openapi::api::core::v1::{Container as ApiContainer, Pod as ApiPod};

use super::{addresses, labels, labels_under, port_number, shared};
use crate::model::port::Protocol;
use crate::model::snapshot::{Container, ContainerPort, DaemonSet, Pod};

/// Annotations of pods that discovery reads.
const POD_ANNOTATIONS: &[&str] = &["prometheus.io/"];

/// A pod.
pub fn pod(api: &ApiPod) -> Pod {
    let (spec, status) = (api.spec.as_ref(), api.status.as_ref());
    let ips = match status.and_then(|status| status.pod_ips.as_ref()) {
        Some(ips) if !ips.is_empty() => addresses(ips.iter().map(|of| &of.ip)),
        _ => addresses(status.and_then(|status| status.pod_ip.as_ref())),
    };
    let containers = spec.into_iter().flat_map(|spec| {
        // Native sidecars run beside the containers, and their named ports count (KEP-753).
        let sidecars =
            spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
        spec.containers.iter().chain(sidecars)
    });
    let owner = api.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    Pod {
        namespace: shared(api.metadata.namespace.as_ref()),
        name: shared(api.metadata.name.as_ref()),
        labels: labels(api.metadata.labels.as_ref()),
        annotations: labels_under(api.metadata.annotations.as_ref(), POD_ANNOTATIONS),
        ips,
        ports: containers.flat_map(container_ports).collect(),
        host_network: spec.and_then(|spec| spec.host_network).unwrap_or(false),
        ended: matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed")),
        ready: status
            .and_then(|status| status.conditions.as_ref())
            .is_some_and(|of| of.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")),
        terminating: api.metadata.deletion_timestamp.is_some(),
        node: spec
            .and_then(|spec| spec.node_name.as_ref())
            .filter(|node| !node.is_empty())
            .map(|node| Arc::from(node.as_str())),
        owner: owner.map(|owner| (Arc::from(owner.kind.as_str()), Arc::from(owner.name.as_str()))),
    }
}

fn container_ports(container: &ApiContainer) -> impl Iterator<Item = ContainerPort> {
    container.ports.iter().flatten().filter_map(|declared| {
        Some(ContainerPort {
            name: declared.name.as_deref().map(Arc::from),
            port: port_number(declared.container_port)?,
            protocol: Protocol::parse(declared.protocol.as_deref())?,
        })
    })
}

/// A DaemonSet.
pub fn daemon_set(api: &ApiDaemonSet) -> DaemonSet {
    let template = api.spec.as_ref().map(|spec| &spec.template);
    let containers = template.and_then(|template| template.spec.as_ref()).map(|spec| spec.containers.as_slice());
    DaemonSet {
        namespace: shared(api.metadata.namespace.as_ref()),
        name: shared(api.metadata.name.as_ref()),
        pod_labels: labels(template.and_then(|template| template.metadata.as_ref()?.labels.as_ref())),
        containers: containers
            .unwrap_or_default()
            .iter()
            .map(|container| Container {
                name: Arc::from(container.name.as_str()),
                image: shared(container.image.as_ref()),
                args: container
                    .command
                    .iter()
                    .chain(&container.args)
                    .flatten()
                    .map(|argument| Arc::from(argument.as_str()))
                    .collect(),
            })
            .collect(),
    }
}
