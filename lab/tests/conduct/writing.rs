//! Who writes what.

use kube::ResourceExt;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn policies_and_status_are_applied_under_managers_of_their_own_and_have_no_owner() {
    let world = World::enforced("managers", json!({"rollout": {"phase": "Enforce"}})).await;
    let policies = world.policies().await;
    assert!(policies.contains_key("baseline-default-deny") && policies.contains_key("baseline-allow-dns"));
    for (name, policy) in policies {
        let managers: Vec<_> = policy.managed_fields().iter().map(|of| (&of.manager, &of.operation)).collect();
        assert_eq!(managers, [(&Some("netbaseline/policies".to_owned()), &Some("Apply".to_owned()))], "{name}");
        assert!(policy.owner_references().is_empty(), "{name}");
    }
    let baseline = world.read().await.unwrap();
    let of_status: Vec<_> = baseline
        .managed_fields()
        .iter()
        .filter(|of| of.subresource.as_deref() == Some("status"))
        .map(|of| (of.manager.as_deref(), of.operation.as_deref()))
        .collect();
    assert_eq!(of_status, [(Some("netbaseline/status"), Some("Apply"))]);
}

#[tokio::test]
async fn the_finalizer_is_there_before_the_first_policy_and_not_while_there_is_none() {
    let world = World::enforced("finalizer", json!({"rollout": {"phase": "Audit"}})).await;
    assert!(world.read().await.unwrap().finalizers().is_empty());
    world.patch_baseline(json!({"spec": {"rollout": {"phase": "Enforce"}}})).await;
    world.reason("Converged").await;
    assert_eq!(world.read().await.unwrap().finalizers(), ["netbaseline.dev/teardown"]);
    let writes: Vec<_> = world.requests().into_iter().filter(|event| event.wrote()).collect();
    let finalizer = writes
        .iter()
        .position(|event| {
            event.request_object.as_ref().is_some_and(|body| body.pointer("/metadata/finalizers").is_some())
        })
        .unwrap();
    let policy = writes.iter().position(|event| event.is_about("networkpolicies")).unwrap();
    assert!(finalizer < policy, "{finalizer} {policy}");
}

#[tokio::test]
async fn no_spec_is_ever_written() {
    let spec = json!({"rollout": {"phase": "Canary", "canary": {"podSelector": {"matchLabels": {"track": "a"}}}}});
    let world = World::enforced("unwritten", spec).await;
    world.patch_baseline(json!({"spec": {"rollout": {"phase": "Enforce"}}})).await;
    world.reason("Converged").await;
    world.hold_at(Some("Audit")).await;
    world.reason("Held").await;
    let baseline = world.read().await.unwrap();
    // Created, and edited once by its owner.
    assert_eq!(baseline.metadata.generation, Some(2));
    world.delete_baseline().await;
    world.gone().await;

    let writes: Vec<_> =
        world.requests().into_iter().filter(|event| event.wrote() && event.is_about("networkbaselines")).collect();
    assert!(writes.len() >= 4, "finalizer on and off, and status: {}", writes.len());
    for event in writes {
        let body = event.request_object.unwrap();
        assert!(body.get("spec").is_none(), "{} {}: {body}", event.verb, event.uri);
    }
}
