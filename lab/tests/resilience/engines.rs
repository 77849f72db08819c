//! Network engines and nodes that change under a baseline.

use jiff::Timestamp;
use lab::{manifests, story};
use serde_json::{Value, json};

use crate::bench::{Bench, condition, eventually, take_turn};

const API_SERVER: &str = "baseline-allow-api-server";

fn agents(name: &str) -> String {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"k8s-app": name}}, "template": {
            "metadata": {"labels": {"k8s-app": name}},
            "spec": {"hostNetwork": true, "containers": [{"name": name, "image": format!("lab.invalid/{name}")}]}}}})
    .to_string()
}

fn cilium_definition() -> String {
    let switches =
        json!({"type": "object", "properties": {"ingress": {"type": "boolean"}, "egress": {"type": "boolean"}}});
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "properties": {"enableDefaultDeny": switches}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ciliumnetworkpolicies.cilium.io"},
        "spec": {"group": "cilium.io", "scope": "Namespaced",
            "names": {"plural": "ciliumnetworkpolicies", "singular": "ciliumnetworkpolicy",
                "kind": "CiliumNetworkPolicy", "listKind": "CiliumNetworkPolicyList"},
            "versions": [{"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": anything}}}}]}})
    .to_string()
}

async fn engine_is(bench: &Bench, namespace: &str, name: &str) {
    eventually(&format!("the engine is {name}"), async || {
        bench.status(namespace).await.facts.iter().any(|fact| fact.name == "engine" && fact.value.starts_with(name))
    })
    .await;
}

/// What the operator wrote about the API server in a namespace, as verb and name.
fn written(bench: &Bench, namespace: &str, since: Timestamp) -> Vec<(String, Timestamp, Timestamp)> {
    let writes = bench.writes_since(since).into_iter().filter_map(|event| {
        let object = event.object_ref.clone()?;
        (object.namespace == namespace && object.name.starts_with(API_SERVER)).then(|| {
            let what = format!("{} {}", event.verb, object.resource);
            (what, event.request_received_timestamp, event.stage_timestamp)
        })
    });
    writes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_cilium_the_api_server_is_allowed_by_its_own_kind_before_anything_of_the_old_goes() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("to-cilium").await;
    let began = Timestamp::now();

    bench.apply(&format!("{}\n---\n{}", cilium_definition(), agents("cilium"))).await;
    engine_is(&bench, "to-cilium", "cilium").await;
    eventually("the supplement is there", async || !bench.supplements("to-cilium").await.is_empty()).await;
    assert!(bench.supplements("to-cilium").await[0].starts_with("baseline-allow-api-server-"));
    bench.converged("to-cilium", "Enforce").await;
    assert!(!bench.policy("to-cilium", API_SERVER).await.is_empty(), "what is replaced stays for its time");
    assert!(!bench.retiring("to-cilium", "apiServer").await.is_empty());

    bench.backdate("to-cilium").await;
    eventually("the old is gone", async || bench.policy("to-cilium", API_SERVER).await.is_empty()).await;
    let writes = written(&bench, "to-cilium", began);
    let steps: Vec<&str> = writes.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(steps, ["patch ciliumnetworkpolicies", "delete networkpolicies"]);
    assert!(writes[1].1.duration_since(writes[0].2).as_millis() >= 100, "the engine has its time between kinds");

    // And back, when Cilium is replaced.
    let back = Timestamp::now();
    bench.kubectl(&["delete", "daemonset", "cilium", "-n", "kube-system"]);
    engine_is(&bench, "to-cilium", "calico").await;
    eventually("the policy is back", async || !bench.policy("to-cilium", API_SERVER).await.is_empty()).await;
    assert!(!bench.supplements("to-cilium").await.is_empty());
    bench.converged("to-cilium", "Enforce").await;
    bench.backdate("to-cilium").await;
    eventually("the supplement is gone", async || bench.supplements("to-cilium").await.is_empty()).await;
    let writes = written(&bench, "to-cilium", back);
    let steps: Vec<&str> = writes.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(steps, ["patch networkpolicies", "delete ciliumnetworkpolicies"]);
    assert!(writes[1].1.duration_since(writes[0].2).as_millis() >= 100);
    bench.kubectl(&["delete", "crd", "ciliumnetworkpolicies.cilium.io"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ignores_policies_stops_every_rise_and_takes_nothing() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("flannel-before").await;
    let before = bench.versions("flannel-before").await;

    bench.apply(&agents("kube-flannel-ds")).await;
    bench.kubectl(&["delete", "daemonset", "calico-node", "-n", "kube-system"]);
    bench.finds("flannel-before", "EngineIgnoresPolicies").await;
    bench.baseline("flannel-after", "Enforce").await;
    bench.finds("flannel-after", "EngineIgnoresPolicies").await;
    let status = bench.status("flannel-after").await;
    assert_eq!(condition(&status, "Stalled"), Some("True"));
    assert!(bench.versions("flannel-after").await.is_empty());
    assert_eq!(bench.versions("flannel-before").await, before);
    assert_eq!(condition(&bench.status("flannel-before").await, "Stalled"), None, "nothing there waits for a rise");

    bench.baseline("flannel-before", "Audit").await;
    eventually("a fall goes", async || bench.versions("flannel-before").await.is_empty()).await;

    manifests::apply(&bench.client, story::CLUSTER).await.unwrap();
    bench.kubectl(&["delete", "daemonset", "kube-flannel-ds", "-n", "kube-system"]);
    bench.converged("flannel-after", "Enforce").await;
}

/// Says of both nodes whether they are Ready.
fn nodes_ready(bench: &Bench, ready: bool) {
    let status: Value = json!({"status": {"conditions": [{"type": "Ready",
        "status": if ready { "True" } else { "Unknown" }, "reason": "StandIn", "message": "by a test"}]}});
    for node in ["lab-a", "lab-b"] {
        bench.kubectl(&["patch", "node", node, "--subresource=status", "-p", &status.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_ready_stops_a_rise_of_its_pods_and_no_fall() {
    let mut bench = take_turn().await;
    bench.operator().await;
    for namespace in ["node-rise", "node-fall", "node-none"] {
        bench.baseline(namespace, "Off").await;
    }
    for namespace in ["node-rise", "node-fall"] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"containers": [{"name": "web", "image": "lab.invalid/web"}]}});
        bench.apply(&pod.to_string()).await;
        let ready = "--for=condition=Ready";
        bench.kubectl(&["wait", ready, "--timeout=20s", "pod/web", "-n", namespace]);
    }
    bench.enforced("node-fall").await;

    nodes_ready(&bench, false);
    // Suspended until the operator has seen the nodes: what it does not know yet cannot stop it.
    let patch = |spec: &str| bench.kubectl(&["patch", "nb", "default", "-n", "node-rise", "--type=merge", "-p", spec]);
    patch(r#"{"spec": {"suspend": true, "rollout": {"phase": "Enforce"}}}"#);
    bench.finds("node-rise", "NodesNotReady").await;
    patch(r#"{"spec": {"suspend": false}}"#);
    eventually("the rise is blocked", async || condition(&bench.status("node-rise").await, "Stalled") == Some("True"))
        .await;
    bench.baseline("node-none", "Enforce").await;
    bench.converged("node-none", "Enforce").await;
    bench.baseline("node-fall", "Off").await;
    eventually("a fall goes", async || bench.versions("node-fall").await.is_empty()).await;
    assert!(bench.versions("node-rise").await.is_empty());

    nodes_ready(&bench, true);
    bench.converged("node-rise", "Enforce").await;
}
