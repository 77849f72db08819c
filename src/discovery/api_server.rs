//! The Kubernetes API: Service `default/kubernetes` and its EndpointSlices, both kept by the API servers themselves.

use super::service::slices;
use super::{ApiServer, Fact};
use crate::model::{Snapshot, Source};

const NAMESPACE: &str = "default";
const NAME: &str = "kubernetes";

pub(super) fn discover(snapshot: &Snapshot) -> Fact<ApiServer> {
    if let Some(reason) = snapshot.gap(&[Source::Services, Source::EndpointSlices]) {
        return Fact::Unreadable { reason };
    }
    let mut api = ApiServer::default();
    let mut ready = false;
    if let Some(service) = snapshot.services.get(NAMESPACE).and_then(|services| services.get(NAME)) {
        api.cluster_ips.extend(&service.cluster_ips);
        api.ports.extend(service.ports.iter().map(|port| port.port));
    }
    for slice in slices(snapshot, NAMESPACE, NAME) {
        api.ports.extend(slice.ports.iter().filter_map(|port| port.port));
        for endpoint in &slice.endpoints {
            ready |= endpoint.ready;
            api.endpoints.extend(&endpoint.addresses);
        }
    }
    if api.endpoints.is_empty() && api.cluster_ips.is_empty() {
        return Fact::Absent { looked: format!("Service {NAMESPACE}/{NAME} and its EndpointSlices") };
    }
    api.on_nodes = snapshot.nodes.values().flat_map(|node| &node.ips).any(|ip| api.endpoints.contains(ip));
    // Both halves are needed: which of them an engine judges depends on where it stands.
    ready &= !api.cluster_ips.is_empty();
    let mut origin = format!("Service {NAMESPACE}/{NAME} and its EndpointSlices");
    // The engine decides which kind of policy carries this allowance: while it is not sure, what carried it before stays.
    if let Some(gap) = snapshot.gap(&[Source::DaemonSets, Source::Nodes, Source::CustomResourceDefinitions]) {
        ready = false;
        origin.push_str(&format!("; the engine is not sure, {gap}"));
    }
    Fact::Known { value: api, origin, ready }
}
