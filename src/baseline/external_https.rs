//! Connections to the Internet: incident 3. Every address less those that are not the Internet.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::draft::Draft;
use super::naming;
use super::ranges;
use crate::api::External;
use crate::discovery::Facts;
use crate::model::{Direction, IpBlock, Peer, Rule};

pub(super) fn drafts(external: &External, facts: &Facts) -> Vec<Draft> {
    let closed: BTreeSet<IpNet> = ranges::NOT_THE_INTERNET.iter().chain(&facts.cluster_ranges).copied().collect();
    let (peers, reason): (BTreeSet<Peer>, &str) = match &external.instead {
        None => {
            let blocks = ranges::EVERYWHERE
                .iter()
                .filter_map(|&family| ranges::less(family, closed.iter().chain(&external.except)));
            (
                blocks.map(Peer::Block).collect(),
                "connections to the Internet; private, cluster, link-local and metadata ranges stay closed",
            )
        }
        Some(peers) => (
            peers.iter().filter_map(|peer| named(peer, &closed, &external.except)).collect(),
            "connections to the ranges that spec.allow.externalHttps.to names",
        ),
    };
    if peers.is_empty() {
        return Vec::new();
    }
    let rule = Rule::new(peers, external.ports.iter().cloned());
    vec![
        Draft::of(Direction::Egress, naming::EXTERNAL_HTTPS, "external-https", external.pods.clone(), vec![rule])
            .because(reason),
    ]
}

/// A range that the owner names. One that is closed by default was asked for by name and opens; one that merely contains
/// closed ranges, such as 0.0.0.0/0, loses them.
fn named(peer: &Peer, closed: &BTreeSet<IpNet>, except: &BTreeSet<IpNet>) -> Option<Peer> {
    let Peer::Block(IpBlock { cidr, except: own }) = peer else { return None };
    let inside = closed.iter().filter(|range| *range != cidr && cidr.contains(*range));
    ranges::less(*cidr, inside.chain(except).chain(own)).map(Peer::Block)
}
