//! One control plane with stand-ins for nodes, and one operator, for a whole test binary. Facts belong to the whole cluster,
//! so tests take turns.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use lab::operator::{self, NAMESPACE, Operator};
use lab::{AuditEvent, ControlPlane, Error, manifests, nodes, story};
use netbaseline::api::{NetworkBaseline, NetworkBaselineStatus};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(40);

/// Without a reconcile for this long, the operator is at rest: it gathers what wakes it for 200 ms.
const REST: Duration = Duration::from_millis(1500);

static TURN: Mutex<Option<Operator>> = Mutex::const_new(None);

/// One test's turn.
pub struct Bench {
    pub plane: &'static ControlPlane,
    pub client: Client,
    operator: MutexGuard<'static, Option<Operator>>,
}

/// Waits for its turn; the cluster of the story is there, the operator need not be.
pub async fn take_turn() -> Bench {
    static READY: OnceCell<()> = OnceCell::const_new();
    let operator = TURN.lock().await;
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    READY.get_or_init(|| prepare(plane, &client)).await;
    Bench { plane, client, operator }
}

async fn prepare(plane: &'static ControlPlane, client: &Client) {
    operator::install(plane).unwrap();
    nodes::create(client).await.unwrap();
    // A runtime of its own: those of the tests end with each test.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            loop {
                // It ends while the API server is away.
                let _ = nodes::stand_in(plane.client().await.unwrap()).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
    });
    manifests::apply(client, story::CLUSTER).await.unwrap();
}

/// Awaits a condition.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A replica that does not outlive a test that fails.
pub struct Replica(pub Operator);

impl Drop for Replica {
    fn drop(&mut self) {
        // Fails only for a process that is gone.
        let _ = self.0.process.kill();
    }
}

pub fn signal(operator: &Operator, signal: Signal) {
    let id = Pid::from_raw(operator.process.id().cast_signed()).unwrap();
    kill_process(id, signal).unwrap();
}

/// Awaits the end of a process: its status in words.
pub async fn end_of(operator: &mut Operator) -> String {
    let began = Instant::now();
    loop {
        match operator.process.check() {
            Err(Error::Ended { status, .. }) => return status,
            other => other.unwrap(),
        }
        assert!(began.elapsed() < PATIENCE, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Bench {
    /// The operator, started if there is none. Its Lease outlives a restart of the API server.
    pub async fn operator(&mut self) -> &mut Operator {
        if self.operator.is_none() {
            let options = operator::Options {
                lease_duration: Duration::from_secs(40),
                request_timeout: Duration::from_secs(5),
                ..operator::Options::default()
            };
            *self.operator = Some(Operator::start(self.plane, &options).await.unwrap());
        }
        self.operator.as_mut().unwrap()
    }

    /// Ends the operator as a rollout does.
    pub async fn without_operator(&mut self) {
        if let Some(mut operator) = self.operator.take() {
            signal(&operator, Signal::TERM);
            assert_eq!(end_of(&mut operator).await, "exit status: 0", "{}", operator.process.tail());
        }
    }

    /// How many reconciles the operator has finished.
    pub async fn reconciles(&mut self) -> u64 {
        let metrics = self.operator().await.get("/metrics").await.unwrap();
        let counts = metrics.lines().filter(|line| line.starts_with("netbaseline_reconcile_duration_seconds_count"));
        counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// Makes the operator look at a baseline that did not change, and awaits that it has.
    pub async fn look_again(&mut self, namespace: &str) {
        let (count, began) = (self.reconciles().await, Instant::now());
        self.poke(namespace);
        while self.reconciles().await == count {
            assert!(began.elapsed() < PATIENCE, "it does not look");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Awaits that the operator has nothing to do: what woke it last is done.
    pub async fn at_rest(&mut self) {
        let began = Instant::now();
        let (mut count, mut since) = (self.reconciles().await, Instant::now());
        while since.elapsed() < REST {
            assert!(began.elapsed() < PATIENCE, "it does not come to rest");
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.reconciles().await;
            if now != count {
                (count, since) = (now, Instant::now());
            }
        }
    }

    pub async fn apply(&self, text: &str) {
        manifests::apply(&self.client, text).await.unwrap();
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.plane.kubectl(arguments).unwrap()
    }

    /// Creates a namespace with a baseline at `phase`.
    pub async fn baseline(&self, namespace: &str, phase: &str) {
        self.apply(&format!(
            "{}\n---\n{}",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({"apiVersion": "netbaseline.dev/v1alpha1", "kind": "NetworkBaseline",
                "metadata": {"name": "default", "namespace": namespace}, "spec": {"rollout": {"phase": phase}}}),
        ))
        .await;
    }

    /// Creates a namespace with a baseline and awaits that all its pods are isolated, both ways.
    pub async fn enforced(&self, namespace: &str) {
        self.baseline(namespace, "Enforce").await;
        self.converged(namespace, "Enforce").await;
    }

    /// Awaits that a baseline stands at `phase` and is converged.
    pub async fn converged(&self, namespace: &str, phase: &str) {
        eventually(&format!("{namespace} is at {phase}"), async || {
            let baseline = self.read(namespace).await;
            let status = baseline.status.clone().unwrap_or_default();
            let directions = [&status.ingress, &status.egress];
            status.observed_generation == baseline.metadata.generation
                && directions.iter().all(|of| of.as_ref().is_some_and(|of| format!("{:?}", of.phase) == phase))
                && condition(&status, "Ready") == Some("True")
                && condition(&status, "Programmed") == Some("True")
        })
        .await;
    }

    pub async fn read(&self, namespace: &str) -> NetworkBaseline {
        Api::namespaced(self.client.clone(), namespace).get("default").await.unwrap()
    }

    pub async fn status(&self, namespace: &str) -> NetworkBaselineStatus {
        self.read(namespace).await.status.unwrap_or_default()
    }

    /// The message of a finding that stands.
    pub async fn finding(&self, namespace: &str, name: &str) -> Option<String> {
        let findings = self.status(namespace).await.findings;
        findings.into_iter().find(|finding| finding.name == name).map(|finding| finding.message)
    }

    pub async fn finds(&self, namespace: &str, name: &str) {
        eventually(&format!("{name} in {namespace}"), async || self.finding(namespace, name).await.is_some()).await;
    }

    pub async fn no_longer_finds(&self, namespace: &str, name: &str) {
        eventually(&format!("no {name} in {namespace}"), async || self.finding(namespace, name).await.is_none()).await;
    }

    /// The NetworkPolicies of a namespace with their resource versions.
    pub async fn versions(&self, namespace: &str) -> BTreeMap<String, String> {
        let policies = Api::<NetworkPolicy>::namespaced(self.client.clone(), namespace);
        let policies = policies.list(&ListParams::default()).await.unwrap();
        policies.iter().map(|policy| (policy.name_any(), policy.resource_version().unwrap())).collect()
    }

    /// The spec of a NetworkPolicy as text; empty when there is none.
    pub async fn policy(&self, namespace: &str, name: &str) -> String {
        let policies = Api::<NetworkPolicy>::namespaced(self.client.clone(), namespace);
        policies.get_opt(name).await.unwrap().map_or_else(String::new, |of| serde_json::to_string(&of.spec).unwrap())
    }

    /// The parts of a fact that are leaving.
    pub async fn retiring(&self, namespace: &str, fact: &str) -> Vec<String> {
        let facts = self.status(namespace).await.facts;
        let retiring = facts.into_iter().filter(|of| of.name == fact).flat_map(|of| of.retiring);
        retiring.map(|part| part.value).collect()
    }

    /// Lets the time of everything that is leaving be over.
    pub async fn backdate(&self, namespace: &str) {
        let mut facts = serde_json::to_value(self.status(namespace).await.facts).unwrap();
        for part in facts.as_array_mut().unwrap().iter_mut().filter_map(|fact| fact.get_mut("retiring")) {
            part.as_array_mut().unwrap().iter_mut().for_each(|part| part["since"] = json!("2020-01-01T00:00:00Z"));
        }
        self.patch_status(namespace, &json!({"facts": facts}));
        self.poke(namespace);
    }

    pub fn patch_status(&self, namespace: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        let arguments = ["patch", "networkbaseline", "default", "--subresource=status", "--type=merge", "-p", &patch];
        self.kubectl(&[&arguments[..], &["-n", namespace]].concat());
    }

    /// Makes the operator look at a baseline that did not change.
    pub fn poke(&self, namespace: &str) {
        let poke = format!("netbaseline.dev/test-poke={}", Timestamp::now().as_nanosecond());
        self.kubectl(&["annotate", "networkbaseline", "default", "-n", namespace, "--overwrite", &poke]);
    }

    /// What the operator wrote since then, but for its Lease.
    pub fn writes_since(&self, since: Timestamp) -> Vec<AuditEvent> {
        let mut writes = self.requests_since(since);
        writes.retain(|event| event.wrote() && !event.is_about("leases"));
        writes
    }

    /// What the operator asked for since then.
    pub fn requests_since(&self, since: Timestamp) -> Vec<AuditEvent> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{}", operator::SERVICE_ACCOUNT);
        let mut requests = self.plane.audit().unwrap();
        requests.retain(|event| event.user.username == user && event.request_received_timestamp >= since);
        requests
    }

    /// Who leads.
    pub async fn leader(&self) -> Option<String> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), NAMESPACE);
        leases.get_opt("netbaseline").await.unwrap()?.spec?.holder_identity
    }

    /// Names of the CiliumNetworkPolicies of a namespace.
    pub async fn supplements(&self, namespace: &str) -> Vec<String> {
        let kind = kube::api::ApiResource {
            group: "cilium.io".into(),
            version: "v2".into(),
            api_version: "cilium.io/v2".into(),
            kind: "CiliumNetworkPolicy".into(),
            plural: "ciliumnetworkpolicies".into(),
        };
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &kind);
        api.list(&ListParams::default())
            .await
            .map_or_else(|_| Vec::new(), |of| of.iter().map(|o| o.name_any()).collect())
    }
}

/// The status of a condition.
pub fn condition<'a>(status: &'a NetworkBaselineStatus, kind: &str) -> Option<&'a str> {
    status.conditions.iter().find(|condition| condition.type_ == kind).map(|condition| condition.status.as_str())
}
