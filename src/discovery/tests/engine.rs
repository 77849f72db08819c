use std::sync::Arc;

use super::fixture::{forbidden, snapshot};
use crate::discovery::fingerprints::FINGERPRINTS;
use crate::discovery::{Certainty, Enforces, Engine, Hints, discover};
use crate::model::{Selector, Snapshot, Source};
use crate::policy::Capabilities;

fn engine(snapshot: &Snapshot) -> Engine {
    discover(snapshot, &Hints::default()).engine
}

/// A DaemonSet of kube-system, or of the namespace before the slash, with one container.
fn daemon_set(name: &str, container: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("kube-system", name));
    format!(
        "---
kind: DaemonSet
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{}}, template: {{metadata: {{labels: {{k8s-app: {name}}}}}, spec: {{containers: [{container}]}}}}}}
"
    )
}

fn config_map(name: &str, data: &str) -> String {
    format!("---\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: kube-system}}\ndata: {{{data}}}\n")
}

fn node(marks: &str) -> String {
    format!("---\nkind: Node\nmetadata: {{name: n1, {marks}}}\n")
}

const PLAIN: &str = "{name: agent, image: some/agent}";

/// The text, what is expected to be seen, and whether it enforces.
fn verdict(yaml: &str) -> (String, &'static str) {
    let engine = engine(&snapshot(yaml));
    let enforces = match engine.enforces {
        Enforces::Yes => "yes",
        Enforces::No(_) => "no",
        Enforces::Unknown(_) => "unknown",
    };
    (engine.origin, enforces)
}

#[test]
fn every_engine_is_recognised_by_what_runs() {
    let auto = node("labels: {eks.amazonaws.com/compute-type: auto}")
        + &config_map("amazon-vpc-cni", "enable-network-policy-controller: 'true'");
    let azure = daemon_set("cilium", PLAIN) + &node("labels: {kubernetes.azure.com/ebpf-dataplane: cilium}");
    let aws = daemon_set("aws-node", "{name: aws-eks-nodeagent, args: [--enable-network-policy=true]}")
        + &config_map("amazon-vpc-cni", "enable-network-policy-controller: 'true'");
    for (yaml, origin) in [
        (daemon_set("anetd", PLAIN), "DaemonSet kube-system/anetd"),
        (azure, "DaemonSet kube-system/cilium, label kubernetes.azure.com/ebpf-dataplane=cilium of node n1"),
        (daemon_set("cilium", PLAIN), "DaemonSet kube-system/cilium"),
        (daemon_set("canal", PLAIN), "DaemonSet kube-system/canal"),
        (daemon_set("rke2-canal", PLAIN), "DaemonSet kube-system/rke2-canal"),
        (daemon_set("calico-system/calico-node", PLAIN), "DaemonSet calico-system/calico-node"),
        (daemon_set("openshift-ovn-kubernetes/ovnkube-node", PLAIN), "DaemonSet openshift-ovn-kubernetes/ovnkube-node"),
        (daemon_set("antrea-agent", PLAIN), "DaemonSet kube-system/antrea-agent"),
        (daemon_set("kube-ovn-cni", PLAIN), "DaemonSet kube-system/kube-ovn-cni"),
        (daemon_set("azure-npm", PLAIN), "DaemonSet kube-system/azure-npm"),
        (daemon_set("weave-net", "{name: weave-npc, image: w}"), "DaemonSet kube-system/weave-net"),
        (daemon_set("kube-network-policies", PLAIN), "DaemonSet kube-system/kube-network-policies"),
        (daemon_set("kube-router", PLAIN), "DaemonSet kube-system/kube-router"),
        (
            daemon_set("kindnet", "{name: k, image: 'kindest/kindnetd:v20250512-df8de77b'}"),
            "DaemonSet kube-system/kindnet",
        ),
        (aws, "DaemonSet kube-system/aws-node"),
        (auto, "label eks.amazonaws.com/compute-type=auto of node n1"),
        (node("annotations: {k3s.io/node-args: '[\"server\"]'}"), "annotation k3s.io/node-args of node n1"),
    ] {
        assert_eq!(verdict(&yaml), (origin.to_owned(), "yes"));
        assert_eq!(engine(&snapshot(&yaml)).certainty, Certainty::Certain, "{origin}");
    }
}

#[test]
fn an_engine_that_ignores_policies_says_why() {
    let cilium = |data: &str| daemon_set("cilium", PLAIN) + &config_map("cilium-config", data);
    let k3s = |args: &str| node(&format!("annotations: {{k3s.io/node-args: '{args}'}}"));
    let aws = |args: &str, data: &str| {
        daemon_set("aws-node", &format!("{{name: aws-eks-nodeagent, args: [{args}]}}"))
            + &config_map("amazon-vpc-cni", data)
    };
    for (yaml, part) in [
        (daemon_set("kube-flannel/kube-flannel-ds", PLAIN), "Flannel connects pods and ignores every NetworkPolicy"),
        (daemon_set("netd", PLAIN), "without calico-node"),
        (cilium("enable-policy: never"), "enable-policy: never"),
        (cilium("enable-k8s-networkpolicy: 'false'"), "enable-k8s-networkpolicy: false"),
        (cilium("policy-audit-mode: 'true'"), "policy-audit-mode: true"),
        (daemon_set("cilium", "{name: a, args: [--enable-policy, never]}"), "enable-policy: never"),
        (
            daemon_set("kube-router", "{name: a, args: [--run-router=true, --run-firewall=false]}"),
            "--run-firewall=false",
        ),
        (daemon_set("weave-net", "{name: weave, image: w}"), "weave-npc"),
        (daemon_set("kindnet", "{name: k, image: 'kindest/kindnetd:v20240513-cbb8f2de'}"), "older than July 2024"),
        (aws("--enable-network-policy=false", ""), "without --enable-network-policy=true"),
        (aws("", "enable-network-policy-controller: 'true'"), "without --enable-network-policy=true"),
        (
            aws("--enable-network-policy=true", "enable-network-policy-controller: 'false'"),
            "enable-network-policy-controller",
        ),
        (node("labels: {eks.amazonaws.com/compute-type: auto}"), "EKS Auto Mode"),
        (k3s(r#"["server","--disable-network-policy"]"#), "--disable-network-policy"),
        (k3s(r#"["server","--disable-network-policy","true"]"#), "--disable-network-policy"),
    ] {
        let found = engine(&snapshot(&yaml)).enforces;
        assert!(matches!(&found, Enforces::No(reason) if reason.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn a_flag_that_is_set_to_false_disables_nothing() {
    assert_eq!(
        verdict(&node(r#"annotations: {k3s.io/node-args: '["server","--disable-network-policy=false","--flannel-backend","none"]'}"#)).1,
        "yes"
    );
}

#[test]
fn the_engine_that_judges_wins_over_the_one_that_connects() {
    let flannel = daemon_set("kube-flannel/kube-flannel-ds", PLAIN);
    let beside = daemon_set(
        "kube-flannel/kube-flannel-ds",
        "{name: kube-flannel, image: flannel}, {name: netpol, image: registry.k8s.io/networking/kube-network-policies:v0.7.0}",
    );
    let off = daemon_set("cilium", PLAIN) + &config_map("cilium-config", "enable-policy: never");
    for (yaml, origin) in [
        (flannel.clone() + &daemon_set("calico-node", PLAIN), "DaemonSet kube-system/calico-node; also here: flannel"),
        (
            flannel + &daemon_set("kube-network-policies", PLAIN),
            "DaemonSet kube-system/kube-network-policies; also here: flannel",
        ),
        (beside, "DaemonSet kube-flannel/kube-flannel-ds, image kube-network-policies"),
        (
            off + &daemon_set("kube-network-policies", PLAIN),
            "DaemonSet kube-system/kube-network-policies; also here: cilium",
        ),
        (
            daemon_set("aws-node", PLAIN) + &daemon_set("calico-node", PLAIN),
            "DaemonSet kube-system/calico-node; also here: aws",
        ),
    ] {
        assert_eq!(verdict(&yaml), (origin.to_owned(), "yes"));
    }
}

#[test]
fn a_daemon_set_of_a_tenant_says_nothing() {
    let engine = engine(&snapshot(&daemon_set("shop/cilium", PLAIN)));
    assert_eq!((engine.certainty, engine.capabilities.engine), (Certainty::None, "spec"));
}

#[test]
fn configuration_that_cannot_be_read_leaves_the_question_open() {
    let cilium = forbidden(snapshot(&daemon_set("cilium", PLAIN)), Source::ConfigMaps);
    assert!(matches!(engine(&cilium).enforces, Enforces::Unknown(reason) if reason.contains("forbidden")));
    let nodes = node("labels: {eks.amazonaws.com/compute-type: auto}");
    let auto = forbidden(snapshot(&nodes), Source::ConfigMaps);
    assert!(matches!(engine(&auto).enforces, Enforces::Unknown(_)));
    let kindnet = snapshot(&daemon_set("kindnet", "{name: k, image: 'mirror/kindnetd:custom'}"));
    assert!(matches!(engine(&kindnet).enforces, Enforces::Unknown(_)));
    let aws = snapshot(&daemon_set("aws-node", "{name: aws-eks-nodeagent, args: [--enable-network-policy=true]}"));
    assert!(matches!(engine(&aws).enforces, Enforces::Unknown(_)));
}

#[test]
fn definitions_count_only_while_what_runs_cannot_be_seen() {
    let leftover = "kind: CustomResourceDefinition\nmetadata: {name: ciliumnetworkpolicies.cilium.io}\n";
    let gone = engine(&snapshot(leftover));
    assert_eq!((gone.certainty, gone.capabilities.engine), (Certainty::None, "spec"));
    assert!(matches!(gone.enforces, Enforces::Unknown(reason) if reason.contains("no agent of cilium")));
    let unseen = engine(&forbidden(snapshot(leftover), Source::DaemonSets));
    assert_eq!(unseen.certainty, Certainty::Likely);
    assert!(matches!(unseen.enforces, Enforces::Unknown(reason) if reason.contains("forbidden")));
}

#[test]
fn what_was_seen_before_a_source_failed_is_still_the_engine() {
    let engine = engine(&forbidden(snapshot(&daemon_set("calico-node", PLAIN)), Source::DaemonSets));
    assert_eq!((engine.certainty, engine.enforces), (Certainty::Likely, Enforces::Yes));
}

#[test]
fn agents_are_found_by_the_labels_of_their_template() {
    let found = engine(&snapshot(&daemon_set("cilium", PLAIN))).agents;
    assert_eq!(found, Some((Arc::from("kube-system"), Selector::of_labels([("k8s-app", "cilium")]))));
    assert_eq!(engine(&snapshot(&node("annotations: {k3s.io/node-args: '[]'}"))).agents, None);
}

#[test]
fn an_empty_cluster_is_unknown_by_the_api_text() {
    let engine = engine(&snapshot(""));
    assert_eq!((engine.certainty, engine.capabilities.engine), (Certainty::None, "spec"));
    assert!(matches!(engine.enforces, Enforces::Unknown(_)) && engine.agents.is_none());
}

#[test]
fn supplements_are_additive_only_where_the_engine_has_them_and_the_schema_says_so() {
    let at = |name: &str, served: bool| {
        let snapshot = Snapshot { cilium_default_deny: served, ..snapshot(&daemon_set(name, PLAIN)) };
        engine(&snapshot)
    };
    for (name, served) in [("cilium", true), ("cilium", false), ("calico-node", true)] {
        let engine = at(name, served);
        assert_eq!(engine.additive_supplements, served && engine.capabilities.supplements, "{name} {served}");
    }
    assert!(!at("calico-node", true).additive_supplements);
}

#[test]
fn every_engine_that_can_be_recognised_has_a_capability_record() {
    for fingerprint in FINGERPRINTS.iter().filter(|fingerprint| fingerprint.name != "netd") {
        assert!(Capabilities::by_name(fingerprint.name).is_some(), "{}", fingerprint.name);
    }
}
