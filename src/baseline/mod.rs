//! spec + Facts → the policies of a namespace: one file per allowance.
//!
//! ```text
//! Effective ─┐
//! Facts ─────┼─► render ─► PolicySet ─► retain (what facts no longer say, but live policies still allow) ─► Retained
//! Enforced ──┘
//! ```
//!
//! An allowance says what it admits as a `Draft`, for all the pods it speaks of. Which of them are enforced, in which
//! direction, and so how many objects a draft becomes, is decided in one place (`draft`).

mod api_server;
mod default_deny;
mod dns;
mod draft;
mod explicit;
mod external_https;
mod fact_status;
mod gaps;
mod monitoring;
mod naming;
mod ranges;
mod retain;
mod role;
mod rules;
mod same_namespace;
mod target;
#[cfg(test)]
mod tests;

use crate::api::Effective;
use crate::discovery::Facts;
use crate::findings::Finding;
use crate::model::Enforced;
use crate::plan::Desired;

pub use draft::Scope;
pub use fact_status::fact_status;
pub use naming::{DEFAULT_DENY, DNS};
pub use retain::{GRACE, Retained, retain};
pub use target::target_hash;

/// The policies that spec and facts ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySet {
    /// Whom they were rendered for.
    pub scope: Scope,
    /// The policies, by kind and name.
    pub policies: Vec<Desired>,
    /// What the spec asks for and cannot have.
    pub findings: Vec<Finding>,
}

/// Renders the policies of a namespace, as far as each direction is enforced.
///
/// An allowance whose fact is not known has no policy here.
pub fn render(
    effective: &Effective,
    namespace: &str,
    facts: &Facts,
    ingress: &Enforced,
    egress: &Enforced,
) -> PolicySet {
    let scope = Scope::new(namespace, ingress.clone(), egress.clone());
    let allow = &effective.allow;
    let drafts = [
        default_deny::drafts(),
        allow.dns.as_ref().map_or_else(Vec::new, |dns| dns::drafts(dns, namespace, facts)),
        allow.same_namespace.as_ref().map_or_else(Vec::new, same_namespace::drafts),
        allow.api_server.as_ref().map_or_else(Vec::new, |api| api_server::drafts(api, facts)),
        allow.monitoring.as_ref().map_or_else(Vec::new, |of| monitoring::drafts(of, namespace, facts)),
        allow.external_https.as_ref().map_or_else(Vec::new, |of| external_https::drafts(of, facts)),
        explicit::drafts(allow),
    ];
    let mut policies: Vec<Desired> = drafts.into_iter().flatten().flat_map(|draft| scope.place(draft)).collect();
    if facts.engine.capabilities.except_denies {
        policies.iter_mut().for_each(|desired| ranges::write_in_prefixes(&mut desired.policy));
    }
    policies.sort_by(|a, b| a.policy.key.cmp(&b.policy.key));
    let findings = [gaps::engine(effective, facts), gaps::facts(effective, namespace, facts)].concat();
    PolicySet { scope, policies, findings }
}
