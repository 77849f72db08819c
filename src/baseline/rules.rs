//! Rules from their smallest parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Atom, Peer, Peers, PortMatch, Ports, Protocol, Rule};

/// Rules that mean these atoms: peers that share their ports share a rule.
pub(super) fn of_atoms(atoms: &BTreeSet<Atom>) -> Vec<Rule> {
    let mut ports_of: BTreeMap<&Option<Peer>, BTreeSet<&Option<PortMatch>>> = BTreeMap::new();
    for Atom { peer, port } in atoms {
        ports_of.entry(peer).or_default().insert(port);
    }
    let mut peers_of: BTreeMap<(bool, BTreeSet<&Option<PortMatch>>), BTreeSet<&Option<Peer>>> = BTreeMap::new();
    for (peer, ports) in ports_of {
        peers_of.entry((peer.is_none(), ports)).or_default().insert(peer);
    }
    let mut rules = Vec::new();
    for ((anyone, ports), peers) in peers_of {
        let peers = match anyone {
            true => Peers::Any,
            false => Peers::These(peers.into_iter().flatten().cloned().collect()),
        };
        // Every port, and some beside it, are two atoms: a rule says one or the other.
        if ports.contains(&None) {
            rules.push(Rule { peers: peers.clone(), ports: Ports::Any });
        }
        let named: BTreeSet<PortMatch> = ports.into_iter().flatten().cloned().collect();
        if !named.is_empty() {
            rules.push(Rule { peers, ports: Ports::These(named) });
        }
    }
    rules
}

/// These port numbers for each of the protocols.
pub(super) fn ports(numbers: &BTreeSet<u16>, protocols: &[Protocol]) -> BTreeSet<PortMatch> {
    let of = |&number: &u16| protocols.iter().map(move |&protocol| PortMatch::number(protocol, number));
    numbers.iter().flat_map(of).collect()
}
