//! What somebody else did to our policies is undone.

use kube::ResourceExt;
use serde_json::json;

use crate::world::{World, eventually};

async fn restored(world: &World, what: &str, before: &std::collections::BTreeMap<String, netbaseline::model::Policy>) {
    eventually(what, async || world.meanings().await == *before).await;
    world.reason("Converged").await;
}

#[tokio::test]
async fn an_edited_policy_is_written_again() {
    let world = World::enforced("edited", json!({"rollout": {"phase": "Enforce"}})).await;
    let before = world.meanings().await;
    world.patch_policy("baseline-allow-dns", json!({"spec": {"egress": []}})).await;
    restored(&world, "the rule is back", &before).await;
    world.patch_policy("baseline-default-deny", json!({"spec": {"ingress": [{}]}})).await;
    restored(&world, "the hole is closed", &before).await;
}

#[tokio::test]
async fn a_deleted_policy_is_created_again() {
    let world = World::enforced("undeleted", json!({"rollout": {"phase": "Enforce"}})).await;
    let before = world.meanings().await;
    for name in ["baseline-allow-dns", "baseline-default-deny"] {
        world.delete_policy(name).await;
        restored(&world, name, &before).await;
    }
}

#[tokio::test]
async fn marks_that_somebody_removed_are_set_again() {
    let world = World::enforced("unmarked", json!({"rollout": {"phase": "Enforce"}})).await;
    for (what, removed) in [
        ("label", json!({"labels": {"app.kubernetes.io/managed-by": null}})),
        ("allowance", json!({"labels": {"netbaseline.dev/allowance": null}})),
        ("UID", json!({"annotations": {"netbaseline.dev/baseline-uid": null}})),
        ("reason", json!({"annotations": {"netbaseline.dev/reason": null}})),
    ] {
        let before = world.policies().await.remove("baseline-allow-dns").unwrap();
        world.patch_policy("baseline-allow-dns", json!({"metadata": removed})).await;
        eventually(&format!("{what} is back"), async || {
            let now = world.policies().await.remove("baseline-allow-dns").unwrap();
            now.labels() == before.labels() && now.annotations() == before.annotations()
        })
        .await;
    }
}

/// A pod on a node that is away: nothing may rise here.
async fn pod_on_a_lost_node(world: &World) {
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "lost"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Lost", "message": "",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .await;
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "far", "namespace": world.namespace},
            "spec": {"nodeName": "lost", "hostNetwork": true, "containers": [{"name": "c", "image": "lab.invalid/far"}],
                "tolerations": [{"operator": "Exists"}]},
        }))
        .await;
    // A pod of the host network has a finding of its own, which shows that the operator has seen it.
    eventually("the pod is seen", async || world.finding("HostNetworkPodsNotIsolated").await.is_some()).await;
}

#[tokio::test]
async fn repair_is_no_rise_so_a_blocking_finding_does_not_stop_it() {
    // Nothing but the default deny isolates ingress, so that its loss looks like a fall.
    let spec = json!({
        "rollout": {"phase": "Canary", "canary": {"podSelector": {"matchLabels": {"track": "canary"}}}},
        "allow": {"sameNamespace": {"enabled": false}, "monitoring": {"enabled": false}},
    });
    let world = World::enforced("unblocked", spec).await;
    let before = world.meanings().await;
    pod_on_a_lost_node(&world).await;
    world.patch_baseline(json!({"spec": {"rollout": {"phase": "Enforce"}}})).await;
    world.reason("Blocked").await;
    assert!(world.finding("NodesNotReady").await.is_some());

    for name in ["baseline-default-deny", "baseline-allow-dns"] {
        world.delete_policy(name).await;
        eventually(&format!("{name} is back"), async || world.meanings().await == before).await;
        world.reason("Blocked").await;
    }
    assert!(world.finding("NodesNotReady").await.is_some(), "the rise itself still waits");
}
