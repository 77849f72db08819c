//! Strategies for property tests: few keys and values, so that random values meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use crate::model::{
    Entity, IpBlock, NamespaceScope, Peer, Peers, Policy, PolicyKey, PolicyKind, PortMatch, PortRange, Ports, Protocol,
    Rule, Selector, Values,
};

const KEYS: [&str; 3] = ["app", "tier", "track"];
const VALUES: [&str; 3] = ["a", "b", "c"];

fn values() -> impl Strategy<Value = Values> {
    let of = prop::sample::subsequence(VALUES.to_vec(), 1..=2)
        .prop_map(|of| of.into_iter().map(Arc::from).collect::<BTreeSet<Arc<str>>>());
    prop_oneof![
        4 => of.clone().prop_map(Values::In),
        2 => of.clone().prop_map(Values::Except),
        1 => of.prop_map(Values::PresentExcept),
        1 => Just(Values::PresentExcept(BTreeSet::new())),
        1 => Just(Values::Absent),
    ]
}

/// A selector of up to two keys that matches something.
pub fn selector() -> impl Strategy<Value = Selector> {
    prop::collection::vec((prop::sample::select(KEYS.to_vec()), values()), 0..3)
        .prop_map(|requirements| {
            requirements.iter().fold(Selector::all(), |selector, (key, values)| selector.with(key, values))
        })
        .prop_filter("matches something", |selector| !selector.is_empty())
}

/// The labels of a pod, values among them that no selector names.
pub fn label_set() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    let value = prop::option::of(prop::sample::select(vec!["a", "b", "c", "other"]));
    prop::collection::vec(value, KEYS.len()).prop_map(|values| {
        KEYS.iter().zip(values).filter_map(|(key, value)| Some((Arc::from(*key), Arc::from(value?)))).collect()
    })
}

fn port() -> impl Strategy<Value = PortMatch> {
    let range = prop_oneof![
        1 => Just(PortRange::Any),
        4 => prop::sample::select(vec![53_u16, 80, 443]).prop_map(|port| PortRange::Numbers { first: port, last: port }),
        1 => (1_u16..200, 0_u16..100).prop_map(|(first, more)| PortRange::Numbers { first, last: first + more }),
        1 => Just(PortRange::Named(Arc::from("http"))),
    ];
    (prop::sample::select(Protocol::ALL.to_vec()), range).prop_map(|(protocol, range)| PortMatch { protocol, range })
}

fn peer() -> impl Strategy<Value = Peer> {
    let namespaces = prop_oneof![
        Just(NamespaceScope::Own),
        selector().prop_map(NamespaceScope::Matching),
        Just(NamespaceScope::Matching(Selector::namespace("shop"))),
    ];
    let block = prop::sample::subsequence(vec!["10.0.0.0/16", "10.1.0.0/16"], 0..=2).prop_map(|except| {
        let parse = |cidr: &str| cidr.parse().expect("a literal range");
        Peer::Block(IpBlock { cidr: parse("10.0.0.0/8"), except: except.into_iter().map(parse).collect() })
    });
    prop_oneof![3 => (namespaces, selector()).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }), 1 => block]
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![1 => Just(Ports::Any), 4 => prop::collection::btree_set(port(), 1..3).prop_map(Ports::These)]
}

fn rules() -> impl Strategy<Value = Option<Vec<Rule>>> {
    let peers =
        prop_oneof![1 => Just(Peers::Any), 4 => prop::collection::btree_set(peer(), 1..3).prop_map(Peers::These)];
    prop::option::of(prop::collection::vec((peers, ports()).prop_map(|(peers, ports)| Rule { peers, ports }), 0..3))
}

/// A NetworkPolicy of namespace `shop` that speaks of one direction at least.
pub fn policy() -> impl Strategy<Value = Policy> {
    (prop::sample::select(vec!["one", "two", "three"]), selector(), rules(), rules())
        .prop_filter("names a direction", |(_, _, ingress, egress)| ingress.is_some() || egress.is_some())
        .prop_map(|(name, pod_selector, ingress, egress)| Policy {
            key: PolicyKey::network_policy("shop", name),
            pod_selector,
            ingress,
            egress,
            isolates: true,
        })
}

/// A supplement of namespace `shop`, of the form that the operator writes.
pub fn supplement() -> impl Strategy<Value = Policy> {
    let numbered = |ports: &Ports| match ports {
        Ports::Any => true,
        Ports::These(of) => !of.iter().any(|port| matches!(port.range, PortRange::Named(_))),
    };
    let rule = ports()
        .prop_filter("an entity has no named ports", numbered)
        .prop_map(|ports| Rule { peers: Peers::These(BTreeSet::from([Peer::Entity(Entity::KubeApiserver)])), ports });
    (selector(), prop::collection::vec(rule, 1..3)).prop_map(|(pod_selector, rules)| Policy {
        key: PolicyKey {
            kind: PolicyKind::CiliumNetworkPolicy,
            namespace: Arc::from("shop"),
            name: Arc::from("supplement"),
        },
        pod_selector,
        ingress: None,
        egress: Some(rules),
        isolates: false,
    })
}
