//! Writes of a reconcile besides policies, against an API server that answers by a script.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::{finalizer, status};
use crate::api::{NetworkBaseline, NetworkBaselineStatus, names};
use crate::cluster::tests::script::{Answer, failure, in_turn};

fn baseline() -> NetworkBaseline {
    let mut baseline = NetworkBaseline::new("default", Default::default());
    baseline.metadata.namespace = Some("shop".to_owned());
    baseline.metadata.uid = Some("b1".to_owned());
    baseline.metadata.resource_version = Some("7".to_owned());
    baseline.metadata.finalizers = Some(vec![names::FINALIZER.to_owned(), "example.org/other".to_owned()]);
    baseline.status = Some(NetworkBaselineStatus { observed_generation: Some(1), ..NetworkBaselineStatus::default() });
    baseline
}

#[tokio::test]
async fn a_status_is_written_only_when_it_differs() {
    let baseline = baseline();
    let (cluster, log) = in_turn([Answer::Json(200, serde_json::to_value(&baseline).unwrap())]);
    assert!(!status::write(&cluster, &baseline, baseline.status.as_ref().unwrap()).await.unwrap());
    assert!(log.lock().unwrap().is_empty());
    let other = NetworkBaselineStatus { observed_generation: Some(2), ..NetworkBaselineStatus::default() };
    assert!(status::write(&cluster, &baseline, &other).await.unwrap());
    let asked = &log.lock().unwrap()[0];
    assert_eq!(asked.what, "PATCH /apis/netbaseline.dev/v1alpha1/namespaces/shop/networkbaselines/default/status");
    assert!(asked.query.contains("fieldManager=netbaseline%2Fstatus"), "{}", asked.query);
    assert_eq!(asked.body["metadata"]["uid"], "b1", "never the status of a baseline of the same name");
    assert!(asked.body.get("spec").is_none());
}

#[tokio::test]
async fn the_finalizer_leaves_alone_in_the_version_that_was_read() {
    let (cluster, log) = in_turn([Answer::Json(200, serde_json::to_value(baseline()).unwrap())]);
    finalizer::remove(&cluster, &baseline()).await.unwrap();
    let body = &log.lock().unwrap()[0].body;
    assert_eq!(body["metadata"], json!({ "finalizers": ["example.org/other"], "resourceVersion": "7" }));
}

#[tokio::test]
async fn a_finalizer_that_meets_a_conflict_is_not_forgotten() {
    let (cluster, _) = in_turn([failure(409)]);
    let error = finalizer::remove(&cluster, &baseline()).await.unwrap_err();
    assert_eq!(error.class(), "conflict");
}
