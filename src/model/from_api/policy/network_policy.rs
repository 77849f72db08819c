//! `networking.k8s.io/v1` NetworkPolicy.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{key, network, port_number, port_range, selector};
use crate::model::{
    Direction, IpBlock, NamespaceScope, Peer, Peers, Policy, PolicyKind, PortMatch, PortRange, Ports, Protocol, Rule,
    Selector,
};

/// Reads a NetworkPolicy, with the defaults that the API server would have written.
///
/// # Errors
/// The field that the API server would have refused, what was found there and what to write instead.
pub fn network_policy(api: &NetworkPolicy) -> Result<Policy, String> {
    let key = key(PolicyKind::NetworkPolicy, &api.metadata)?;
    let none = NetworkPolicySpec::default();
    let spec = api.spec.as_ref().unwrap_or(&none);
    let directions = directions(spec)?;
    let pod_selector = match &spec.pod_selector {
        Some(api) => selector("spec.podSelector", api)?,
        None => Selector::all(),
    };
    // Both sections are read even where policyTypes leaves one out: the API server refuses an invalid one all the same.
    let ingress = spec
        .ingress
        .iter()
        .flatten()
        .enumerate()
        .map(|(nth, rule)| self::rule(&format!("spec.ingress[{nth}]"), "from", rule.from.as_ref(), rule.ports.as_ref()))
        .collect::<Result<Vec<Rule>, String>>()?;
    let egress = spec
        .egress
        .iter()
        .flatten()
        .enumerate()
        .map(|(nth, rule)| self::rule(&format!("spec.egress[{nth}]"), "to", rule.to.as_ref(), rule.ports.as_ref()))
        .collect::<Result<Vec<Rule>, String>>()?;
    Ok(Policy {
        key,
        pod_selector,
        ingress: directions.contains(&Direction::Ingress).then_some(ingress),
        egress: directions.contains(&Direction::Egress).then_some(egress),
        isolates: true,
    })
}

/// `policyTypes`; left out: Ingress, and Egress if there is an egress rule. An empty `egress` list counts as left out, as it
/// does for the API server (`SetDefaults_NetworkPolicy` looks at the list's length).
fn directions(spec: &NetworkPolicySpec) -> Result<BTreeSet<Direction>, String> {
    let types = spec.policy_types.as_deref().unwrap_or_default();
    if types.is_empty() {
        let egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
        return Ok([Direction::Ingress].into_iter().chain(egress.then_some(Direction::Egress)).collect());
    }
    types
        .iter()
        .map(|found| {
            Direction::BOTH
                .into_iter()
                .find(|direction| direction.policy_type() == found)
                .ok_or_else(|| format!("spec.policyTypes: {found:?} is unknown: write Ingress or Egress"))
        })
        .collect()
}

fn rule(
    path: &str,
    field: &str,
    peers: Option<&Vec<NetworkPolicyPeer>>,
    ports: Option<&Vec<NetworkPolicyPort>>,
) -> Result<Rule, String> {
    let peers = match peers.filter(|of| !of.is_empty()) {
        None => Peers::Any,
        Some(of) => Peers::These(
            of.iter()
                .enumerate()
                .map(|(nth, api)| peer(&format!("{path}.{field}[{nth}]"), api))
                .collect::<Result<_, String>>()?,
        ),
    };
    let ports = match ports.filter(|of| !of.is_empty()) {
        None => Ports::Any,
        Some(of) => Ports::These(
            of.iter()
                .enumerate()
                .map(|(nth, api)| port(&format!("{path}.ports[{nth}]"), api))
                .collect::<Result<_, String>>()?,
        ),
    };
    Ok(Rule { peers, ports })
}

fn peer(path: &str, api: &NetworkPolicyPeer) -> Result<Peer, String> {
    match (&api.ip_block, &api.namespace_selector, &api.pod_selector) {
        (Some(api), None, None) => block(&format!("{path}.ipBlock"), api).map(Peer::Block),
        (Some(_), _, _) => Err(format!("{path}: ipBlock stands beside a selector: make them two peers")),
        (None, None, None) => {
            Err(format!("{path}: the peer is empty: write podSelector, namespaceSelector or ipBlock"))
        }
        (None, namespaces, pods) => Ok(Peer::Pods {
            namespaces: match namespaces {
                None => NamespaceScope::Own,
                Some(api) => NamespaceScope::Matching(selector(&format!("{path}.namespaceSelector"), api)?),
            },
            pods: match pods {
                None => Selector::all(),
                Some(api) => selector(&format!("{path}.podSelector"), api)?,
            },
        }),
    }
}

fn block(path: &str, api: &IPBlock) -> Result<IpBlock, String> {
    let cidr = network(&format!("{path}.cidr"), &api.cidr)?;
    let except = api
        .except
        .iter()
        .flatten()
        .enumerate()
        .map(|(nth, except)| {
            let path = format!("{path}.except[{nth}]");
            let except = network(&path, except)?;
            if !cidr.contains(&except) || except == cidr {
                return Err(format!("{path}: {except} is not inside {cidr}: write a part of it"));
            }
            Ok(except)
        })
        .collect::<Result<_, String>>()?;
    Ok(IpBlock { cidr, except })
}

fn port(path: &str, api: &NetworkPolicyPort) -> Result<PortMatch, String> {
    let protocol = Protocol::parse(api.protocol.as_deref()).ok_or_else(|| {
        format!("{path}.protocol: {:?} is unknown: write TCP, UDP or SCTP", api.protocol.as_deref().unwrap_or_default())
    })?;
    let end = api.end_port.map(i64::from);
    let range = match (&api.port, end) {
        (None, None) => PortRange::Any,
        (Some(IntOrString::Int(first)), end) => {
            port_range(path, port_number(&format!("{path}.port"), i64::from(*first))?, end)?
        }
        (Some(IntOrString::String(name)), None) if is_port_name(name) => PortRange::Named(Arc::from(name.as_str())),
        (Some(IntOrString::String(name)), None) => {
            return Err(format!("{path}.port: {name:?} is no port name: write a number, or a container port's name"));
        }
        (_, Some(_)) => return Err(format!("{path}.endPort: it needs a port by number, where the range starts")),
    };
    Ok(PortMatch { protocol, range })
}

/// RFC 6335 section 5.1, as the API server checks it: at most 15 of `a-z`, `0-9` and single `-` inside, a letter among them.
fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}
