//! A namespace that its owner froze.

use serde_json::json;

use crate::world::{World, eventually};

async fn frozen(namespace: &'static str) -> World {
    let world = World::enforced(namespace, json!({"rollout": {"phase": "Enforce"}})).await;
    world.patch_baseline(json!({"spec": {"suspend": true}})).await;
    eventually("the suspended spec is seen", async || {
        let baseline = world.read().await.unwrap();
        baseline.status.unwrap().observed_generation == baseline.metadata.generation
    })
    .await;
    world
}

/// Awaits that a step on this policy is known and waits.
async fn pending(world: &World, policy: &str) {
    eventually(&format!("a step on {policy} is pending"), async || {
        world.status().await.target.unwrap().pending_steps.iter().any(|step| step.contains(policy))
    })
    .await;
    world.reason("Suspended").await;
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");
}

#[tokio::test]
async fn drift_waits_while_suspended_and_is_repaired_afterwards() {
    let world = frozen("frozen-drift").await;
    let before = world.meanings().await;
    world.patch_policy("baseline-allow-dns", json!({"spec": {"egress": []}})).await;
    let edited = world.versions().await;
    pending(&world, "baseline-allow-dns").await;
    assert_eq!(world.versions().await, edited);

    world.patch_baseline(json!({"spec": {"suspend": null}})).await;
    world.reason("Converged").await;
    assert_eq!(world.meanings().await, before);
}

#[tokio::test]
async fn a_fact_that_moves_is_only_told_while_suspended() {
    let world = frozen("frozen-fact").await;
    let before = world.versions().await;
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "measured", "namespace": "frozen-fact", "labels": {"app": "measured"},
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9102"}},
            "spec": {"containers": [{"name": "c", "image": "lab.invalid/measured"}]},
        }))
        .await;
    pending(&world, "baseline-allow-monitoring").await;
    assert_eq!(world.versions().await, before);

    world.patch_baseline(json!({"spec": {"suspend": false}})).await;
    world.reason("Converged").await;
    let policies = world.policies().await;
    let scraped = policies.iter().find(|(name, _)| name.starts_with("baseline-allow-monitoring"));
    let scraped = serde_json::to_string(&scraped.unwrap_or_else(|| panic!("{:?}", policies.keys())).1.spec).unwrap();
    assert!(scraped.contains("9102"), "{scraped}");
}

#[tokio::test]
async fn a_suspended_baseline_that_is_deleted_goes() {
    let world = frozen("frozen-deleted").await;
    world.delete_baseline().await;
    world.gone().await;
    assert!(world.names().await.is_empty());
}

#[tokio::test]
async fn a_phase_does_not_move_while_suspended() {
    let world = frozen("frozen-phase").await;
    let before = world.versions().await;
    world.patch_baseline(json!({"spec": {"rollout": {"phase": "Audit"}}})).await;
    world.reason("Suspended").await;
    assert_eq!(world.versions().await, before);
    world.patch_baseline(json!({"spec": {"suspend": false}})).await;
    world.reason("Converged").await;
    assert!(world.names().await.is_empty());
}
