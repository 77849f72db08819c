//! Policies of others in the namespace. Policies add up: what ours admits is open also for pods that a stricter foreign
//! policy had closed.

use std::collections::{BTreeMap, BTreeSet};

use super::wording::{bounded, workload};
use super::{Finding, FindingName};
use crate::model::{Atom, Direction, Pod, Policy, Snapshot};
use crate::policy::{Capabilities, covers, selects};

/// Which workloads of the namespace others isolate already, and what `target`, the policies of ours at their furthest phase,
/// would newly open for them. One finding per direction and group of workloads alike.
pub fn findings(
    snapshot: &Snapshot,
    namespace: &str,
    target: &[Policy],
    capabilities: &'static Capabilities,
) -> Vec<Finding> {
    let foreign: Vec<&Policy> = snapshot
        .policies_in(namespace)
        .filter(|observed| !observed.ours)
        .filter_map(|observed| observed.policy.as_ref().ok())
        .collect();
    let mut findings = not_understood(snapshot, namespace);
    for direction in Direction::BOTH {
        let mut groups: BTreeMap<(BTreeSet<String>, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
        for pod in snapshot.pods_in(namespace).filter(|pod| !pod.host_network && !pod.ended) {
            let speaking = |policy: &&Policy| selects(capabilities, &policy.pod_selector, pod);
            let isolating: BTreeSet<String> = foreign
                .iter()
                .copied()
                .filter(speaking)
                .filter(|policy| policy.isolates(direction))
                .map(|policy| policy.key.name.to_string())
                .collect();
            if !isolating.is_empty() {
                let opened = opened(direction, pod, &foreign, target, capabilities);
                groups.entry((isolating, opened)).or_default().insert(workload(pod));
            }
        }
        findings.extend(groups.into_iter().map(|((isolating, opened), workloads)| {
            let what = if opened.is_empty() {
                "the baseline admits nothing there that they do not".to_owned()
            } else {
                format!(
                    "policies add up, so the baseline would newly admit there: {}. Leave these pods out by podSelector if that \
                     is not wanted",
                    bounded(&opened)
                )
            };
            Finding::new(
                FindingName::ForeignPolicies,
                format!("{direction} of {} is already isolated by {}; {what}", bounded(&workloads), bounded(&isolating)),
            )
        }));
    }
    findings
}

fn not_understood(snapshot: &Snapshot, namespace: &str) -> Vec<Finding> {
    snapshot
        .policies_in(namespace)
        .filter(|observed| !observed.ours)
        .filter_map(|observed| Some((observed, observed.policy.as_ref().err()?)))
        .map(|(observed, reason)| {
            Finding::new(
                FindingName::ForeignPolicies,
                format!(
                    "policy {} is not understood, so what it isolates, admits or denies is not known: {reason}",
                    observed.name
                ),
            )
        })
        .collect()
}

/// What `target` admits for this pod and no foreign policy does, each with the policy that does it.
fn opened(
    direction: Direction,
    pod: &Pod,
    foreign: &[&Policy],
    target: &[Policy],
    capabilities: &Capabilities,
) -> BTreeSet<String> {
    let speaking = |policy: &Policy| selects(capabilities, &policy.pod_selector, pod);
    let open: BTreeSet<Atom> =
        foreign.iter().filter(|policy| speaking(policy)).flat_map(|policy| policy.atoms(direction)).collect();
    let mut opened = BTreeSet::new();
    for policy in target.iter().filter(|policy| speaking(policy)) {
        for atom in policy.atoms(direction) {
            if !open.iter().any(|open| covers(open, &atom)) {
                opened.insert(format!("{atom} ({})", policy.key.name));
            }
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::fixture;

    fn shop() -> Snapshot {
        let snapshot = fixture::with_namespace(fixture::snapshot(), "shop", &[]);
        let snapshot = fixture::with_pod(snapshot, fixture::pod("shop", "web", &[("app", "web")], &["10.0.0.1"]));
        fixture::with_pod(snapshot, fixture::pod("shop", "vault", &[("app", "vault")], &["10.0.0.2"]))
    }

    fn foreign(snapshot: Snapshot) -> Snapshot {
        let strict = json!({
            "podSelector": {"matchLabels": {"app": "vault"}},
            "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8200}]}],
        });
        fixture::with_foreign(snapshot, fixture::policy("shop", "strict", strict))
    }

    fn messages(snapshot: &Snapshot, target: &[Policy]) -> Vec<String> {
        let findings = findings(snapshot, "shop", target, Capabilities::spec());
        assert!(findings.iter().all(|finding| finding.name == FindingName::ForeignPolicies));
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn without_foreign_policies_nothing_is_found() {
        let ours = fixture::policy("shop", "baseline-default-deny", json!({"podSelector": {}}));
        assert!(messages(&shop(), &[ours]).is_empty());
    }

    #[test]
    fn what_ours_would_open_for_pods_that_others_closed_is_named() {
        let same = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]});
        let target = [fixture::policy("shop", "baseline-allow-same-namespace", same)];
        let found = messages(&foreign(shop()), &target);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("ingress of Pod vault is already isolated by strict; policies add up"),
            "{found:?}"
        );
        assert!(found[0].contains("pods(*):* (baseline-allow-same-namespace)"), "{found:?}");
    }

    #[test]
    fn what_others_admit_already_is_not_newly_open() {
        let narrower = json!({
            "podSelector": {},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8200}]}],
        });
        let found = messages(&foreign(shop()), &[fixture::policy("shop", "baseline-ingress-web", narrower)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("the baseline admits nothing there that they do not"), "{found:?}");
    }

    #[test]
    fn a_policy_that_is_not_understood_is_named() {
        let found = messages(&fixture::with_unreadable(shop(), "shop", "cilium/odd"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("policy odd is not understood"), "{found:?}");
    }
}
