//! The writes between the live policies and the target, sorted by what they do, and the order of a plan.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::{Direction, Policy, PolicyKey};

use super::bridge::{Bridges, Names, is_bridge};
use super::{Desired, Live, Step};

/// Where a plan waits.
#[derive(Clone, Copy)]
pub(super) struct Pauses {
    /// Between stages that depend on each other.
    pub(super) between_stages: bool,
    /// Also between what an object adds and what another removes.
    pub(super) before_narrowing: bool,
}

/// All writes, by stage, in the order in which the stages run.
#[derive(Default)]
pub(super) struct Stages {
    /// Supplements that add, and stand-ins for those that are created anew.
    supplements: Vec<Desired>,
    /// What isolates nobody: rules for pods that are isolated already, and marks. Safe at any moment and never held up.
    widen: Vec<Desired>,
    /// Policies of the target that are bridges for good: each carries everything itself, so it leans on no other.
    pieces: Vec<Desired>,
    /// What isolates pods, with the most rules first: an object that carries all of them may go before a bare deny.
    isolate: Vec<Desired>,
    /// Objects whose pod selector moved. Engines follow an edit of it late, so they are deleted and created.
    recreate: Vec<Desired>,
    /// What takes rules or isolation away, the one with the fewest rules first.
    narrow: Vec<Step>,
    /// Bridges that an earlier plan left, the one with the fewest rules first.
    leftover_bridges: Vec<PolicyKey>,
    /// Supplements whose pod selector moved; their stand-ins are in force by now.
    recreate_supplements: Vec<Desired>,
    /// Supplements that leave, stand-ins too, or lose rules.
    narrow_supplements: Vec<Step>,
    /// Whether the target has supplements: pods must not depend on them before they are in force.
    needs_supplements: bool,
}

impl Stages {
    pub(super) fn between(live: &[Live], target: &[Desired], names: &Names<'_>) -> Self {
        let mut stages = Self { needs_supplements: target.iter().any(|t| !t.policy.isolates), ..Self::default() };
        let by_key: BTreeMap<&PolicyKey, &Live> = live.iter().map(|live| (&live.policy.key, live)).collect();
        let wanted: BTreeMap<&PolicyKey, &Desired> = target.iter().map(|target| (&target.policy.key, target)).collect();
        let mut narrow: Vec<(&Policy, Step)> = Vec::new();
        for (&key, &desired) in &wanted {
            let Some(had) = by_key.get(key) else {
                stages.add(desired.clone(), live);
                continue;
            };
            let (before, after) = (&had.policy, &desired.policy);
            if before.pod_selector != after.pod_selector || before.isolates != after.isolates {
                stages.recreate(desired, names, &by_key);
                continue;
            }
            match (adds(before, after), adds(after, before)) {
                (true, true) => {
                    stages.add(Desired { policy: union(before, after), ..desired.clone() }, live);
                    narrow.push((before, Step::Apply(desired.clone())));
                }
                (true, false) => stages.add(desired.clone(), live),
                (false, true) => narrow.push((before, Step::Apply(desired.clone()))),
                (false, false) if !had.is_marked(desired) => stages.add(desired.clone(), live),
                (false, false) => {}
            }
        }
        let leaves = by_key.iter().filter(|(key, _)| !wanted.contains_key(**key));
        narrow.extend(leaves.map(|(&key, had)| (&had.policy, Step::Delete(key.clone()))));
        stages.isolate.sort_by_key(|desired| Reverse(size(&desired.policy)));
        narrow.sort_by_key(|(had, _)| size(had));
        for (had, step) in narrow {
            match step {
                step if !had.isolates => stages.narrow_supplements.push(step),
                Step::Delete(key) if is_bridge(&key) => stages.leftover_bridges.push(key),
                step => stages.narrow.push(step),
            }
        }
        stages
    }

    fn add(&mut self, desired: Desired, live: &[Live]) {
        let policy = &desired.policy;
        let isolated_already = |direction| {
            live.iter().any(|live| {
                live.policy.isolates(direction)
                    && !is_bridge(&live.policy.key)
                    && policy.pod_selector.is_subset(&live.policy.pod_selector)
            })
        };
        if !policy.isolates {
            self.supplements.push(desired);
        } else if Direction::BOTH.iter().all(|&direction| !policy.isolates(direction) || isolated_already(direction)) {
            self.widen.push(desired);
        } else if is_bridge(&policy.key) {
            self.pieces.push(desired);
        } else {
            self.isolate.push(desired);
        }
    }

    fn recreate(&mut self, desired: &Desired, names: &Names<'_>, live: &BTreeMap<&PolicyKey, &Live>) {
        if desired.policy.isolates {
            self.recreate.push(desired.clone());
            return;
        }
        // No NetworkPolicy can stand in for a supplement, but supplements only add, so a copy of it can.
        let stand_in = names.bridge(desired.policy.clone(), &self.supplements);
        self.recreate_supplements.push(desired.clone());
        if !live.contains_key(&stand_in.policy.key) {
            self.narrow_supplements.push(Step::Delete(stand_in.policy.key.clone()));
        }
        if !names.is_live(&stand_in) {
            self.supplements.push(stand_in);
        }
    }

    /// The plan over these bridges; without any it is the direct order.
    pub(super) fn steps(&self, bridges: &Bridges, pauses: Pauses) -> Vec<Step> {
        let switches = !(self.isolate.is_empty() && self.recreate.is_empty() && self.narrow.is_empty());
        let leftover =
            self.leftover_bridges.iter().filter(|key| !bridges.of_new.contains(key) && !bridges.of_old.contains(key));
        let leaving: Vec<&PolicyKey> = bridges.of_new.iter().chain(leftover).chain(&bridges.of_old).collect();
        let mut steps = Sequence { steps: Vec::new(), pauses: pauses.between_stages };

        steps.apply(&self.supplements);
        steps.apply(&self.widen);
        steps.pause_if(self.needs_supplements && (switches || !self.pieces.is_empty()));
        steps.apply(&bridges.missing);
        steps.apply(&self.pieces);
        steps.pause_if(!leaving.is_empty() && switches);
        steps.apply(&self.isolate);
        steps.recreate(&self.recreate);
        steps.pause_if(pauses.before_narrowing && !self.narrow.is_empty());
        steps.extend(&self.narrow);
        steps.pause_if(!leaving.is_empty());
        steps.steps.extend(leaving.into_iter().cloned().map(Step::Delete));
        steps.pause_if(!self.recreate_supplements.is_empty());
        steps.recreate(&self.recreate_supplements);
        steps.pause_if(!self.narrow_supplements.is_empty());
        steps.extend(&self.narrow_supplements);
        steps.steps
    }
}

struct Sequence {
    steps: Vec<Step>,
    pauses: bool,
}

impl Sequence {
    fn apply(&mut self, desired: &[Desired]) {
        self.steps.extend(desired.iter().cloned().map(Step::Apply));
    }

    fn recreate(&mut self, desired: &[Desired]) {
        let anew = |desired: &Desired| [Step::Delete(desired.policy.key.clone()), Step::Apply(desired.clone())];
        self.steps.extend(desired.iter().flat_map(anew));
    }

    fn extend(&mut self, steps: &[Step]) {
        self.steps.extend_from_slice(steps);
    }

    /// Also as the very first step: what the next steps depend on may have been written a moment ago by a plan that
    /// was interrupted.
    fn pause_if(&mut self, depends: bool) {
        if depends && self.pauses && self.steps.last() != Some(&Step::Await) {
            self.steps.push(Step::Await);
        }
    }
}

/// Whether `after` has a rule, or isolates in a direction, that `before` does not.
fn adds(before: &Policy, after: &Policy) -> bool {
    Direction::BOTH.iter().any(|&direction| {
        after.rules(direction).is_some()
            && (before.rules(direction).is_none() || !after.atoms(direction).is_subset(&before.atoms(direction)))
    })
}

/// `after` with the rules that only `before` has.
fn union(before: &Policy, after: &Policy) -> Policy {
    let mut policy = after.clone();
    for direction in Direction::BOTH {
        let rules = match (before.rules(direction), after.rules(direction)) {
            (None, None) => None,
            (had, has) => {
                let has = has.unwrap_or_default();
                let only = had.unwrap_or_default().iter().filter(|rule| !has.contains(rule));
                Some(has.iter().chain(only).cloned().collect())
            }
        };
        policy.set_rules(direction, rules);
    }
    policy
}

fn size(policy: &Policy) -> usize {
    Direction::BOTH.iter().map(|&direction| policy.atoms(direction).len()).sum()
}
