//! What is shipped to be applied is taken by a real API server.
#![allow(clippy::unwrap_used)]

use lab::{ControlPlane, manifests, story};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/default");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

#[tokio::test]
async fn the_install_the_examples_and_the_storys_baselines_are_accepted_and_nothing_warns() {
    let plane = ControlPlane::shared().await.unwrap();
    let kubectl = |arguments: &[&str]| plane.kubectl(arguments).unwrap();
    kubectl(&["apply", "--server-side", "--warnings-as-errors", "-k", CONFIG]);
    kubectl(&["wait", "--for=condition=Established", "crd/networkbaselines.netbaseline.dev"]);
    kubectl(&["apply", "--server-side", "--warnings-as-errors", "-k", EXAMPLES]);

    let client = plane.client().await.unwrap();
    manifests::apply(&client, story::WORKLOADS).await.unwrap();
    manifests::apply(&client, story::BASELINES).await.unwrap();
    let listed = kubectl(&["get", "networkbaselines", "--namespace=shop", "--no-headers", "--output=name"]);
    assert_eq!(listed.trim(), "networkbaseline.netbaseline.dev/default");
}
