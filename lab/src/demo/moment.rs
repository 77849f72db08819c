//! What the API server holds at one moment, read anew for each stop, and how two moments differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::{Api, Client};
use netbaseline::api::{names, ownership};
use netbaseline::cluster::{Cluster, Store, follow_cluster};
use netbaseline::model::{Atom, Direction, Policy, Snapshot, Source, from_api};

use super::narrate::Mark;

/// How long the lists of a snapshot may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every kind that a snapshot is made of.
const SOURCES: [Source; 12] = [
    Source::Namespaces,
    Source::Pods,
    Source::Services,
    Source::EndpointSlices,
    Source::NetworkPolicies,
    Source::CiliumNetworkPolicies,
    Source::ServiceMonitors,
    Source::PodMonitors,
    Source::Nodes,
    Source::DaemonSets,
    Source::ConfigMaps,
    Source::CustomResourceDefinitions,
];

/// A policy of the operator's.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// What it says.
    pub(super) policy: Policy,
    /// Why it is there, in its own words.
    pub(super) reason: String,
    /// Changes with every write.
    pub(super) version: String,
}

/// The cluster at one moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// As the operator and the evaluator see it.
    pub(super) snapshot: Arc<Snapshot>,
    /// The operator's policies, by namespace and name.
    pub(super) written: BTreeMap<(String, String), Written>,
}

/// One line about what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) mark: Mark,
    pub(super) name: String,
    pub(super) detail: String,
}

impl Moment {
    /// Reads everything by the operator's own watches, which end as soon as every kind is listed.
    pub(super) async fn read(client: &Client) -> anyhow::Result<Self> {
        let store = Arc::new(Store::default());
        let cluster = Cluster { client: client.clone(), request_timeout: PATIENCE };
        let mut changes = store.changes();
        let following = tokio::spawn(follow_cluster(cluster, store.clone()));
        let listed = tokio::time::timeout(PATIENCE, async {
            while !SOURCES.iter().all(|&source| store.snapshot().is_conclusive(source)) {
                // One that lags has only missed reasons to look again.
                let _ = changes.recv().await;
            }
        });
        let listed = listed.await;
        following.abort();
        listed.with_context(|| format!("not listed yet: {:?}", store.snapshot().gap(&SOURCES)))?;
        Ok(Self { snapshot: store.snapshot(), written: written(client).await? })
    }

    /// The operator's policies in a namespace.
    pub(super) fn of<'m>(&'m self, namespace: &'m str) -> impl Iterator<Item = (&'m str, &'m Written)> {
        let here = self.written.iter().filter(move |((of, _), _)| of == namespace);
        here.map(|((_, name), written)| (name.as_str(), written))
    }

    /// Names of the operator's policies in a namespace, with their versions.
    pub(super) fn versions(&self, namespace: &str) -> BTreeMap<String, String> {
        self.of(namespace).map(|(name, written)| (name.to_owned(), written.version.clone())).collect()
    }

    /// How the operator's policies in a namespace differ from those of an earlier moment.
    pub(super) fn changes_since(&self, before: &Self, namespace: &str) -> Vec<Change> {
        let had: BTreeMap<_, _> = before.of(namespace).collect();
        let has: BTreeMap<_, _> = self.of(namespace).collect();
        let names: BTreeSet<&str> = had.keys().chain(has.keys()).copied().collect();
        let change = |name: &str| {
            let (mark, detail) = match (had.get(name), has.get(name)) {
                (None, Some(new)) => (Mark::Added, new.reason.clone()),
                (Some(_), None) => (Mark::Removed, String::new()),
                (Some(old), Some(new)) if !old.policy.means_the_same(&new.policy) => {
                    (Mark::Changed, difference(&old.policy, &new.policy))
                }
                _ => return None,
            };
            Some(Change { mark, name: name.to_owned(), detail })
        };
        names.into_iter().filter_map(change).collect()
    }
}

async fn written(client: &Client) -> anyhow::Result<BTreeMap<(String, String), Written>> {
    let policies = Api::<NetworkPolicy>::all(client.clone()).list(&ListParams::default()).await;
    let ours =
        policies.context("listing NetworkPolicies")?.into_iter().filter(|policy| ownership::is_ours(&policy.metadata));
    let read = |object: NetworkPolicy| {
        let policy = from_api::network_policy(&object).map_err(anyhow::Error::msg)?;
        let annotations = object.metadata.annotations.unwrap_or_default();
        let key = (policy.key.namespace.to_string(), policy.key.name.to_string());
        let reason = annotations.get(names::REASON).cloned().unwrap_or_default();
        Ok((key, Written { policy, reason, version: object.metadata.resource_version.unwrap_or_default() }))
    };
    ours.map(read).collect()
}

/// In words: whom it selects, and which parts came and went.
fn difference(old: &Policy, new: &Policy) -> String {
    let mut parts = Vec::new();
    if old.pod_selector != new.pod_selector {
        parts.push(format!("{} → {}", pods(old), pods(new)));
    }
    for direction in Direction::BOTH {
        let (had, has) = (old.atoms(direction), new.atoms(direction));
        parts.extend(in_short(direction, "adds", has.difference(&had)));
        parts.extend(in_short(direction, "drops", had.difference(&has)));
    }
    parts.join("; ")
}

fn pods(policy: &Policy) -> String {
    if policy.pod_selector.is_all() { "all pods".to_owned() } else { format!("pods {}", policy.pod_selector) }
}

/// The first parts, and how many more.
fn in_short<'a>(direction: Direction, verb: &str, atoms: impl Iterator<Item = &'a Atom>) -> Option<String> {
    const SHOWN: usize = 2;
    let atoms: Vec<String> = atoms.map(ToString::to_string).collect();
    let more = match atoms.len() {
        0 => return None,
        count if count > SHOWN => format!(" and {} more", count - SHOWN),
        _ => String::new(),
    };
    Some(format!("{verb} {direction} {}{more}", atoms[..atoms.len().min(SHOWN)].join(", ")))
}
