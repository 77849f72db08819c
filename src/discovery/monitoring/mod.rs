//! Prometheus: which pods scrape, and what they scrape.
//!
//! Only a namespace that the platform vouches for holds scrapers: one that carries the label [`PROVIDES`], or one of a well-known name.
//! What a tenant labels its pods opens nothing; what it asks to be scraped opens its own ports to those scrapers alone.

mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Fact, Monitoring};
use crate::api::names::PROVIDES;
use crate::model::{Namespace, Selector, Snapshot, Source};

/// Value of [`PROVIDES`] that makes a namespace trusted here.
const MONITORING: &str = "monitoring";

/// Names under which charts and distributions install Prometheus.
const WELL_KNOWN: &[&str] = &[
    "monitoring",
    "prometheus",
    "observability",
    "kube-prometheus",
    "kube-prometheus-stack",
    "prometheus-operator",
    "cattle-monitoring-system",
    "openshift-monitoring",
    "openshift-user-workload-monitoring",
];

/// The label of Prometheus pods: of the Prometheus operator and current charts, and of charts before.
const SCRAPERS: [(&str, &str); 2] = [("app.kubernetes.io/name", "prometheus"), ("app", "prometheus")];

pub(super) fn discover(snapshot: &Snapshot) -> Fact<Monitoring> {
    if let Some(reason) = snapshot.gap(&[Source::Namespaces, Source::Pods]) {
        return Fact::Unreadable { reason };
    }
    let mut monitoring = Monitoring::default();
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut unnameable = BTreeSet::new();
    for namespace in snapshot.namespaces.values().filter(|namespace| is_trusted(namespace)) {
        for (key, value) in SCRAPERS {
            let selector = Selector::of_labels([(key, value)]);
            let (on_host, own): (Vec<_>, Vec<_>) = snapshot
                .pods_in(&namespace.name)
                .filter(|pod| !pod.ended && selector.matches(&pod.labels))
                .partition(|pod| pod.host_network);
            unnameable.extend(on_host.iter().map(|_| format!("{}/{key}={value}", namespace.name)));
            if !own.is_empty() {
                found.entry(format!("{key}={value}")).or_default().insert(&namespace.name);
                monitoring.scrapers.insert((Arc::clone(&namespace.name), selector));
            }
        }
    }
    if monitoring.scrapers.is_empty() {
        return Fact::Absent { looked: looked(&unnameable) };
    }
    targets::collect(snapshot, &mut monitoring);
    let mut origin: Vec<String> = found
        .into_iter()
        .map(|(label, namespaces)| format!("pods {label} of {}", namespaces.into_iter().collect::<Vec<_>>().join(", ")))
        .collect();
    origin.extend(unnameable.iter().map(|pods| format!("not {pods}: {UNNAMEABLE}")));
    let gap = snapshot.gap(&[Source::Services, Source::EndpointSlices, Source::ServiceMonitors, Source::PodMonitors]);
    let ready = gap.is_none();
    origin.extend(gap.map(|gap| format!("incomplete, {gap}")));
    Fact::Known { value: monitoring, origin: origin.join("; "), ready }
}

const UNNAMEABLE: &str = "pods of the host network, which no selector finds";

fn is_trusted(namespace: &Namespace) -> bool {
    let provides = namespace.labels.get(PROVIDES).map(AsRef::as_ref);
    provides == Some(MONITORING) || WELL_KNOWN.contains(&&*namespace.name)
}

fn looked(unnameable: &BTreeSet<String>) -> String {
    let labels: Vec<String> = SCRAPERS.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut looked = format!(
        "pods {} in namespaces labelled {PROVIDES}={MONITORING} or named {}",
        labels.join(" or "),
        WELL_KNOWN.join(", ")
    );
    for pods in unnameable {
        looked.push_str(&format!("; {pods} are {UNNAMEABLE}"));
    }
    looked
}
