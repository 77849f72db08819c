//! Facts are sticky: what vanishes or cannot be read takes nothing away.

use jiff::Timestamp;
use lab::manifests;
use lab::operator::{self, Operator};
use lab::story;
use rustix::process::Signal;
use serde_json::json;

use crate::bench::{Bench, Replica, condition, end_of, eventually, signal, take_turn};

const DNS: &str = "baseline-allow-dns";

/// What the ClusterRole allows to read of the core group.
fn readable(bench: &Bench, resources: &[&str]) {
    let patch = json!([{"op": "replace", "path": "/rules/0/resources", "value": resources}]).to_string();
    bench.kubectl(&["patch", "clusterrole", "netbaseline-operator", "--type=json", "-p", &patch]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_vanishes_takes_no_allowance_with_it() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("dns-gone").await;
    let before = bench.versions("dns-gone").await;
    assert!(before.contains_key(DNS));

    bench.kubectl(&["delete", "service", "kube-dns", "-n", "kube-system"]);
    bench.finds("dns-gone", "NoDns").await;
    bench.finds("dns-gone", "FactKept").await;
    assert_eq!(bench.versions("dns-gone").await, before);

    manifests::apply(&bench.client, story::CLUSTER).await.unwrap();
    bench.no_longer_finds("dns-gone", "FactKept").await;
    assert_eq!(bench.versions("dns-gone").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_revoked_takes_no_allowance_with_it() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("right-revoked").await;
    let before = bench.versions("right-revoked").await;

    readable(&bench, &["namespaces", "nodes", "pods"]);
    // A watch that runs outlives the right: it has to begin anew.
    bench.plane.restart().await.unwrap();
    bench.finds("right-revoked", "SourceNotSynced").await;
    bench.finds("right-revoked", "FactKept").await;
    assert_eq!(bench.versions("right-revoked").await, before);

    bench.baseline("right-needed", "Enforce").await;
    bench.finds("right-needed", "SourceNotSynced").await;
    assert!(bench.versions("right-needed").await.is_empty(), "nothing is isolated by facts that cannot be read");

    readable(&bench, &["namespaces", "nodes", "pods", "services"]);
    bench.no_longer_finds("right-revoked", "SourceNotSynced").await;
    bench.converged("right-needed", "Enforce").await;
    assert_eq!(bench.versions("right-revoked").await, before);
    bench.operator().await.process.check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_without_a_right_takes_nothing_and_is_not_ready() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("right-missing").await;
    let before = bench.versions("right-missing").await;

    bench.without_operator().await;
    readable(&bench, &["namespaces", "nodes", "pods"]);
    let mut replica = Replica(Operator::launch(bench.plane, &operator::Options::default()).await.unwrap());
    let operator = &mut replica.0;
    bench.finds("right-missing", "SourceNotSynced").await;
    bench.finds("right-missing", "FactKept").await;
    assert_eq!(bench.versions("right-missing").await, before);
    let answer = operator.get("/readyz").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Services"), "{answer}");

    readable(&bench, &["namespaces", "nodes", "pods", "services"]);
    bench.no_longer_finds("right-missing", "FactKept").await;
    assert_eq!(bench.versions("right-missing").await, before);
    eventually("it is ready", async || operator.get("/readyz").await.unwrap().starts_with("HTTP/1.1 200")).await;
    signal(operator, Signal::TERM);
    end_of(operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_cleared_lowers_nothing_and_returns() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("status-lost").await;
    bench.at_rest().await;
    let (before, cleared) = (bench.versions("status-lost").await, Timestamp::now());

    bench.patch_status("status-lost", &json!(null));
    bench.converged("status-lost", "Enforce").await;
    assert_eq!(bench.versions("status-lost").await, before);
    let written: Vec<_> = bench.writes_since(cleared).into_iter().map(|event| event.uri).collect();
    assert!(written.iter().all(|uri| !uri.contains("networkpolicies")), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_moves_is_allowed_at_once_and_its_old_place_for_ten_minutes() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("dns-moves").await;

    bench.kubectl(&["delete", "service", "kube-dns", "-n", "kube-system"]);
    bench
        .apply(
            "apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.77
  selector: {app: other-resolver}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 1053}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 1053}",
        )
        .await;
    let allows = async |parts: &[&str]| {
        let policy = bench.policy("dns-moves", DNS).await;
        parts.iter().all(|part| policy.contains(part))
    };
    let (old, new) = (["10.96.0.10/32", "kube-dns"], ["10.96.0.77/32", "other-resolver", "1053"]);
    eventually("the new place is allowed", async || allows(&new).await).await;
    assert!(allows(&old).await);
    assert!(bench.finding("dns-moves", "FactKept").await.is_some_and(|of| of.contains("not ready")));
    assert!(bench.retiring("dns-moves", "dns").await.is_empty(), "nothing leaves before what replaces it works");

    bench
        .apply(
            "apiVersion: v1
kind: Pod
metadata: {name: other-resolver, namespace: kube-system, labels: {app: other-resolver}}
spec: {containers: [{name: resolver, image: lab.invalid/resolver}]}",
        )
        .await;
    eventually("the old place is leaving", async || !bench.retiring("dns-moves", "dns").await.is_empty()).await;
    let retiring = bench.retiring("dns-moves", "dns").await;
    assert!(retiring.iter().all(|part| part.starts_with("baseline-allow-dns: ")), "{retiring:?}");
    assert!(retiring.iter().any(|part| part.contains("10.96.0.10")), "{retiring:?}");
    assert!(allows(&old).await && allows(&new).await);
    assert_eq!(condition(&bench.status("dns-moves").await, "Ready"), Some("True"));

    bench.backdate("dns-moves").await;
    eventually("the old place has left", async || !allows(&old[..1]).await && !allows(&old[1..]).await).await;
    assert!(allows(&new).await);
    eventually("nothing leaves any more", async || bench.retiring("dns-moves", "dns").await.is_empty()).await;

    bench.kubectl(&["delete", "service/kube-dns", "pod/other-resolver", "-n", "kube-system"]);
    manifests::apply(&bench.client, story::CLUSTER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_api_server_is_allowed_at_once_and_leaves_late() {
    const API_SERVER: &str = "baseline-allow-api-server";
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("api-moves").await;

    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "second-api-server", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes", "endpointslice.kubernetes.io/managed-by": "lab"}},
        "endpoints": [{"addresses": ["198.51.100.7"], "conditions": {"ready": true}}],
        "ports": [{"name": "https", "port": 7443, "protocol": "TCP"}]});
    bench.apply(&slice.to_string()).await;
    let allowed = async || {
        let policy = bench.policy("api-moves", API_SERVER).await;
        policy.contains("198.51.100.7/32") && policy.contains("7443")
    };
    eventually("it is allowed", allowed).await;

    bench.kubectl(&["delete", "endpointslice", "second-api-server", "-n", "default"]);
    let leaves = async || bench.retiring("api-moves", "apiServer").await.iter().any(|of| of.contains("198.51.100.7"));
    eventually("it is leaving", leaves).await;
    assert!(allowed().await);
    // Looking again does not make its time begin anew.
    let since = bench.status("api-moves").await.facts;
    bench.look_again("api-moves").await;
    assert_eq!(bench.status("api-moves").await.facts, since);
}
