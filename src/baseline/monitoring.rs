//! Scrapes: incident 2. Written at whichever end lies in the namespace: the pods that are scraped, the Prometheus that
//! scrapes, or both.

use std::collections::{BTreeMap, BTreeSet};

use super::dns::host;
use super::draft::Draft;
use super::naming;
use crate::api::Builtin;
use crate::discovery::{Facts, Monitoring};
use crate::model::{Direction, Peer, PortMatch, Protocol, Rule, Selector};

pub(super) const ALLOWANCE: &str = "monitoring";
/// Reason where the owner names the peers.
pub(super) const REASON_INSTEAD: &str =
    "scrapes by the peers that spec.allow.monitoring.from names, on the ports that monitors declare";

/// `podSelector` and `from` speak of the pods that are scraped; the scraping end follows from what is discovered.
pub(super) fn drafts(monitoring: &Builtin, namespace: &str, facts: &Facts) -> Vec<Draft> {
    let Some(fact) = facts.monitoring.value() else { return Vec::new() };
    [scraped(monitoring, namespace, fact), scraping(namespace, fact)].concat()
}

fn scraped(monitoring: &Builtin, namespace: &str, fact: &Monitoring) -> Vec<Draft> {
    let (peers, reason) = match &monitoring.instead {
        Some(peers) => (peers.clone(), REASON_INSTEAD),
        None => {
            let scrapers = fact.scrapers.iter().map(|(of, pods)| Peer::pods_in(of, pods.clone()));
            (scrapers.collect(), "scrapes by the Prometheus of a trusted namespace, on the ports that monitors declare")
        }
    };
    if peers.is_empty() {
        return Vec::new();
    }
    let mut ports_of: BTreeMap<&Selector, BTreeSet<PortMatch>> = BTreeMap::new();
    for target in fact.targets.get(namespace).into_iter().flatten() {
        ports_of.entry(&target.pods).or_default().extend(target.ports.iter().cloned());
    }
    let draft = |(pods, ports): (&Selector, BTreeSet<PortMatch>)| {
        let name = naming::of_pods(naming::MONITORING, pods);
        let rule = Rule::new(peers.clone(), ports);
        Draft::of(Direction::Ingress, name, ALLOWANCE, pods.and(&monitoring.pods), vec![rule]).because(reason)
    };
    ports_of.into_iter().map(draft).collect()
}

fn scraping(namespace: &str, fact: &Monitoring) -> Vec<Draft> {
    let mut peers_of: BTreeMap<BTreeSet<PortMatch>, BTreeSet<Peer>> = BTreeMap::new();
    for (of, targets) in &fact.targets {
        for target in targets {
            peers_of.entry(target.ports.clone()).or_default().insert(Peer::pods_in(of, target.pods.clone()));
        }
    }
    for &(address, port) in &fact.addresses {
        let ports = BTreeSet::from([PortMatch::number(Protocol::Tcp, port)]);
        peers_of.entry(ports).or_default().insert(host(address));
    }
    if peers_of.is_empty() {
        return Vec::new();
    }
    let rules: Vec<Rule> = peers_of.into_iter().map(|(ports, peers)| Rule::new(peers, ports)).collect();
    let own = fact.scrapers.iter().filter(|(of, _)| of.as_ref() == namespace);
    own.map(|(_, pods)| {
        let name = naming::of_pods(naming::SCRAPING, pods);
        Draft::of(Direction::Egress, name, ALLOWANCE, pods.clone(), rules.clone())
            .because("the Prometheus of this namespace reaches what it scrapes, in every namespace")
    })
    .collect()
}
