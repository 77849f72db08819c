//! What it says of itself, and that it is silent when nothing happens.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::bench::take_turn;

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_its_health_its_metrics_and_its_log_in_the_usual_forms() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("told").await;
    let operator = bench.operator().await;
    for path in ["/healthz", "/readyz"] {
        let answer = operator.get(path).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"), "{path}: {answer}");
    }
    let metrics = operator.get("/metrics").await.unwrap();
    for expected in [
        "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8",
        "# TYPE netbaseline_reconcile_duration_seconds histogram",
        "netbaseline_reconcile_duration_seconds_count{result=\"ok\"}",
        "netbaseline_policy_writes_total{kind=\"NetworkPolicy\",verb=\"apply\",outcome=\"ok\"}",
        "netbaseline_phase{namespace=\"told\",direction=\"ingress\",phase=\"Enforce\"} 1",
        "netbaseline_held{namespace=\"told\"} 0",
        "# EOF",
    ] {
        assert!(metrics.contains(expected), "no {expected} in {metrics}");
    }

    let log = std::fs::read_to_string(operator.process.log()).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let written = lines.iter().find(|line| {
        line["message"] == "policy written" && line.pointer("/span/namespace").is_some_and(|of| of == "told")
    });
    let written = written.unwrap();
    assert!(written["timestamp"].is_string() && written["level"] == "INFO", "{written}");
    assert!(written["policy"].as_str().unwrap().contains("baseline-"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_again_tells_nothing_again() {
    let mut bench = take_turn().await;
    bench.operator().await;
    bench.enforced("quiet").await;
    bench.at_rest().await;
    let events = Api::<Event>::namespaced(bench.client.clone(), "quiet");
    let told = async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        events
            .iter()
            .map(|event| (event.name_any(), event.resource_version(), event.reason.clone()))
            .collect::<Vec<_>>()
    };
    let (before, began) = (told().await, Timestamp::now());
    let reasons: Vec<_> = before.iter().filter_map(|(.., reason)| reason.as_deref()).collect();
    for expected in ["PhaseChanged", "PoliciesWritten", "Converged"] {
        assert!(reasons.contains(&expected), "no {expected} in {reasons:?}");
    }
    for _ in 0..5 {
        bench.look_again("quiet").await;
    }
    assert_eq!(told().await, before);
    assert!(bench.writes_since(began).is_empty());
}

/// Set to anything, the test below watches for five minutes, in which every watch begins anew at least once.
const LONG: &str = "NETBASELINE_LONG";

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_nothing_is_written_but_the_lease() {
    let mut bench = take_turn().await;
    bench.operator().await;
    for namespace in ["rest-off", "rest-audit", "rest-enforce"] {
        let phase = if namespace == "rest-off" { "Off" } else { "Audit" };
        bench.baseline(namespace, phase).await;
    }
    bench.enforced("rest-enforce").await;
    bench.at_rest().await;
    let began = Timestamp::now();
    let seconds = if std::env::var_os(LONG).is_some() { 300 } else { 20 };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let written: Vec<_> = bench.writes_since(began).into_iter().map(|event| event.verb + " " + &event.uri).collect();
    assert_eq!(written, Vec::<String>::new());
    let renewals = bench.requests_since(began).iter().filter(|event| event.wrote()).count();
    println!("in {seconds} s: {renewals} writes of the Lease, none of anything else");
    assert!(renewals > 0, "the audit log shows what is written");
}
