//! Which kinds are followed, and how each becomes part of the snapshot.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::future;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

use super::Cluster;
use super::feed::{Feed, Table};
use super::live::cilium_policies;
use super::store::{Change, Store};
use crate::api::ownership;
use crate::discovery::CONFIG_MAPS;
use crate::model::{self, Availability, MonitorKind, ObservedPolicy, Snapshot, Source, from_api};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Follows everything that decisions need, for ever.
pub async fn follow_cluster(cluster: Cluster, store: Arc<Store>) {
    let client = cluster.client.clone();
    let mut tasks: Vec<Task> = vec![
        always(&client, &store, feed(Source::Namespaces, |o| Some(from_api::namespace(o)), |s| &mut s.namespaces)),
        always(&client, &store, feed(Source::Pods, |o: &Pod| Some(from_api::pod(o)), |s| &mut s.pods)),
        always(&client, &store, feed(Source::Services, |o: &Service| Some(from_api::service(o)), |s| &mut s.services)),
        always(
            &client,
            &store,
            feed(
                Source::EndpointSlices,
                |o: &EndpointSlice| Some(from_api::endpoint_slice(o)),
                |s| &mut s.endpoint_slices,
            ),
        ),
        always(
            &client,
            &store,
            feed(Source::NetworkPolicies, |o| Some(network_policy(o)), |s| &mut s.policies).telling_every_write(),
        ),
        always(&client, &store, feed(Source::Nodes, |o: &Node| Some(from_api::node(o)), |s| &mut s.nodes).everywhere()),
        always(
            &client,
            &store,
            feed(Source::DaemonSets, |o: &DaemonSet| Some(from_api::daemon_set(o)), |s| &mut s.daemon_sets)
                .everywhere(),
        ),
        Box::pin(definitions(client.clone(), store.clone())),
    ];
    for (nth, (namespace, name)) in CONFIG_MAPS.iter().enumerate() {
        let mut feed = feed(Source::ConfigMaps, |o| Some(from_api::config_map(o)), |s| &mut s.config_maps).everywhere();
        feed.source.1 = nth;
        let (api, store) = (Api::<ConfigMap>::namespaced(client.clone(), namespace), store.clone());
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        store.set_availability(feed.source, Availability::Syncing);
        tasks.push(Box::pin(async move { feed.follow(&store, || watcher(api.clone(), config.clone())).await }));
    }
    for kind in [MonitorKind::Service, MonitorKind::Pod] {
        tasks.push(Box::pin(monitors(client.clone(), store.clone(), kind)));
    }
    tasks.push(Box::pin(cilium(cluster, store)));
    future::join_all(tasks).await;
}

fn feed<K, T, M>(source: Source, read: fn(&K) -> Option<T>, table: fn(&mut Snapshot) -> &mut M) -> Feed<K, T, M> {
    Feed {
        source: (source, 0),
        prefix: "",
        read,
        table,
        everywhere: false,
        tells_every_write: false,
        held: BTreeSet::new(),
    }
}

impl<K, T, M> Feed<K, T, M> {
    fn everywhere(self) -> Self {
        Self { everywhere: true, ..self }
    }

    fn telling_every_write(self) -> Self {
        Self { tells_every_write: true, ..self }
    }

    fn prefixed(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }
}

/// A kind that every cluster serves.
fn always<K, T, M>(client: &Client, store: &Arc<Store>, mut feed: Feed<K, T, M>) -> Task
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    T: Send + 'static,
    M: Table<T> + 'static,
{
    let (api, store) = (Api::<K>::all(client.clone()), store.clone());
    store.set_availability(feed.source, Availability::Syncing);
    Box::pin(async move { feed.follow(&store, || watcher(api.clone(), watcher::Config::default())).await })
}

/// A kind that is followed only while a custom resource definition of this name exists.
async fn while_served<T, M>(
    client: Client,
    store: Arc<Store>,
    definition: &str,
    resource: ApiResource,
    mut feed: Feed<DynamicObject, T, M>,
) where
    M: Table<T>,
{
    store.set_availability(feed.source, Availability::Syncing);
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    loop {
        definitions_readable(&store, feed.source).await;
        if !store.snapshot().definitions.contains(definition) {
            feed.clear(&store);
            until(&store, |snapshot| snapshot.definitions.contains(definition)).await;
        }
        store.set_availability(feed.source, Availability::Syncing);
        tokio::select! {
            () = feed.follow(&store, || watcher(api.clone(), watcher::Config::default())) => {}
            () = until(&store, |snapshot| !snapshot.definitions.contains(definition)) => {}
        }
    }
}

/// Waits until it is known which kinds are served. While that cannot be read, neither can a kind that may be served.
async fn definitions_readable(store: &Store, part: (Source, usize)) {
    let of = |snapshot: &Snapshot| snapshot.availability(Source::CustomResourceDefinitions).clone();
    while !store.snapshot().is_conclusive(Source::CustomResourceDefinitions) {
        if let unreadable @ Availability::Unreadable(_) = of(&store.snapshot()) {
            store.set_availability(part, unreadable);
        }
        let before = of(&store.snapshot());
        until(store, |snapshot| of(snapshot) != before).await;
    }
}

/// Waits until the snapshot is as asked.
async fn until(store: &Store, holds: impl Fn(&Snapshot) -> bool) {
    let mut changes = store.changes();
    while !holds(&store.snapshot()) {
        // A lagging receiver has only missed reasons to look again.
        let _ = changes.recv().await;
    }
}

/// Names of the custom resource definitions; their schemas would cost megabytes.
async fn definitions(client: Client, store: Arc<Store>) {
    let mut feed = feed(
        Source::CustomResourceDefinitions,
        |_: &PartialObjectMeta<CustomResourceDefinition>| Some(()),
        |s| &mut s.definitions,
    )
    .everywhere();
    store.set_availability(feed.source, Availability::Syncing);
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    feed.follow(&store, || watcher(api.clone(), watcher::Config::default())).await;
}

fn network_policy(object: &NetworkPolicy) -> ObservedPolicy {
    ObservedPolicy {
        policy: from_api::network_policy(object),
        name: Arc::from(object.name_any()),
        ours: ownership::is_ours(&object.metadata),
    }
}

const CILIUM_DEFINITION: &str = "ciliumnetworkpolicies.cilium.io";

async fn cilium(cluster: Cluster, store: Arc<Store>) {
    let read = |object: &DynamicObject| {
        Some(ObservedPolicy {
            policy: as_json(object).and_then(|value| from_api::cilium_policy(&value)),
            name: Arc::from(object.name_any()),
            ours: ownership::is_ours(&object.metadata),
        })
    };
    let feed = feed(Source::CiliumNetworkPolicies, read, |s| &mut s.policies).prefixed("cilium/").telling_every_write();
    tokio::join!(
        while_served(cluster.client.clone(), store.clone(), CILIUM_DEFINITION, cilium_policies(), feed),
        cilium_schema(cluster, store),
    );
}

/// Whether supplements can be additive here: looked up once each time the definition appears.
async fn cilium_schema(cluster: Cluster, store: Arc<Store>) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    loop {
        until(&store, |snapshot| snapshot.definitions.contains(CILIUM_DEFINITION)).await;
        match cluster.within_time(api.get(CILIUM_DEFINITION)).await {
            Ok(definition) => {
                let additive = from_api::serves_default_deny(&definition);
                set_additive(&store, additive);
                until(&store, |snapshot| !snapshot.definitions.contains(CILIUM_DEFINITION)).await;
                set_additive(&store, false);
            }
            Err(error) => {
                warn!(%error, definition = CILIUM_DEFINITION, "the schema cannot be read");
                tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            }
        }
    }
}

fn set_additive(store: &Store, additive: bool) {
    store.update(|snapshot| {
        let before = std::mem::replace(&mut snapshot.cilium_default_deny, additive);
        (before != additive).then_some(Change::Everywhere)
    });
}

async fn monitors(client: Client, store: Arc<Store>, kind: MonitorKind) {
    let (source, kind_name, plural, prefix, read): (_, _, _, _, fn(&DynamicObject) -> Option<model::Monitor>) =
        match kind {
            MonitorKind::Service => (Source::ServiceMonitors, "ServiceMonitor", "servicemonitors", "service/", |o| {
                readable(from_api::service_monitor, o)
            }),
            MonitorKind::Pod => {
                (Source::PodMonitors, "PodMonitor", "podmonitors", "pod/", |o| readable(from_api::pod_monitor, o))
            }
        };
    let resource = ApiResource {
        group: "monitoring.coreos.com".into(),
        version: "v1".into(),
        api_version: "monitoring.coreos.com/v1".into(),
        kind: kind_name.into(),
        plural: plural.into(),
    };
    let feed = feed(source, read, |s| &mut s.monitors).everywhere().prefixed(prefix);
    while_served(client, store, &format!("{plural}.monitoring.coreos.com"), resource, feed).await;
}

/// One object that cannot be read must not stop the rest.
fn readable<T>(read: fn(&serde_json::Value) -> Result<T, String>, object: &DynamicObject) -> Option<T> {
    as_json(object)
        .and_then(|value| read(&value))
        .inspect_err(|error| warn!(namespace = object.namespace(), name = object.name_any(), error, "left out"))
        .ok()
}

fn as_json(object: &DynamicObject) -> Result<serde_json::Value, String> {
    serde_json::to_value(object).map_err(|error| error.to_string())
}
