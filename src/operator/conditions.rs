//! The conditions of a baseline, after kstatus: a namespace that soaks for weeks is Ready, one that needs a person is Stalled.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::execute::Progress;
use crate::findings::FindingName;
use crate::rollout::{Frozen, Intent};

/// The types of condition. `Ready` and `Programmed` are always there, the others only while they are true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Nothing to do, and nobody is needed.
    Ready,
    /// Every policy of the set at its phase is there. Not: enforced on every node.
    Programmed,
    /// A plan runs, or waits for the engine.
    Reconciling,
    /// A person is needed.
    Stalled,
    /// A foreign object holds a name that the plan writes.
    Conflicted,
}

/// Why a baseline is as it is. Also the reason of Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Everything is as the spec asks.
    Converged,
    /// `hold-at` caps the phase.
    Held,
    /// The owner froze it.
    Suspended,
    /// A plan runs.
    Progressing,
    /// The baseline is being deleted.
    TearingDown,
    /// The spec cannot be honoured.
    InvalidSpec,
    /// A blocking finding stops a rise.
    Blocked,
    /// A foreign object holds a name.
    NameConflict,
    /// The API server refuses a write.
    WriteRefused,
    /// A fact is gone, and only bridges carry it.
    FactGone,
}

/// What holds after a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// Whether everything is there that should be.
    pub programmed: bool,
    conflicted: bool,
}

impl Reason {
    fn needs_a_person(self) -> bool {
        match self {
            Self::InvalidSpec | Self::Blocked | Self::NameConflict | Self::WriteRefused | Self::FactGone => true,
            Self::Converged | Self::Held | Self::Suspended | Self::Progressing | Self::TearingDown => false,
        }
    }

    fn works(self) -> bool {
        matches!(self, Self::Progressing | Self::TearingDown)
    }
}

/// Judges what came of an intent.
pub fn judge(intent: &Intent, progress: &Progress, deleting: bool) -> Verdict {
    let refused = match progress {
        Progress::Refused(finding) => Some(finding),
        Progress::Done | Progress::Waiting(_) => None,
    };
    let stands = |name| intent.findings.iter().chain(refused).find(|finding| finding.name == name);
    let conflicted = stands(FindingName::NameConflict).is_some();
    let done = *progress == Progress::Done && intent.frozen.is_none();
    let blocking = || intent.findings.iter().chain(refused).find(|finding| finding.name.blocking());

    let (reason, message) = if let Some(invalid) = stands(FindingName::InvalidSpec) {
        (Reason::InvalidSpec, invalid.message.clone())
    } else if deleting {
        (Reason::TearingDown, "the policies leave by their plan".to_owned())
    } else if let Some(finding) = refused {
        let reason =
            if finding.name == FindingName::NameConflict { Reason::NameConflict } else { Reason::WriteRefused };
        (reason, finding.message.clone())
    } else if let Some(finding) = blocking().filter(|_| intent.blocked || intent.frozen == Some(Frozen::NoPlan)) {
        let reason = if conflicted { Reason::NameConflict } else { Reason::Blocked };
        (reason, format!("{:?}: {}", finding.name, finding.message))
    } else if let Progress::Waiting(_) = progress {
        (Reason::Progressing, "waiting until what was written is in force on every node".to_owned())
    } else {
        match (intent.frozen, &intent.hold) {
            (Some(Frozen::FactGone), _) => {
                (Reason::FactGone, "a fact that no pod works without is gone; only bridges carry it".to_owned())
            }
            (Some(Frozen::NodesNotReady), _) => {
                (Reason::Progressing, "waiting for nodes before the bridges leave".to_owned())
            }
            (Some(Frozen::Suspended), _) => {
                (Reason::Suspended, format!("spec.suspend is true; {} steps wait", intent.plan.steps.len()))
            }
            (_, Some(hold)) => {
                let how = if hold.readable { "caps the phase" } else { "cannot be read and counts as Audit" };
                (Reason::Held, format!("annotation netbaseline.dev/hold-at={:?} {how}", hold.value))
            }
            (_, None) => (Reason::Converged, "the policies are as the spec asks".to_owned()),
        }
    };
    Verdict { reason, message, programmed: done && !reason.needs_a_person(), conflicted }
}

impl Verdict {
    /// The conditions, with the transition times of those that did not change.
    pub fn conditions(&self, before: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let stalled = self.reason.needs_a_person();
        let works = self.reason.works();
        let all = [
            (ConditionType::Ready, !stalled && !works, true),
            (ConditionType::Programmed, self.programmed, true),
            (ConditionType::Reconciling, works, false),
            (ConditionType::Stalled, stalled, false),
            (ConditionType::Conflicted, self.conflicted, false),
        ];
        all.into_iter()
            .filter(|(_, holds, always)| *holds || *always)
            .map(|(type_, holds, _)| {
                let (type_, status) = (format!("{type_:?}"), if holds { "True" } else { "False" });
                let same = before.iter().find(|had| had.type_ == type_ && had.status == status);
                Condition {
                    last_transition_time: same.map_or(Time(now), |had| had.last_transition_time.clone()),
                    message: self.message.clone(),
                    observed_generation: generation,
                    reason: format!("{:?}", self.reason),
                    status: status.to_owned(),
                    type_,
                }
            })
            .collect()
    }
}
