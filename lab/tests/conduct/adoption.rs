//! Policies of ours that no living baseline has written.

use kube::ResourceExt;
use serde_json::json;

use crate::world::World;

fn spec() -> serde_json::Value {
    json!({"rollout": {"phase": "Enforce"}})
}

#[tokio::test]
async fn a_baseline_that_lost_its_finalizer_and_was_created_anew_adopts_its_policies() {
    let world = World::enforced("orphans", spec()).await;
    let before = world.versions().await;
    world.patch_baseline(json!({"metadata": {"finalizers": null}})).await;
    world.delete_baseline().await;
    world.gone().await;
    assert_eq!(world.versions().await, before, "nobody reconciles them now");
    let writes = world.policy_writes().len();

    world.baseline(spec()).await;
    world.reason("Converged").await;
    let uid = world.read().await.unwrap().uid().unwrap();
    let policies = world.policies().await;
    assert_eq!(policies.len(), before.len());
    for (name, policy) in policies {
        assert_eq!(policy.uid().unwrap(), before[&name].0, "{name} is the same object");
        assert_eq!(policy.annotations()["netbaseline.dev/baseline-uid"], uid, "{name}");
    }
    assert!(world.policy_writes()[writes..].iter().all(|(verb, _)| verb == "patch"));
}

#[tokio::test]
async fn a_restored_backup_is_adopted() {
    let source = World::enforced("backed-up", spec()).await;
    let world = World::new("restored").await;
    let mut restored = source.policies().await;
    for policy in restored.values_mut() {
        let (labels, annotations) = (policy.labels().clone(), policy.annotations().clone());
        let metadata =
            json!({"name": policy.name_any(), "namespace": "restored", "labels": labels, "annotations": annotations});
        world
            .apply(&json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": policy.spec}))
            .await;
    }
    let before = world.versions().await;

    world.baseline(spec()).await;
    world.reason("Converged").await;
    let uid = world.read().await.unwrap().uid().unwrap();
    let policies = world.policies().await;
    assert_eq!(policies.len(), before.len());
    for (name, policy) in policies {
        assert_eq!(policy.uid().unwrap(), before[&name].0, "{name} is the same object");
        assert_eq!(policy.annotations()["netbaseline.dev/baseline-uid"], uid, "{name}");
        let managed = policy.managed_fields().iter().any(|of| of.manager.as_deref() == Some("netbaseline/policies"));
        assert!(managed, "{name}");
    }
    assert!(world.policy_writes().iter().all(|(verb, _)| verb != "delete"));
}

#[tokio::test]
async fn a_cleared_status_lowers_nothing() {
    let world = World::enforced("cleared", spec()).await;
    let before = world.versions().await;
    let status = json!({"status": null}).to_string();
    let clear = ["patch", "nb", "default", "-n", "cleared", "--subresource=status", "--type=merge", "-p", &status];
    world.plane.kubectl(&clear).unwrap();
    world.patch_baseline(json!({"metadata": {"annotations": {"example.com/look": "again"}}})).await;
    world.reason("Converged").await;
    assert_eq!(world.versions().await, before);
    assert_eq!(format!("{:?}", world.status().await.ingress.unwrap().phase), "Enforce");
}
