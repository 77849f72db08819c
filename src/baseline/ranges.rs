//! Address ranges: what is not the Internet, and ranges less other ranges.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::rules;
use crate::model::{Atom, Direction, IpBlock, Peer, Policy};

/// Every address, by family.
pub(super) static EVERYWHERE: [IpNet; 2] = [v4([0, 0, 0, 0], 0), v6([0, 0, 0, 0, 0, 0, 0, 0], 0)];

/// Ranges that are never "outside", whatever the cluster. Ranges for documentation are not among them: some networks use
/// them, and nothing of a cluster is there to protect.
pub(super) static NOT_THE_INTERNET: [IpNet; 14] = [
    v4([0, 0, 0, 0], 8),                   // this network (RFC 1122)
    v4([10, 0, 0, 0], 8),                  // private (RFC 1918)
    v4([100, 64, 0, 0], 10), // shared by carriers, clouds and pods (RFC 6598); Alibaba's metadata address is in it
    v4([127, 0, 0, 0], 8),   // loopback (RFC 1122)
    v4([168, 63, 129, 16], 32), // Azure's platform address, in the midst of public ones
    v4([169, 254, 0, 0], 16), // link-local (RFC 3927), and with it the metadata addresses of most clouds
    v4([172, 16, 0, 0], 12), // private (RFC 1918)
    v4([192, 168, 0, 0], 16), // private (RFC 1918)
    v4([224, 0, 0, 0], 4),   // multicast (RFC 5771)
    v4([240, 0, 0, 0], 4),   // reserved, broadcast (RFC 1112)
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128), // loopback (RFC 4291)
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), // unique local (RFC 4193), and with it fd00:ec2::254
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), // link-local (RFC 4291)
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), // multicast (RFC 4291)
];

/// A range less those parts of it; `None`: nothing is left. Parts of the other family do not count: the API refuses them.
pub(super) fn less<'a>(cidr: IpNet, closed: impl Iterator<Item = &'a IpNet>) -> Option<IpBlock> {
    let closed: Vec<IpNet> = closed.copied().collect();
    if closed.iter().any(|range| range.contains(&cidr)) {
        return None;
    }
    let inside: Vec<IpNet> = closed.into_iter().filter(|range| cidr.contains(range)).collect();
    let except: BTreeSet<IpNet> = IpNet::aggregate(&inside).into_iter().collect();
    // Parts may add up to the whole.
    (!except.contains(&cidr)).then_some(IpBlock { cidr, except })
}

/// The same policy without `except`, each block as the plain prefixes that are left of it: for engines on which an `except`
/// denies what another rule allows (AWS: amazon-network-policy-controller-k8s#146).
pub(super) fn write_in_prefixes(policy: &mut Policy) {
    if !has_except(policy) {
        return;
    }
    for direction in Direction::BOTH {
        if policy.rules(direction).is_none() {
            continue;
        }
        let atoms: BTreeSet<Atom> = policy.atoms(direction).into_iter().flat_map(plain).collect();
        policy.set_rules(direction, Some(rules::of_atoms(&atoms)));
    }
}

/// Whether one of its blocks leaves something out.
pub(super) fn has_except(policy: &Policy) -> bool {
    Direction::BOTH.iter().any(|&direction| {
        policy
            .atoms(direction)
            .iter()
            .any(|atom| matches!(&atom.peer, Some(Peer::Block(block)) if !block.except.is_empty()))
    })
}

fn plain(atom: Atom) -> Vec<Atom> {
    match atom.peer {
        Some(Peer::Block(block)) => prefixes(block.cidr, &block.except)
            .into_iter()
            .map(|cidr| Atom { peer: Some(Peer::cidr(cidr)), port: atom.port.clone() })
            .collect(),
        peer => vec![Atom { peer, port: atom.port }],
    }
}

/// Halves a range until every piece is wholly closed or wholly open.
pub(super) fn prefixes(range: IpNet, closed: &BTreeSet<IpNet>) -> Vec<IpNet> {
    if closed.iter().any(|of| of.contains(&range)) {
        return Vec::new();
    }
    if !closed.iter().any(|of| range.contains(of)) {
        return vec![range];
    }
    let halves = range.subnets(range.prefix_len() + 1).expect("a single address contains no smaller range");
    halves.flat_map(|half| prefixes(half, closed)).collect()
}

const fn v4(octets: [u8; 4], length: u8) -> IpNet {
    let [a, b, c, d] = octets;
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(segments: [u16; 8], length: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length)
}
