//! From what an allowance admits to policy objects: which pods are enforced decides whether there is one, two or none.

use std::sync::Arc;

use super::naming;
use crate::model::Enforced;
use crate::model::{Direction, Peers, Policy, PolicyKey, PolicyKind, Ports, Rule, Selector};
use crate::plan::Desired;

/// What an allowance admits, before it is known which pods are enforced.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub name: String,
    pub allowance: Arc<str>,
    pub pods: Selector,
    pub ingress: Option<Vec<Rule>>,
    pub egress: Option<Vec<Rule>>,
    pub reason: String,
    /// Written as a CiliumNetworkPolicy that only adds; `name` is then the prefix of its content's name.
    pub supplement: bool,
}

impl Draft {
    /// A draft of one direction.
    pub(super) fn of(
        direction: Direction,
        name: impl Into<String>,
        allowance: &str,
        pods: Selector,
        rules: Vec<Rule>,
    ) -> Self {
        let (ingress, egress) = match direction {
            Direction::Ingress => (Some(rules), None),
            Direction::Egress => (None, Some(rules)),
        };
        Self {
            name: name.into(),
            allowance: Arc::from(allowance),
            pods,
            ingress,
            egress,
            reason: String::new(),
            supplement: false,
        }
    }

    /// This draft with its reason: stable words, since a change of them is a write in every namespace.
    #[must_use]
    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

/// Whom policies are rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The namespace.
    pub namespace: Arc<str>,
    /// Which of its pods are isolated for ingress.
    pub ingress: Enforced,
    /// Which of its pods are isolated for egress.
    pub egress: Enforced,
}

impl Scope {
    pub(super) fn new(namespace: &str, ingress: Enforced, egress: Enforced) -> Self {
        Self { namespace: Arc::from(namespace), ingress, egress }
    }

    /// Those of the pods that are enforced in that direction; `None`: none can be.
    pub(super) fn enforced(&self, direction: Direction, pods: &Selector) -> Option<Selector> {
        let enforced = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let both = match enforced {
            Enforced::None => return None,
            Enforced::Canary(canary) => pods.and(canary),
            Enforced::All => pods.clone(),
        };
        (!both.is_empty()).then_some(both)
    }

    /// The objects that carry a draft: a policy isolates what it selects, so it never selects a pod that is not enforced.
    pub(super) fn place(&self, draft: Draft) -> Vec<Desired> {
        let Draft { name, allowance, pods, ingress, egress, reason, supplement } = draft;
        let desired = |name: &str, pods: Selector, ingress: Option<Vec<Rule>>, egress: Option<Vec<Rule>>| {
            let kind = if supplement { PolicyKind::CiliumNetworkPolicy } else { PolicyKind::NetworkPolicy };
            let mut policy = Policy {
                key: PolicyKey { kind, namespace: self.namespace.clone(), name: Arc::from(name) },
                pod_selector: pods,
                ingress: ingress.map(without_idle),
                egress: egress.map(without_idle),
                isolates: !supplement,
            };
            if supplement {
                policy.key.name = Arc::from(naming::of_content(name, &policy));
            }
            Desired { policy, allowance: allowance.clone(), reason: reason.clone() }
        };
        let enforced = |direction| self.enforced(direction, &pods);
        match (ingress, egress) {
            (Some(ingress), Some(egress)) => match (enforced(Direction::Ingress), enforced(Direction::Egress)) {
                (Some(into), Some(out)) if into == out => vec![desired(&name, into, Some(ingress), Some(egress))],
                (into, out) => [
                    into.map(|pods| desired(&format!("{name}-ingress"), pods, Some(ingress), None)),
                    out.map(|pods| desired(&format!("{name}-egress"), pods, None, Some(egress))),
                ]
                .into_iter()
                .flatten()
                .collect(),
            },
            (Some(rules), None) => {
                enforced(Direction::Ingress).map(|pods| desired(&name, pods, Some(rules), None)).into_iter().collect()
            }
            (None, Some(rules)) => {
                enforced(Direction::Egress).map(|pods| desired(&name, pods, None, Some(rules))).into_iter().collect()
            }
            (None, None) => Vec::new(),
        }
    }
}

/// Drops rules that admit nothing: written down, an empty list of peers would admit everybody.
fn without_idle(rules: Vec<Rule>) -> Vec<Rule> {
    let idle = |rule: &Rule| {
        matches!(&rule.peers, Peers::These(of) if of.is_empty())
            || matches!(&rule.ports, Ports::These(of) if of.is_empty())
    };
    rules.into_iter().filter(|rule| !idle(rule)).collect()
}
