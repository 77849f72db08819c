//! The operator's main job, on a real control plane.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use lab::operator::{self, Operator};
use lab::{ControlPlane, Options};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_ready_under_the_rights_of_its_manifests() {
    let plane = ControlPlane::start(Options::ephemeral()).await.unwrap();
    operator::install(&plane).unwrap();
    let operator = Operator::start(&plane, &operator::Options::default()).await.unwrap();
    assert!(operator.get("/metrics").await.unwrap().contains("netbaseline_held"));
}
