//! Two replicas and one Lease.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::ListParams;
use lab::AuditEvent;
use lab::operator::{Operator, Options};
use rustix::process::Signal;

use crate::bench::{Bench, Replica, end_of, eventually, signal, take_turn};

/// A replica with times that a test can wait for.
async fn replica(bench: &Bench, name: &str, lease: u64) -> Replica {
    let lease_duration = Duration::from_secs(lease);
    let request_timeout = Duration::from_secs(2);
    let options = Options { name: name.to_owned(), lease_duration, request_timeout, ..Options::default() };
    Replica(Operator::start(bench.plane, &options).await.unwrap())
}

/// A leader and a replica that waits.
async fn pair(bench: &mut Bench, [leader, other]: [&str; 2], lease: u64) -> (Replica, Replica) {
    bench.without_operator().await;
    let first = replica(bench, leader, lease).await;
    leads(bench, leader).await;
    let second = replica(bench, other, lease).await;
    (first, second)
}

async fn leads(bench: &Bench, name: &str) {
    let of = |holder: String| holder.starts_with(&format!("{name}_"));
    eventually(&format!("{name} leads"), async || bench.leader().await.is_some_and(of)).await;
}

/// The holder that a write of the Lease names.
fn claims(event: &AuditEvent) -> Option<&str> {
    event.is_about("leases").then(|| event.request_object.as_ref()?.pointer("/spec/holderIdentity")?.as_str())?
}

/// The token of a replica, by what it wrote into the Lease: the name of the user is the same for all.
fn credential(requests: &[AuditEvent], name: &str) -> String {
    let claim = requests.iter().find(|event| claims(event).is_some_and(|of| of.starts_with(&format!("{name}_"))));
    claim.unwrap().user.credential().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_leader_writes_and_a_leader_that_is_ended_hands_over_at_once() {
    let (mut bench, began) = (take_turn().await, Timestamp::now());
    let (mut first, mut second) = pair(&mut bench, ["first", "second"], 8).await;
    bench.enforced("handed-over").await;
    let writers: BTreeSet<String> =
        bench.writes_since(began).iter().filter_map(|event| event.user.credential().map(str::to_owned)).collect();
    assert_eq!(writers, BTreeSet::from([credential(&bench.requests_since(began), "first")]));

    let ended = Instant::now();
    signal(&first.0, Signal::TERM);
    assert_eq!(end_of(&mut first.0).await, "exit status: 0", "{}", first.0.process.tail());
    leads(&bench, "second").await;
    let took = ended.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}: the Lease of 8 s was not released");
    bench.baseline("handed-over", "Audit").await;
    bench.converged("handed-over", "Audit").await;
    signal(&second.0, Signal::TERM);
    end_of(&mut second.0).await;
    assert_eq!(bench.leader().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_other_writes_no_earlier_than_the_lease_and_a_request_may_last() {
    let (mut bench, began) = (take_turn().await, Timestamp::now());
    let (mut first, mut second) = pair(&mut bench, ["crashes", "succeeds"], 2).await;
    bench.enforced("before-crash").await;

    first.0.process.kill().unwrap();
    let crashed = Timestamp::now();
    bench.enforced("after-crash").await;
    let requests = bench.requests_since(began);
    let renewed = requests.iter().filter(|event| claims(event).is_some_and(|of| of.starts_with("crashes_")));
    let renewed = renewed.map(|event| event.request_received_timestamp).max().unwrap();
    let written = bench.writes_since(crashed).iter().map(|event| event.request_received_timestamp).min().unwrap();
    let waited = written.duration_since(renewed);
    assert!(waited >= SignedDuration::from_secs(2 + 2), "{waited:#} after the crashed leader's last renewal");
    signal(&second.0, Signal::TERM);
    end_of(&mut second.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_through_its_lease_writes_nothing_and_ends() {
    let (mut bench, began) = (take_turn().await, Timestamp::now());
    let (mut first, mut second) = pair(&mut bench, ["sleeps", "takes-over"], 2).await;
    bench.enforced("before-sleep").await;

    signal(&first.0, Signal::STOP);
    leads(&bench, "takes-over").await;
    bench.enforced("during-sleep").await;
    // It wakes to work: baselines that it has not seen, and one that changed.
    bench.baseline("before-sleep", "Audit").await;
    bench.baseline("at-waking", "Enforce").await;
    let woken = Timestamp::now();
    signal(&first.0, Signal::CONT);
    assert_eq!(end_of(&mut first.0).await, "exit status: 2", "{}", first.0.process.tail());
    assert!(first.0.process.tail().contains("the Lease is lost"), "{}", first.0.process.tail());

    bench.converged("at-waking", "Enforce").await;
    let slept = credential(&bench.requests_since(began), "sleeps");
    let written: Vec<_> = bench.requests_since(woken).into_iter().filter(|event| event.wrote()).collect();
    assert!(!written.is_empty());
    let by_sleeper = written.iter().filter(|event| event.user.credential() == Some(&slept));
    assert_eq!(by_sleeper.map(|event| &event.uri).collect::<Vec<_>>(), Vec::<&String>::new());
    signal(&second.0, Signal::TERM);
    end_of(&mut second.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_during_plans_lets_those_under_way_be_finished() {
    const MANY: usize = 24;
    let mut bench = take_turn().await;
    bench.without_operator().await;
    for number in 0..MANY {
        bench.baseline(&format!("cut-{number}"), "Enforce").await;
    }
    // Without pauses a plan is one piece of work.
    let options = Options { name: "cut".to_owned(), settle: Duration::ZERO, ..Options::default() };
    let mut replica = Replica(Operator::start(bench.plane, &options).await.unwrap());
    let operator = &mut replica.0;
    let policies = Api::<NetworkPolicy>::all(bench.client.clone());
    let ours = ListParams::default().labels("netbaseline.dev/allowance");
    let in_cut = async || {
        let policies = policies.list(&ours).await.unwrap().items;
        policies.iter().any(|policy| policy.metadata.namespace.as_ref().is_some_and(|of| of.starts_with("cut-")))
    };
    while !in_cut().await {}
    signal(operator, Signal::TERM);
    assert_eq!(end_of(operator).await, "exit status: 0", "{}", operator.process.tail());

    let mut done = 0;
    for number in 0..MANY {
        let namespace = format!("cut-{number}");
        let names: Vec<String> = bench.versions(&namespace).await.into_keys().collect();
        if !names.is_empty() {
            assert_eq!(names, bench.status(&namespace).await.target.unwrap_or_default().policies, "{namespace}");
            done += 1;
        }
    }
    assert!((1..MANY).contains(&done), "{done} of {MANY} were done: the signal came too late to show anything");
}
