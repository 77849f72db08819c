//! Facts are sticky: what a fact no longer says, but a live policy still allows, leaves late or not at all.
//!
//! The live policies are the only record. What they allow beyond the rendered set is *left over*; a leftover of a discovered
//! allowance stays while its fact is silent or what replaces it does not work, and else for [`GRACE`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::role::{Role, Word};
use super::{PolicySet, Scope, fact_status, naming, ranges, rules};
use crate::api::{Effective, FactStatus, Retiring};
use crate::discovery::{Certainty, Facts};
use crate::findings::{Finding, FindingName};
use crate::model::{Atom, Direction, PolicyKey, PolicyKind};
use crate::plan::{Desired, Live};

/// How long a value stays after what replaces it is there and works.
pub const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// Most parts of a fact that retire at a time: status holds their timers, and its size is bounded. The others begin after them.
const MOST_RETIRING: usize = 64;

/// A rendered set with what is kept beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Retained {
    /// The policies to steer for.
    pub policies: Vec<Desired>,
    /// Facts for status, with the parts that are leaving.
    pub facts: Vec<FactStatus>,
    /// Findings of the rendered set, and what is kept for want of a fact.
    pub findings: Vec<Finding>,
    /// When the next part leaves.
    pub next: Option<Timestamp>,
    /// Whether to write nothing: a fact that no pod works without is gone, its policy is not there to be read, and live bridges may
    /// be all that carries it.
    pub hold: bool,
}

/// Adds to a rendered set what live policies allow and facts do not take back yet.
///
/// `previous` is `status.facts`: the timers of the parts that are leaving. One that is lost starts anew.
pub fn retain(
    rendered: PolicySet,
    live: &[Live],
    facts: &Facts,
    effective: &Effective,
    previous: &[FactStatus],
    now: Timestamp,
) -> Retained {
    let PolicySet { scope, policies, mut findings } = rendered;
    let mut set: BTreeMap<Slot, Desired> = policies.into_iter().map(|of| (Slot::of(&of.policy.key), of)).collect();
    let mut timers = Timers { previous, now, retiring: BTreeMap::new(), next: None };
    let mut kept: BTreeMap<&'static str, Finding> = BTreeMap::new();

    for live in live {
        if facts.engine.certainty == Certainty::None {
            keep_prefixes(&mut set, live);
        }
        let Some(role) = Role::of(&live.policy.key) else { continue };
        let Some(allowance) = role.allowance(&effective.allow) else { continue };
        let Some(pods) = role.pods(allowance, &live.policy.pod_selector, &scope) else { continue };
        let slot = Slot::of(&live.policy.key);
        let rendered: BTreeSet<Atom> =
            set.get(&slot).map(|desired| desired.policy.atoms(role.direction())).unwrap_or_default();
        let mut leftover = BTreeSet::new();
        for part in live.policy.atoms(role.direction()).difference(&rendered) {
            let word = role.word(facts, part);
            if !role.is_wanted(allowance, part, &live.reason, matches!(word, Word::Silent(_))) {
                continue;
            }
            let stays = match &word {
                Word::Silent(why) => {
                    kept.entry(role.fact()).or_insert_with(|| silent(role, why));
                    true
                }
                Word::Unproven => {
                    kept.entry(role.fact()).or_insert_with(|| unproven(role));
                    true
                }
                // What somebody wrote into our policy is drift, not a former value.
                Word::Replaced => live.marks_intact && timers.runs(role.fact(), &slot.name, part),
            };
            if stays {
                leftover.insert(part.clone());
            }
        }
        if leftover.is_empty() {
            continue;
        }
        let desired = set.entry(slot).or_insert_with(|| {
            let mut policy = live.policy.clone();
            policy.key.namespace = scope.namespace.clone();
            policy.pod_selector = pods;
            policy.ingress = None;
            policy.egress = None;
            let reason = if live.reason.is_empty() { role.subject() } else { &live.reason };
            Desired { policy, allowance: Arc::from(role.label()), reason: reason.to_owned() }
        });
        let all: BTreeSet<Atom> = rendered.union(&leftover).cloned().collect();
        desired.policy.set_rules(role.direction(), Some(rules::of_atoms(&all)));
    }

    let missing: Vec<Role> = Role::ESSENTIAL
        .into_iter()
        .filter(|&role| is_missing(role, effective, facts, &scope) && !set.keys().any(|slot| slot.role() == Some(role)))
        .collect();
    let hold = !missing.is_empty() && live.iter().any(is_egress_bridge);
    if hold {
        findings.extend(missing.into_iter().map(held));
    }
    findings.extend(kept.into_values());

    let mut policies: Vec<Desired> = set.into_values().map(named_by_content).collect();
    policies.sort_by(|a, b| a.policy.key.cmp(&b.policy.key));
    let Timers { mut retiring, next, .. } = timers;
    let mut facts = fact_status(facts, &scope.namespace);
    for fact in &mut facts {
        fact.retiring = retiring.remove(fact.name.as_str()).unwrap_or_default();
    }
    Retained { policies, facts, findings, next, hold }
}

/// The place of a policy in a set: supplements change their name with their content, but not their place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    kind: PolicyKind,
    name: Arc<str>,
}

impl Slot {
    fn of(key: &PolicyKey) -> Self {
        let name = match key.kind {
            PolicyKind::NetworkPolicy => key.name.clone(),
            PolicyKind::CiliumNetworkPolicy => Arc::from(naming::API_SERVER),
        };
        Self { kind: key.kind, name }
    }

    fn role(&self) -> Option<Role> {
        Role::of(&PolicyKey { kind: self.kind, namespace: Arc::from(""), name: self.name.clone() })
    }
}

fn named_by_content(mut desired: Desired) -> Desired {
    if desired.policy.key.kind == PolicyKind::CiliumNetworkPolicy {
        desired.policy.key.name = Arc::from(naming::of_content(naming::API_SERVER, &desired.policy));
    }
    desired
}

/// The parts that are leaving, by fact.
struct Timers<'a> {
    previous: &'a [FactStatus],
    now: Timestamp,
    retiring: BTreeMap<&'static str, Vec<Retiring>>,
    next: Option<Timestamp>,
}

impl Timers<'_> {
    /// Whether a part's time still runs; begins it where it does not run yet.
    fn runs(&mut self, fact: &'static str, policy: &str, part: &Atom) -> bool {
        let value = format!("{policy}: {part}");
        let before = self.previous.iter().filter(|status| status.name == fact).flat_map(|status| &status.retiring);
        let since = before.filter(|of| of.value == value).map(|of| of.since.0).next();
        // A time in the future is another clock's.
        let since = since.unwrap_or(self.now).min(self.now);
        let end = since.saturating_add(GRACE).expect("a span without days or larger units is always valid");
        if end <= self.now {
            return false;
        }
        let retiring = self.retiring.entry(fact).or_default();
        if retiring.len() < MOST_RETIRING {
            retiring.push(Retiring { value, since: Time(since) });
            self.next = Some(self.next.map_or(end, |next| next.min(end)));
        }
        true
    }
}

/// With the engine unknown a live policy in plain prefixes stays in that form: it means the same on every engine, while an
/// `except` may close what other policies open.
fn keep_prefixes(set: &mut BTreeMap<Slot, Desired>, live: &Live) {
    if let Some(desired) = set.get_mut(&Slot::of(&live.policy.key))
        && !ranges::has_except(&live.policy)
    {
        ranges::write_in_prefixes(&mut desired.policy);
    }
}

fn is_missing(role: Role, effective: &Effective, facts: &Facts, scope: &Scope) -> bool {
    let known = match role {
        Role::ApiServer => facts.api_server.value().is_some(),
        Role::Lookups | Role::Serving | Role::Upstream => facts.dns.value().is_some(),
        Role::Scraped | Role::Scraping => facts.monitoring.value().is_some(),
    };
    let wanted = role.allowance(&effective.allow).filter(|allowance| allowance.instead.is_none());
    !known && wanted.is_some_and(|allowance| scope.enforced(role.direction(), &allowance.pods).is_some())
}

fn is_egress_bridge(live: &Live) -> bool {
    live.policy.key.name.starts_with(naming::BRIDGE) && live.policy.isolates(Direction::Egress)
}

fn silent(role: Role, why: &str) -> Finding {
    Finding::new(
        FindingName::FactKept,
        format!("{}: {why}; the policies keep what they allow until it is known again", role.subject()),
    )
}

fn unproven(role: Role) -> Finding {
    Finding::new(
        FindingName::FactKept,
        format!("{} moved, and its new place is not ready; both are allowed until it is", role.subject()),
    )
}

fn held(role: Role) -> Finding {
    Finding::new(
        FindingName::FactKept,
        format!(
            "{} is not known, and only bridges may still allow it; nothing is written until it is known again",
            role.subject()
        ),
    )
}
