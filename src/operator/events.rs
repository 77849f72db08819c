//! Kubernetes Events, on transitions only: what changed between two statuses.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use tracing::debug;

use crate::api::{NetworkBaseline, NetworkBaselineStatus};

/// Longest note of an Event, in characters: the API server refuses more than 1 kB.
const LONGEST_NOTE: usize = 900;

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transition {
    warning: bool,
    reason: String,
    note: String,
}

/// What changed from one status to the next. `written`: what was done to policies.
fn transitions(before: &NetworkBaselineStatus, after: &NetworkBaselineStatus, written: &[String]) -> Vec<Transition> {
    let mut all = Vec::new();
    let normal = |reason: &str, note: String| Transition { warning: false, reason: reason.to_owned(), note };
    for (name, had, has) in [("ingress", &before.ingress, &after.ingress), ("egress", &before.egress, &after.egress)] {
        if let Some(has) = has
            && had.as_ref().map(|had| (had.phase, &had.isolated)) != Some((has.phase, &has.isolated))
        {
            all.push(normal("PhaseChanged", format!("{name} is at {:?}; isolated pods: {}", has.phase, has.isolated)));
        }
    }
    let named: BTreeSet<&str> = before.findings.iter().map(|finding| finding.name.as_str()).collect();
    let mut told = BTreeSet::new();
    for finding in &after.findings {
        if !named.contains(finding.name.as_str()) && told.insert(finding.name.as_str()) {
            all.push(Transition {
                warning: finding.blocking,
                reason: finding.name.clone(),
                note: finding.message.clone(),
            });
        }
    }
    let stands: BTreeSet<&str> = after.findings.iter().map(|finding| finding.name.as_str()).collect();
    for gone in named.difference(&stands) {
        all.push(normal("FindingCleared", format!("{gone} no longer stands")));
    }
    let ready = |status: &NetworkBaselineStatus| {
        status.conditions.iter().find(|condition| condition.type_ == "Ready").map(|ready| ready.reason.clone())
    };
    if let Some(reason) = ready(after)
        && ready(before).as_ref() != Some(&reason)
    {
        let message = after.conditions.iter().find(|condition| condition.type_ == "Ready").map(|of| of.message.clone());
        all.push(normal(&reason, message.unwrap_or_default()));
    }
    if !written.is_empty() {
        all.push(normal("PoliciesWritten", written.join(", ")));
    }
    all
}

/// Publishes what changed. An Event that cannot be written is no reason to stop, nor to wait for longer than a request may take.
pub async fn publish(
    recorder: &Recorder,
    timeout: Duration,
    baseline: &NetworkBaseline,
    status: &NetworkBaselineStatus,
    written: &[String],
) {
    let before = baseline.status.clone().unwrap_or_default();
    for transition in transitions(&before, status, written) {
        let event = Event {
            type_: if transition.warning { EventType::Warning } else { EventType::Normal },
            reason: transition.reason,
            note: Some(transition.note.chars().take(LONGEST_NOTE).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(timeout, recorder.publish(&event, &baseline.object_ref(&()))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "an Event could not be written"),
            Err(_) => {
                debug!(?timeout, "an Event was not answered; the others of this pass are left out");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DirectionStatus, FindingStatus, Phase};

    fn status(phase: Phase, finding: Option<&str>) -> NetworkBaselineStatus {
        let direction = DirectionStatus { phase, desired: phase, isolated: format!("{phase:?}") };
        NetworkBaselineStatus {
            ingress: Some(direction.clone()),
            egress: Some(direction),
            findings: finding
                .map(|name| FindingStatus { name: name.to_owned(), blocking: true, message: String::new() })
                .into_iter()
                .collect(),
            ..NetworkBaselineStatus::default()
        }
    }

    fn reasons(before: &NetworkBaselineStatus, after: &NetworkBaselineStatus) -> Vec<String> {
        transitions(before, after, &[]).into_iter().map(|transition| transition.reason).collect()
    }

    #[test]
    fn nothing_is_told_twice() {
        let stands = status(Phase::Canary, Some("NoDns"));
        assert!(reasons(&stands, &stands).is_empty());
    }

    #[test]
    fn a_phase_and_a_finding_are_told_when_they_change() {
        let (audit, enforced) = (status(Phase::Audit, Some("NoDns")), status(Phase::Enforce, None));
        assert_eq!(reasons(&audit, &enforced), ["PhaseChanged", "PhaseChanged", "FindingCleared"]);
        assert_eq!(reasons(&status(Phase::Audit, None), &audit), ["NoDns"]);
    }
}
