//! Each request of a reconcile goes wrong once, in each way: nothing is lost, nothing runs hot, and the end is the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod history;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use history::{History, meaning, plane};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use kube::client::Body;
use lab::inside::{Hook, Inside, Verdict, is_policy_write};
use lab::operator::{NAMESPACE, Options, SERVICE_ACCOUNT};
use serde_json::{Value, json};

/// Most requests of one transition, faults and retries among them: an undisturbed one takes about 30.
const MOST_REQUESTS: usize = 150;

const CALLS: [&str; 7] = ["list policies", "list quotas", "dry run", "apply", "delete", "patch status", "write event"];

const FAULTS: [&str; 6] = ["409", "422", "429", "500", "hang", "lost answer"];

/// How long after a transition a request that does not belong to it (an Event) may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

fn call(request: &Request<Body>) -> &'static str {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    match request.method().as_str() {
        "GET" if query.contains("watch=") => "watch",
        "GET" if path.contains("/namespaces/") && path.ends_with("/networkpolicies") => "list policies",
        "GET" if path.ends_with("/resourcequotas") => "list quotas",
        "PATCH" if query.contains("dryRun") => "dry run",
        "PATCH" if is_policy_write(request) => "apply",
        "DELETE" if is_policy_write(request) => "delete",
        "PATCH" if path.ends_with("/status") => "patch status",
        "PATCH" if path.ends_with("/networkbaselines/default") => "patch finalizer",
        "POST" | "PATCH" if path.contains("/events") => "write event",
        _ => "other",
    }
}

fn verdict(fault: &str) -> Verdict {
    let answer = |code: u16| {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "Scripted", "message": format!("scripted {code}"), "code": code,
        });
        let mut headers = HeaderMap::new();
        if code == 429 {
            headers.insert("retry-after", HeaderValue::from_static("1"));
        }
        Verdict::Answer { status: StatusCode::from_u16(code).unwrap(), headers, body: body.to_string().into_bytes() }
    };
    match fault {
        "hang" => Verdict::Hang,
        "lost answer" => Verdict::DropAfter,
        code => answer(code.parse().unwrap()),
    }
}

fn spec(canary: &Value) -> Value {
    json!({
        "rollout": {"phase": "Canary", "canary": {"podSelector": {"matchLabels": canary}}},
        "allow": {"externalHttps": {"enabled": false}, "monitoring": {"enabled": false}},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_request_goes_wrong_every_state_is_safe_and_the_end_is_the_same() {
    let plane = plane().await;
    let kubeconfig = plane.kubeconfig_for_service_account(NAMESPACE, SERVICE_ACCOUNT).await.unwrap();
    let armed: Arc<Mutex<Option<(&'static str, &'static str)>>> = Arc::default();
    let requests = Arc::new(AtomicUsize::new(0));
    let hook: Arc<Hook> = {
        let (armed, requests) = (armed.clone(), requests.clone());
        Arc::new(move |request| {
            requests.fetch_add(1, Ordering::SeqCst);
            let mut armed = armed.lock().unwrap();
            match *armed {
                Some((at, fault)) if at == call(request) => {
                    *armed = None;
                    verdict(fault)
                }
                _ => Verdict::Pass,
            }
        })
    };
    let options = Options {
        name: "faults".to_owned(),
        lease_duration: Duration::from_secs(4),
        request_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let operator = Inside::start(&kubeconfig, &options, hook).await.unwrap();
    let history = History::begin(&plane.client().await.unwrap(), "faults").await;
    let specs = [spec(&json!({"track": "canary"})), spec(&json!({"app": "orders"}))];
    let ends =
        [history.to("start", &specs[0]).await, history.to("undisturbed", &specs[1]).await].map(|of| of.last().clone());

    let mut at = 1;
    for call in CALLS {
        for fault in FAULTS {
            at = 1 - at;
            requests.store(0, Ordering::SeqCst);
            *armed.lock().unwrap() = Some((call, fault));
            let began = Instant::now();
            let transition = history.to(&format!("{call}: {fault}"), &specs[at]).await;
            let waiting = Instant::now();
            while armed.lock().unwrap().is_some() && waiting.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let met = armed.lock().unwrap().take().is_none();
            let sent = requests.load(Ordering::SeqCst);
            println!("{call:14} {fault:12} {sent:4} requests {:6.1?}", began.elapsed());
            assert!(met, "{}: no such request", transition.name);
            assert_eq!(transition.violations(), Vec::<String>::new(), "{}", transition.name);
            assert_eq!(meaning(transition.last()), meaning(&ends[at]), "{}", transition.name);
            assert!(sent <= MOST_REQUESTS, "{}: {sent} requests", transition.name);
        }
    }
    for (nth, fault) in FAULTS.into_iter().enumerate() {
        let history = History::begin(&plane.client().await.unwrap(), &format!("finalizer-{nth}")).await;
        *armed.lock().unwrap() = Some(("patch finalizer", fault));
        let transition = history.to(&format!("patch finalizer: {fault}"), &specs[0]).await;
        assert!(armed.lock().unwrap().take().is_none(), "{}: no such request", transition.name);
        assert_eq!(transition.violations(), Vec::<String>::new(), "{}", transition.name);
        assert_eq!(meaning(transition.last()), meaning(&ends[0]), "{}", transition.name);
    }
    operator.stop().await.unwrap();

    // Every watch that the operator opens ends with 410, and its list starts anew.
    let ended = Arc::new(AtomicUsize::new(0));
    let hook: Arc<Hook> = {
        let (ended, known) = (ended.clone(), Mutex::new(BTreeSet::new()));
        Arc::new(move |request| {
            if call(request) == "watch" && known.lock().unwrap().insert(request.uri().path().to_owned()) {
                ended.fetch_add(1, Ordering::SeqCst);
                return verdict("410");
            }
            Verdict::Pass
        })
    };
    let operator = Inside::start(&kubeconfig, &options, hook).await.unwrap();
    let transition = history.to("watches end", &specs[1 - at]).await;
    assert!(ended.load(Ordering::SeqCst) >= 8, "{} watches", ended.load(Ordering::SeqCst));
    assert_eq!(transition.violations(), Vec::<String>::new());
    assert_eq!(meaning(transition.last()), meaning(&ends[1 - at]));
    operator.stop().await.unwrap();
}
