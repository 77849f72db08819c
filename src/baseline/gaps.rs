//! What a spec asks for and cannot have: because a fact is missing, or because the engine never matches such a rule.

use std::collections::BTreeSet;

use crate::api::Effective;
use crate::discovery::{Fact, Facts};
use crate::findings::{Finding, FindingName};
use crate::model::{Direction, Peer, PortMatch, PortRange, Ports, Protocol};
use crate::policy::Capabilities;

/// Facts that allowances which are on need and do not have. The resolver's absence is a finding of the whole cluster, not of
/// one namespace, so it is not repeated here.
pub(super) fn facts(effective: &Effective, namespace: &str, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if effective.allow.api_server.as_ref().is_some_and(|api| api.instead.is_none()) {
        let missing = match &facts.api_server {
            Fact::Known { .. } => None,
            Fact::Absent { looked } => Some(format!("not found at {looked}")),
            Fact::Unreadable { reason } => Some(format!("not readable: {reason}")),
        };
        findings.extend(missing.map(|missing| {
            let advice = "nothing rises until it is found, or spec.allow.apiServer.to names it";
            Finding::new(FindingName::SourceNotSynced, format!("the Kubernetes API is {missing}; {advice}"))
        }));
    }
    let Some(monitoring) = &effective.allow.monitoring else { return findings };
    let unread = match &facts.monitoring {
        Fact::Known { ready: false, origin, .. } => Some(origin),
        Fact::Unreadable { reason } => Some(reason),
        Fact::Known { ready: true, .. } | Fact::Absent { .. } => None,
    };
    let declared = facts.monitoring.value().is_some_and(|value| value.targets.contains_key(namespace));
    if let Some(reason) = unread {
        let advice = "nothing rises until it is, or spec.allow.monitoring is switched off";
        findings.push(Finding::new(
            FindingName::SourceNotSynced,
            format!("what Prometheus scrapes is not wholly readable: {reason}; {advice}"),
        ));
    } else if monitoring.instead.is_some() && !declared {
        findings.push(Finding::new(
            FindingName::MonitoringNotFound,
            "spec.allow.monitoring.from opens nothing: no ServiceMonitor, PodMonitor or prometheus.io annotation says which ports \
             of this namespace are scraped; write spec.allow.ingress with ports instead",
        ));
    }
    findings
}

/// Rules of the spec that the engine never matches, or reads as less than they say.
pub(super) fn engine(effective: &Effective, facts: &Facts) -> Vec<Finding> {
    let engine = facts.engine.capabilities;
    let mut findings = Vec::new();
    let mut push = |place: &str, gap: String| {
        findings.push(Finding::new(FindingName::RuleNeverMatches, format!("{place}: {gap}")));
    };
    for Listed { place, peers, ports } in listed(effective) {
        port_gaps(engine, peers, ports).into_iter().for_each(|gap| push(&place, gap));
        for peer in peers.into_iter().flatten() {
            if let Some(gap) = range_gap(engine, peer, facts) {
                push(&place, gap);
            }
        }
    }
    findings
}

/// Peers and ports that the owner wrote.
struct Listed<'a> {
    place: String,
    peers: Option<&'a BTreeSet<Peer>>,
    ports: Option<&'a BTreeSet<PortMatch>>,
}

fn listed(effective: &Effective) -> Vec<Listed<'_>> {
    let allow = &effective.allow;
    let builtins = [
        ("spec.allow.dns.to", &allow.dns),
        ("spec.allow.apiServer.to", &allow.api_server),
        ("spec.allow.monitoring.from", &allow.monitoring),
    ];
    let builtins = builtins.into_iter().map(|(place, builtin)| Listed {
        place: place.to_owned(),
        peers: builtin.as_ref().and_then(|builtin| builtin.instead.as_ref()),
        ports: None,
    });
    let external = allow.external_https.iter().map(|external| Listed {
        place: "spec.allow.externalHttps".to_owned(),
        peers: external.instead.as_ref(),
        ports: Some(&external.ports),
    });
    let lists = [(Direction::Ingress, &allow.ingress), (Direction::Egress, &allow.egress)];
    let explicit = lists.into_iter().flat_map(|(direction, list)| {
        list.iter().map(move |explicit| Listed {
            place: format!("spec.allow.{direction}, name {}", explicit.name),
            peers: Some(&explicit.peers),
            ports: match &explicit.ports {
                Ports::Any => None,
                Ports::These(ports) => Some(ports),
            },
        })
    });
    builtins.chain(external).chain(explicit).collect()
}

fn port_gaps(
    engine: &Capabilities,
    peers: Option<&BTreeSet<Peer>>,
    ports: Option<&BTreeSet<PortMatch>>,
) -> Vec<String> {
    // Without peers of its own the external allowance has ranges only.
    let ranges = peers.is_none_or(|peers| peers.iter().any(|peer| matches!(peer, Peer::Block(_))));
    let gap = |port: &PortMatch| match &port.range {
        _ if port.protocol == Protocol::Sctp && !engine.sctp => {
            Some("does not pass SCTP as it is configured by default".to_owned())
        }
        PortRange::Named(name) if ranges && !engine.named_port_with_block => {
            Some(format!("never matches named port {name} together with a cidr: write its number"))
        }
        PortRange::Numbers { first, last } if first < last && !engine.end_port => {
            Some(format!("may read ports {first}-{last} as {first} alone: list them one by one"))
        }
        PortRange::Any | PortRange::Named(_) | PortRange::Numbers { .. } => None,
    };
    let gaps = ports.into_iter().flatten().filter_map(gap);
    gaps.map(|gap| format!("engine {} {gap}", engine.engine)).collect()
}

fn range_gap(engine: &Capabilities, peer: &Peer, facts: &Facts) -> Option<String> {
    let Peer::Block(block) = peer else { return None };
    let inside = facts.cluster_ranges.iter().any(|range| range.contains(&block.cidr));
    (inside && !engine.block_matches_pods).then(|| {
        format!(
            "engine {} never matches pods by their addresses, and {} belongs to the cluster: name the pods",
            engine.engine, block.cidr
        )
    })
}
