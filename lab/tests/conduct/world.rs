//! One control plane with one operator for the whole test binary, and a namespace for each test.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use lab::operator::{self, NAMESPACE, Operator, SERVICE_ACCOUNT};
use lab::{AuditEvent, ControlPlane, manifests, nodes, story};
use netbaseline::api::{NetworkBaseline, NetworkBaselineStatus};
use netbaseline::model::{Policy, from_api};
use netbaseline::plan;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace of its own.
pub struct World {
    pub plane: &'static ControlPlane,
    pub operator: &'static Operator,
    pub client: Client,
    pub namespace: &'static str,
}

/// Awaits a condition.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn prepare() -> Operator {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    operator::install(plane).unwrap();
    nodes::create(&client).await.unwrap();
    // A runtime of its own: those of the tests end with each test.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { nodes::stand_in(plane.client().await.unwrap()).await.unwrap() });
    });
    manifests::apply(&client, story::CLUSTER).await.unwrap();
    Operator::start(plane, &operator::Options::default()).await.unwrap()
}

impl World {
    /// Creates the namespace.
    pub async fn new(namespace: &'static str) -> Self {
        static OPERATOR: OnceCell<Operator> = OnceCell::const_new();
        let operator = OPERATOR.get_or_init(prepare).await;
        let plane = ControlPlane::shared().await.unwrap();
        let world = Self { plane, operator, client: plane.client().await.unwrap(), namespace };
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
        world
    }

    /// Creates the namespace with a baseline, and awaits that it stands.
    pub async fn enforced(namespace: &'static str, spec: Value) -> Self {
        let world = Self::new(namespace).await;
        world.baseline(spec).await;
        world.reason("Converged").await;
        world
    }

    /// As its owner does.
    pub async fn baseline(&self, spec: Value) {
        self.apply(&json!({
            "apiVersion": "netbaseline.dev/v1alpha1", "kind": "NetworkBaseline",
            "metadata": {"name": "default", "namespace": self.namespace}, "spec": spec,
        }))
        .await;
    }

    pub async fn apply(&self, object: &Value) {
        manifests::apply(&self.client, &object.to_string()).await.unwrap();
    }

    fn baselines(&self) -> Api<NetworkBaseline> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    pub fn policies_api(&self) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// The baseline; `None` once it is gone.
    pub async fn read(&self) -> Option<NetworkBaseline> {
        self.baselines().get_opt("default").await.unwrap()
    }

    pub async fn status(&self) -> NetworkBaselineStatus {
        self.read().await.and_then(|baseline| baseline.status).unwrap_or_default()
    }

    pub async fn patch_baseline(&self, patch: Value) {
        self.baselines().patch("default", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn hold_at(&self, phase: Option<&str>) {
        self.patch_baseline(json!({"metadata": {"annotations": {"netbaseline.dev/hold-at": phase}}})).await;
    }

    pub async fn delete_baseline(&self) {
        self.baselines().delete("default", &DeleteParams::default()).await.unwrap();
    }

    pub async fn gone(&self) {
        eventually("the baseline is gone", async || self.read().await.is_none()).await;
    }

    /// Creates a policy by hand, as somebody else.
    pub async fn foreign_policy(&self, name: &str) {
        self.apply(&json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"podSelector": {"matchLabels": {"app": "nobody"}}},
        }))
        .await;
    }

    pub async fn patch_policy(&self, name: &str, patch: Value) {
        self.policies_api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn delete_policy(&self, name: &str) {
        self.policies_api().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The policies of the namespace, by name.
    pub async fn policies(&self) -> BTreeMap<String, NetworkPolicy> {
        let all = self.policies_api().list(&ListParams::default()).await.unwrap();
        all.into_iter().map(|policy| (policy.name_any(), policy)).collect()
    }

    pub async fn names(&self) -> Vec<String> {
        self.policies().await.into_keys().collect()
    }

    /// Resource versions and UIDs of the policies.
    pub async fn versions(&self) -> BTreeMap<String, (String, String)> {
        let version = |policy: NetworkPolicy| (policy.uid().unwrap(), policy.resource_version().unwrap());
        self.policies().await.into_iter().map(|(name, policy)| (name, version(policy))).collect()
    }

    /// What the policies say, by name.
    pub async fn meanings(&self) -> BTreeMap<String, Policy> {
        self.policies().await.iter().map(|(name, policy)| (name.clone(), meaning(policy))).collect()
    }

    pub async fn condition(&self, type_: &str) -> Option<Condition> {
        self.status().await.conditions.into_iter().find(|condition| condition.type_ == type_)
    }

    /// Awaits that the spec as it is now was judged, with this reason.
    pub async fn reason(&self, reason: &str) {
        eventually(&format!("{reason} in {}", self.namespace), async || {
            let Some(baseline) = self.read().await else { return false };
            let status = baseline.status.unwrap_or_default();
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            status.observed_generation == baseline.metadata.generation
                && ready.is_some_and(|ready| ready.reason == reason)
        })
        .await;
    }

    /// The message of a finding that stands.
    pub async fn finding(&self, name: &str) -> Option<String> {
        let findings = self.status().await.findings;
        findings.into_iter().find(|finding| finding.name == name).map(|finding| finding.message)
    }

    /// Awaits an Event on the baseline.
    pub async fn event(&self, reason: &str) {
        let events = Api::<Event>::namespaced(self.client.clone(), self.namespace);
        eventually(&format!("Event {reason} in {}", self.namespace), async || {
            let events = events.list(&ListParams::default()).await.unwrap();
            events.iter().any(|event| {
                event.reason.as_deref() == Some(reason)
                    && event.involved_object.kind.as_deref() == Some("NetworkBaseline")
            })
        })
        .await;
    }

    /// What the operator asked for in this namespace, reads included.
    pub fn requests(&self) -> Vec<AuditEvent> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
        let mut events = self.plane.audit().unwrap();
        events.retain(|event| event.user.username == user && self.is_here(event));
        events
    }

    /// The operator's writes of policies in this namespace, as verb and name.
    pub fn policy_writes(&self) -> Vec<(String, String)> {
        let mut events = self.requests();
        events.retain(|event| event.wrote() && event.is_about("networkpolicies"));
        events.into_iter().map(|event| (event.verb, event.object_ref.unwrap_or_default().name)).collect()
    }

    fn is_here(&self, event: &AuditEvent) -> bool {
        event.object_ref.as_ref().is_some_and(|object| object.namespace == self.namespace)
    }

    /// Judges every state that the policies went through after `since`, from one set to the other.
    pub fn every_state_was_safe(
        &self,
        old: &BTreeMap<String, Policy>,
        new: &BTreeMap<String, Policy>,
        since: Timestamp,
    ) {
        let mut events = self.plane.audit().unwrap();
        events.retain(|event| self.is_here(event) && event.wrote() && event.is_about("networkpolicies"));
        events.retain(|event| event.request_received_timestamp >= since);
        let all = |set: &BTreeMap<String, Policy>| set.values().cloned().collect::<Vec<_>>();
        let mut state = old.clone();
        for event in &events {
            let name = event.object_ref.as_ref().unwrap().name.clone();
            if event.verb == "delete" {
                state.remove(&name).unwrap();
            } else {
                let object = serde_json::from_value(event.response_object.clone().unwrap()).unwrap();
                state.insert(name.clone(), meaning(&object));
            }
            plan::judge(&all(old), &all(new), &all(&state))
                .unwrap_or_else(|error| panic!("after {} {name}: {error}", event.verb));
        }
        assert_eq!(&state, new, "the audit log leads to what is there");
    }
}

fn meaning(policy: &NetworkPolicy) -> Policy {
    from_api::network_policy(policy).unwrap()
}
