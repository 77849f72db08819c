//! The flip on a real control plane: every state that the API server goes through between two rests is judged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod history;
#[path = "flip/shuffled.rs"]
mod shuffled;

use history::{History, Transition, eventually, plane};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PropagationPolicy};
use kube::{Api, Client};
use lab::operator::{self, Operator};
use netbaseline::api::names;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// The operator of this binary.
async fn client() -> Client {
    static OPERATOR: OnceCell<Operator> = OnceCell::const_new();
    let plane = plane().await;
    OPERATOR.get_or_init(async || Operator::start(plane, &operator::Options::default()).await.unwrap()).await;
    plane.client().await.unwrap()
}

fn orders(pods: &Value) -> Value {
    json!({
        "name": "orders", "podSelector": pods, "ports": [{"port": 8080}],
        "from": [{"namespace": "storefront", "podSelector": {"matchLabels": {"app": "web"}}}],
    })
}

/// Two allows of pods that overlap: gold orders are selected by both.
fn spec(rollout: &Value) -> Value {
    let gold = json!({
        "name": "gold", "podSelector": {"matchLabels": {"tier": "gold"}}, "ports": [{"port": 5432}],
        "from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
    });
    let same_namespace = json!({"podSelector": {"matchExpressions": [
        {"key": "app", "operator": "NotIn", "values": ["payments"]},
    ]}});
    json!({
        "rollout": rollout,
        "allow": {
            "sameNamespace": same_namespace,
            "ingress": [orders(&json!({"matchLabels": {"app": "orders"}})), gold],
        },
    })
}

fn enforced() -> Value {
    spec(&json!({"phase": "Enforce"}))
}

fn scenes() -> Vec<(&'static str, Value)> {
    let canary = |labels: Value| json!({"phase": "Canary", "canary": {"podSelector": {"matchLabels": labels}}});
    let first_canary = || canary(json!({"track": "canary"}));
    let with = |change: fn(&mut Value)| {
        let mut spec = enforced();
        change(&mut spec);
        spec
    };
    vec![
        ("off to canary", spec(&first_canary())),
        ("the canary moves", spec(&canary(json!({"app": "orders"})))),
        ("the canary moves back", spec(&first_canary())),
        ("canary to enforce", enforced()),
        ("both to ingress only", spec(&json!({"phase": "Enforce", "egress": {"phase": "Audit"}}))),
        ("ingress only to egress only", spec(&json!({"phase": "Enforce", "ingress": {"phase": "Audit"}}))),
        (
            "egress only to ingress of the canary and all egress",
            spec(&json!({
                "phase": "Enforce", "ingress": {"phase": "Canary"},
                "canary": {"podSelector": {"matchLabels": {"track": "canary"}}},
            })),
        ),
        ("ingress of the canary to both", enforced()),
        (
            "an allow is added",
            with(|spec| {
                spec["allow"]["egress"] = json!([{
                    "name": "ledger", "podSelector": {"matchLabels": {"tier": "gold"}}, "to": [{"cidr": "10.9.0.0/16"}],
                    "ports": [{"port": 5432}],
                }]);
            }),
        ),
        ("the allow is removed", enforced()),
        (
            "the pods of an allow change",
            with(|spec| {
                spec["allow"]["ingress"][0] = orders(&json!({"matchExpressions": [
                    {"key": "app", "operator": "In", "values": ["orders", "other"]},
                ]}));
            }),
        ),
        (
            "a broad allow is tightened to some pods",
            with(|spec| {
                spec["allow"]["sameNamespace"]["podSelector"] = json!({"matchLabels": {"tier": "gold"}});
            }),
        ),
        ("enforce to canary", spec(&first_canary())),
        ("canary to off", spec(&json!({"phase": "Off"}))),
        ("off to enforce", enforced()),
        ("enforce to audit", spec(&json!({"phase": "Audit"}))),
    ]
}

/// Prints how many states were judged, and fails by the first that was wrong.
fn judged(transitions: &[Transition]) {
    let states: usize = transitions.iter().map(|of| of.states.len()).sum();
    let violations: Vec<String> = transitions.iter().flat_map(Transition::violations).collect();
    println!("{} transitions, {states} states judged, {} violations", transitions.len(), violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_between_two_rests_is_safe_and_the_same_writes_in_another_order_are_not() {
    let history = History::begin(&client().await, "flip").await;
    for phase in ["Off", "Audit"] {
        let still = history.to(phase, &spec(&json!({"phase": phase}))).await;
        assert_eq!(still.writes(), 0, "phase {phase} enforces nothing");
    }
    let mut transitions = Vec::new();
    for (name, spec) in scenes() {
        let transition = history.to(name, &spec).await;
        assert!(transition.writes() > 0, "{name}: nothing was written");
        println!("{name}: {} writes", transition.writes());
        transitions.push(transition);
    }
    judged(&transitions);

    let mut share = shuffled::Share::default();
    transitions.iter().for_each(|transition| shuffled::share(transition, &mut share));
    println!("of {} shuffled plans {} break the proof, {} a connection", share.orders, share.by_proof, share.by_pods);
    assert!(share.by_proof > share.orders / 2 && share.by_pods > 0, "{share:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_baseline_takes_its_policies_down_by_their_plan_in_the_foreground_too() {
    let mut transitions = Vec::new();
    for (namespace, parameters) in [
        ("flip-background", DeleteParams::background()),
        ("flip-foreground", DeleteParams::foreground()),
        (
            "flip-orphan",
            DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() },
        ),
    ] {
        let history = History::begin(&client().await, namespace).await;
        history.to("off to enforce", &enforced()).await;
        let mark = history.mark().await;
        history.baselines().delete(names::BASELINE_NAME, &parameters).await.unwrap();
        eventually("the baseline is gone", async || {
            history.baselines().get_opt(names::BASELINE_NAME).await.unwrap().is_none()
        })
        .await;
        let transition = history.since(mark, namespace).await;
        assert_eq!(transition.last().keys().collect::<Vec<_>>(), ["isolate-payments"], "{namespace}");
        transitions.push(transition);
    }
    judged(&transitions);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_goes_and_nothing_is_created_in_it() {
    let client = client().await;
    let history = History::begin(&client, "flip-namespace").await;
    history.to("off to enforce", &enforced()).await;
    let mark = history.mark().await;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete(&history.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", async || namespaces.get_opt(&history.namespace).await.unwrap().is_none()).await;
    let states = history.since(mark, "namespace").await.states;
    assert!(states.last().unwrap().is_empty());
    let shrinks = |pair: &[history::State]| pair[1].keys().all(|name| pair[0].contains_key(name));
    assert!(states.windows(2).all(shrinks), "a policy was created in a namespace that goes");
}
