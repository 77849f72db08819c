//! A snapshot from small YAML, by the way that objects of a cluster take.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{Availability, ByNamespace, Snapshot, Source, from_api};

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

/// The objects of this text in a snapshot whose every source is synced.
pub(crate) fn snapshot(yaml: &str) -> Snapshot {
    let sources = SOURCES.into_iter().map(|source| (source, Availability::Synced)).collect();
    let mut snapshot = Snapshot { sources, ..Snapshot::default() };
    for object in serde_saphyr::from_multiple::<Value>(yaml).unwrap() {
        add(&mut snapshot, object);
    }
    snapshot
}

/// The same, with a source that the operator may not read.
pub(crate) fn forbidden(mut snapshot: Snapshot, source: Source) -> Snapshot {
    snapshot.sources.insert(source, Availability::Unreadable("forbidden".into()));
    snapshot
}

fn add(snapshot: &mut Snapshot, object: Value) {
    match object["kind"].as_str().unwrap() {
        "Namespace" => {
            let found = from_api::namespace(&typed(object));
            snapshot.namespaces.insert(Arc::clone(&found.name), Arc::new(found));
        }
        "Node" => {
            let found = from_api::node(&typed(object));
            snapshot.nodes.insert(Arc::clone(&found.name), Arc::new(found));
        }
        "CustomResourceDefinition" => {
            snapshot.definitions.insert(Arc::from(object["metadata"]["name"].as_str().unwrap()));
        }
        "Pod" => {
            let found = from_api::pod(&typed(object));
            put(&mut snapshot.pods, &found.namespace.clone(), &found.name.clone(), found);
        }
        "Service" => {
            let found = from_api::service(&typed(object));
            put(&mut snapshot.services, &found.namespace.clone(), &found.name.clone(), found);
        }
        "EndpointSlice" => {
            let found = from_api::endpoint_slice(&typed(object));
            put(&mut snapshot.endpoint_slices, &found.namespace.clone(), &found.name.clone(), found);
        }
        "DaemonSet" => {
            let found = from_api::daemon_set(&typed(object));
            put(&mut snapshot.daemon_sets, &found.namespace.clone(), &found.name.clone(), found);
        }
        "ConfigMap" => {
            let found = from_api::config_map(&typed(object));
            put(&mut snapshot.config_maps, &found.namespace.clone(), &found.name.clone(), found);
        }
        "ServiceMonitor" => {
            let found = from_api::service_monitor(&object).unwrap();
            put(&mut snapshot.monitors, &found.namespace.clone(), &format!("service/{}", found.name), found);
        }
        "PodMonitor" => {
            let found = from_api::pod_monitor(&object).unwrap();
            put(&mut snapshot.monitors, &found.namespace.clone(), &format!("pod/{}", found.name), found);
        }
        other => unreachable!("a fixture of kind {other}"),
    }
}

fn typed<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

fn put<T>(into: &mut ByNamespace<T>, namespace: &str, name: &str, object: T) {
    let objects: &mut Arc<BTreeMap<Arc<str>, Arc<T>>> = into.entry(Arc::from(namespace)).or_default();
    let mut changed = BTreeMap::clone(objects);
    changed.insert(Arc::from(name), Arc::new(object));
    *objects = Arc::new(changed);
}
