//! The Kubernetes API. Engines see its endpoints or its Service address, and on Cilium an ipBlock never matches an API server
//! that runs on a node: there a supplement names it (Cilium docs, "Entities Based").

use std::collections::BTreeSet;

use super::dns::host;
use super::draft::Draft;
use super::naming;
use super::rules;
use crate::api::Builtin;
use crate::discovery::{ApiServer, Engine, Facts};
use crate::model::{Direction, Entity, Peer, Peers, Ports, Protocol, Rule};

pub(super) const ALLOWANCE: &str = "api-server";
/// Reason where the owner names the peers.
pub(super) const REASON_INSTEAD: &str = "the Kubernetes API at the peers that spec.allow.apiServer.to names";

/// The port of Service `default/kubernetes`, which the API server fixes.
const SERVICE_PORT: u16 = 443;

pub(super) fn drafts(api: &Builtin, facts: &Facts) -> Vec<Draft> {
    let fact = facts.api_server.value();
    let draft = |peers: Peers, numbers: &BTreeSet<u16>| {
        let ports = Ports::These(rules::ports(numbers, &[Protocol::Tcp]));
        Draft::of(Direction::Egress, naming::API_SERVER, ALLOWANCE, api.pods.clone(), vec![Rule { peers, ports }])
    };
    if let Some(peers) = &api.instead {
        let usual = || BTreeSet::from([SERVICE_PORT, 6443]);
        let numbers = fact.map_or_else(usual, |fact| fact.ports.clone());
        return vec![draft(Peers::These(peers.clone()), &numbers).because(REASON_INSTEAD)];
    }
    let Some(fact) = fact else { return Vec::new() };
    match way(fact, facts) {
        Way::Entity => vec![Draft {
            supplement: true,
            ..draft(Peers::These([Peer::Entity(Entity::KubeApiserver)].into()), &fact.ports)
                .because("the Kubernetes API, by the engine's own name for it: an ipBlock would not match a node")
        }],
        Way::AnyoneOnItsPort => vec![draft(Peers::Any, &endpoint_ports(fact)).because(
            "the Kubernetes API, by its port alone: it runs on nodes, which no ipBlock of this engine matches",
        )],
        Way::Addresses(peers) if peers.is_empty() => Vec::new(),
        Way::Addresses(peers) => {
            vec![
                draft(Peers::These(peers), &fact.ports)
                    .because("the Kubernetes API at its endpoints and Service addresses, followed when it moves"),
            ]
        }
    }
}

/// How the API server is named.
enum Way {
    /// By what only the engine can say.
    Entity,
    /// By no peer at all, on the endpoints' port.
    AnyoneOnItsPort,
    /// By its addresses.
    Addresses(BTreeSet<Peer>),
}

fn way(fact: &ApiServer, facts: &Facts) -> Way {
    let Engine { capabilities, additive_supplements, .. } = &facts.engine;
    if capabilities.supplements && *additive_supplements {
        Way::Entity
    } else if !capabilities.block_matches_nodes && fact.on_nodes {
        Way::AnyoneOnItsPort
    } else {
        Way::Addresses(fact.endpoints.iter().chain(&fact.cluster_ips).map(|&address| host(address)).collect())
    }
}

/// The ports of the endpoints. Without peers the Service's 443 would open the whole Internet on it, for nothing: engines that
/// need this rule judge after translation.
fn endpoint_ports(fact: &ApiServer) -> BTreeSet<u16> {
    let behind: BTreeSet<u16> = fact.ports.iter().copied().filter(|&port| port != SERVICE_PORT).collect();
    if behind.is_empty() { fact.ports.clone() } else { behind }
}
