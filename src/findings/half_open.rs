//! Explicit allowances whose other end refuses. Every connection has two ends, and both must let it through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::wording::{bounded, workload};
use super::{Finding, FindingName};
use crate::api::{Allowances, Explicit};
use crate::model::{
    ContainerPort, Direction, Labels, NamespaceScope, Peer, Pod, Policy, PortRange, Ports, Protocol, Selector,
    Snapshot, TargetPort,
};
use crate::policy::{Capabilities, Compiled, Connection, Endpoint, Verdict, selects};

/// One finding per allowance and namespace at its other end. Judged on the pods that are there, with `target` in place of our
/// policies in this namespace.
pub fn findings(
    snapshot: &Snapshot,
    namespace: &str,
    allow: &Allowances,
    target: &[Policy],
    capabilities: &'static Capabilities,
) -> Vec<Finding> {
    let judge = Judge {
        snapshot,
        namespace,
        capabilities,
        compiled: Compiled::with_target(snapshot, namespace, target, capabilities),
    };
    let lists = [(Direction::Ingress, &allow.ingress), (Direction::Egress, &allow.egress)];
    lists
        .into_iter()
        .flat_map(|(direction, list)| list.iter().map(move |explicit| (direction, explicit)))
        .flat_map(|(direction, explicit)| judge.explicit(direction, explicit))
        .collect()
}

struct Judge<'s> {
    snapshot: &'s Snapshot,
    namespace: &'s str,
    capabilities: &'static Capabilities,
    compiled: Compiled<'s>,
}

/// Who refuses at the other end, and why.
#[derive(Default)]
struct Refusal {
    workloads: BTreeSet<String>,
    ports: BTreeSet<String>,
    isolating: BTreeSet<String>,
}

impl Judge<'_> {
    fn explicit(&self, direction: Direction, explicit: &Explicit) -> Vec<Finding> {
        let here = alike(self.snapshot.pods_in(self.namespace).filter(|pod| self.selects(&explicit.pods, pod)));
        let there = alike(
            self.snapshot
                .pods
                .values()
                .flat_map(|pods| pods.values())
                .filter(|pod| explicit.peers.iter().any(|peer| self.is_peer(peer, pod))),
        );
        let mut refusals: BTreeMap<&str, Refusal> = BTreeMap::new();
        for &near in &here {
            for &far in there.iter().filter(|far| (&far.namespace, &far.name) != (&near.namespace, &near.name)) {
                let (from, to) = match direction {
                    Direction::Ingress => (far, near),
                    Direction::Egress => (near, far),
                };
                for (protocol, port) in ports(&explicit.ports, to) {
                    let (from, to) = (Endpoint::Pod(from), Endpoint::Pod(to));
                    let name = format!("{port}/{protocol}");
                    let port = TargetPort::Number(port);
                    let decision = self.compiled.decide(&Connection { from, to, protocol, port, service: None });
                    let other_end = match direction {
                        Direction::Ingress => decision.egress,
                        Direction::Egress => decision.ingress,
                    };
                    if other_end.verdict == Verdict::Denied {
                        let refusal = refusals.entry(&far.namespace).or_default();
                        refusal.workloads.insert(workload(far));
                        refusal.ports.insert(name);
                        refusal.isolating.extend(other_end.isolating.iter().map(|key| key.name.to_string()));
                    }
                }
            }
        }
        refusals.into_iter().map(|(namespace, refusal)| finding(direction, explicit, namespace, &refusal)).collect()
    }

    fn selects(&self, selector: &Selector, pod: &Pod) -> bool {
        !pod.host_network && !pod.ended && selects(self.capabilities, selector, pod)
    }

    fn is_peer(&self, peer: &Peer, pod: &Pod) -> bool {
        match peer {
            Peer::Pods { namespaces, pods } => {
                let here = match namespaces {
                    NamespaceScope::Own => *pod.namespace == *self.namespace,
                    NamespaceScope::Matching(selector) => {
                        selector.matches(&self.snapshot.namespace_labels(&pod.namespace))
                    }
                };
                here && self.selects(pods, pod)
            }
            Peer::Block(_) | Peer::Entity(_) => false,
        }
    }
}

fn finding(direction: Direction, explicit: &Explicit, namespace: &str, refusal: &Refusal) -> Finding {
    let (verb, other) = match direction {
        Direction::Ingress => ("open connections to", Direction::Egress),
        Direction::Egress => ("take connections on", Direction::Ingress),
    };
    Finding::new(
        FindingName::HalfOpen,
        format!(
            "allow.{direction}[{}]: {} of namespace {namespace} may not {verb} port {}: {other} there is isolated by {} and no \
             rule admits it. It needs an allowance at that end too",
            explicit.name,
            bounded(&refusal.workloads),
            bounded(&refusal.ports),
            bounded(&refusal.isolating),
        ),
    )
}

/// What pods have in common that are judged alike, but for their addresses: namespace, labels, declared ports.
type Kind<'p> = (&'p str, &'p Labels, Vec<(Option<&'p str>, u16, Protocol)>);

/// Two pods of each kind, so that a kind is also judged against itself: a pod reaches itself whatever policies say.
fn alike<'p>(pods: impl Iterator<Item = &'p Arc<Pod>>) -> Vec<&'p Pod> {
    let mut seen: BTreeMap<Kind<'p>, usize> = BTreeMap::new();
    pods.map(AsRef::as_ref)
        .filter(|pod: &&Pod| {
            let ports = pod.ports.iter().map(|port| (port.name.as_deref(), port.port, port.protocol)).collect();
            let so_far = seen.entry((&pod.namespace, &pod.labels, ports)).or_default();
            *so_far += 1;
            *so_far <= 2
        })
        .collect()
}

/// A port for each entry of the allowance; of "all ports", those that the pod declares.
fn ports(ports: &Ports, to: &Pod) -> BTreeSet<(Protocol, u16)> {
    let declared = |wanted: &dyn Fn(&ContainerPort) -> bool| -> Vec<(Protocol, u16)> {
        to.ports.iter().filter(|port| wanted(port)).map(|port| (port.protocol, port.port)).collect()
    };
    match ports {
        Ports::Any => declared(&|_| true).into_iter().collect(),
        Ports::These(of) => of
            .iter()
            .flat_map(|entry| match &entry.range {
                PortRange::Any => declared(&|port| port.protocol == entry.protocol),
                PortRange::Numbers { first, .. } => vec![(entry.protocol, *first)],
                PortRange::Named(name) => {
                    declared(&|port| port.protocol == entry.protocol && port.name.as_ref() == Some(name))
                }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::api::{NetworkBaseline, NetworkBaselineSpec, validate};
    use crate::policy::fixture;

    fn allow(allow: &Value) -> Allowances {
        let spec: NetworkBaselineSpec = serde_json::from_value(json!({ "allow": allow })).unwrap();
        let mut baseline = NetworkBaseline::new("default", spec);
        baseline.metadata.namespace = Some("shop".to_owned());
        validate(&baseline).unwrap().allow
    }

    fn cluster() -> Snapshot {
        let snapshot = fixture::with_namespace(fixture::snapshot(), "shop", &[]);
        let snapshot = fixture::with_namespace(snapshot, "data", &[]);
        let snapshot = fixture::with_pod(snapshot, fixture::pod("shop", "web", &[("app", "web")], &["10.0.0.1"]));
        fixture::with_pod(snapshot, fixture::pod("data", "db", &[("app", "db")], &["10.0.1.1"]))
    }

    fn messages(snapshot: &Snapshot, spec: &Value) -> Vec<String> {
        let found = findings(snapshot, "shop", &allow(spec), &[], Capabilities::spec());
        assert!(found.iter().all(|finding| finding.name == FindingName::HalfOpen));
        found.into_iter().map(|finding| finding.message).collect()
    }

    fn to_db() -> Value {
        json!({"egress": [{"name": "db", "to": [{"namespace": "data"}], "ports": [{"port": 5432}]}]})
    }

    #[test]
    fn an_other_end_that_refuses_is_named_with_what_isolates_it() {
        let deny = fixture::policy("data", "deny", json!({"podSelector": {}}));
        let found = messages(&fixture::with_foreign(cluster(), deny), &to_db());
        let expected = "allow.egress[db]: Pod db of namespace data may not take connections on port 5432/TCP: ingress there is \
                        isolated by deny and no rule admits it. It needs an allowance at that end too";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn an_other_end_that_is_open_or_admits_us_is_fine() {
        assert!(messages(&cluster(), &to_db()).is_empty());
        let from_shop = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}});
        let admits = json!({"podSelector": {}, "ingress": [{"from": [from_shop], "ports": [{"port": 5432}]}]});
        let snapshot = fixture::with_foreign(cluster(), fixture::policy("data", "admits", admits));
        assert!(messages(&snapshot, &to_db()).is_empty());
    }

    #[test]
    fn an_other_end_that_may_not_call_us_is_named() {
        let deny = fixture::policy("data", "deny", json!({"podSelector": {}, "policyTypes": ["Egress"]}));
        let snapshot = fixture::with_foreign(cluster(), deny);
        let from_data =
            json!({"ingress": [{"name": "in", "from": [{"namespace": "data"}], "ports": [{"port": "http"}]}]});
        let found = messages(&snapshot, &from_data);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("may not open connections to port 8080/TCP: egress there is isolated by deny"),
            "{found:?}"
        );
    }

    #[test]
    fn replicas_that_may_not_call_each_other_are_named() {
        let replica = fixture::pod("shop", "web-2", &[("app", "web")], &["10.0.0.3"]);
        let deny = fixture::policy("shop", "deny", json!({"podSelector": {}, "policyTypes": ["Egress"]}));
        let among = json!({"ingress": [{"name": "peers", "from": [{"podSelector": {}}], "ports": [{"port": 7000}]}]});
        let alone = fixture::with_foreign(cluster(), deny);
        assert!(messages(&alone, &among).is_empty(), "a pod reaches itself");
        assert_eq!(messages(&fixture::with_pod(alone, replica), &among).len(), 1);
    }

    #[test]
    fn an_end_that_is_not_understood_is_no_refusal() {
        let deny = fixture::policy("data", "deny", json!({"podSelector": {}}));
        let snapshot = fixture::with_unreadable(fixture::with_foreign(cluster(), deny), "data", "odd");
        assert!(messages(&snapshot, &to_db()).is_empty());
    }
}
