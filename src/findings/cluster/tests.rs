#![allow(clippy::unwrap_used)]

use super::findings;
use crate::discovery::tests::fixture::{forbidden, snapshot};
use crate::discovery::{Hints, discover};
use crate::findings::{Finding, FindingName};
use crate::model::{Snapshot, Source};

fn of(snapshot: &Snapshot) -> Vec<Finding> {
    findings(snapshot, &discover(snapshot, &Hints::default()), "shop")
}

fn message(snapshot: &Snapshot, name: FindingName) -> Option<String> {
    of(snapshot).into_iter().find(|finding| finding.name == name).map(|finding| finding.message)
}

/// A cluster with nothing to find.
const SOUND: &str = "
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
kind: Namespace
metadata: {name: monitoring}
---
kind: Pod
metadata: {name: prometheus-0, namespace: monitoring, labels: {app: prometheus}}
spec: {containers: []}
---
kind: DaemonSet
metadata: {name: calico-node, namespace: calico-system}
spec: {selector: {}, template: {metadata: {labels: {k8s-app: calico-node}}}}
";

#[test]
fn a_sound_cluster_has_no_finding() {
    assert_eq!(of(&snapshot(SOUND)), []);
}

#[test]
fn an_empty_cluster_lacks_a_resolver_a_prometheus_and_an_engine() {
    let names: Vec<FindingName> = of(&snapshot("")).into_iter().map(|finding| finding.name).collect();
    assert_eq!(names, [FindingName::NoDns, FindingName::MonitoringNotFound, FindingName::EngineUnknown]);
}

#[test]
fn a_resolver_that_cannot_be_read_is_not_missing_but_its_source_is() {
    let unread = forbidden(snapshot(SOUND), Source::Services);
    assert_eq!(message(&unread, FindingName::NoDns), None);
    assert!(message(&unread, FindingName::SourceNotSynced).unwrap().starts_with("Services cannot be read: forbidden"));
}

#[test]
fn every_source_that_decisions_need_is_missed() {
    for source in super::NEEDED {
        assert!(message(&forbidden(snapshot(SOUND), source), FindingName::SourceNotSynced).is_some(), "{source:?}");
    }
    assert!(message(&forbidden(snapshot(SOUND), Source::PodMonitors), FindingName::SourceNotSynced).is_none());
}

#[test]
fn flannel_alone_ignores_policies() {
    let flannel = SOUND.replace("calico-system", "kube-flannel").replace("calico-node", "kube-flannel-ds");
    let found = message(&snapshot(&flannel), FindingName::EngineIgnoresPolicies).unwrap();
    assert!(found.contains("netpol.enabled=true") && found.contains("kube-flannel/kube-flannel-ds"), "{found}");
}

#[test]
fn pods_of_the_host_network_are_named_by_workload_and_bounded() {
    let pod = |nth: usize, owner: &str| {
        format!(
            "---
kind: Pod
metadata: {{name: p{nth}, namespace: shop, ownerReferences: [{owner}]}}
spec: {{hostNetwork: true, containers: []}}
"
        )
    };
    let owner = "{apiVersion: apps/v1, kind: DaemonSet, name: agent, uid: u, controller: true}";
    let one = format!("{SOUND}{}{}", pod(1, owner), pod(2, owner));
    let found = message(&snapshot(&one), FindingName::HostNetworkPodsNotIsolated).unwrap();
    assert!(found.starts_with("pods of DaemonSet agent share"), "{found}");
    let many: String = (0..8).map(|nth| pod(nth, "")).collect();
    let found = message(&snapshot(&format!("{SOUND}{many}")), FindingName::HostNetworkPodsNotIsolated).unwrap();
    assert!(found.starts_with("pods of Pod p0, Pod p1, Pod p2, Pod p3, Pod p4 and 3 more share"), "{found}");
}

#[test]
fn kinds_that_can_overrule_are_named() {
    let tier = "---\nkind: CustomResourceDefinition\nmetadata: {name: adminnetworkpolicies.policy.networking.k8s.io}\n";
    let found = message(&snapshot(&format!("{SOUND}{tier}")), FindingName::TiersAbove).unwrap();
    assert!(found.ends_with("adminnetworkpolicies.policy.networking.k8s.io"), "{found}");
}
