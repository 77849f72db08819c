//! How policies go when their baseline does.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::{World, eventually};

/// Two overlapping pod-level allowances: no order of deletions alone is safe.
fn overlapping() -> serde_json::Value {
    json!({
        "rollout": {"phase": "Enforce"},
        "allow": {"ingress": [
            {"name": "web", "podSelector": {"matchLabels": {"app": "web"}}, "from": [{"namespace": "edge"}]},
            {"name": "blue", "podSelector": {"matchLabels": {"track": "blue"}}, "from": [{"namespace": "monitoring"}]},
        ]},
    })
}

#[tokio::test]
async fn a_deleted_baseline_takes_its_policies_down_through_safe_states_and_goes_after_the_last() {
    let world = World::enforced("deleted", overlapping()).await;
    let (old, since) = (world.meanings().await, Timestamp::now());
    assert!(old.contains_key("baseline-ingress-web") && old.contains_key("baseline-ingress-blue"));
    world.delete_baseline().await;
    world.gone().await;
    assert!(world.names().await.is_empty());
    world.every_state_was_safe(&old, &[].into(), since);
}

#[tokio::test]
async fn a_foreground_deletion_is_no_different() {
    let world = World::enforced("foreground", overlapping()).await;
    let (old, since) = (world.meanings().await, Timestamp::now());
    world.plane.kubectl(&["delete", "nb", "default", "-n", "foreground", "--cascade=foreground"]).unwrap();
    assert!(world.names().await.is_empty());
    world.every_state_was_safe(&old, &[].into(), since);
}

#[tokio::test]
async fn deletion_policy_keep_leaves_the_policies_as_they_are() {
    let world = World::enforced("kept", json!({"deletionPolicy": "Keep", "rollout": {"phase": "Enforce"}})).await;
    let before = world.versions().await;
    world.delete_baseline().await;
    world.gone().await;
    assert!(!before.is_empty());
    assert_eq!(world.versions().await, before);
}

#[tokio::test]
async fn a_namespace_is_deleted_without_a_plan() {
    let world = World::enforced("doomed", overlapping()).await;
    assert!(!world.read().await.unwrap().finalizers().is_empty());
    let policies = world.policy_writes().len();
    let namespaces = Api::<Namespace>::all(world.client.clone());
    namespaces.delete("doomed", &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", async || namespaces.get_opt("doomed").await.unwrap().is_none()).await;
    assert_eq!(&world.policy_writes()[policies..], [], "the namespace controller takes them");
}
