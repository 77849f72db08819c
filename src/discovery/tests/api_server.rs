use std::collections::BTreeSet;

use super::fixture::{forbidden, snapshot};
use crate::discovery::{ApiServer, Fact, Hints, discover};
use crate::model::Source;

const SERVICE: &str = "
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIPs: [10.96.0.1, 'fd00:96::1'], ports: [{name: https, port: 443, targetPort: 6443}]}
";
const SLICE: &str = "
kind: EndpointSlice
addressType: IPv4
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
endpoints: [{addresses: [192.168.7.1]}, {addresses: [192.168.7.2]}]
ports: [{name: https, port: 6443}]
";

#[test]
fn endpoints_and_service_are_both_part_of_the_api_server() {
    let fact = discover(&snapshot(&format!("{SERVICE}---{SLICE}")), &Hints::default()).api_server;
    let value = ApiServer {
        endpoints: ["192.168.7.1", "192.168.7.2"].iter().map(|ip| ip.parse().unwrap()).collect(),
        cluster_ips: ["10.96.0.1", "fd00:96::1"].iter().map(|ip| ip.parse().unwrap()).collect(),
        ports: BTreeSet::from([443, 6443]),
        on_nodes: false,
    };
    assert_eq!(
        fact,
        Fact::Known { value, origin: "Service default/kubernetes and its EndpointSlices".into(), ready: true }
    );
}

#[test]
fn one_half_alone_replaces_nothing() {
    for half in [SERVICE, SLICE] {
        let fact = discover(&snapshot(half), &Hints::default()).api_server;
        assert!(matches!(fact, Fact::Known { ready: false, .. }), "{fact:?}");
    }
}

#[test]
fn an_empty_cluster_has_none_and_an_unread_one_says_nothing() {
    assert!(matches!(discover(&snapshot(""), &Hints::default()).api_server, Fact::Absent { .. }));
    let unread = forbidden(snapshot(SERVICE), Source::EndpointSlices);
    assert!(matches!(discover(&unread, &Hints::default()).api_server, Fact::Unreadable { .. }));
}

#[test]
fn while_the_engine_cannot_be_seen_nothing_is_replaced() {
    for source in [Source::DaemonSets, Source::Nodes, Source::CustomResourceDefinitions] {
        let fact =
            discover(&forbidden(snapshot(&format!("{SERVICE}---{SLICE}")), source), &Hints::default()).api_server;
        assert!(matches!(fact, Fact::Known { ready: false, .. }), "{source:?}: {fact:?}");
    }
}

#[test]
fn an_endpoint_that_is_a_node_is_noticed() {
    let node = "kind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 192.168.7.2}]}\n";
    let on = |yaml: &str| discover(&snapshot(yaml), &Hints::default()).api_server.value().unwrap().on_nodes;
    assert!(on(&format!("{SLICE}---\n{node}")));
    assert!(!on(&format!("{SLICE}---\n{}", node.replace("192.168.7.2", "192.168.7.9"))));
}
