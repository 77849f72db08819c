//! Nodes that follow policies late: a plan that isolates more waits for them, since an agent that was away sees only its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Finding, FindingName};
use crate::discovery::Engine;
use crate::model::{Pod, Snapshot};

/// Nodes that run pods of the namespace and are not Ready, or whose pod of the engine is not.
pub fn not_ready(snapshot: &Snapshot, engine: &Engine, namespace: &str) -> Option<Finding> {
    let nodes: BTreeSet<&Arc<str>> =
        snapshot.pods_in(namespace).filter(|pod| !pod.ended).filter_map(|pod| pod.node.as_ref()).collect();
    let late: Vec<String> = nodes.into_iter().filter_map(|node| why_late(snapshot, engine, node)).collect();
    (!late.is_empty()).then(|| {
        let message = format!("{}: a rise waits until they are", late.join(", "));
        Finding::new(FindingName::NodesNotReady, message)
    })
}

fn why_late(snapshot: &Snapshot, engine: &Engine, node: &Arc<str>) -> Option<String> {
    match snapshot.nodes.get(node) {
        None => return Some(format!("node {node} is not known")),
        Some(found) if !found.ready => return Some(format!("node {node} is not Ready")),
        Some(_) => {}
    }
    let (namespace, selector) = engine.agents.as_ref()?;
    let is_agent = |pod: &&Arc<Pod>| pod.node.as_ref() == Some(node) && selector.matches(&pod.labels);
    let ready = snapshot.pods_in(namespace).filter(is_agent).any(|pod| pod.ready);
    (!ready).then(|| format!("the engine's pod on node {node} is not Ready"))
}
