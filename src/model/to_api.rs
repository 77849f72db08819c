//! [`Policy`] → the object that carries it: metadata name and namespace, and the spec. Empty lists are left out, as the API
//! server would do it, so that what is read back compares equal.

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::policy::{Direction, Entity, NamespaceScope, Peer, Peers, Policy, PolicyKind, Ports, Rule};
use super::port::{PortMatch, PortRange};

/// A policy that its kind of object cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {namespace}/{name}: {what} cannot be written in this kind", kind = .kind.name())]
pub struct Unwritable {
    /// The kind it should have been written as.
    pub kind: PolicyKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What has no form there.
    pub what: String,
}

/// The NetworkPolicy that says this. Rules that admit nothing are left out.
///
/// # Errors
/// An entity as peer, a policy that does not isolate, or one that selects no pods: the API has no form for these, and what is
/// left out would change the meaning.
pub fn network_policy(policy: &Policy) -> Result<NetworkPolicy, Unwritable> {
    let refuse = |what: &str| Err(unwritable(PolicyKind::NetworkPolicy, policy, what));
    if !policy.isolates {
        return refuse("a policy that isolates nobody");
    }
    if policy.pod_selector.is_empty() {
        return refuse("a podSelector that selects nothing");
    }
    let written = |direction: Direction| -> Result<Vec<Written>, Unwritable> {
        policy.rules(direction).into_iter().flatten().filter_map(|rule| written(policy, rule).transpose()).collect()
    };
    let ingress: Vec<NetworkPolicyIngressRule> = written(Direction::Ingress)?
        .into_iter()
        .map(|Written { peers, ports }| NetworkPolicyIngressRule { from: peers, ports })
        .collect();
    let egress: Vec<NetworkPolicyEgressRule> = written(Direction::Egress)?
        .into_iter()
        .map(|Written { peers, ports }| NetworkPolicyEgressRule { to: peers, ports })
        .collect();
    let types: Vec<String> = Direction::BOTH
        .into_iter()
        .filter(|&direction| policy.rules(direction).is_some())
        .map(|direction| direction.policy_type().to_owned())
        .collect();
    if types.is_empty() {
        // An empty policyTypes would be defaulted to Ingress and isolate.
        return refuse("a policy of no direction");
    }
    Ok(NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(policy.key.name.to_string()),
            namespace: Some(policy.key.namespace.to_string()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(policy.pod_selector.to_api()),
            policy_types: Some(types),
            ingress: (!ingress.is_empty()).then_some(ingress),
            egress: (!egress.is_empty()).then_some(egress),
        }),
    })
}

/// The CiliumNetworkPolicy that says this, `enableDefaultDeny` false in both directions: without that it would isolate all it
/// selects. Rules that admit nothing are left out.
///
/// # Errors
/// Anything but a supplement for egress to entities on numbered ports.
pub fn cilium_policy(policy: &Policy) -> Result<Value, Unwritable> {
    let refuse = |what: &str| Err(unwritable(PolicyKind::CiliumNetworkPolicy, policy, what));
    if policy.isolates {
        return refuse("a policy that isolates");
    }
    if policy.pod_selector.is_empty() {
        return refuse("an endpointSelector that selects nothing");
    }
    if policy.ingress.is_some() {
        return refuse("ingress");
    }
    let mut egress = Vec::new();
    for rule in policy.egress.iter().flatten() {
        egress.extend(entity_rule(policy, rule)?);
    }
    if egress.is_empty() {
        return refuse("a supplement that adds nothing");
    }
    Ok(json!({
        "apiVersion": "cilium.io/v2",
        "kind": PolicyKind::CiliumNetworkPolicy.name(),
        "metadata": {"name": policy.key.name, "namespace": policy.key.namespace},
        "spec": {
            "endpointSelector": policy.pod_selector.to_api(),
            "enableDefaultDeny": {"ingress": false, "egress": false},
            "egress": egress,
        },
    }))
}

fn unwritable(kind: PolicyKind, policy: &Policy, what: impl Into<String>) -> Unwritable {
    Unwritable {
        kind,
        namespace: policy.key.namespace.to_string(),
        name: policy.key.name.to_string(),
        what: what.into(),
    }
}

struct Written {
    peers: Option<Vec<NetworkPolicyPeer>>,
    ports: Option<Vec<NetworkPolicyPort>>,
}

/// `None`: the rule admits nothing. Written down, its empty list would mean everybody, or every port.
fn written(policy: &Policy, rule: &Rule) -> Result<Option<Written>, Unwritable> {
    let peers = match &rule.peers {
        Peers::Any => None,
        Peers::These(of) => {
            let of: Vec<_> = of.iter().filter_map(|of| peer(policy, of).transpose()).collect::<Result<_, _>>()?;
            Some(of)
        }
    };
    let ports: Option<Vec<NetworkPolicyPort>> = match &rule.ports {
        Ports::Any => None,
        Ports::These(of) => Some(of.iter().map(port).collect()),
    };
    let admits_nothing = peers.as_ref().is_some_and(Vec::is_empty) || ports.as_ref().is_some_and(Vec::is_empty);
    Ok((!admits_nothing).then_some(Written { peers, ports }))
}

/// `None`: the peer matches nobody, which a selector of the API cannot say.
fn peer(policy: &Policy, peer: &Peer) -> Result<Option<NetworkPolicyPeer>, Unwritable> {
    Ok(match peer {
        Peer::Pods { pods, .. } if pods.is_empty() => None,
        Peer::Pods { namespaces: NamespaceScope::Matching(namespaces), .. } if namespaces.is_empty() => None,
        Peer::Pods { namespaces, pods } => Some(match namespaces {
            // Left out beside a namespaceSelector it means all pods; alone it has to stand there.
            NamespaceScope::Matching(namespaces) => NetworkPolicyPeer {
                namespace_selector: Some(namespaces.to_api()),
                pod_selector: (!pods.is_all()).then(|| pods.to_api()),
                ip_block: None,
            },
            NamespaceScope::Own => {
                NetworkPolicyPeer { pod_selector: Some(pods.to_api()), ..NetworkPolicyPeer::default() }
            }
        }),
        Peer::Block(block) => Some(NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: block.cidr.to_string(),
                except: (!block.except.is_empty()).then(|| block.except.iter().map(ToString::to_string).collect()),
            }),
            ..NetworkPolicyPeer::default()
        }),
        Peer::Entity(entity) => {
            return Err(unwritable(PolicyKind::NetworkPolicy, policy, format!("entity {}", entity.name())));
        }
    })
}

fn port(port: &PortMatch) -> NetworkPolicyPort {
    let (number, end_port) = match &port.range {
        PortRange::Any => (None, None),
        PortRange::Numbers { first, last } => {
            (Some(IntOrString::Int(i32::from(*first))), (first != last).then_some(i32::from(*last)))
        }
        PortRange::Named(name) => (Some(IntOrString::String(name.to_string())), None),
    };
    NetworkPolicyPort { protocol: Some(port.protocol.name().to_owned()), port: number, end_port }
}

/// `None`: the rule admits nothing.
fn entity_rule(policy: &Policy, rule: &Rule) -> Result<Option<Value>, Unwritable> {
    let refuse = |what: String| unwritable(PolicyKind::CiliumNetworkPolicy, policy, what);
    let Peers::These(peers) = &rule.peers else {
        return Err(refuse("a rule for everybody".to_owned()));
    };
    let entities = peers
        .iter()
        .map(|peer| match peer {
            Peer::Entity(entity) => Ok(Entity::name(*entity)),
            other => Err(refuse(format!("peer {other}"))),
        })
        .collect::<Result<Vec<&str>, _>>()?;
    let ports = match &rule.ports {
        Ports::Any => None,
        Ports::These(of) => Some(
            of.iter()
                .map(|port| entity_port(port).ok_or_else(|| refuse(format!("port {port}"))))
                .collect::<Result<Vec<Value>, _>>()?,
        ),
    };
    if entities.is_empty() || ports.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let mut written = json!({ "toEntities": entities });
    if let Some(ports) = ports {
        written["toPorts"] = json!([{ "ports": ports }]);
    }
    Ok(Some(written))
}

/// `None`: a named port, which an entity does not have.
fn entity_port(port: &PortMatch) -> Option<Value> {
    let (first, last) = match &port.range {
        // Cilium's own "every port" differs between versions (port 0), a range does not.
        PortRange::Any => (1, u16::MAX),
        PortRange::Numbers { first, last } => (*first, *last),
        PortRange::Named(_) => return None,
    };
    let mut written = json!({ "port": first.to_string(), "protocol": port.protocol.name() });
    if first != last {
        written["endPort"] = json!(last);
    }
    Some(written)
}
