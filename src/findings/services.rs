//! Services of the namespace that nobody could reach any more.

use std::collections::{BTreeMap, BTreeSet};

use super::wording::bounded;
use super::{Finding, FindingName};
use crate::model::{
    Direction, Peers, Pod, Policy, PortMatch, PortRange, Ports, Protocol, Service, ServicePort, Snapshot, TargetPort,
};
use crate::policy::{Capabilities, selects};

/// Services whose target port no rule admits from anyone once `target` isolates their pods. Rules of foreign policies count.
pub fn findings(
    snapshot: &Snapshot,
    namespace: &str,
    target: &[Policy],
    capabilities: &'static Capabilities,
) -> Vec<Finding> {
    let foreign = snapshot
        .policies_in(namespace)
        .filter(|observed| !observed.ours)
        .filter_map(|observed| observed.policy.as_ref().ok());
    let policies: Vec<&Policy> = target.iter().chain(foreign).collect();
    let services = snapshot.services.get(namespace).into_iter().flat_map(|services| services.values());
    let mut closed: BTreeSet<String> = BTreeSet::new();
    for service in services.filter(|service| !service.external_name) {
        for port in &service.ports {
            let numbers: BTreeSet<u16> = backends(snapshot, service)
                .filter(|pod| isolated(target, pod, capabilities))
                .filter_map(|pod| Some((pod, target_port(pod, port)?)))
                .filter(|&(pod, number)| !admitted(&policies, pod, port.protocol, number, capabilities))
                .map(|(_, number)| number)
                .collect();
            closed.extend(numbers.iter().map(|number| {
                format!("Service {} port {} (pod port {number}/{})", service.name, port.port, port.protocol)
            }));
        }
    }
    if closed.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "no rule admits anyone to {}: their callers are cut off when the pods are isolated. Name the callers in allow.ingress",
        bounded(&closed)
    );
    vec![Finding::new(FindingName::ServicePortNotAdmitted, message)]
}

fn backends<'s>(snapshot: &'s Snapshot, service: &'s Service) -> impl Iterator<Item = &'s Pod> {
    let selector = service.selector.as_deref().filter(|selector: &&BTreeMap<_, _>| !selector.is_empty());
    selector.into_iter().flat_map(move |selector| {
        snapshot
            .pods_in(&service.namespace)
            .map(AsRef::as_ref)
            .filter(|pod: &&Pod| !pod.host_network && !pod.ended)
            .filter(move |pod| selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value)))
    })
}

fn isolated(target: &[Policy], pod: &Pod, capabilities: &Capabilities) -> bool {
    target.iter().any(|policy| policy.isolates(Direction::Ingress) && selects(capabilities, &policy.pod_selector, pod))
}

/// `None`: the pod declares no port of that name, so the Service has no such backend.
fn target_port(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod
            .ports
            .iter()
            .find(|declared| declared.name.as_ref() == Some(name) && declared.protocol == port.protocol)
            .map(|declared| declared.port),
    }
}

fn admitted(policies: &[&Policy], pod: &Pod, protocol: Protocol, number: u16, capabilities: &Capabilities) -> bool {
    let holds = |port: &PortMatch| {
        port.protocol == protocol
            && match &port.range {
                PortRange::Any => true,
                PortRange::Numbers { first, last } => (*first..=*last).contains(&number),
                PortRange::Named(name) => pod.ports.iter().any(|declared| {
                    declared.name.as_ref() == Some(name) && declared.protocol == protocol && declared.port == number
                }),
            }
    };
    policies
        .iter()
        .filter(|policy| selects(capabilities, &policy.pod_selector, pod))
        .flat_map(|policy| policy.rules(Direction::Ingress).into_iter().flatten())
        .any(|rule| {
            let anyone = match &rule.peers {
                Peers::Any => true,
                Peers::These(peers) => !peers.is_empty(),
            };
            anyone
                && match &rule.ports {
                    Ports::Any => true,
                    Ports::These(ports) => ports.iter().any(holds),
                }
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Labels, labels};
    use crate::policy::fixture;

    fn shop(target: TargetPort) -> Snapshot {
        let snapshot = fixture::with_namespace(fixture::snapshot(), "shop", &[]);
        let snapshot = fixture::with_pod(snapshot, fixture::pod("shop", "web", &[("app", "web")], &["10.0.0.1"]));
        let service = Service {
            namespace: Arc::from("shop"),
            name: Arc::from("web"),
            labels: Labels::default(),
            selector: Some(labels([("app", "web")])),
            cluster_ips: Vec::new(),
            ports: vec![ServicePort { name: None, port: 80, target, protocol: Protocol::Tcp }],
            external_name: false,
        };
        fixture::with_service(snapshot, service)
    }

    fn found(target: TargetPort, rules: &Value) -> Vec<Finding> {
        let policy = fixture::policy("shop", "p", json!({"podSelector": {}, "ingress": rules}));
        findings(&shop(target), "shop", &[policy], Capabilities::spec())
    }

    #[test]
    fn a_service_port_that_no_rule_admits_is_named_with_the_pods_port() {
        for target in [TargetPort::Number(8080), TargetPort::Name(Arc::from("http"))] {
            let found = found(target, &json!([{"ports": [{"port": 80}]}]));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].name, FindingName::ServicePortNotAdmitted);
            assert!(found[0].message.contains("Service web port 80 (pod port 8080/TCP)"), "{}", found[0].message);
        }
    }

    #[test]
    fn a_rule_that_admits_anyone_on_the_pods_port_is_enough() {
        let rules = [
            json!([{}]),
            json!([{"ports": [{"port": 8080}]}]),
            json!([{"ports": [{"port": "http"}]}]),
            json!([{"from": [{"podSelector": {}}], "ports": [{"port": 8000, "endPort": 9000}]}]),
        ];
        for rules in rules {
            assert!(found(TargetPort::Number(8080), &rules).is_empty(), "{rules}");
        }
    }

    #[test]
    fn a_service_whose_pods_stay_open_is_not_named() {
        let snapshot = shop(TargetPort::Number(8080));
        let elsewhere = fixture::policy("shop", "p", json!({"podSelector": {"matchLabels": {"app": "db"}}}));
        let egress = fixture::policy("shop", "p", json!({"podSelector": {}, "policyTypes": ["Egress"]}));
        assert!(findings(&snapshot, "shop", &[elsewhere, egress], Capabilities::spec()).is_empty());
    }

    #[test]
    fn rules_of_foreign_policies_count() {
        let foreign =
            fixture::policy("shop", "theirs", json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}));
        let snapshot = fixture::with_foreign(shop(TargetPort::Number(8080)), foreign);
        let deny = fixture::policy("shop", "deny", json!({"podSelector": {}}));
        assert!(findings(&snapshot, "shop", &[deny], Capabilities::spec()).is_empty());
    }
}
