#![allow(clippy::needless_pass_by_value, clippy::unwrap_used)]

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{cilium_policy, network_policy};
use crate::model::{
    Direction, Entity, NamespaceScope, Peer, Peers, Policy, PolicyKey, PortMatch, PortRange, Ports, Protocol, Rule,
    Selector, to_api,
};
use crate::policy::arbitrary;

fn object(spec: Value) -> NetworkPolicy {
    let mut api: NetworkPolicy =
        serde_json::from_value(json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": spec})).unwrap();
    if api.spec.as_ref().is_some_and(|spec| *spec == Default::default()) {
        api.spec = None;
    }
    api
}

fn read(spec: Value) -> Policy {
    network_policy(&object(spec)).unwrap()
}

fn refused(spec: Value) -> String {
    network_policy(&object(spec)).unwrap_err()
}

fn directions(policy: &Policy) -> Vec<Direction> {
    Direction::BOTH.into_iter().filter(|&direction| policy.isolates(direction)).collect()
}

#[test]
fn policy_types_are_defaulted_as_the_api_server_does() {
    // "If this field is not specified, it will default based on the existence of ingress or egress rules; policies that
    // contain an egress section are assumed to affect egress, and all policies […] to affect ingress." (policyTypes)
    use Direction::{Egress, Ingress};
    let table = [
        (json!({}), vec![Ingress]),
        (json!({"ingress": [{}]}), vec![Ingress]),
        (json!({"egress": [{}]}), vec![Ingress, Egress]),
        (json!({"egress": []}), vec![Ingress]),
        (json!({"policyTypes": [], "egress": [{}]}), vec![Ingress, Egress]),
        (json!({"policyTypes": ["Egress"]}), vec![Egress]),
        (json!({"policyTypes": ["Egress"], "ingress": [{}]}), vec![Egress]),
        (json!({"policyTypes": ["Ingress"], "egress": [{}]}), vec![Ingress]),
        (json!({"policyTypes": ["Egress", "Ingress"]}), vec![Ingress, Egress]),
    ];
    for (spec, expected) in table {
        assert_eq!(directions(&read(spec.clone())), expected, "{spec}");
    }
}

#[test]
fn an_empty_or_absent_list_of_peers_or_ports_means_all_of_them() {
    // "If this field is empty or missing, this rule matches all sources" (from), "[…] all ports" (ports)
    for rule in [json!({}), json!({"from": [], "ports": []})] {
        let policy = read(json!({"podSelector": {}, "ingress": [rule]}));
        assert_eq!(policy.ingress.unwrap(), [Rule { peers: Peers::Any, ports: Ports::Any }]);
    }
}

#[test]
fn an_empty_list_of_rules_admits_nothing() {
    // "If this field is empty then this NetworkPolicy does not allow any traffic" (ingress)
    assert_eq!(read(json!({"podSelector": {}, "ingress": []})).ingress.unwrap(), []);
}

#[test]
fn selectors_of_one_peer_are_one_peer_and_an_absent_pod_selector_is_all_pods() {
    let own = |pods| Peer::Pods { namespaces: NamespaceScope::Own, pods };
    let among = |namespaces, pods| Peer::Pods { namespaces: NamespaceScope::Matching(namespaces), pods };
    let (team, web) = (Selector::of_labels([("team", "a")]), Selector::of_labels([("app", "web")]));
    let table = [
        (json!({"podSelector": {"matchLabels": {"app": "web"}}}), own(web.clone())),
        (json!({"podSelector": {}}), own(Selector::all())),
        (json!({"namespaceSelector": {}}), among(Selector::all(), Selector::all())),
        (json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}), among(team.clone(), Selector::all())),
        (
            json!({"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"app": "web"}}}),
            among(team, web),
        ),
        (json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), Peer::cidr("10.0.0.0/8".parse().unwrap())),
        (json!({"ipBlock": {"cidr": "fd00::/8"}}), Peer::cidr("fd00::/8".parse().unwrap())),
        // Host bits are masked.
        (json!({"ipBlock": {"cidr": "10.1.2.3/8"}}), Peer::cidr("10.0.0.0/8".parse().unwrap())),
    ];
    for (peer, expected) in table {
        let policy = read(json!({"podSelector": {}, "ingress": [{"from": [peer]}]}));
        assert_eq!(policy.ingress.unwrap()[0].peers, Peers::These(BTreeSet::from([expected])));
    }
}

#[test]
fn ports_are_read_with_their_defaults() {
    let table = [
        // "If not specified, this field defaults to TCP." (protocol)
        (json!({"port": 80}), PortMatch::number(Protocol::Tcp, 80)),
        (json!({"port": "http", "protocol": "UDP"}), PortMatch::named(Protocol::Udp, "http")),
        // "If this field is not provided, this matches all port names and numbers." (port)
        (json!({"protocol": "SCTP"}), PortMatch { protocol: Protocol::Sctp, range: PortRange::Any }),
        (
            json!({"port": 80, "endPort": 90}),
            PortMatch { protocol: Protocol::Tcp, range: PortRange::Numbers { first: 80, last: 90 } },
        ),
    ];
    for (port, expected) in table {
        let policy = read(json!({"podSelector": {}, "egress": [{"ports": [port]}]}));
        assert_eq!(policy.egress.unwrap()[0].ports, Ports::These(BTreeSet::from([expected])));
    }
}

#[test]
fn what_the_api_server_refuses_is_refused_with_its_field() {
    let peer = |peer: Value| json!({"podSelector": {}, "ingress": [{"from": [peer]}]});
    let port = |port: Value| json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
    let table = [
        (json!({"podSelector": {}, "policyTypes": ["Both"]}), "spec.policyTypes"),
        (json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}), "spec.podSelector"),
        (peer(json!({})), "spec.ingress[0].from[0]: the peer is empty"),
        (peer(json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}})), "spec.ingress[0].from[0]"),
        (peer(json!({"ipBlock": {"cidr": "10.0.0.0"}})), "ipBlock.cidr"),
        (peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}})), "except[0]"),
        (peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}})), "except[0]"),
        (peer(json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["fd00::/8"]}})), "except[0]"),
        (port(json!({"port": 0})), "ports[0].port"),
        (port(json!({"port": 65536})), "ports[0].port"),
        (port(json!({"port": "80"})), "ports[0].port"),
        (port(json!({"port": "http", "endPort": 90})), "ports[0].endPort"),
        (port(json!({"endPort": 90})), "ports[0].endPort"),
        (port(json!({"port": 90, "endPort": 80})), "ports[0].endPort"),
        (port(json!({"port": 90, "protocol": "ICMP"})), "ports[0].protocol"),
    ];
    for (spec, field) in table {
        let error = refused(spec.clone());
        assert!(error.contains(field), "{spec}: {error}");
    }
}

fn supplement() -> Value {
    json!({
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"namespace": "shop", "name": "api", "uid": "1"},
        "spec": {
            "endpointSelector": {"matchLabels": {"app": "web"}},
            "enableDefaultDeny": {"ingress": false, "egress": false},
            "egress": [{
                "toEntities": ["kube-apiserver"],
                "toPorts": [{"ports": [{"port": "6443", "protocol": "TCP"}]}],
            }],
        },
        "status": {"conditions": []},
    })
}

#[test]
fn a_supplement_adds_an_entity_and_isolates_nobody() {
    let policy = cilium_policy(&supplement()).unwrap();
    assert_eq!(directions(&policy), []);
    assert_eq!(policy.pod_selector, Selector::of_labels([("app", "web")]));
    let expected = Rule::new([Peer::Entity(Entity::KubeApiserver)], [PortMatch::number(Protocol::Tcp, 6443)]);
    assert_eq!((policy.ingress, policy.egress), (None, Some(vec![expected])));
}

#[test]
fn a_label_source_before_the_colon_is_understood() {
    let mut api = supplement();
    for key in ["k8s:app", "any:app", "app"] {
        api["spec"]["endpointSelector"] =
            json!({"matchExpressions": [{"key": key, "operator": "In", "values": ["web"]}]});
        assert_eq!(cilium_policy(&api).unwrap().pod_selector, Selector::of_labels([("app", "web")]), "{key}");
    }
}

#[test]
fn any_other_cilium_policy_is_refused() {
    let table = [
        ("/spec/enableDefaultDeny", json!(null)),
        ("/spec/enableDefaultDeny", json!({"egress": false})),
        ("/spec/enableDefaultDeny", json!({"ingress": false, "egress": true})),
        ("/spec/endpointSelector", json!({"matchLabels": {"reserved:host": ""}})),
        ("/spec/endpointSelector", json!({"matchLabels": {"k8s:io.kubernetes.pod.namespace": "other"}})),
        ("/spec/egress/0/toEntities", json!(["world"])),
        ("/spec/egress/0", json!({"toEntities": ["kube-apiserver"], "toFQDNs": []})),
        ("/spec/egress/0", json!({"toEndpoints": [{}]})),
        ("/spec/egress/0/toPorts/0", json!({"ports": [{"port": "443", "protocol": "TCP"}], "rules": {}})),
        ("/spec/egress/0/toPorts/0", json!({"ports": []})),
        ("/spec/egress/0/toPorts/0/ports/0", json!({"port": "443"})),
        ("/spec/egress/0/toPorts/0/ports/0", json!({"port": "https", "protocol": "TCP"})),
        ("/metadata/name", json!(null)),
    ];
    for (at, value) in table {
        let mut api = supplement();
        *api.pointer_mut(at).unwrap() = value.clone();
        assert!(cilium_policy(&api).is_err(), "{at}: {value}");
    }
    for (field, value) in [("egressDeny", json!([])), ("nodeSelector", json!({})), ("ingress", json!([{}]))] {
        let mut api = supplement();
        api["spec"][field] = value;
        assert!(cilium_policy(&api).is_err(), "{field}");
    }
    let mut several = supplement();
    several["specs"] = json!([several["spec"]]);
    assert!(cilium_policy(&several).is_err());
}

#[test]
fn rules_that_admit_nothing_are_never_written() {
    let nobody = Selector::all().with("app", &crate::model::Values::In(BTreeSet::new()));
    let dns = Rule::new([Peer::cidr("10.96.0.10/32".parse().unwrap())], [PortMatch::number(Protocol::Udp, 53)]);
    let policy = Policy {
        key: PolicyKey::network_policy("shop", "web"),
        pod_selector: Selector::all(),
        ingress: Some(vec![Rule::new([], [PortMatch::number(Protocol::Tcp, 80)])]),
        egress: Some(vec![
            Rule { peers: Peers::Any, ports: Ports::These(BTreeSet::new()) },
            Rule { peers: Peers::These(BTreeSet::from([Peer::pods_in("other", nobody)])), ports: Ports::Any },
            dns.clone(),
        ]),
        isolates: true,
    };
    let read = network_policy(&to_api::network_policy(&policy).unwrap()).unwrap();
    assert_eq!((read.ingress, read.egress), (Some(vec![]), Some(vec![dns])));
}

#[test]
fn what_a_kind_cannot_say_is_refused() {
    let api_server = Rule::new([Peer::Entity(Entity::KubeApiserver)], [PortMatch::number(Protocol::Tcp, 6443)]);
    let isolating = Policy {
        key: PolicyKey::network_policy("shop", "web"),
        pod_selector: Selector::all(),
        ingress: None,
        egress: Some(vec![api_server]),
        isolates: true,
    };
    let supplement = Policy { isolates: false, ..isolating.clone() };
    let nowhere = Policy { egress: None, ..isolating.clone() };
    assert!(to_api::network_policy(&isolating).unwrap_err().to_string().contains("entity kube-apiserver"));
    assert!(to_api::network_policy(&supplement).is_err());
    assert!(to_api::network_policy(&nowhere).is_err());
    assert!(to_api::cilium_policy(&isolating).is_err());
    assert!(to_api::cilium_policy(&Policy { ingress: Some(vec![]), ..supplement.clone() }).is_err());
    assert!(to_api::cilium_policy(&Policy { egress: Some(vec![]), ..supplement }).is_err());
}

proptest! {
    #[test]
    fn a_policy_that_is_written_and_read_again_means_the_same(policy in arbitrary::policy()) {
        let read = network_policy(&to_api::network_policy(&policy).unwrap()).unwrap();
        prop_assert!(read.means_the_same(&policy), "{read:?}");
        prop_assert_eq!(read.key, policy.key);
    }

    #[test]
    fn a_supplement_that_is_written_and_read_again_means_the_same(policy in arbitrary::supplement()) {
        let read = cilium_policy(&to_api::cilium_policy(&policy).unwrap()).unwrap();
        prop_assert!(read.means_the_same(&policy), "{read:?}");
        prop_assert_eq!(read.key, policy.key);
    }
}
