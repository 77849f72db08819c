//! Live × target → ordered [`Step`]s, every prefix of them proven safe before the first write.
//!
//! ```text
//!  new supplements, wider rules · await · bridges · await · readable set · await · bridges leave · await · old supplements leave
//! ```
//!
//! Any NetworkPolicy that selects a pod isolates it, so the order of writes decides whether connections fail. The direct
//! order (add, then remove) comes first; pods for which the [proof](prove) refuses it get a *bridge*, one object that carries
//! everything a set allows them, and switch in the one write that creates or deletes it. A plan that does not prove
//! is never returned. A crash at any place leaves a state from which the same function plans the rest.

mod bits;
mod bridge;
mod hash;
mod proof;
mod show;
mod stages;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Policy, PolicyKey, Selector};
use crate::policy::{Capabilities, TooManyClasses};

pub use bridge::{in_one_piece, is_bridge, is_under_way};
pub use hash::hash;
pub use proof::{Breach, Violation, judge, prove};

use bridge::{Bridges, Names};
use proof::Proof;
use stages::{Pauses, Stages};

/// A policy that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// What it says.
    pub policy: Policy,
    /// The allowance it carries: value of the label `netbaseline.dev/allowance`.
    pub allowance: Arc<str>,
    /// Why it exists, in a sentence: value of the annotation `netbaseline.dev/reason`.
    pub reason: String,
}

/// A policy of ours that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What it says.
    pub policy: Policy,
    /// Its allowance label (empty when somebody removed it).
    pub allowance: Arc<str>,
    /// Its reason annotation (empty when somebody removed it).
    pub reason: String,
    /// Whether labels, annotations and managed fields are as the operator writes them for the baseline that lives.
    pub marks_intact: bool,
    /// UID, for deletion.
    pub uid: String,
    /// Resource version, for every write.
    pub resource_version: String,
    /// When it was created or last written by us, as far as the object tells.
    pub written: Option<Timestamp>,
}

impl Live {
    fn is_marked(&self, desired: &Desired) -> bool {
        self.marks_intact && self.allowance == desired.allowance && self.reason == desired.reason
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the policy, or change it in place.
    Apply(Desired),
    /// Delete the policy.
    Delete(PolicyKey),
    /// Let everything written before come into force on every node. A plan may begin with it: the writes that its next steps
    /// depend on may be those of an earlier plan, deletions included, which leave no trace in the live objects.
    Await,
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With an [`Await`](Step::Await) wherever a step depends on those before.
    Careful,
    /// Without: an outage is going on. The order of the writes is the same.
    Urgent,
}

/// An order of writes from the live policies to the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps. Empty: nothing to do.
    pub steps: Vec<Step>,
    /// The pods that need a bridge, and why.
    pub bridged: Vec<Bridged>,
}

/// Pods that no direct order would keep safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridged {
    /// The pods.
    pub class: Selector,
    /// What the direct order would do to them.
    pub why: Violation,
}

/// Why there is no plan. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The pod selectors cut the pods into more classes than can be judged.
    #[error(transparent)]
    TooManyClasses(#[from] TooManyClasses),
    /// A state on the way is not safe.
    #[error("unsafe: {0}")]
    Unproven(Violation),
}

/// The writes that lead from the live policies to the target, each prefix of them proven by [`prove`].
///
/// An empty plan means that nothing differs. `engine` decides where a plan waits: nowhere when the engine needs no time to settle, and
/// also between adding and removing when it delivers policies in pieces.
///
/// # Errors
/// Too many classes, or a violation that no bridge prevents (a defect: one object per class always can).
pub fn plan(live: &[Live], target: &[Desired], engine: &Capabilities, pace: Pace) -> Result<Plan, PlanError> {
    let old: Vec<Policy> = live.iter().map(|live| live.policy.clone()).collect();
    let new: Vec<Policy> = target.iter().map(|target| target.policy.clone()).collect();
    let between_stages = pace == Pace::Careful && !engine.settle.is_zero();
    let pauses = Pauses { between_stages, before_narrowing: engine.delivers_in_pieces };
    let names = Names { live, target };
    let stages = Stages::between(live, target, &names);
    let steps = stages.steps(&Bridges::default(), pauses);
    if steps.is_empty() {
        return Ok(Plan::default());
    }
    let proof = Proof::new(&old, &new, std::iter::empty())?;
    let refused = proof.violations(&steps);
    let Some((_, first)) = refused.first().cloned() else {
        return Ok(Plan { steps, bridged: Vec::new() });
    };
    let bridged = || refused.iter().map(|(class, why)| (&proof.classes()[*class], why));
    let mut unproven = first;
    for classes in [bridged().map(|(class, _)| class).collect(), proof.classes().iter().collect::<Vec<_>>()] {
        let steps = stages.steps(&Bridges::between(classes, (&old, &new), &names), pauses);
        match proof.violations(&steps).into_iter().next() {
            None => {
                let bridged = bridged().map(|(class, why)| Bridged { class: class.selector.clone(), why: why.clone() });
                return Ok(Plan { steps, bridged: bridged.collect() });
            }
            Some((_, violation)) => unproven = violation,
        }
    }
    Err(PlanError::Unproven(unproven))
}
