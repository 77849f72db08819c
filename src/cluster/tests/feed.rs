//! A watch over the wire, from its list to its end and back.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::runtime::watcher::{self, watcher};
use serde_json::{Value, json};

use super::script::{Answer, Asked, Log, failure, in_turn};
use crate::cluster::feed::Feed;
use crate::cluster::{Change, Cluster, Store};
use crate::model::{Availability, Source, from_api};

fn list(names: &[&str]) -> Answer {
    let items: Vec<Value> = names.iter().map(|name| object(name)).collect();
    let metadata = json!({ "resourceVersion": "7" });
    Answer::Json(200, json!({ "kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items }))
}

fn object(name: &str) -> Value {
    json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": name, "resourceVersion": "8" } })
}

fn event(type_: &str, name: &str) -> Value {
    json!({ "type": type_, "object": object(name) })
}

fn gone() -> Value {
    json!({ "type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": "Expired", "message": "too old", "code": 410,
    } })
}

/// Follows namespaces until the script has no more answers, and a while longer.
async fn follow(answers: Vec<Answer>) -> (Store, Vec<(BTreeSet<String>, Availability)>, Vec<Asked>) {
    let count = answers.len();
    let (cluster, log): (Cluster, Log) = in_turn(answers);
    let store = Store::default();
    let mut feed = Feed {
        source: (Source::Namespaces, 0),
        prefix: "",
        read: |object: &Namespace| Some(from_api::namespace(object)),
        table: |snapshot| &mut snapshot.namespaces,
        everywhere: false,
        tells_every_write: false,
        held: BTreeSet::new(),
    };
    let mut changes = store.changes();
    let mut moments = Vec::new();
    let record = async {
        loop {
            let heard: Change = changes.recv().await.unwrap();
            let snapshot = store.snapshot();
            if heard == Change::Everywhere {
                let names = snapshot.namespaces.keys().map(ToString::to_string).collect();
                moments.push((names, snapshot.availability(Source::Namespaces).clone()));
            }
        }
    };
    let all_asked = async {
        while log.lock().unwrap().len() <= count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let api = Api::<Namespace>::all(cluster.client.clone());
    tokio::select! {
        // The recorder is polled right after the feed, so that it misses no moment.
        biased;
        () = feed.follow(&store, || watcher(api.clone(), watcher::Config::default())) => {}
        () = record => {}
        () = all_asked => {}
    }
    let asked = log.lock().unwrap().clone();
    (store, moments, asked)
}

fn names(store: &Store) -> Vec<String> {
    store.snapshot().namespaces.keys().map(ToString::to_string).collect()
}

fn availability(store: &Store) -> Availability {
    store.snapshot().availability(Source::Namespaces).clone()
}

#[tokio::test(start_paused = true)]
async fn a_watch_adds_and_removes_and_goes_on_where_it_ended() {
    let (store, _, asked) = follow(vec![
        list(&["a", "b"]),
        Answer::Events(vec![event("ADDED", "c"), event("DELETED", "a")]),
        Answer::Events(vec![event("ADDED", "d")]),
    ])
    .await;
    assert_eq!((names(&store), availability(&store)), (vec!["b".into(), "c".into(), "d".into()], Availability::Synced));
    assert_eq!(asked.iter().filter(|asked| !asked.query.contains("watch=true")).count(), 1, "one list is enough");
}

#[tokio::test(start_paused = true)]
async fn a_list_after_a_gap_sweeps_what_it_no_longer_shows() {
    let (store, moments, _) =
        follow(vec![list(&["a", "b"]), Answer::Events(vec![event("ADDED", "c"), gone()]), list(&["c", "d"])]).await;
    assert_eq!(names(&store), ["c", "d"]);
    assert_eq!(moments.len(), 1, "an expired version is no reason to doubt the source: {moments:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_source_keeps_what_it_had_and_recovers_by_a_list() {
    let (store, moments, _) = follow(vec![list(&["a"]), failure(403), failure(403), list(&["b"])]).await;
    let seen: Vec<(Vec<&str>, bool)> = moments
        .iter()
        .map(|(names, of)| (names.iter().map(String::as_str).collect(), *of == Availability::Synced))
        .collect();
    assert_eq!(seen, [(vec!["a"], true), (vec!["a"], false), (vec!["b"], true)]);
    assert_eq!(availability(&store), Availability::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_lists_keep_failing_is_no_longer_believed() {
    let (store, _, _) =
        follow([vec![list(&["a"]), Answer::Events(vec![gone()])], vec![failure(500); 4]].concat()).await;
    assert_eq!(names(&store), ["a"], "what is held stays");
    assert!(matches!(availability(&store), Availability::Unreadable(reason) if reason.contains("scripted 500")));
}

#[tokio::test(start_paused = true)]
async fn a_single_failure_is_no_reason_to_doubt_a_source() {
    let (store, moments, _) = follow(vec![list(&["a"]), failure(500), Answer::Events(vec![event("ADDED", "b")])]).await;
    assert_eq!((names(&store), moments.len()), (vec!["a".into(), "b".into()], 1));
}
