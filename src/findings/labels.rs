//! Selectors that name a label which the engine does not see.

use std::collections::BTreeSet;

use super::{Finding, FindingName};
use crate::api::Effective;
use crate::model::{Peer, Selector};
use crate::policy::Capabilities;

/// One finding per label key. Pod labels only: Cilium, the one engine with such keys, keeps every label of a namespace.
pub fn findings(effective: &Effective, capabilities: &'static Capabilities) -> Vec<Finding> {
    let selectors = pod_selectors(effective);
    let keys: BTreeSet<&str> = selectors
        .iter()
        .flat_map(|(_, selector)| selector.requirements().map(|(key, _)| key))
        .filter(|key| !capabilities.sees_label(key))
        .collect();
    keys.into_iter()
        .map(|key| {
            let places: Vec<&str> = selectors
                .iter()
                .filter(|(_, selector)| selector.requirements().any(|(named, _)| named == key))
                .map(|(place, _)| place.as_str())
                .collect();
            Finding::new(
                FindingName::LabelIgnored,
                format!(
                    "label {key} is not seen by {}, as if no pod had it: {}. Select by another label",
                    capabilities.engine,
                    places.join(", ")
                ),
            )
        })
        .collect()
}

/// Every selector of pods in the spec, with its place.
fn pod_selectors(effective: &Effective) -> Vec<(String, &Selector)> {
    let allow = &effective.allow;
    let mut found: Vec<(String, &Selector)> = Vec::new();
    found.extend(effective.canary.iter().map(|pods| ("spec.rollout.canary.podSelector".to_owned(), pods)));
    found.extend(allow.same_namespace.iter().map(|pods| ("spec.allow.sameNamespace.podSelector".to_owned(), pods)));
    found.extend(allow.external_https.iter().map(|of| ("spec.allow.externalHttps.podSelector".to_owned(), &of.pods)));
    let builtins =
        [("dns", "to", &allow.dns), ("apiServer", "to", &allow.api_server), ("monitoring", "from", &allow.monitoring)];
    for (name, peers, builtin) in builtins {
        if let Some(builtin) = builtin {
            let place = format!("spec.allow.{name}");
            found.push((format!("{place}.podSelector"), &builtin.pods));
            found.extend(peer_selectors(&format!("{place}.{peers}"), builtin.instead.iter().flatten()));
        }
    }
    for (list, peers, explicit) in [("ingress", "from", &allow.ingress), ("egress", "to", &allow.egress)] {
        for explicit in explicit {
            let place = format!("spec.allow.{list}[{}]", explicit.name);
            found.push((format!("{place}.podSelector"), &explicit.pods));
            found.extend(peer_selectors(&format!("{place}.{peers}"), &explicit.peers));
        }
    }
    found
}

fn peer_selectors<'a>(
    place: &str,
    peers: impl IntoIterator<Item = &'a Peer>,
) -> impl Iterator<Item = (String, &'a Selector)> {
    peers.into_iter().filter_map(move |peer| match peer {
        Peer::Pods { pods, .. } => Some((format!("{place}.podSelector"), pods)),
        Peer::Block(_) | Peer::Entity(_) => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::api::{NetworkBaseline, NetworkBaselineSpec, validate};

    fn effective() -> Effective {
        let spec: NetworkBaselineSpec = serde_json::from_value(serde_json::json!({
            "rollout": {"canary": {"podSelector": {"matchLabels": {"pod-template-hash": "7d9"}}}},
            "allow": {
                "dns": {"podSelector": {"matchLabels": {"app": "web"}}},
                "ingress": [{
                    "name": "front",
                    "from": [{"namespace": "front", "podSelector": {"matchLabels": {"pod-template-hash": "1a2"}}}],
                }],
            },
        }))
        .unwrap();
        let mut baseline = NetworkBaseline::new("default", spec);
        baseline.metadata.namespace = Some("shop".to_owned());
        validate(&baseline).unwrap()
    }

    #[test]
    fn a_label_that_the_engine_does_not_see_is_named_with_its_places() {
        let found = findings(&effective(), Capabilities::by_name("cilium").unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, FindingName::LabelIgnored);
        let places = "spec.rollout.canary.podSelector, spec.allow.ingress[front].from.podSelector";
        assert!(found[0].message.contains(places), "{}", found[0].message);
    }

    #[test]
    fn an_engine_that_sees_every_label_has_no_such_finding() {
        assert!(findings(&effective(), Capabilities::by_name("calico").unwrap()).is_empty());
    }
}
