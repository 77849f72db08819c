//! What stops a plan does so before its first write.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use serde_json::{Value, json};

use crate::world::{World, eventually};

/// An edit that the schema lets pass and no set of labels can meet.
pub fn impossible() -> Value {
    let contradiction = json!([
        {"key": "app", "operator": "In", "values": ["web"]},
        {"key": "app", "operator": "NotIn", "values": ["web"]},
    ]);
    json!({"spec": {"allow": {"ingress": [
        {"name": "never", "podSelector": {"matchExpressions": contradiction}, "from": [{"namespace": "edge"}]},
    ]}}})
}

async fn stalled(world: &World, reason: &str) {
    world.reason(reason).await;
    let stalled = world.condition("Stalled").await.unwrap();
    assert_eq!((stalled.status.as_str(), stalled.reason.as_str()), ("True", reason));
    assert_eq!(world.condition("Ready").await.unwrap().status, "False");
}

#[tokio::test]
async fn an_invalid_spec_changes_no_policy_and_names_its_fields() {
    let world = World::enforced("invalid", json!({"rollout": {"phase": "Enforce"}})).await;
    let before = world.versions().await;
    world.patch_baseline(impossible()).await;
    stalled(&world, "InvalidSpec").await;
    world.event("InvalidSpec").await;
    let message = world.finding("InvalidSpec").await.unwrap();
    assert!(message.contains("spec.allow.ingress[0].podSelector"), "{message}");
    assert_eq!(world.versions().await, before);

    world.patch_baseline(json!({"spec": {"allow": null}})).await;
    world.reason("Converged").await;
    assert_eq!(world.versions().await, before);
}

#[tokio::test]
async fn only_one_name_is_accepted_so_a_namespace_has_one_baseline() {
    let world = World::new("named").await;
    let other = json!({
        "apiVersion": "netbaseline.dev/v1alpha1", "kind": "NetworkBaseline",
        "metadata": {"name": "second", "namespace": "named"}, "spec": {},
    });
    let refusal = lab::manifests::apply(&world.client, &other.to_string()).await.unwrap_err();
    let refusal = format!("{refusal} {:?}", std::error::Error::source(&refusal).map(ToString::to_string));
    assert!(refusal.contains("its name is default"), "{refusal}");
}

#[tokio::test]
async fn a_foreign_policy_under_a_name_of_ours_stops_the_rise_until_it_is_gone() {
    let world = World::new("conflict").await;
    world.foreign_policy("baseline-allow-dns").await;
    let before = world.versions().await;
    world.baseline(json!({"rollout": {"phase": "Enforce"}})).await;
    stalled(&world, "NameConflict").await;
    world.event("NameConflict").await;
    assert_eq!(world.condition("Conflicted").await.unwrap().status, "True");
    assert!(world.finding("NameConflict").await.unwrap().contains("baseline-allow-dns"));
    assert_eq!(world.versions().await, before);
    assert_eq!(world.policy_writes(), []);

    world.delete_policy("baseline-allow-dns").await;
    world.reason("Converged").await;
    assert!(world.condition("Conflicted").await.is_none());
    assert!(world.names().await.len() > 3);
}

#[tokio::test]
async fn a_fall_is_not_stopped_by_a_name_conflict() {
    let world = World::enforced("conflict-fall", json!({"rollout": {"phase": "Enforce"}})).await;
    world.foreign_policy("baseline-ingress-late").await;
    world
        .patch_baseline(json!({"spec": {"allow": {"ingress": [{"name": "late", "from": [{"namespace": "edge"}]}]}}}))
        .await;
    world.reason("NameConflict").await;
    world.patch_baseline(json!({"spec": {"rollout": {"phase": "Audit"}}})).await;
    eventually("only the foreign policy is left", async || world.names().await == ["baseline-ingress-late"]).await;
}

async fn quota(world: &World, count: u32) {
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "small", "namespace": world.namespace},
            "spec": {"hard": {"count/networkpolicies.networking.k8s.io": count.to_string()}},
        }))
        .await;
    let quotas = Api::<ResourceQuota>::namespaced(world.client.clone(), world.namespace);
    eventually("the quota is counted", async || {
        let hard = quotas.get("small").await.unwrap().status.and_then(|status| status.hard).unwrap_or_default();
        hard.values().next().is_some_and(|hard| hard.0 == count.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_quota_that_is_too_small_stops_the_plan_before_its_first_write_until_it_is_raised() {
    let world = World::new("quota").await;
    quota(&world, 2).await;
    world.baseline(json!({"rollout": {"phase": "Enforce"}})).await;
    stalled(&world, "WriteRefused").await;
    world.event("WriteRefused").await;
    assert!(world.finding("WriteRefused").await.unwrap().contains("count/networkpolicies.networking.k8s.io"));
    assert_eq!(world.policy_writes(), []);

    quota(&world, 40).await;
    world.reason("Converged").await;
    assert!(!world.policy_writes().is_empty());
}

#[tokio::test]
async fn a_refusal_by_admission_stops_the_plan_before_its_first_write_until_it_is_lifted() {
    let world = World::new("admission").await;
    let rule = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-deny"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"], "resources": ["networkpolicies"]}]},
            "validations": [{"expression": "object.metadata.name != 'baseline-default-deny'", "message": "no denying here"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-deny"},
        "spec": {"policyName": "no-deny", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "admission"}}}},
    });
    world.apply(&rule).await;
    world.apply(&binding).await;
    let tried: k8s_openapi::api::networking::v1::NetworkPolicy =
        serde_json::from_value(json!({"metadata": {"name": "baseline-default-deny"}, "spec": {"podSelector": {}}}))
            .unwrap();
    let dry = kube::api::PostParams { dry_run: true, ..Default::default() };
    eventually("admission refuses", async || world.policies_api().create(&dry, &tried).await.is_err()).await;

    world.baseline(json!({"rollout": {"phase": "Enforce"}})).await;
    stalled(&world, "WriteRefused").await;
    assert!(world.finding("WriteRefused").await.unwrap().contains("no denying here"));
    assert_eq!(world.policy_writes(), [], "of {} requests", world.requests().len());
    assert!(world.requests().iter().any(|event| event.uri.contains("dryRun=All")));

    world.plane.kubectl(&["delete", "validatingadmissionpolicybinding", "no-deny"]).unwrap();
    world.reason("Converged").await;
}
