//! Rules from their smallest parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Atom, Peer, Peers, PortMatch, Ports, Protocol, Rule};

/// Rules that mean these atoms: peers that share their ports share a rule.
pub(super) fn of_atoms(atoms: &BTreeSet<Atom>) -> Vec<Rule> {
    let mut ports_of: BTreeMap<&Option<Peer>, Vec<&Option<PortMatch>>> = BTreeMap::new();
    for Atom { peer, port } in atoms {
        ports_of.entry(peer).or_default().push(port);
    }
    let mut peers_of: BTreeMap<Vec<&Option<PortMatch>>, Vec<&Option<Peer>>> = BTreeMap::new();
    for (peer, ports) in ports_of {
        peers_of.entry(ports).or_default().push(peer);
    }
    peers_of.into_iter().flat_map(|(ports, peers)| product(&peers, &ports)).collect()
}

/// The rules for every one of these peers on every one of these ports. "Anyone" and "every port" stand alone in a rule, so
/// beside others they make one of their own.
fn product(peers: &[&Option<Peer>], ports: &[&Option<PortMatch>]) -> Vec<Rule> {
    let named: BTreeSet<Peer> = peers.iter().copied().flatten().cloned().collect();
    let numbered: BTreeSet<PortMatch> = ports.iter().copied().flatten().cloned().collect();
    let any_peer = peers.contains(&&None).then_some(Peers::Any);
    let any_port = ports.contains(&&None).then_some(Ports::Any);
    let peers: Vec<Peers> = any_peer.into_iter().chain((!named.is_empty()).then_some(Peers::These(named))).collect();
    let ports: Vec<Ports> =
        any_port.into_iter().chain((!numbered.is_empty()).then_some(Ports::These(numbered))).collect();
    peers
        .iter()
        .flat_map(|peers| ports.iter().map(|ports| Rule { peers: peers.clone(), ports: ports.clone() }))
        .collect()
}

/// These port numbers for each of the protocols.
pub(super) fn ports(numbers: &BTreeSet<u16>, protocols: &[Protocol]) -> BTreeSet<PortMatch> {
    let of = |&number: &u16| protocols.iter().map(move |&protocol| PortMatch::number(protocol, number));
    numbers.iter().flat_map(of).collect()
}
