//! A namespace whose every state is kept: each write that the API server did is one, in its order.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod naive;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use lab::{ControlPlane, manifests, operator};
use netbaseline::api::{NetworkBaseline, names};
use netbaseline::model::{Policy, from_api};
use netbaseline::plan;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(40);

/// The policies of a namespace at one moment.
pub type State = BTreeMap<String, NetworkPolicy>;

/// The control plane of this binary, with the operator's manifests and a resolver without which nothing rises.
pub async fn plane() -> &'static ControlPlane {
    static READY: OnceCell<&'static ControlPlane> = OnceCell::const_new();
    let prepare = async || {
        let plane = ControlPlane::shared().await.unwrap();
        operator::install(plane).unwrap();
        manifests::apply(&plane.client().await.unwrap(), RESOLVER).await.unwrap();
        plane
    };
    READY.get_or_init(prepare).await
}

/// A resolver outside of the cluster: no node has to play along.
const RESOLVER: &str = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [10.60.0.53], conditions: {ready: true}}]
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
";

/// Somebody else isolates the payments pods of the namespace.
fn foreign_policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "isolate-payments", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app": "payments"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{
                "from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                "ports": [{"port": 8080, "protocol": "TCP"}],
            }],
        },
    })
}

/// Awaits a condition.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Ours of a state, as the core reads them.
pub fn ours(state: &State) -> Vec<Policy> {
    let ours = state.values().filter(|policy| policy.name_any().starts_with(names::POLICY_PREFIX));
    ours.map(|policy| from_api::network_policy(policy).unwrap()).collect()
}

/// What a state says, whoever wrote it when.
pub fn meaning(state: &State) -> BTreeMap<String, Value> {
    state.iter().map(|(name, policy)| (name.clone(), serde_json::to_value(&policy.spec).unwrap())).collect()
}

/// Every state between two that a namespace came to rest in.
pub struct Transition {
    pub name: String,
    /// The first and the last are its ends.
    pub states: Vec<State>,
}

impl Transition {
    pub fn first(&self) -> &State {
        &self.states[0]
    }

    pub fn last(&self) -> &State {
        self.states.last().unwrap()
    }

    pub fn writes(&self) -> usize {
        self.states.len() - 1
    }

    /// What is wrong with the states: by the proof, and by connections of pods.
    pub fn violations(&self) -> Vec<String> {
        let (old, new) = (ours(self.first()), ours(self.last()));
        let naive = naive::Judge::new(self.first(), self.last());
        let mut violations = Vec::new();
        for (number, state) in self.states.iter().enumerate() {
            let say = |by: &str, what: String| format!("{}, state {number}, {by}: {what}", self.name);
            violations.extend(plan::judge(&old, &new, &ours(state)).err().map(|it| say("proof", it.to_string())));
            violations.extend(naive.wrong(state).map(|it| say("pods", it)));
        }
        violations
    }
}

/// A namespace, the policy of somebody else in it, and all its states since then.
pub struct History {
    client: Client,
    pub namespace: String,
    states: Arc<Mutex<Vec<State>>>,
}

impl History {
    pub async fn begin(client: &Client, namespace: &str) -> Self {
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        let objects = format!("{space}\n---\n{}", foreign_policy(namespace));
        manifests::apply(client, &objects).await.unwrap();
        let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
        let listed = api.list(&ListParams::default()).await.unwrap();
        let version = listed.metadata.resource_version.clone().unwrap();
        let first: State = listed.into_iter().map(|policy| (policy.name_any(), policy)).collect();
        let states = Arc::new(Mutex::new(vec![first]));
        tokio::spawn(record(api, version, states.clone()));
        Self { client: client.clone(), namespace: namespace.to_owned(), states }
    }

    fn policies(&self) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn baselines(&self) -> Api<NetworkBaseline> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Writes the spec of the baseline.
    pub async fn ask(&self, spec: &Value) {
        let baseline = json!({
            "apiVersion": "netbaseline.dev/v1alpha1", "kind": "NetworkBaseline",
            "metadata": {"name": names::BASELINE_NAME, "namespace": self.namespace}, "spec": spec,
        });
        manifests::apply(&self.client, &baseline.to_string()).await.unwrap();
    }

    /// Awaits that the baseline is as its spec asks.
    pub async fn converged(&self) {
        eventually(&format!("{} is as its spec asks", self.namespace), async || {
            let baseline = self.baselines().get(names::BASELINE_NAME).await.unwrap();
            let status = baseline.status.unwrap_or_default();
            let holds = |of: &str| status.conditions.iter().any(|it| it.type_ == of && it.status == "True");
            status.observed_generation == baseline.metadata.generation && holds("Ready") && holds("Programmed")
        })
        .await;
    }

    /// The newest state, once the record has everything that was written until now.
    pub async fn latest(&self) -> State {
        let listed = self.policies().list(&ListParams::default()).await.unwrap();
        let version = |policy: &NetworkPolicy| (policy.name_any(), policy.resource_version());
        let now: Vec<_> = listed.iter().map(version).collect();
        let recorded = || self.states.lock().unwrap().last().unwrap().clone();
        eventually("the record has every write", async || recorded().values().map(version).eq(now.iter().cloned()))
            .await;
        recorded()
    }

    /// Marks where a transition begins.
    pub async fn mark(&self) -> usize {
        self.latest().await;
        self.states.lock().unwrap().len() - 1
    }

    /// Everything since a mark, at rest.
    pub async fn since(&self, mark: usize, name: &str) -> Transition {
        self.latest().await;
        Transition { name: name.to_owned(), states: self.states.lock().unwrap()[mark..].to_vec() }
    }

    /// Asks for a spec and keeps every state on the way there.
    pub async fn to(&self, name: &str, spec: &Value) -> Transition {
        let mark = self.mark().await;
        self.ask(spec).await;
        self.converged().await;
        self.since(mark, name).await
    }
}

/// Keeps every state until the test ends. The watch of one kind delivers all writes, in their order.
async fn record(api: Api<NetworkPolicy>, mut version: String, states: Arc<Mutex<Vec<State>>>) {
    loop {
        let mut events = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            let mut states = states.lock().unwrap();
            let mut state = states.last().unwrap().clone();
            match event {
                WatchEvent::Added(policy) | WatchEvent::Modified(policy) => {
                    version = policy.resource_version().unwrap();
                    state.insert(policy.name_any(), policy);
                }
                WatchEvent::Deleted(policy) => {
                    version = policy.resource_version().unwrap();
                    state.remove(&policy.name_any());
                }
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(error) => panic!("the record has a gap: {error:?}"),
            }
            states.push(state);
        }
    }
}
