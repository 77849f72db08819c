//! Findings about the cluster that a namespace lives in, whatever its baseline says.
//!
//! The caller leaves out what a spec has settled: [`FindingName::NoDns`] where the DNS allowance is off or names its peers, and
//! [`FindingName::MonitoringNotFound`] likewise.

use std::collections::BTreeSet;

use super::{Finding, FindingName};
use crate::discovery::{Certainty, Enforces, Fact, Facts};
use crate::model::{Snapshot, Source};

/// What decisions need; without it nothing rises.
const NEEDED: [Source; 5] =
    [Source::Namespaces, Source::Pods, Source::Services, Source::EndpointSlices, Source::NetworkPolicies];

/// How many workloads a message names.
const NAMED: usize = 5;

/// Kinds of policy that can overrule a NetworkPolicy, by the name of their definition.
const TIERS: &[&str] = &[
    "clusternetworkpolicies.policy.networking.k8s.io",
    "adminnetworkpolicies.policy.networking.k8s.io",
    "baselineadminnetworkpolicies.policy.networking.k8s.io",
    "globalnetworkpolicies.crd.projectcalico.org",
    "networkpolicies.crd.projectcalico.org",
    "ciliumclusterwidenetworkpolicies.cilium.io",
    "clusternetworkpolicies.crd.antrea.io",
    "networkpolicies.crd.antrea.io",
];

/// What a person should know of the cluster, and of the pods of one namespace.
pub fn findings(snapshot: &Snapshot, facts: &Facts, namespace: &str) -> Vec<Finding> {
    [
        sources(snapshot, facts),
        dns(facts),
        monitoring(facts),
        engine(facts),
        host_network(snapshot, namespace),
        tiers(snapshot),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sources(snapshot: &Snapshot, facts: &Facts) -> Option<Finding> {
    let mut needed = NEEDED.to_vec();
    if facts.engine.capabilities.supplements {
        needed.push(Source::CiliumNetworkPolicies);
    }
    let gap = snapshot.gap(&needed)?;
    Some(Finding::new(
        FindingName::SourceNotSynced,
        format!("{gap}; nothing is isolated further until it can be: check the operator's rights and its connection"),
    ))
}

fn dns(facts: &Facts) -> Option<Finding> {
    let Fact::Absent { looked } = &facts.dns else { return None };
    Some(Finding::new(
        FindingName::NoDns,
        format!("no resolver was found; looked for: {looked}. Name it in allow.dns.to, or switch allow.dns off"),
    ))
}

fn monitoring(facts: &Facts) -> Option<Finding> {
    let Fact::Absent { looked } = &facts.monitoring else { return None };
    Some(Finding::new(
        FindingName::MonitoringNotFound,
        format!("no trusted Prometheus was found, so no scrape is allowed; looked for: {looked}"),
    ))
}

fn engine(facts: &Facts) -> Option<Finding> {
    let engine = &facts.engine;
    let name = engine.capabilities.engine;
    match &engine.enforces {
        Enforces::Yes => None,
        Enforces::No(reason) => Some(Finding::new(
            FindingName::EngineIgnoresPolicies,
            format!("policies would do nothing here: {reason} (seen: {})", engine.origin),
        )),
        Enforces::Unknown(reason) if engine.certainty == Certainty::None => Some(Finding::new(
            FindingName::EngineUnknown,
            format!(
                "no network engine was recognised: {reason}. Policies are written as the API describes them; whether they are \
                 enforced, and whether an API server or resolver on nodes stays reachable, is not known"
            ),
        )),
        Enforces::Unknown(reason) => Some(Finding::new(
            FindingName::EngineUnknown,
            format!("whether {name} enforces policies is not known: {reason} (seen: {})", engine.origin),
        )),
    }
}

fn host_network(snapshot: &Snapshot, namespace: &str) -> Option<Finding> {
    let pods = snapshot.pods_in(namespace).filter(|pod| pod.host_network && !pod.ended);
    // By their owner, whose name stays when pods come and go.
    let workloads: BTreeSet<String> = pods
        .map(|pod| match &pod.owner {
            Some((kind, name)) => format!("{kind} {name}"),
            None => format!("Pod {}", pod.name),
        })
        .collect();
    if workloads.is_empty() {
        return None;
    }
    let more = match workloads.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<String> = workloads.into_iter().take(NAMED).collect();
    Some(Finding::new(
        FindingName::HostNetworkPodsNotIsolated,
        format!(
            "pods of {}{more} share the network of their node, so no NetworkPolicy isolates them",
            named.join(", ")
        ),
    ))
}

fn tiers(snapshot: &Snapshot) -> Option<Finding> {
    let served: Vec<&str> = TIERS.iter().copied().filter(|tier| snapshot.definitions.contains(*tier)).collect();
    if served.is_empty() {
        return None;
    }
    Some(Finding::new(
        FindingName::TiersAbove,
        format!("policies of these kinds are not read here and can overrule a NetworkPolicy: {}", served.join(", ")),
    ))
}

#[cfg(test)]
mod tests;
