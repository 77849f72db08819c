//! Namespaces, nodes, ConfigMaps and resource definitions.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap as ApiConfigMap, Namespace as ApiNamespace, Node as ApiNode};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::{addresses, labels, labels_under, shared};
use crate::model::selector::NAMESPACE_NAME_LABEL;
use crate::model::snapshot::{ConfigMap, Namespace, Node};

/// Annotations of nodes by which engines are recognised.
const NODE_ANNOTATIONS: &[&str] = &["flannel.alpha.coreos.com/", "k3s.io/", "projectcalico.org/", "k8s.ovn.org/"];

/// A namespace. The label of its name is there even where an object from a file lacks it, as the API server would have set it.
pub fn namespace(api: &ApiNamespace) -> Namespace {
    let name = shared(api.metadata.name.as_ref());
    let own = [(NAMESPACE_NAME_LABEL, name.as_ref())];
    let given = api.metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    Namespace {
        labels: crate::model::selector::labels(given.chain(own)),
        terminating: api.metadata.deletion_timestamp.is_some(),
        name,
    }
}

/// A node.
pub fn node(api: &ApiNode) -> Node {
    let (spec, status) = (api.spec.as_ref(), api.status.as_ref());
    let pod_cidrs: Vec<&String> = match spec.and_then(|spec| spec.pod_cidrs.as_ref()) {
        Some(cidrs) if !cidrs.is_empty() => cidrs.iter().collect(),
        _ => spec.and_then(|spec| spec.pod_cidr.as_ref()).into_iter().collect(),
    };
    Node {
        name: shared(api.metadata.name.as_ref()),
        labels: labels(api.metadata.labels.as_ref()),
        annotations: labels_under(api.metadata.annotations.as_ref(), NODE_ANNOTATIONS),
        ips: addresses(
            status
                .and_then(|status| status.addresses.as_ref())
                .into_iter()
                .flatten()
                .filter(|address| address.type_ == "InternalIP")
                .map(|address| &address.address),
        ),
        pod_cidrs: pod_cidrs.into_iter().filter_map(|cidr| cidr.parse().ok()).collect(),
        ready: status
            .and_then(|status| status.conditions.as_ref())
            .is_some_and(|of| of.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")),
    }
}

/// A ConfigMap; its binary data is of no interest.
pub fn config_map(api: &ApiConfigMap) -> ConfigMap {
    ConfigMap {
        namespace: shared(api.metadata.namespace.as_ref()),
        name: shared(api.metadata.name.as_ref()),
        data: api
            .data
            .iter()
            .flatten()
            .map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str())))
            .collect(),
    }
}

/// Whether a definition of CiliumNetworkPolicy serves `spec.enableDefaultDeny` in `v2` (Cilium 1.16 and later). Without the field
/// in the schema the API server drops it in silence, and a policy meant to add would isolate.
pub fn serves_default_deny(definition: &CustomResourceDefinition) -> bool {
    let version = definition.spec.versions.iter().find(|version| version.served && version.name == "v2");
    let root = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let spec = root.and_then(|root| root.properties.as_ref()?.get("spec"));
    spec.and_then(|spec| spec.properties.as_ref()).is_some_and(|fields| fields.contains_key("enableDefaultDeny"))
}
