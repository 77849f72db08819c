//! Custom resource definitions that come, go and change while the operator runs.

use lab::operator::{self, Operator};
use lab::{ControlPlane, Options};
use serde_json::json;

use crate::bench::{eventually, take_turn};

const MONITORS: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: servicemonitors, singular: servicemonitor, kind: ServiceMonitor, listKind: ServiceMonitorList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}";

const MONITORED: &str = "apiVersion: v1
kind: Service
metadata: {name: api, namespace: monitored, labels: {app: api}}
spec:
  selector: {app: api}
  ports: [{name: metrics, port: 9100, targetPort: 9100}]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: api, namespace: monitored}
spec:
  selector: {matchLabels: {app: api}}
  endpoints: [{port: metrics}]";

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_are_allowed_when_monitors_arrive_later_and_leave_after_them() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("monitored").await;
    let scraped = async || {
        let names = bench.versions("monitored").await;
        names.into_keys().find(|name| name.starts_with("baseline-allow-monitoring"))
    };
    assert_eq!(scraped().await, None);

    bench.apply(&format!("{MONITORS}\n---\n{MONITORED}")).await;
    eventually("scrapes are allowed", async || scraped().await.is_some()).await;
    let name = scraped().await.unwrap();
    let policy = bench.policy("monitored", &name).await;
    assert!(policy.contains("9100") && policy.contains("monitoring") && policy.contains("api"), "{policy}");

    bench.kubectl(&["delete", "crd", "servicemonitors.monitoring.coreos.com"]);
    eventually("it is leaving", async || !bench.retiring("monitored", "monitoring").await.is_empty()).await;
    assert_eq!(scraped().await.as_ref(), Some(&name));
    bench.backdate("monitored").await;
    eventually("it has left", async || scraped().await.is_none()).await;
    bench.converged("monitored", "Enforce").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_definition_the_operator_lives_and_says_what_is_missing() {
    // Deleting the definition deletes every baseline: this needs a cluster of its own.
    let turn = take_turn().await;
    let plane = ControlPlane::start(Options::ephemeral()).await.unwrap();
    operator::install(&plane).unwrap();
    plane.kubectl(&["delete", "crd", "networkbaselines.netbaseline.dev"]).unwrap();

    let mut operator = Operator::launch(&plane, &operator::Options::default()).await.unwrap();
    let missing = async || {
        let answer = operator.get("/readyz").await.unwrap_or_default();
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("networkbaselines.netbaseline.dev is not installed\n")
    };
    eventually("only the definition is missing", async || {
        missing().await && !operator.get("/readyz").await.unwrap().contains("not complete")
    })
    .await;
    assert!(operator.get("/healthz").await.unwrap().starts_with("HTTP/1.1 200"));

    operator::install(&plane).unwrap();
    eventually("it is ready", async || operator.get("/readyz").await.unwrap().starts_with("HTTP/1.1 200")).await;
    plane.kubectl(&["create", "namespace", "late"]).unwrap();
    let baseline = json!({"apiVersion": "netbaseline.dev/v1alpha1", "kind": "NetworkBaseline",
        "metadata": {"name": "default", "namespace": "late"}, "spec": {}});
    lab::manifests::apply(&plane.client().await.unwrap(), &baseline.to_string()).await.unwrap();
    let told = "--output=jsonpath={.status.observedGeneration}";
    eventually("baselines are followed", async || {
        plane.kubectl(&["get", "networkbaseline", "default", "-n", "late", told]).unwrap() == "1"
    })
    .await;
    operator.process.check().unwrap();
    drop(turn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_that_cannot_be_read_keeps_its_policies_and_stops_nobody() {
    const DEFINITION: &str = "networkbaselines.netbaseline.dev";
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("nonsense").await;
    let before = bench.versions("nonsense").await;

    let anything = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}]);
    bench.kubectl(&["patch", "crd", DEFINITION, "--type=json", "-p", &anything.to_string()]);
    let nonsense = json!({"spec": {"rollout": {"phase": ["up", "and", "away"]}}}).to_string();
    let patch = ["patch", "networkbaseline", "default", "-n", "nonsense", "--type=merge", "-p"];
    // A relaxed schema is served a moment after it was accepted.
    eventually("nonsense is accepted", async || bench.plane.kubectl(&[&patch[..], &[&nonsense]].concat()).is_ok())
        .await;
    bench.enforced("beside-nonsense").await;
    assert_eq!(bench.versions("nonsense").await, before);

    bench.without_operator().await;
    bench.operator().await;
    bench.enforced("beside-nonsense-later").await;
    assert_eq!(bench.versions("nonsense").await, before);

    let sense = json!({"spec": {"rollout": {"phase": "Off"}}}).to_string();
    bench.kubectl(&[&patch[..], &[&sense]].concat());
    eventually("it is followed again", async || bench.versions("nonsense").await.is_empty()).await;
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/netbaseline.dev_networkbaselines.yaml");
    bench.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", definition]);
}
