//! Connections between pods of the namespace.

use std::sync::Arc;

use super::draft::Draft;
use super::naming;
use crate::model::{NamespaceScope, Peer, Peers, Ports, Rule, Selector};

/// The pods that take part do so at both ends: one of them neither reaches nor is reached by the others.
pub(super) fn drafts(pods: &Selector) -> Vec<Draft> {
    let peer = Peer::Pods { namespaces: NamespaceScope::Own, pods: pods.clone() };
    let rules = vec![Rule { peers: Peers::These([peer].into()), ports: Ports::Any }];
    vec![Draft {
        name: naming::SAME_NAMESPACE.to_owned(),
        allowance: Arc::from("same-namespace"),
        pods: pods.clone(),
        ingress: Some(rules.clone()),
        egress: Some(rules),
        reason: "pods of this namespace talk to each other (spec.allow.sameNamespace)".to_owned(),
        supplement: false,
    }]
}
