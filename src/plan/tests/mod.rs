#![allow(clippy::panic, clippy::unwrap_used)]

mod naive;
mod properties;
mod rules;
mod transitions;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{Direction, Entity, Peer, Peers, PolicyKind, PortMatch, Ports, Protocol, Rule};

const NAMESPACE: &str = "shop";

/// An object of `baseline-<name>` that says nothing yet.
fn policy(name: &str, pods: &Selector) -> Policy {
    Policy {
        key: PolicyKey::network_policy(NAMESPACE, &format!("baseline-{name}")),
        pod_selector: pods.clone(),
        ingress: None,
        egress: None,
        isolates: true,
    }
}

/// A supplement that opens the API server on this port.
fn supplement(name: &str, pods: &Selector, port: u16) -> Policy {
    let mut policy = policy(name, pods);
    policy.key.kind = PolicyKind::CiliumNetworkPolicy;
    policy.isolates = false;
    policy.egress =
        Some(vec![Rule::new([Peer::Entity(Entity::KubeApiserver)], [PortMatch::number(Protocol::Tcp, port)])]);
    policy
}

/// Pods `app=<peer>` of the namespace, on one port.
fn rule(peer: &str, port: u16) -> Rule {
    let pods = Peer::Pods { namespaces: crate::model::NamespaceScope::Own, pods: app(peer) };
    Rule::new([pods], [PortMatch::number(Protocol::Tcp, port)])
}

fn app(name: &str) -> Selector {
    Selector::of_labels([("app", name)])
}

impl Policy {
    fn on_ingress<const N: usize>(mut self, rules: [Rule; N]) -> Self {
        self.ingress = Some(rules.into());
        self
    }

    fn on_egress<const N: usize>(mut self, rules: [Rule; N]) -> Self {
        self.egress = Some(rules.into());
        self
    }
}

fn desired(policy: &Policy) -> Desired {
    Desired {
        allowance: policy.key.name.clone(),
        reason: format!("because of {}", policy.key.name),
        policy: policy.clone(),
    }
}

fn all_desired(policies: &[Policy]) -> Vec<Desired> {
    policies.iter().map(desired).collect()
}

fn alive(desired: &Desired) -> Live {
    Live {
        policy: desired.policy.clone(),
        allowance: desired.allowance.clone(),
        reason: desired.reason.clone(),
        marks_intact: true,
        uid: String::new(),
        resource_version: String::new(),
        written: None,
    }
}

fn all_alive(policies: &[Policy]) -> Vec<Live> {
    policies.iter().map(|policy| alive(&desired(policy))).collect()
}

/// The policies of a namespace, as steps change them.
#[derive(Clone)]
struct Cluster(BTreeMap<PolicyKey, Live>);

impl Cluster {
    fn new(live: &[Live]) -> Self {
        Self(live.iter().map(|live| (live.policy.key.clone(), live.clone())).collect())
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Apply(desired) => {
                self.0.insert(desired.policy.key.clone(), alive(desired));
            }
            Step::Delete(key) => {
                assert!(self.0.remove(key).is_some(), "{key} is deleted but does not exist");
            }
            Step::Await => {}
        }
    }

    fn live(&self) -> Vec<Live> {
        self.0.values().cloned().collect()
    }

    fn policies(&self) -> Vec<Policy> {
        self.0.values().map(|live| live.policy.clone()).collect()
    }

    /// Whether exactly these exist, with these marks.
    fn is(&self, target: &[Desired]) -> bool {
        self.0.len() == target.len()
            && target.iter().all(|target| {
                self.0
                    .get(&target.policy.key)
                    .is_some_and(|live| live.policy.means_the_same(&target.policy) && live.is_marked(target))
            })
    }
}

fn spec_plan(live: &[Live], target: &[Desired]) -> Plan {
    plan(live, target, Capabilities::spec(), Pace::Careful).unwrap()
}

/// A plan in short: `+name` applied, `-name` deleted, `...` awaited.
fn short(steps: &[Step]) -> String {
    let name = |key: &PolicyKey| {
        key.name.strip_prefix("baseline-").unwrap().split_inclusive("bridge-").next().unwrap().to_owned()
    };
    let words: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Apply(desired) => format!("+{}", name(&desired.policy.key)),
            Step::Delete(key) => format!("-{}", name(key)),
            Step::Await => "...".to_owned(),
        })
        .collect();
    words.join(" ")
}

fn short_plan(old: &[Policy], new: &[Policy]) -> String {
    short(&spec_plan(&all_alive(old), &all_desired(new)).steps)
}
