//! `hold-at`, for the night of an outage.

use std::time::Instant;

use serde_json::json;

use crate::world::{World, eventually};

/// Awaits that no policy is left, and prints how long that took.
async fn emptied(world: &World, began: Instant) {
    eventually("no policy is left", async || world.names().await.is_empty()).await;
    println!("hold-at: namespace {} was empty after {:?}", world.namespace, began.elapsed());
}

async fn metric(world: &World) -> String {
    let metrics = world.operator.get("/metrics").await.unwrap();
    let line = format!("netbaseline_held{{namespace=\"{}\"}}", world.namespace);
    metrics.lines().find_map(|of| of.strip_prefix(&line)).unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn hold_at_audit_empties_the_namespace_and_its_removal_brings_everything_back() {
    let world = World::enforced("held", json!({"rollout": {"phase": "Enforce"}})).await;
    let before = world.meanings().await;
    assert_eq!(metric(&world).await, "0");
    let began = Instant::now();
    world.hold_at(Some("Audit")).await;
    emptied(&world, began).await;
    world.reason("Held").await;
    world.event("Held").await;
    assert_eq!(world.condition("Ready").await.unwrap().status, "True");
    assert_eq!(format!("{:?}", world.status().await.egress.unwrap().desired), "Audit");
    assert_eq!(metric(&world).await, "1");

    world.hold_at(None).await;
    world.reason("Converged").await;
    assert_eq!(world.meanings().await, before);
    assert_eq!(metric(&world).await, "0");
}

#[tokio::test]
async fn what_cannot_be_read_means_audit() {
    let world = World::enforced("held-unread", json!({"rollout": {"phase": "Enforce"}})).await;
    let began = Instant::now();
    world.hold_at(Some("aduit")).await;
    emptied(&world, began).await;
    world.reason("Held").await;
    let message = world.condition("Ready").await.unwrap().message;
    assert!(message.contains("\"aduit\" cannot be read and counts as Audit"), "{message}");
}

#[tokio::test]
async fn a_suspended_namespace_is_emptied_too_and_stays_so_until_it_is_no_longer_suspended() {
    let spec = json!({"rollout": {"phase": "Enforce"}});
    let world = World::enforced("held-suspended", spec).await;
    world.patch_baseline(json!({"spec": {"suspend": true}})).await;
    let began = Instant::now();
    world.hold_at(Some("Audit")).await;
    emptied(&world, began).await;
    world.reason("Held").await;

    world.hold_at(None).await;
    world.reason("Suspended").await;
    assert!(world.names().await.is_empty());
    world.patch_baseline(json!({"spec": {"suspend": null}})).await;
    world.reason("Converged").await;
    assert!(!world.names().await.is_empty());
}

#[tokio::test]
async fn a_spec_that_cannot_be_honoured_does_not_stop_it() {
    let world = World::enforced("held-invalid", json!({"rollout": {"phase": "Enforce"}})).await;
    world.patch_baseline(crate::refusals::impossible()).await;
    world.reason("InvalidSpec").await;
    assert!(!world.names().await.is_empty());
    let began = Instant::now();
    world.hold_at(Some("Audit")).await;
    emptied(&world, began).await;
    assert!(world.finding("InvalidSpec").await.is_some());
}

#[tokio::test]
async fn hold_at_canary_lowers_to_the_canary_by_way_of_safe_states() {
    let spec =
        json!({"rollout": {"phase": "Enforce", "canary": {"podSelector": {"matchLabels": {"track": "canary"}}}}});
    let world = World::enforced("held-canary", spec).await;
    let (old, since) = (world.meanings().await, jiff::Timestamp::now());
    world.hold_at(Some("Canary")).await;
    world.reason("Held").await;
    assert_eq!(world.status().await.ingress.unwrap().isolated, "track=canary");
    world.every_state_was_safe(&old, &world.meanings().await, since);
}
