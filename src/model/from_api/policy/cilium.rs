//! `cilium.io/v2` CiliumNetworkPolicy, in the one form that the operator writes: a supplement, which only adds.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use serde::Deserialize;
use serde_json::Value;

use super::{key, port_number, port_range, selector};
use crate::model::{Entity, Peer, Peers, Policy, PolicyKind, PortMatch, PortRange, Ports, Protocol, Rule, Selector};

// Every field that is not named here could deny, isolate or admit something else, so it is refused, never skipped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    metadata: ObjectMeta,
    spec: Spec,
    specs: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    // What it is for, in words.
    #[serde(rename = "description")]
    _description: Option<String>,
    endpoint_selector: LabelSelector,
    #[serde(default)]
    enable_default_deny: DefaultDeny,
    #[serde(default)]
    egress: Vec<EgressRule>,
}

/// Left out, a direction is isolated as soon as it has a rule.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EgressRule {
    to_entities: Vec<String>,
    to_ports: Option<Vec<PortRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortRule {
    ports: Vec<PortProtocol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PortProtocol {
    port: String,
    end_port: Option<i64>,
    protocol: Option<String>,
}

/// Reads a CiliumNetworkPolicy that is a supplement: one `spec`, an `endpointSelector` over pod labels, `enableDefaultDeny`
/// false in both directions, and egress rules to the entity `kube-apiserver`.
///
/// # Errors
/// What makes it something else. Such a policy may isolate, admit or deny anything.
pub fn cilium_policy(api: &Value) -> Result<Policy, String> {
    let object =
        Object::deserialize(api).map_err(|error| format!("not a supplement of the form that is read: {error}"))?;
    let key = key(PolicyKind::CiliumNetworkPolicy, &object.metadata)?;
    if object.specs.is_some() {
        return Err("specs: several specs in one object are not read".to_owned());
    }
    let DefaultDeny { ingress: Some(false), egress: Some(false) } = object.spec.enable_default_deny else {
        return Err(
            "spec.enableDefaultDeny: not false in both directions, so it may isolate what it selects".to_owned()
        );
    };
    let egress = object.spec.egress.iter().enumerate().map(|(nth, api)| rule(&format!("spec.egress[{nth}]"), api));
    Ok(Policy {
        key,
        pod_selector: endpoint_selector(&object.spec.endpoint_selector)?,
        ingress: None,
        egress: Some(egress.collect::<Result<_, String>>()?),
        isolates: false,
    })
}

/// Cilium's selectors name the source of a label before a colon (`k8s:app`); without one, any source counts.
fn endpoint_selector(api: &LabelSelector) -> Result<Selector, String> {
    let path = "spec.endpointSelector";
    let bare = |key: &str| -> Result<String, String> {
        let bare = match key.split_once(':') {
            None => key,
            Some(("k8s" | "any", bare)) => bare,
            Some((source, _)) => return Err(format!("{path}: labels of source {source:?} are not pod labels")),
        };
        // Labels that Cilium derives: the pod's namespace and its labels, service account, cluster.
        if bare.starts_with("io.kubernetes.") || bare.starts_with("io.cilium.") {
            return Err(format!("{path}: {bare:?} is derived by Cilium and not a label of the pod"));
        }
        Ok(bare.to_owned())
    };
    let match_labels = api
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| Ok((bare(key)?, value.clone())))
        .collect::<Result<BTreeMap<_, _>, String>>()?;
    let match_expressions = api
        .match_expressions
        .iter()
        .flatten()
        .map(|requirement| Ok(LabelSelectorRequirement { key: bare(&requirement.key)?, ..requirement.clone() }))
        .collect::<Result<Vec<_>, String>>()?;
    selector(path, &LabelSelector { match_labels: Some(match_labels), match_expressions: Some(match_expressions) })
}

fn rule(path: &str, api: &EgressRule) -> Result<Rule, String> {
    let peers = api
        .to_entities
        .iter()
        .map(|name| {
            if name == Entity::KubeApiserver.name() {
                Ok(Peer::Entity(Entity::KubeApiserver))
            } else {
                Err(format!("{path}.toEntities: entity {name:?} is not read"))
            }
        })
        .collect::<Result<_, String>>()?;
    // Empty lists of ports do not restrict.
    let ports = match api.to_ports.as_deref().unwrap_or_default() {
        [] => Ports::Any,
        of if of.iter().any(|rule| rule.ports.is_empty()) => {
            return Err(format!("{path}.toPorts: an item without ports is not read"));
        }
        of => Ports::These(
            of.iter()
                .flat_map(|rule| &rule.ports)
                .enumerate()
                .map(|(nth, api)| port(&format!("{path}.toPorts.ports[{nth}]"), api))
                .collect::<Result<_, String>>()?,
        ),
    };
    Ok(Rule { peers: Peers::These(peers), ports })
}

fn port(path: &str, api: &PortProtocol) -> Result<PortMatch, String> {
    // Left out it means ANY here, not TCP.
    let protocol = api
        .protocol
        .as_deref()
        .and_then(|name| Protocol::parse(Some(name)))
        .ok_or_else(|| format!("{path}.protocol: {:?} is not read", api.protocol.as_deref().unwrap_or("ANY")))?;
    let first = api.port.parse().map_err(|_| format!("{path}.port: {:?} is not a number", api.port))?;
    let range = match port_range(path, port_number(&format!("{path}.port"), first)?, api.end_port)? {
        // The only way to write "every port" with a number.
        PortRange::Numbers { first: 1, last: u16::MAX } => PortRange::Any,
        range => range,
    };
    Ok(PortMatch { protocol, range })
}
