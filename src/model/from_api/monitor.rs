//! ServiceMonitors and PodMonitors (`monitoring.coreos.com/v1`), read from the fields that say who is scraped.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use crate::model::selector::Selector;
use crate::model::snapshot::{Monitor, MonitorKind, MonitorPort};

/// A ServiceMonitor.
///
/// # Errors
/// In words, when its selector or its namespaces cannot be read: what it scrapes is not known then.
pub fn service_monitor(api: &Value) -> Result<Monitor, String> {
    monitor(MonitorKind::Service, api, "/spec/endpoints", |endpoint| {
        // `targetPort` only counts where `port` is absent (prometheus-operator, API reference, Endpoint).
        name(endpoint, "port").map(MonitorPort::Name).or_else(|| target_port(endpoint))
    })
}

/// A PodMonitor.
///
/// # Errors
/// In words, when its selector or its namespaces cannot be read: what it scrapes is not known then.
pub fn pod_monitor(api: &Value) -> Result<Monitor, String> {
    monitor(MonitorKind::Pod, api, "/spec/podMetricsEndpoints", |endpoint| {
        name(endpoint, "port")
            .map(MonitorPort::Name)
            .or_else(|| number(endpoint.get("portNumber")?).map(MonitorPort::Number))
            .or_else(|| target_port(endpoint))
    })
}

fn monitor(
    kind: MonitorKind,
    api: &Value,
    endpoints: &str,
    port: impl Fn(&Value) -> Option<MonitorPort>,
) -> Result<Monitor, String> {
    let own = text(api, "/metadata/namespace");
    let selector = match api.pointer("/spec/selector") {
        None | Some(Value::Null) => Selector::all(),
        Some(found) => LabelSelector::deserialize(found)
            .map_err(|error| error.to_string())
            .and_then(|selector| Selector::try_from(&selector).map_err(|error| error.to_string()))
            .map_err(|error| format!("spec.selector cannot be read: {error}"))?,
    };
    Ok(Monitor {
        kind,
        selector,
        namespaces: namespaces(api, &own)?,
        ports: api.pointer(endpoints).and_then(Value::as_array).into_iter().flatten().filter_map(port).collect(),
        namespace: own,
        name: text(api, "/metadata/name"),
    })
}

fn namespaces(api: &Value, own: &Arc<str>) -> Result<Option<BTreeSet<Arc<str>>>, String> {
    let found = api.pointer("/spec/namespaceSelector");
    if found.and_then(|selector| selector.get("any")).and_then(Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    match found.and_then(|selector| selector.get("matchNames")) {
        None | Some(Value::Null) => {}
        Some(Value::Array(of)) => {
            for name in of {
                let name = name
                    .as_str()
                    .ok_or_else(|| format!("spec.namespaceSelector.matchNames holds {name}, which is not a name"))?;
                names.insert(Arc::from(name));
            }
        }
        Some(other) => return Err(format!("spec.namespaceSelector.matchNames is {other}, not a list of names")),
    }
    if names.is_empty() {
        names.insert(Arc::clone(own));
    }
    Ok(Some(names))
}

fn text(api: &Value, pointer: &str) -> Arc<str> {
    Arc::from(api.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

fn name(endpoint: &Value, field: &str) -> Option<Arc<str>> {
    endpoint.get(field)?.as_str().filter(|name| !name.is_empty()).map(Arc::from)
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|&port| port != 0)
}

fn target_port(endpoint: &Value) -> Option<MonitorPort> {
    name(endpoint, "targetPort")
        .map(MonitorPort::TargetName)
        .or_else(|| number(endpoint.get("targetPort")?).map(MonitorPort::Number))
}
