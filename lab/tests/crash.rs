//! The operator dies between any two writes: what it leaves is safe, and the next one finishes it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod history;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use history::{History, Transition, meaning, ours, plane};
use kube::client::Body;
use lab::inside::{Hook, Inside, Verdict, is_policy_write};
use lab::operator::{NAMESPACE, Operator, Options, SERVICE_ACCOUNT};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The operators of these tests would compete for one Lease.
static TURN: Mutex<()> = Mutex::const_new(());

/// Rounds of SIGKILL.
const KILLS: usize = 5;

fn canary() -> Value {
    json!({
        "rollout": {"phase": "Canary", "canary": {"podSelector": {"matchLabels": {"track": "canary"}}}},
        "allow": {"externalHttps": {"enabled": false}, "monitoring": {"enabled": false}},
    })
}

/// A canary that moves, and a pod-level allow that overlaps with it: bridges of both sets.
fn moved() -> Value {
    let mut spec = canary();
    spec["rollout"]["canary"]["podSelector"] = json!({"matchLabels": {"app": "orders"}});
    spec["allow"]["ingress"] = json!([{
        "name": "gold", "podSelector": {"matchLabels": {"tier": "gold"}}, "ports": [{"port": 5432}],
        "from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
    }]);
    spec
}

/// Kills the operator at the n-th write of a policy.
struct Fault {
    /// Writes until then; 0: never.
    left: AtomicUsize,
    /// Whether that write is still done.
    done: AtomicBool,
}

impl Fault {
    fn arm(&self, nth: usize, done: bool) {
        self.done.store(done, Ordering::SeqCst);
        self.left.store(nth, Ordering::SeqCst);
    }

    fn disarm(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    fn verdict(&self, request: &http::Request<Body>) -> Verdict {
        if !is_policy_write(request) {
            return Verdict::Pass;
        }
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match (before, self.done.load(Ordering::SeqCst)) {
            (Ok(1), false) => Verdict::Crash,
            (Ok(1), true) => Verdict::CrashAfter,
            _ => Verdict::Pass,
        }
    }
}

/// An operator that is replaced when it dies.
struct Mortal {
    kubeconfig: PathBuf,
    fault: Arc<Fault>,
    running: Inside,
}

impl Mortal {
    async fn start() -> Self {
        let kubeconfig = plane().await.kubeconfig_for_service_account(NAMESPACE, SERVICE_ACCOUNT).await.unwrap();
        let fault = Arc::new(Fault { left: AtomicUsize::new(0), done: AtomicBool::new(false) });
        let running = Self::launch(&kubeconfig, fault.clone()).await;
        Self { kubeconfig, fault, running }
    }

    async fn launch(kubeconfig: &std::path::Path, fault: Arc<Fault>) -> Inside {
        // The next one has the name of the dead one and so its Lease, however long that lasts.
        let options = Options {
            lease_duration: Duration::from_secs(30),
            request_timeout: Duration::from_secs(5),
            ..Options::default()
        };
        let hook: Arc<Hook> = Arc::new(move |request| fault.verdict(request));
        Inside::start(kubeconfig, &options, hook).await.unwrap()
    }

    /// Goes to a spec and dies at the n-th write, if there are so many; whether it died.
    async fn dying(&mut self, history: &History, spec: &Value, nth: usize, done: bool) -> (Transition, bool) {
        let mark = history.mark().await;
        self.fault.arm(nth, done);
        history.ask(spec).await;
        let died = tokio::select! {
            () = self.running.crashed() => true,
            () = history.converged() => false,
        };
        self.fault.disarm();
        if died {
            let left = history.since(mark, "").await.writes();
            assert_eq!(left, nth - usize::from(!done), "nothing is written by the dead");
            self.running = Self::launch(&self.kubeconfig, self.fault.clone()).await;
            history.converged().await;
        }
        let when = if done { "after" } else { "before" };
        (history.since(mark, &format!("death {when} write {nth}")).await, died)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_write_the_operator_dies_at_every_state_is_safe_and_the_end_is_the_same() {
    let _turn = TURN.lock().await;
    let client = plane().await.client().await.unwrap();
    let mut operator = Mortal::start().await;
    let history = History::begin(&client, "crash").await;
    let specs = [canary(), moved()];
    let ends =
        [history.to("start", &specs[0]).await, history.to("undisturbed", &specs[1]).await].map(|of| of.last().clone());

    let (mut at, mut transitions, mut deaths) = (1, Vec::new(), 0);
    for nth in 1.. {
        let mut died = false;
        // There before the write and back after it: between the same two writes, with and without an answer.
        for done in [false, true] {
            at = 1 - at;
            let (transition, by_death) = operator.dying(&history, &specs[at], nth, done).await;
            assert_eq!(meaning(transition.last()), meaning(&ends[at]), "{}", transition.name);
            transitions.push(transition);
            died |= by_death;
            deaths += usize::from(by_death);
        }
        if !died {
            break;
        }
    }
    judged(&transitions, deaths);
    operator.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_is_killed_at_any_moment_leaves_what_the_next_one_finishes() {
    let _turn = TURN.lock().await;
    let plane = plane().await;
    let history = History::begin(&plane.client().await.unwrap(), "kill").await;
    let options = |round| Options {
        name: format!("killed-{round}"),
        lease_duration: Duration::from_secs(1),
        request_timeout: Duration::from_secs(1),
        ..Options::default()
    };
    let mut running = Operator::start(plane, &options(0)).await.unwrap();
    let specs = [canary(), moved()];
    let ends =
        [history.to("start", &specs[0]).await, history.to("undisturbed", &specs[1]).await].map(|of| of.last().clone());

    let mut random = fastrand::Rng::with_seed(4);
    let mut transitions = Vec::new();
    for round in 1..=KILLS {
        let at = (round + 1) % 2;
        let mark = history.mark().await;
        history.ask(&specs[at]).await;
        tokio::time::sleep(Duration::from_millis(random.u64(150..700))).await;
        running.process.kill().unwrap();
        running = Operator::start(plane, &options(round)).await.unwrap();
        history.converged().await;
        let transition = history.since(mark, &format!("kill {round}")).await;
        assert_eq!(meaning(transition.last()), meaning(&ends[at]), "{}", transition.name);
        transitions.push(transition);
    }
    judged(&transitions, KILLS);
    running.process.stop(Duration::from_secs(10)).unwrap();
}

/// Prints how many states were judged, and fails by the first that was wrong.
fn judged(transitions: &[Transition], deaths: usize) {
    let states: usize = transitions.iter().map(|of| of.states.len()).sum();
    let violations: Vec<String> = transitions.iter().flat_map(Transition::violations).collect();
    println!("{deaths} deaths, {states} states judged, {} violations", violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(transitions.iter().all(|of| !ours(of.first()).is_empty() && of.writes() > 0));
}
