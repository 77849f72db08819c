//! NetworkPolicies and CiliumNetworkPolicies → [`Policy`].

mod cilium;
mod network_policy;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

pub use cilium::cilium_policy;
pub use network_policy::network_policy;

use crate::model::{PolicyKey, PolicyKind, PortRange, Selector};

fn key(kind: PolicyKind, metadata: &ObjectMeta) -> Result<PolicyKey, String> {
    let part = |field: &str, value: &Option<String>| {
        value.as_deref().map(Arc::from).ok_or_else(|| format!("metadata.{field} is missing: a policy has one"))
    };
    Ok(PolicyKey { kind, namespace: part("namespace", &metadata.namespace)?, name: part("name", &metadata.name)? })
}

fn selector(path: &str, api: &LabelSelector) -> Result<Selector, String> {
    Selector::try_from(api).map_err(|error| format!("{path}: {error}"))
}

/// A port number as the API takes it.
fn port_number(path: &str, number: i64) -> Result<u16, String> {
    u16::try_from(number)
        .ok()
        .filter(|&number| number > 0)
        .ok_or_else(|| format!("{path}: {number} is no port: write 1 to 65535"))
}

/// `port` to `endPort`.
fn port_range(path: &str, first: u16, end: Option<i64>) -> Result<PortRange, String> {
    let last = end.map_or(Ok(first), |end| port_number(&format!("{path}.endPort"), end))?;
    if last < first {
        return Err(format!("{path}.endPort: {last} is below port {first}: write the last port of the range"));
    }
    Ok(PortRange::Numbers { first, last })
}

/// An address range. The API server lets older objects keep host bits (`10.0.0.1/8`); engines mask them, and so do we.
fn network(path: &str, cidr: &str) -> Result<IpNet, String> {
    cidr.parse::<IpNet>()
        .map(|network| network.trunc())
        .map_err(|_| format!("{path}: {cidr:?} is no address range: write one such as 10.0.0.0/8"))
}
