//! Ranges of the cluster that do not look private.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::Snapshot;

/// Ranges that no external rule contains: RFC 1918, RFC 6598, RFC 3927, RFC 4193 and link-local.
const PRIVATE: [IpNet; 7] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([100, 64, 0, 0], 10),
    v4([169, 254, 0, 0], 16),
    v6(0xfc00, 7),
    v6(0xfe80, 10),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(first: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), bits))
}

/// Pods and Services of such clusters are rounded to this many bits, so that their coming and going changes nothing. An IPv6 subnet
/// of a cloud is never smaller than a /64.
const ROUNDED_V4: u8 = 24;
const ROUNDED_V6: u8 = 64;

pub(super) fn discover(snapshot: &Snapshot) -> BTreeSet<IpNet> {
    let mut ranges: Vec<IpNet> = snapshot.nodes.values().flat_map(|node| node.pod_cidrs.iter().copied()).collect();
    ranges.extend(cilium_pool(snapshot));
    let nodes = snapshot.nodes.values().flat_map(|node| &node.ips).map(|&ip| IpNet::from(ip));
    let pods = snapshot.pods.values().flat_map(|pods| pods.values()).filter(|pod| !pod.host_network);
    let services = snapshot.services.values().flat_map(|services| services.values());
    let others: BTreeSet<IpNet> = pods
        .flat_map(|pod| &pod.ips)
        .chain(services.flat_map(|service| &service.cluster_ips))
        .map(|&ip| rounded(ip))
        .chain(nodes)
        .filter(|range| !ranges.iter().any(|declared| declared.contains(range)))
        .collect();
    ranges.extend(others);
    ranges.retain(|range| !PRIVATE.iter().any(|private| private.contains(range)));
    IpNet::aggregate(&ranges).into_iter().collect()
}

/// The ranges that Cilium's own allocator cuts into nodes' pod ranges, which Node objects do not show (`ipam: cluster-pool`).
fn cilium_pool(snapshot: &Snapshot) -> impl Iterator<Item = IpNet> {
    let config = snapshot.config_maps.values().flat_map(|maps| maps.get("cilium-config"));
    let values = config.flat_map(|config| {
        ["cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr"].iter().filter_map(|key| config.data.get(*key))
    });
    values.flat_map(|list| list.split([',', ' '])).filter_map(|range| range.parse().ok())
}

fn rounded(ip: IpAddr) -> IpNet {
    let bits = if ip.is_ipv4() { ROUNDED_V4 } else { ROUNDED_V6 };
    IpNet::new(ip, bits).map_or_else(|_| IpNet::from(ip), |range| range.trunc())
}
