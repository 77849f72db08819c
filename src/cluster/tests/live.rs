//! What lies in a namespace, read from lists.

use serde_json::{Value, json};

use super::script::{Answer, failure, in_turn};
use crate::model::PolicyKind;

fn list(kind: &str, api_version: &str, items: &[Value]) -> Answer {
    let metadata = json!({ "resourceVersion": "7" });
    Answer::Json(200, json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items }))
}

/// A policy that selects all pods, with the marks asked for: label, annotation, manager.
fn policy(name: &str, [label, annotation, manager]: [bool; 3]) -> Value {
    let mut metadata = json!({ "name": name, "namespace": "shop", "uid": format!("u-{name}"), "resourceVersion": "5" });
    if label {
        let labels = json!({ "app.kubernetes.io/managed-by": "netbaseline", "netbaseline.dev/allowance": "dns" });
        metadata["labels"] = labels;
    }
    if annotation {
        metadata["annotations"] = json!({ "netbaseline.dev/baseline-uid": "b1", "netbaseline.dev/reason": "lookups" });
    }
    if manager {
        let time = "2026-01-02T03:04:05Z";
        metadata["managedFields"] = json!([{ "manager": "netbaseline/policies", "operation": "Apply", "time": time }]);
    }
    json!({ "metadata": metadata, "spec": { "podSelector": {}, "policyTypes": ["Ingress"] } })
}

fn policies(items: &[Value]) -> Answer {
    list("NetworkPolicyList", "networking.k8s.io/v1", items)
}

#[tokio::test]
async fn ours_and_foreign_policies_are_told_apart_by_their_marks() {
    let items = [
        policy("baseline-allow-dns", [true, true, true]),
        policy("baseline-relabelled", [false, true, true]),
        policy("payments", [false, false, false]),
        policy("baseline-copied", [true, false, false]),
    ];
    let (cluster, log) = in_turn([policies(&items)]);
    let inventory = cluster.inventory("shop", "b1", false).await.unwrap();
    let ours: Vec<(&str, bool)> = inventory.ours.iter().map(|of| (&*of.policy.key.name, of.marks_intact)).collect();
    assert_eq!(ours, [("baseline-allow-dns", true), ("baseline-relabelled", false)]);
    let foreign: Vec<&str> = inventory.foreign.iter().map(|key| &*key.name).collect();
    assert_eq!(foreign, ["baseline-copied", "payments"]);

    let first = &inventory.ours[0];
    assert_eq!((&*first.uid, &*first.resource_version), ("u-baseline-allow-dns", "5"));
    assert_eq!((&*first.allowance, &*first.reason), ("dns", "lookups"));
    assert_eq!(first.written.unwrap().to_string(), "2026-01-02T03:04:05Z");

    let asked = log.lock().unwrap();
    assert_eq!(asked[0].what, "GET /apis/networking.k8s.io/v1/namespaces/shop/networkpolicies");
    assert!(!asked[0].query.contains("resourceVersion"), "a list past the cache names no version: {}", asked[0].query);
}

#[tokio::test]
async fn marks_of_another_baseline_have_to_be_written_anew() {
    let (cluster, _) = in_turn([policies(&[policy("baseline-allow-dns", [true, true, true])])]);
    let inventory = cluster.inventory("shop", "another", false).await.unwrap();
    assert!(!inventory.ours[0].marks_intact);
}

#[tokio::test]
async fn our_cilium_policy_that_cannot_be_read_says_nothing_and_is_written_again() {
    let mut edited = policy("baseline-allow-api-server-0123abcd", [true, true, true]);
    edited["apiVersion"] = json!("cilium.io/v2");
    edited["kind"] = json!("CiliumNetworkPolicy");
    edited["spec"] = json!({ "endpointSelector": {}, "egress": [{ "toFQDNs": [{ "matchPattern": "*" }] }] });
    let (cluster, _) = in_turn([policies(&[]), list("CiliumNetworkPolicyList", "cilium.io/v2", &[edited])]);
    let inventory = cluster.inventory("shop", "b1", true).await.unwrap();
    let only = &inventory.ours[0];
    assert_eq!(only.policy.key.kind, PolicyKind::CiliumNetworkPolicy);
    assert!(!only.marks_intact && only.policy.egress.is_none());
}

#[tokio::test]
async fn an_inventory_is_whole_or_none() {
    let (cluster, _) = in_turn([policies(&[policy("baseline-allow-dns", [true, true, true])]), failure(500)]);
    assert!(cluster.inventory("shop", "b1", true).await.is_err());
}

#[tokio::test]
async fn the_tightest_quota_of_network_policies_counts() {
    let quota = |name: &str, hard: Value, used: Value| json!({ "metadata": { "name": name }, "spec": { "hard": hard }, "status": { "used": used } });
    let count = "count/networkpolicies.networking.k8s.io";
    let items = [
        quota("pods", json!({ "pods": "1" }), json!({ "pods": "1" })),
        quota("wide", json!({ count: "20" }), json!({ count: "3" })),
        quota("tight", json!({ count: "5" }), json!({ count: "3" })),
    ];
    let (cluster, _) = in_turn([list("ResourceQuotaList", "v1", &items), list("ResourceQuotaList", "v1", &items[..1])]);
    assert_eq!(cluster.quota("shop").await.unwrap(), Some(2));
    assert_eq!(cluster.quota("shop").await.unwrap(), None);
}
