//! Questions to a status.

use netbaseline::api::{NetworkBaselineStatus, Phase};

/// Whether both directions are enforced as this phase says.
pub(super) fn at(status: &NetworkBaselineStatus, phase: Phase) -> bool {
    [&status.ingress, &status.egress].iter().all(|direction| direction.as_ref().is_some_and(|is| is.phase == phase))
}

/// Whether nothing is to do and nobody is needed.
pub(super) fn is_ready(status: &NetworkBaselineStatus) -> bool {
    is_true(status, "Ready")
}

/// Whether that condition is true.
pub(super) fn is_true(status: &NetworkBaselineStatus, condition: &str) -> bool {
    status.conditions.iter().any(|is| is.type_ == condition && is.status == "True")
}

/// Whether a finding of that name stands.
pub(super) fn finds(status: &NetworkBaselineStatus, name: &str) -> bool {
    status.findings.iter().any(|finding| finding.name == name)
}

/// The value of the fact about the resolver, and the parts of it that retire.
pub(super) fn dns(status: &NetworkBaselineStatus) -> (&str, Vec<&str>) {
    let fact = status.facts.iter().find(|fact| fact.name == "dns");
    fact.map_or(("", Vec::new()), |fact| {
        (fact.value.as_str(), fact.retiring.iter().map(|part| part.value.as_str()).collect())
    })
}
