//! Lookups: incident 1. UDP and TCP, on port 53 and the target ports behind it, at the Service's address (engines that judge
//! before translation) and at the pods behind it (engines that judge after).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::draft::Draft;
use super::naming;
use super::rules;
use crate::api::Builtin;
use crate::discovery::{Dns, Facts};
use crate::model::{Direction, Peer, Peers, Ports, Protocol, Rule};

pub(super) const ALLOWANCE: &str = "dns";
/// Reason where the owner names the peers.
pub(super) const REASON_INSTEAD: &str = "lookups at the peers that spec.allow.dns.to names";

const PROTOCOLS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

/// Both ends: `podSelector` and `to` speak of the pods that ask, never of the pods that answer the whole cluster.
pub(super) fn drafts(dns: &Builtin, namespace: &str, facts: &Facts) -> Vec<Draft> {
    let fact = facts.dns.value();
    let mut drafts: Vec<Draft> = asking(dns, fact).into_iter().collect();
    drafts.extend(fact.into_iter().flat_map(|fact| answering(namespace, fact)));
    drafts
}

fn asking(dns: &Builtin, fact: Option<&Dns>) -> Option<Draft> {
    let (peers, reason) = match (&dns.instead, fact) {
        (Some(peers), _) => (peers.clone(), REASON_INSTEAD),
        (None, Some(fact)) => (servers(fact), "lookups at the cluster's resolver, followed when it moves"),
        (None, None) => return None,
    };
    if peers.is_empty() {
        return None;
    }
    let rule = Rule::new(peers, rules::ports(&numbers(fact), &PROTOCOLS));
    Some(Draft::of(Direction::Egress, naming::DNS, ALLOWANCE, dns.pods.clone(), vec![rule]).because(reason))
}

fn servers(fact: &Dns) -> BTreeSet<Peer> {
    let pods = fact.backends.iter().map(|(namespace, pods)| Peer::pods_in(namespace, pods.clone()));
    pods.chain(fact.addresses.iter().map(|&address| host(address))).collect()
}

/// The resolver's own namespace: whoever asks is admitted, since node-local caches ask from the addresses of nodes, which no
/// peer names on every engine; and its way upstream is open, wherever its configuration sends it.
fn answering(namespace: &str, fact: &Dns) -> Vec<Draft> {
    let own = fact.backends.iter().filter(|(of, _)| of.as_ref() == namespace);
    own.flat_map(|(_, pods)| {
        let anyone = |numbers: &BTreeSet<u16>| {
            vec![Rule { peers: Peers::Any, ports: Ports::These(rules::ports(numbers, &PROTOCOLS)) }]
        };
        [
            Draft::of(
                Direction::Ingress,
                naming::of_pods(naming::DNS_SERVING, pods),
                ALLOWANCE,
                pods.clone(),
                anyone(&numbers(Some(fact))),
            )
            .because("the cluster's resolver answers every pod and node"),
            Draft::of(
                Direction::Egress,
                naming::of_pods(naming::DNS_UPSTREAM, pods),
                ALLOWANCE,
                pods.clone(),
                anyone(&BTreeSet::from([53])),
            )
            .because("the cluster's resolver asks upstream what it does not know itself"),
        ]
    })
    .collect()
}

fn numbers(fact: Option<&Dns>) -> BTreeSet<u16> {
    fact.into_iter().flat_map(|fact| fact.ports.iter().copied()).chain([53]).collect()
}

/// The one address.
pub(super) fn host(address: IpAddr) -> Peer {
    Peer::cidr(IpNet::from(address))
}
