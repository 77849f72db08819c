#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::cluster::tests::script::{Answer, Asked, failure, scripted};

const FIFTEEN: Duration = Duration::from_secs(15);

fn held_by(holder: &str) -> LeaseSpec {
    LeaseSpec { holder_identity: Some(holder.to_owned()), lease_duration_seconds: Some(15), ..LeaseSpec::default() }
}

#[test]
fn a_free_lease_is_taken() {
    assert_eq!(evaluate(&LeaseSpec::default(), "me", Duration::ZERO, FIFTEEN), Move::Take);
    assert_eq!(evaluate(&held_by(""), "me", Duration::ZERO, FIFTEEN), Move::Take);
}

#[test]
fn our_own_lease_is_renewed_however_old() {
    assert_eq!(evaluate(&held_by("me"), "me", Duration::from_secs(99), FIFTEEN), Move::Renew);
}

#[test]
fn a_silent_holder_is_replaced_only_after_its_whole_duration() {
    let nearly = FIFTEEN - Duration::from_millis(1);
    assert_eq!(evaluate(&held_by("you"), "me", nearly, FIFTEEN), Move::Wait(Duration::from_millis(1)));
    assert_eq!(evaluate(&held_by("you"), "me", FIFTEEN, FIFTEEN), Move::TakeOver);
}

#[test]
fn the_duration_that_counts_is_the_holders() {
    let long = LeaseSpec { lease_duration_seconds: Some(60), ..held_by("you") };
    assert_eq!(evaluate(&long, "me", FIFTEEN, FIFTEEN), Move::Wait(Duration::from_secs(45)));
}

#[test]
fn a_term_that_has_ended_or_not_begun_forbids_writing() {
    let now = Instant::now();
    let leadership = Leadership { term: Arc::default() };
    assert!(!leadership.may_write());
    leadership.set(Some(Term { not_before: now + FIFTEEN, until: now + 2 * FIFTEEN }));
    assert!(!leadership.may_write());
    leadership.set(Some(Term { not_before: now, until: now }));
    assert!(!leadership.may_write());
    leadership.set(Some(Term { not_before: now, until: now + FIFTEEN }));
    assert!(leadership.may_write());
}

fn lease(holder: &str, version: usize) -> Value {
    json!({
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": { "name": "netbaseline", "namespace": "system", "resourceVersion": version.to_string() },
        "spec": { "holderIdentity": holder },
    })
}

/// A candidate before a Lease that `you` holds and never renews. `put` says what becomes of the nth claim, counted from 0:
/// whether it is stored, and the answer.
async fn won(put: impl Fn(usize) -> (bool, Option<u16>) + Send + 'static) -> (Instant, Leadership, Vec<Asked>) {
    let (mut holder, mut version, puts) = ("you", 1, AtomicUsize::new(0));
    let (cluster, log) = scripted(move |asked| {
        if asked.what.starts_with("PUT") {
            assert_eq!(
                asked.body["metadata"]["resourceVersion"],
                version.to_string(),
                "a claim on the version it read"
            );
            let (stored, code) = put(puts.fetch_add(1, Ordering::Relaxed));
            if stored {
                (holder, version) = ("me", version + 1);
            }
            if let Some(code) = code {
                return failure(code);
            }
        }
        Answer::Json(200, lease(holder, version))
    });
    let mut candidate = Candidate::new(cluster, "system", "me".to_owned(), Duration::from_millis(900));
    let started = Instant::now();
    tokio::time::timeout(Duration::from_secs(20), candidate.win()).await.unwrap();
    let asked = log.lock().unwrap().clone();
    (started, candidate.leadership(), asked)
}

#[tokio::test]
async fn a_silent_leaders_last_write_is_waited_for() {
    let (started, leadership, asked) = won(|_| (true, None)).await;
    assert!(started.elapsed() >= Duration::from_millis(900 + 500), "{:?}", started.elapsed());
    assert!(leadership.may_write());
    assert_eq!(asked.iter().filter(|asked| asked.what.starts_with("PUT")).count(), 1);
}

#[tokio::test]
async fn a_take_over_whose_answer_was_lost_is_a_take_over() {
    let (started, _, asked) = won(|nth| (true, (nth == 0).then_some(500))).await;
    assert_eq!(asked.iter().filter(|asked| asked.what.starts_with("PUT")).count(), 2);
    let wait = Duration::from_millis(900 + 225 + 500);
    assert!(started.elapsed() >= wait, "{:?}: the old leader's last write may still arrive", started.elapsed());
}

#[tokio::test]
async fn a_claim_that_meets_another_is_decided_anew() {
    let (_, leadership, asked) = won(|nth| (nth > 0, (nth == 0).then_some(409))).await;
    assert!(leadership.may_write());
    let last_three: Vec<&str> = asked[asked.len() - 3..].iter().map(|asked| &asked.what[..3]).collect();
    assert_eq!(last_three, ["PUT", "GET", "PUT"], "the Lease is read again before the next claim");
}
