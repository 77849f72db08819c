//! What a write looks like on the wire, and what each failure means.

use std::sync::Arc;

use serde_json::{Value, json};

use super::script::{Answer, Asked, failure, in_turn};
use crate::cluster::{Failure, Mode, Version};
use crate::model::{Policy, PolicyKey, Selector};
use crate::plan::Desired;

fn desired() -> Desired {
    Desired {
        policy: Policy {
            key: PolicyKey::network_policy("shop", "baseline-default-deny"),
            pod_selector: Selector::all(),
            ingress: Some(Vec::new()),
            egress: None,
            isolates: true,
        },
        allowance: Arc::from("default-deny"),
        reason: "only what is allowed".to_owned(),
    }
}

fn version() -> Version {
    Version { uid: "u7".to_owned(), resource_version: "41".to_owned() }
}

fn written() -> Answer {
    let metadata = json!({ "name": "baseline-default-deny", "uid": "u7", "resourceVersion": "42" });
    Answer::Json(200, json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata }))
}

async fn applied(version: Option<&Version>, mode: Mode) -> Asked {
    let (cluster, log) = in_turn([written()]);
    let now = cluster.apply_policy(&desired(), "b1", version, mode).await.unwrap();
    assert_eq!(now, Version { uid: "u7".to_owned(), resource_version: "42".to_owned() });
    let mut asked = log.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked.remove(0)
}

const PATH: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/baseline-default-deny";

#[tokio::test]
async fn a_new_policy_is_applied_by_our_manager_and_forces_nobody() {
    let asked = applied(None, Mode::Real).await;
    assert_eq!(asked.what, format!("PATCH {PATH}"));
    assert_eq!(asked.content_type, "application/apply-patch+yaml");
    assert!(asked.query.contains("fieldManager=netbaseline%2Fpolicies"), "{}", asked.query);
    assert!(!asked.query.contains("force=true") && !asked.query.contains("dryRun"), "{}", asked.query);
    assert_eq!(
        asked.body["metadata"],
        json!({
            "name": "baseline-default-deny",
            "namespace": "shop",
            "labels": { "app.kubernetes.io/managed-by": "netbaseline", "netbaseline.dev/allowance": "default-deny" },
            "annotations": { "netbaseline.dev/baseline-uid": "b1", "netbaseline.dev/reason": "only what is allowed" },
        })
    );
    assert_eq!(asked.body["spec"]["policyTypes"], json!(["Ingress"]));
}

#[tokio::test]
async fn a_known_policy_is_forced_in_exactly_the_version_that_was_read() {
    let asked = applied(Some(&version()), Mode::Real).await;
    assert!(asked.query.contains("force=true"), "{}", asked.query);
    assert_eq!(
        (&asked.body["metadata"]["uid"], &asked.body["metadata"]["resourceVersion"]),
        (&json!("u7"), &json!("41"))
    );
}

#[tokio::test]
async fn a_dry_run_differs_from_the_write_only_in_that_it_is_one() {
    let (tried, done) = (applied(Some(&version()), Mode::DryRun).await, applied(Some(&version()), Mode::Real).await);
    assert!(tried.query.contains("dryRun=All"), "{}", tried.query);
    let without: Vec<&str> = tried.query.split('&').filter(|part| *part != "dryRun=All").collect();
    assert_eq!(without, done.query.split('&').collect::<Vec<_>>());
    assert_eq!((tried.what, tried.body), (done.what, done.body));
}

#[tokio::test]
async fn a_policy_is_deleted_in_exactly_the_version_that_was_read() {
    let (cluster, log) =
        in_turn([Answer::Json(200, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }))]);
    cluster.delete_policy(&desired().policy.key, &version()).await.unwrap();
    let asked = log.lock().unwrap();
    assert_eq!(asked[0].what, format!("DELETE {PATH}"));
    assert_eq!(asked[0].body["preconditions"], json!({ "uid": "u7", "resourceVersion": "41" }));
    assert_eq!(asked[0].body["propagationPolicy"], Value::from("Background"));
}

fn class(failure: &Failure) -> &'static str {
    match failure {
        Failure::Conflict(_) => "conflict",
        Failure::Refused(_) => "refused",
        Failure::Unavailable(_) => "unavailable",
    }
}

#[tokio::test]
async fn every_failure_says_whether_to_look_again_to_call_a_person_or_to_wait() {
    for (code, expected) in [
        (404, "conflict"),
        (409, "conflict"),
        (410, "conflict"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (413, "refused"),
        (422, "refused"),
        (429, "unavailable"),
        (500, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
    ] {
        let (cluster, _) = in_turn([failure(code), failure(code)]);
        let apply = cluster.apply_policy(&desired(), "b1", None, Mode::Real).await.unwrap_err();
        let delete = cluster.delete_policy(&desired().policy.key, &version()).await.unwrap_err();
        assert_eq!((class(&apply), class(&delete)), (expected, expected), "{code}");
        assert!(apply.to_string().contains(&format!("scripted {code}")), "{apply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_given_up_at_its_time() {
    let (cluster, log) = in_turn([]);
    let error = cluster.apply_policy(&desired(), "b1", None, Mode::Real).await.unwrap_err();
    assert_eq!(class(&error), "unavailable");
    assert!(error.to_string().contains("500ms"), "{error}");
    assert_eq!(log.lock().unwrap().len(), 1);
}
