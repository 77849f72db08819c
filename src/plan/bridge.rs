//! Bridges: one object per class of pods that carries everything a set allows them, so that each pod switches in one write.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::names;
use crate::model::{Direction, Policy, PolicyKey, PolicyKind, Rule};
use crate::policy::{Class, TooManyClasses, classes};

use super::{Desired, Live, hash};

/// The allowance label of bridges.
const ALLOWANCE: &str = "bridge";
/// The allowance label of objects that carry everything for good.
const WHOLE: &str = "whole";

/// The bridges of a plan.
#[derive(Default)]
pub(super) struct Bridges {
    /// Those that are not live yet.
    pub(super) missing: Vec<Desired>,
    /// The new set's, which leave first.
    pub(super) of_new: Vec<PolicyKey>,
    /// The old set's, which leave last: where the new set does not isolate, pods are open as soon as the last of these is gone.
    pub(super) of_old: Vec<PolicyKey>,
}

impl Bridges {
    /// Bridges that hold these classes while the objects of `old` become those of `new`.
    ///
    /// One bridge holds a class when its set isolates it in every direction that either set isolates: the state is then at
    /// all times like that set, with some rules of the other. Only a class that needs both gets both.
    pub(super) fn between<'a>(
        classes: impl IntoIterator<Item = &'a Class>,
        (old, new): (&[Policy], &[Policy]),
        names: &Names<'_>,
    ) -> Self {
        let (mut of_old, mut of_new) = (Vec::new(), Vec::new());
        for class in classes {
            let (from, to) = (in_one(class, old), in_one(class, new));
            let holds = |bridge: &Option<Policy>, other: &Option<Policy>| {
                let isolates = |policy: &Option<Policy>, direction| {
                    policy.as_ref().is_some_and(|policy| policy.isolates(direction))
                };
                Direction::BOTH.iter().all(|&direction| isolates(bridge, direction) || !isolates(other, direction))
            };
            match (holds(&to, &from), holds(&from, &to)) {
                (true, _) => of_new.extend(to),
                (false, true) => of_old.extend(from),
                (false, false) => {
                    of_new.extend(to);
                    of_old.extend(from);
                }
            }
        }
        let first_of_old = of_new.len();
        let mut bridges = Vec::new();
        for policy in of_new.into_iter().chain(of_old) {
            bridges.push(names.bridge(policy, &bridges));
        }
        let mut of_new: Vec<PolicyKey> = bridges.iter().map(|bridge| bridge.policy.key.clone()).collect();
        let of_old = of_new.split_off(first_of_old);
        Self { missing: bridges.into_iter().filter(|bridge| !names.is_live(bridge)).collect(), of_new, of_old }
    }
}

/// Whether a policy that the target does not have is a bridge of an earlier plan, by its name: marks can be lost.
pub fn is_bridge(key: &PolicyKey) -> bool {
    key.name.strip_prefix(names::POLICY_PREFIX).is_some_and(|rest| rest.starts_with("bridge-"))
}

/// Whether a plan is under way: a bridge lives that is not there for good.
pub fn is_under_way(live: &[Live]) -> bool {
    live.iter().any(|live| is_bridge(&live.policy.key) && live.allowance.as_ref() != WHOLE)
}

/// Which names are taken.
pub(super) struct Names<'a> {
    pub(super) live: &'a [Live],
    pub(super) target: &'a [Desired],
}

impl Names<'_> {
    /// The policy under a name made of its content, which no other policy of the target, of `beside` or alive holds.
    pub(super) fn bridge(&self, mut policy: Policy, beside: &[Desired]) -> Desired {
        for salt in 0.. {
            let name = format!("{}bridge-{}", names::POLICY_PREFIX, hash::of_content(&policy, salt));
            policy.key.name = Arc::from(name);
            let other = |live: &Live| live.policy.key == policy.key && !live.policy.means_the_same(&policy);
            let mut wanted = self.target.iter().chain(beside);
            if !wanted.any(|wanted| wanted.policy.key == policy.key) && !self.live.iter().any(other) {
                break;
            }
        }
        let reason = format!("everything the baseline allows pods {}, in one object", policy.pod_selector);
        Desired { policy, allowance: Arc::from(ALLOWANCE), reason }
    }

    /// Whether the object exists exactly as it should.
    pub(super) fn is_live(&self, desired: &Desired) -> bool {
        self.live.iter().any(|live| {
            live.policy.key == desired.policy.key
                && live.policy.means_the_same(&desired.policy)
                && live.is_marked(desired)
        })
    }
}

/// The bridge form of a set for good: one NetworkPolicy per class of pods, named by content, instead of one per concern.
/// For engines that deliver policies in pieces, where only such an object arrives whole. Supplements stay as they are.
///
/// # Errors
/// The pod selectors cut the pods into too many classes.
pub fn in_one_piece(target: &[Desired]) -> Result<Vec<Desired>, TooManyClasses> {
    let (isolating, supplements): (Vec<&Desired>, Vec<&Desired>) =
        target.iter().partition(|desired| desired.policy.isolates);
    let policies: Vec<Policy> = isolating.into_iter().map(|desired| desired.policy.clone()).collect();
    let mut pieces: Vec<Desired> = supplements.into_iter().cloned().collect();
    for class in classes(policies.iter().map(|policy| &policy.pod_selector))? {
        if let Some(policy) = in_one(&class, &policies) {
            let piece = Names { live: &[], target: &[] }.bridge(policy, &pieces);
            pieces.push(Desired { allowance: Arc::from(WHOLE), ..piece });
        }
    }
    Ok(pieces)
}

/// All that the isolating policies of a set say of one class, as one policy without a name. `None`: they do not isolate it.
fn in_one(class: &Class, set: &[Policy]) -> Option<Policy> {
    let selecting: Vec<&Policy> =
        set.iter().filter(|policy| policy.isolates && class.is_in(&policy.pod_selector)).collect();
    let rules = |direction| {
        let mut rules = selecting.iter().filter_map(|policy| policy.rules(direction)).peekable();
        rules.peek()?;
        let rules: BTreeSet<&Rule> = rules.flatten().filter(|rule| !rule.atoms().is_empty()).collect();
        Some(rules.into_iter().cloned().collect())
    };
    let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
    let namespace = selecting.first()?.key.namespace.clone();
    (ingress.is_some() || egress.is_some()).then(|| Policy {
        key: PolicyKey { kind: PolicyKind::NetworkPolicy, namespace, name: Arc::from("") },
        pod_selector: class.selector.clone(),
        ingress,
        egress,
        isolates: true,
    })
}
