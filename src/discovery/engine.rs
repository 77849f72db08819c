//! Which engine judges policies here, and whether it does.

use super::fingerprints::{FINGERPRINTS, Fingerprint, NodeMark, Sighting};
use super::{Certainty, Enforces, Engine};
use crate::model::{DaemonSet, Selector, Snapshot, Source};
use crate::policy::Capabilities;

pub use super::fingerprints::CONFIG_MAPS;

pub(super) fn discover(snapshot: &Snapshot) -> Engine {
    let seen: Vec<Seen<'_>> = FINGERPRINTS.iter().filter_map(|fingerprint| Seen::of(snapshot, fingerprint)).collect();
    // Engines are chained (flannel with kube-network-policies, AWS with Calico): the one that judges counts, not the one that connects.
    match seen.iter().find(|seen| !matches!(seen.enforces, Enforces::No(_))).or(seen.first()) {
        Some(judge) => running(snapshot, judge, &seen),
        None => not_running(snapshot),
    }
}

/// A fingerprint that was found, and what the engine does by its configuration.
struct Seen<'a> {
    fingerprint: &'static Fingerprint,
    set: Option<&'a DaemonSet>,
    enforces: Enforces,
    origin: String,
}

impl<'a> Seen<'a> {
    fn of(snapshot: &'a Snapshot, fingerprint: &'static Fingerprint) -> Option<Self> {
        let mut origin = Vec::new();
        let mut set = None;
        if !fingerprint.daemon_sets.is_empty() {
            let found = fingerprint
                .daemon_sets
                .iter()
                .filter_map(|&(namespace, name)| snapshot.daemon_sets.get(namespace)?.get(name))
                .find(|set| fingerprint.image.is_none_or(|image| has_image(set, image)))?;
            origin.push(format!("DaemonSet {}/{}", found.namespace, found.name));
            if let Some(image) = fingerprint.image {
                origin.push(format!("image {image}"));
            }
            set = Some(found.as_ref());
        }
        if let Some(mark) = &fingerprint.node {
            origin.push(mark.found_on(snapshot)?);
        }
        let enforces = (fingerprint.enforces)(&Sighting { snapshot, set });
        Some(Self { fingerprint, set, enforces, origin: origin.join(", ") })
    }
}

fn has_image(set: &DaemonSet, image: &str) -> bool {
    set.containers.iter().any(|container| container.image.contains(image))
}

impl NodeMark {
    fn found_on(&self, snapshot: &Snapshot) -> Option<String> {
        let node = snapshot.nodes.values().find(|node| match self {
            Self::Label(key, value) => node.labels.get(*key).map(AsRef::as_ref) == Some(*value),
            Self::Annotation(key) => node.annotations.contains_key(*key),
        })?;
        Some(match self {
            Self::Label(key, value) => format!("label {key}={value} of node {}", node.name),
            Self::Annotation(key) => format!("annotation {key} of node {}", node.name),
        })
    }
}

fn running(snapshot: &Snapshot, judge: &Seen<'_>, seen: &[Seen<'_>]) -> Engine {
    let capabilities = capabilities(judge.fingerprint);
    let mut origin = judge.origin.clone();
    let others: Vec<&str> = seen
        .iter()
        .filter(|other| other.fingerprint.name != judge.fingerprint.name && other.set != judge.set)
        .map(|other| other.fingerprint.name)
        .collect();
    if !others.is_empty() {
        origin.push_str(&format!("; also here: {}", others.join(", ")));
    }
    let gap = snapshot.gap(&[Source::DaemonSets, Source::Nodes]);
    Engine {
        capabilities,
        certainty: if gap.is_none() { Certainty::Certain } else { Certainty::Likely },
        enforces: judge.enforces.clone(),
        origin: gap.map_or(origin.clone(), |gap| format!("{origin}; incomplete, {gap}")),
        agents: judge
            .set
            .filter(|set| !set.pod_labels.is_empty())
            .map(|set| (set.namespace.clone(), Selector::of_labels(set.pod_labels.iter()))),
        additive_supplements: capabilities.supplements && snapshot.cilium_default_deny,
    }
}

/// Nothing runs, or it cannot be seen. Definitions outlive an engine, so they count only while DaemonSets cannot be read.
fn not_running(snapshot: &Snapshot) -> Engine {
    let gap = snapshot.gap(&[Source::DaemonSets, Source::Nodes]);
    let traces = FINGERPRINTS.iter().find_map(|fingerprint| {
        let traces = fingerprint
            .definitions
            .iter()
            .find(|suffix| snapshot.definitions.iter().any(|definition| definition.ends_with(**suffix)))?;
        Some((fingerprint, format!("definitions of {traces}")))
    });
    let engine = |capabilities: &'static Capabilities, certainty, reason: String, origin: String| Engine {
        capabilities,
        certainty,
        enforces: Enforces::Unknown(reason),
        origin,
        agents: None,
        additive_supplements: capabilities.supplements && snapshot.cilium_default_deny,
    };
    match (gap, traces) {
        (Some(gap), Some((fingerprint, traces))) => {
            let reason = format!("{gap}, so whether {} runs is not known", fingerprint.name);
            engine(capabilities(fingerprint), Certainty::Likely, reason, traces)
        }
        (Some(gap), None) => engine(Capabilities::spec(), Certainty::None, gap, "nothing".into()),
        (None, Some((fingerprint, traces))) => {
            let reason = format!("there are {traces}, but no agent of {} runs in its usual place", fingerprint.name);
            engine(Capabilities::spec(), Certainty::None, reason, traces)
        }
        (None, None) => {
            let reason = "no DaemonSet or node bears the mark of an engine that is known here".to_owned();
            engine(Capabilities::spec(), Certainty::None, reason, "nothing".into())
        }
    }
}

fn capabilities(fingerprint: &Fingerprint) -> &'static Capabilities {
    Capabilities::by_name(fingerprint.name).unwrap_or_else(Capabilities::spec)
}
