//! Small clusters for tests.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::{
    Availability, ByNamespace, ContainerPort, Labels, Namespace, Node, ObservedPolicy, Pod, Policy, Protocol, Service,
    Snapshot, Source, from_api, labels,
};

/// A snapshot in which policies of every kind were seen.
pub fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for source in [Source::NetworkPolicies, Source::CiliumNetworkPolicies] {
        snapshot.sources.insert(source, Availability::Synced);
    }
    snapshot
}

pub fn with_namespace(mut snapshot: Snapshot, name: &str, pairs: &[(&str, &str)]) -> Snapshot {
    let named = [("kubernetes.io/metadata.name", name)];
    let labels = labels(pairs.iter().chain(&named).copied());
    let namespace = Namespace { name: Arc::from(name), labels, terminating: false };
    snapshot.namespaces.insert(Arc::from(name), Arc::new(namespace));
    snapshot
}

fn inner<T>(of: &mut ByNamespace<T>, namespace: &str, name: &str, object: T) {
    Arc::make_mut(of.entry(Arc::from(namespace)).or_default()).insert(Arc::from(name), Arc::new(object));
}

pub fn with_pod(mut snapshot: Snapshot, pod: Pod) -> Snapshot {
    let (namespace, name) = (Arc::clone(&pod.namespace), Arc::clone(&pod.name));
    inner(&mut snapshot.pods, &namespace, &name, pod);
    snapshot
}

pub fn with_service(mut snapshot: Snapshot, service: Service) -> Snapshot {
    let (namespace, name) = (Arc::clone(&service.namespace), Arc::clone(&service.name));
    inner(&mut snapshot.services, &namespace, &name, service);
    snapshot
}

/// A policy in the cluster; not the operator's.
pub fn with_foreign(mut snapshot: Snapshot, policy: Policy) -> Snapshot {
    let key = policy.key.clone();
    let observed = ObservedPolicy { name: Arc::clone(&key.name), policy: Ok(policy), ours: false };
    inner(&mut snapshot.policies, &key.namespace, &key.name, observed);
    snapshot
}

/// A policy in the cluster that is not understood.
pub fn with_unreadable(mut snapshot: Snapshot, namespace: &str, key: &str) -> Snapshot {
    let name = key.rsplit('/').next().unwrap_or(key);
    let observed = ObservedPolicy { name: Arc::from(name), policy: Err("it has a deny rule".to_owned()), ours: false };
    inner(&mut snapshot.policies, namespace, key, observed);
    snapshot
}

/// A running pod on node `n1`, that declares the ports `http` 8080 and `dns` 5353/UDP.
pub fn pod(namespace: &str, name: &str, pairs: &[(&str, &str)], ips: &[&str]) -> Pod {
    let port = |name, port, protocol| ContainerPort { name: Some(Arc::from(name)), port, protocol };
    Pod {
        namespace: Arc::from(namespace),
        name: Arc::from(name),
        labels: labels(pairs.iter().copied()),
        annotations: Labels::default(),
        ips: ips.iter().map(|ip| ip.parse().expect("a literal address")).collect(),
        ports: vec![port("http", 8080, Protocol::Tcp), port("dns", 5353, Protocol::Udp)],
        host_network: false,
        ended: false,
        ready: true,
        terminating: false,
        node: Some(Arc::from("n1")),
        owner: None,
    }
}

pub fn node(name: &str, ip: &str) -> Node {
    Node {
        name: Arc::from(name),
        labels: Labels::default(),
        annotations: Labels::default(),
        ips: vec![ip.parse().expect("a literal address")],
        pod_cidrs: Vec::new(),
        ready: true,
    }
}

/// A NetworkPolicy, through the real parser.
pub fn policy(namespace: &str, name: &str, spec: Value) -> Policy {
    let api = serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec}))
        .expect("a NetworkPolicy");
    from_api::network_policy(&api).expect("a valid NetworkPolicy")
}

/// A CiliumNetworkPolicy that adds the API server on a port.
pub fn supplement(namespace: &str, name: &str, port: u16) -> Policy {
    from_api::cilium_policy(&json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "endpointSelector": {},
            "enableDefaultDeny": {"ingress": false, "egress": false},
            "egress": [{
                "toEntities": ["kube-apiserver"],
                "toPorts": [{"ports": [{"port": port.to_string(), "protocol": "TCP"}]}],
            }],
        },
    }))
    .expect("a supplement")
}
