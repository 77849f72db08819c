use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::fixture::{forbidden, snapshot};
use crate::discovery::{Dns, Fact, Hints, discover};
use crate::model::{Selector, Snapshot, Source};

const KUBEADM: &str = "
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.10
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}, {name: metrics, port: 9153}]
---
kind: EndpointSlice
addressType: IPv4
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
endpoints: [{addresses: [10.244.0.2], targetRef: {kind: Pod, name: coredns-a, namespace: kube-system}}]
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}, {name: metrics, port: 9153}]
---
kind: Pod
metadata: {name: coredns-a, namespace: kube-system, labels: {k8s-app: kube-dns, pod-template-hash: x}}
spec: {containers: []}
status: {podIP: 10.244.0.2}
";

const NODE_LOCAL: &str = "
---
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec: {containers: [{name: node-cache, args: ['-localip', '169.254.25.10,10.96.0.10']}]}
---
kind: Pod
metadata: {name: node-local-dns-a, namespace: kube-system, labels: {k8s-app: node-local-dns}}
spec: {hostNetwork: true, containers: []}
";

fn asked(nameservers: &[&str]) -> Hints {
    Hints { nameservers: nameservers.iter().map(|ip| ip.parse().unwrap()).collect() }
}

fn found(snapshot: &Snapshot, nameservers: &[&str]) -> (Dns, bool) {
    match discover(snapshot, &asked(nameservers)).dns {
        Fact::Known { value, ready, .. } => (value, ready),
        other => unreachable!("{other:?}"),
    }
}

fn backend(namespace: &str, key: &str, value: &str) -> (Arc<str>, Selector) {
    (Arc::from(namespace), Selector::of_labels([(key, value)]))
}

fn ips(of: &[&str]) -> BTreeSet<IpAddr> {
    of.iter().map(|ip| ip.parse().unwrap()).collect()
}

#[test]
fn kubeadm_gives_the_pods_behind_kube_dns_and_the_address_that_is_asked() {
    let (dns, ready) = found(&snapshot(KUBEADM), &[]);
    let expected = Dns {
        backends: BTreeSet::from([backend("kube-system", "k8s-app", "kube-dns")]),
        addresses: ips(&["10.96.0.10"]),
        ports: BTreeSet::from([53]),
    };
    assert_eq!((dns, ready), (expected, true));
}

#[test]
fn rke2_is_found_under_its_own_name() {
    let (dns, _) = found(&snapshot(&KUBEADM.replace("name: kube-dns", "name: rke2-coredns-rke2-coredns")), &[]);
    assert_eq!(dns.backends, BTreeSet::from([backend("kube-system", "k8s-app", "kube-dns")]));
}

#[test]
fn openshift_answers_on_5353_behind_53() {
    let (dns, ready) = found(
        &snapshot(
            "
kind: Service
metadata: {name: dns-default, namespace: openshift-dns}
spec:
  clusterIP: 172.30.0.10
  selector: {dns.operator.openshift.io/daemonset-dns: default}
  ports: [{name: dns, port: 53, targetPort: dns, protocol: UDP}, {name: dns-tcp, port: 53, targetPort: dns-tcp}]
---
kind: EndpointSlice
addressType: IPv4
metadata: {name: dns-default-1, namespace: openshift-dns, labels: {kubernetes.io/service-name: dns-default}}
endpoints: [{addresses: [10.128.0.2], targetRef: {kind: Pod, name: dns-a}}]
ports: [{name: dns, port: 5353, protocol: UDP}, {name: dns-tcp, port: 5353}]
",
        ),
        &[],
    );
    assert_eq!(dns.ports, BTreeSet::from([53, 5353]));
    assert_eq!(dns.addresses, ips(&["172.30.0.10"]));
    assert_eq!(
        dns.backends,
        BTreeSet::from([backend("openshift-dns", "dns.operator.openshift.io/daemonset-dns", "default")])
    );
    assert!(ready);
}

#[test]
fn a_named_target_port_is_read_from_the_pods_while_no_endpoint_is_there() {
    let (dns, ready) = found(
        &snapshot(
            "
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, selector: {app: d}, ports: [{port: 53, targetPort: dns, protocol: UDP}]}
---
kind: Pod
metadata: {name: d, namespace: kube-system, labels: {app: d}}
spec: {containers: [{name: d, ports: [{name: dns, containerPort: 1053, protocol: UDP}]}]}
",
        ),
        &[],
    );
    assert_eq!((dns.ports, ready), (BTreeSet::from([53, 1053]), false));
}

#[test]
fn the_service_that_is_asked_is_the_resolver_whatever_its_name() {
    let elsewhere = KUBEADM.replace("kube-system", "names").replace("name: kube-dns", "name: resolver");
    let looked = discover(&snapshot(&elsewhere), &Hints::default()).dns;
    assert!(matches!(looked, Fact::Absent { .. }), "{looked:?}");
    let (dns, ready) = found(&snapshot(&elsewhere), &["10.96.0.10"]);
    assert_eq!(dns.backends, BTreeSet::from([backend("names", "k8s-app", "kube-dns")]));
    assert!(ready);
}

#[test]
fn a_nameserver_outside_the_cluster_is_no_resolver_of_the_cluster() {
    let fact = discover(&snapshot(""), &asked(&["9.9.9.9"])).dns;
    assert!(matches!(fact, Fact::Absent { ref looked } if looked.contains("9.9.9.9")), "{fact:?}");
}

#[test]
fn a_cache_on_nodes_is_reached_at_its_link_local_address() {
    let with_cache = format!("{KUBEADM}{NODE_LOCAL}");
    let (dns, _) = found(&snapshot(&with_cache), &[]);
    assert_eq!(dns.addresses, ips(&["10.96.0.10", "169.254.25.10"]));
    assert_eq!(dns.backends, BTreeSet::from([backend("kube-system", "k8s-app", "kube-dns")]));
}

#[test]
fn a_cache_without_an_argument_has_the_usual_address() {
    let with_cache = format!("{KUBEADM}{}", NODE_LOCAL.replace("-localip", "-conf"));
    assert_eq!(found(&snapshot(&with_cache), &[]).0.addresses, ips(&["10.96.0.10", "169.254.20.10"]));
}

#[test]
fn a_cache_with_a_network_of_its_own_is_a_backend_too() {
    let redirected = format!("{KUBEADM}{}", NODE_LOCAL.replace("hostNetwork: true", "hostNetwork: false"));
    let (dns, _) = found(&snapshot(&redirected), &[]);
    assert!(dns.backends.contains(&backend("kube-system", "k8s-app", "node-local-dns")));
}

#[test]
fn a_link_local_nameserver_is_allowed_even_without_a_service_but_replaces_nothing() {
    let (dns, ready) = found(&snapshot(""), &["169.254.169.254"]);
    assert_eq!((dns.addresses, dns.ports, ready), (ips(&["169.254.169.254"]), BTreeSet::from([53]), false));
}

#[test]
fn backends_of_the_host_network_are_named_by_address() {
    let on_host = KUBEADM.replace("spec: {containers: []}", "spec: {hostNetwork: true, containers: []}");
    assert_eq!(found(&snapshot(&on_host), &[]).0.addresses, ips(&["10.96.0.10", "10.244.0.2"]));
}

#[test]
fn a_cache_does_not_stand_in_for_a_resolver_that_is_gone() {
    let fact = discover(&snapshot(NODE_LOCAL), &Hints::default()).dns;
    assert!(matches!(fact, Fact::Absent { .. }), "{fact:?}");
}

#[test]
fn a_resolver_without_a_ready_backend_does_not_replace_another() {
    let unready = KUBEADM.replace("{addresses: [10.244.0.2],", "{addresses: [10.244.0.2], conditions: {ready: false},");
    assert!(!found(&snapshot(&unready), &[]).1);
}

#[test]
fn what_cannot_be_read_is_not_absent() {
    for source in [Source::Services, Source::EndpointSlices] {
        for yaml in ["", KUBEADM] {
            let fact = discover(&forbidden(snapshot(yaml), source), &Hints::default()).dns;
            let Fact::Unreadable { reason } = fact else { unreachable!("{fact:?}") };
            assert_eq!(reason, format!("{} cannot be read: forbidden", source.name()));
        }
    }
    for source in [Source::Pods, Source::DaemonSets] {
        assert!(!found(&forbidden(snapshot(KUBEADM), source), &[]).1, "{source:?}");
    }
}
