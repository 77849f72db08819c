//! Services and EndpointSlices.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Service as ApiService;
use k8s_openapi::api::discovery::v1::EndpointSlice as ApiEndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{addresses, labels, port_number, shared};
use crate::model::port::Protocol;
use crate::model::snapshot::{Endpoint, EndpointPort, EndpointSlice, Service, ServicePort, TargetPort};

/// The label by which an EndpointSlice names its Service (KEP-752).
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A Service. Its `clusterIPs` of `None` (headless) are no addresses and vanish.
pub fn service(api: &ApiService) -> Service {
    let spec = api.spec.as_ref();
    let cluster_ips = match spec.and_then(|spec| spec.cluster_ips.as_ref()) {
        Some(ips) if !ips.is_empty() => addresses(ips),
        _ => addresses(spec.and_then(|spec| spec.cluster_ip.as_ref())),
    };
    Service {
        namespace: shared(api.metadata.namespace.as_ref()),
        name: shared(api.metadata.name.as_ref()),
        labels: labels(api.metadata.labels.as_ref()),
        selector: spec
            .and_then(|spec| spec.selector.as_ref())
            .filter(|selector| !selector.is_empty())
            .map(|selector| labels(Some(selector))),
        cluster_ips,
        ports: spec
            .and_then(|spec| spec.ports.as_ref())
            .into_iter()
            .flatten()
            .filter_map(|declared| {
                let port = port_number(declared.port)?;
                let target = match &declared.target_port {
                    Some(IntOrString::String(name)) => TargetPort::Name(Arc::from(name.as_str())),
                    Some(IntOrString::Int(number)) => {
                        port_number(*number).map_or(TargetPort::Number(port), TargetPort::Number)
                    }
                    None => TargetPort::Number(port),
                };
                Some(ServicePort {
                    name: declared.name.as_deref().filter(|name| !name.is_empty()).map(Arc::from),
                    port,
                    target,
                    protocol: Protocol::parse(declared.protocol.as_deref())?,
                })
            })
            .collect(),
        external_name: spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName"),
    }
}

/// An EndpointSlice. One of host names (`addressType: FQDN`) has endpoints without addresses.
pub fn endpoint_slice(api: &ApiEndpointSlice) -> EndpointSlice {
    let service = api.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME_LABEL));
    EndpointSlice {
        namespace: shared(api.metadata.namespace.as_ref()),
        name: shared(api.metadata.name.as_ref()),
        service: service.map(|name| Arc::from(name.as_str())),
        endpoints: api
            .endpoints
            .iter()
            .map(|endpoint| Endpoint {
                addresses: addresses(&endpoint.addresses),
                pod: endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod")).and_then(
                    |target| {
                        let namespace = target.namespace.as_ref().or(api.metadata.namespace.as_ref())?;
                        Some((Arc::from(namespace.as_str()), Arc::from(target.name.as_deref()?)))
                    },
                ),
                ready: endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true),
            })
            .collect(),
        ports: api
            .ports
            .iter()
            .flatten()
            .filter_map(|declared| {
                Some(EndpointPort {
                    name: declared.name.as_deref().filter(|name| !name.is_empty()).map(Arc::from),
                    port: match declared.port {
                        Some(number) => Some(port_number(number)?),
                        None => None,
                    },
                    protocol: Protocol::parse(declared.protocol.as_deref())?,
                })
            })
            .collect(),
    }
}
