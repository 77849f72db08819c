//! Phases, per direction and per canary.

use jiff::Timestamp;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_canary_moves_through_safe_states() {
    let spec = json!({"rollout": {"phase": "Canary", "canary": {"podSelector": {"matchLabels": {"track": "a"}}}}});
    let world = World::enforced("canary", spec).await;
    assert_eq!(world.status().await.ingress.unwrap().isolated, "track=a");
    let (old, since) = (world.meanings().await, Timestamp::now());

    let moved = json!({"rollout": {"canary": {"podSelector": {"matchLabels": {"track": "b"}}}}});
    world.patch_baseline(json!({"spec": moved})).await;
    world.reason("Converged").await;
    assert_eq!(world.status().await.ingress.unwrap().isolated, "track=b");
    world.every_state_was_safe(&old, &world.meanings().await, since);
}

#[tokio::test]
async fn a_namespace_climbs_and_falls_through_safe_states() {
    let spec = json!({"rollout": {"phase": "Audit", "canary": {"podSelector": {"matchLabels": {"track": "a"}}}}});
    let world = World::enforced("climbs", spec).await;
    for phase in ["Canary", "Enforce", "Canary", "Off", "Enforce"] {
        let (old, since) = (world.meanings().await, Timestamp::now());
        world.patch_baseline(json!({"spec": {"rollout": {"phase": phase}}})).await;
        world.reason("Converged").await;
        let status = world.status().await;
        assert_eq!(format!("{:?}", status.ingress.unwrap().phase), phase);
        assert_eq!(format!("{:?}", status.egress.unwrap().phase), phase);
        world.every_state_was_safe(&old, &world.meanings().await, since);
    }
}

#[tokio::test]
async fn an_object_that_serves_both_directions_splits_where_they_stand_apart() {
    let spec = json!({"rollout": {"phase": "Enforce", "ingress": {"phase": "Canary"},
        "canary": {"podSelector": {"matchLabels": {"track": "a"}}}}});
    let world = World::enforced("caps", spec).await;
    let status = world.status().await;
    let (ingress, egress) = (status.ingress.unwrap(), status.egress.unwrap());
    assert_eq!((format!("{:?}", ingress.phase), ingress.isolated.as_str()), ("Canary".to_owned(), "track=a"));
    assert_eq!((format!("{:?}", egress.phase), egress.isolated.as_str()), ("Enforce".to_owned(), "all"));
    let names = world.names().await;
    for split in ["baseline-default-deny-ingress", "baseline-default-deny-egress"] {
        assert!(names.iter().any(|name| name == split), "{names:?}");
    }

    let (old, since) = (world.meanings().await, Timestamp::now());
    world.patch_baseline(json!({"spec": {"rollout": {"ingress": null}}})).await;
    world.reason("Converged").await;
    let names = world.names().await;
    assert!(names.iter().any(|name| name == "baseline-default-deny"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("baseline-default-deny-")), "{names:?}");
    world.every_state_was_safe(&old, &world.meanings().await, since);
}
