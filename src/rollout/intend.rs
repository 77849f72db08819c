//! What to do about one namespace now: from what was seen to a plan, without a clock and without the network.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::decide::decide;
use crate::api::{self, Builtin, DeletionPolicy, Effective, FactStatus, Hold, NetworkBaseline, Phase};
use crate::baseline::{self, Retained};
use crate::discovery::Facts;
use crate::findings::{self, Finding, FindingName};
use crate::model::Enforced;
use crate::model::{Direction, Policy, PolicyKey, Snapshot};
use crate::plan::{self, Desired, Live, Pace, Plan, PlanError, Step};

/// Everything that was seen.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The baseline.
    pub baseline: &'a NetworkBaseline,
    /// The cluster.
    pub snapshot: &'a Snapshot,
    /// What was discovered in it.
    pub facts: &'a Facts,
    /// Our policies in the namespace, read past every cache.
    pub live: &'a [Live],
    /// The policies of others there.
    pub foreign: &'a BTreeSet<PolicyKey>,
    /// When.
    pub now: Timestamp,
}

/// Why nothing is written although something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// The spec cannot be honoured.
    Invalid,
    /// The owner asked for it.
    Suspended,
    /// Live bridges are all that carries a fact that is gone.
    FactGone,
    /// Nodes must be ready before bridges go.
    NodesNotReady,
    /// No safe order of writes exists.
    NoPlan,
    /// A rise is blocked, and what stands cannot be written anew as it is.
    Blocked,
}

/// What to do about one namespace.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The writes. Empty when nothing differs, or when frozen.
    pub plan: Plan,
    /// What hold-at does where its plan cannot be had or is refused: deletions alone, which nothing can refuse.
    pub last_resort: Option<Plan>,
    /// Why the plan is not carried out.
    pub frozen: Option<Frozen>,
    /// Whether a rise waits for a blocking finding to go.
    pub blocked: bool,
    /// The phase that spec, caps and hold-at ask for, per direction.
    pub desired: BTreeMap<Direction, Phase>,
    /// The set that is steered for; in phase Audit the one that Enforce would bring.
    pub shown: Vec<Desired>,
    /// What phase Enforce would do, where the baseline only audits.
    pub preview: Plan,
    /// Hash of what the spec asks for, the same in every cluster.
    pub hash: String,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// What was discovered.
    pub facts: Vec<FactStatus>,
    /// The annotation that caps the phase.
    pub hold: Option<Hold>,
    /// When to look again though nothing changes.
    pub next: Option<Timestamp>,
}

/// What to do about one namespace now.
pub fn intend(situation: &Situation<'_>) -> Intent {
    if situation.baseline.metadata.deletion_timestamp.is_some() {
        return leave(situation);
    }
    match api::validate(situation.baseline) {
        Ok(effective) => Judgement::new(situation, &effective).intent(),
        Err(faults) => {
            let message = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            keep_last_good(situation, Finding::new(FindingName::InvalidSpec, message))
        }
    }
}

/// The baseline goes: so do its policies, unless they are to stay.
fn leave(situation: &Situation<'_>) -> Intent {
    let keep = situation.baseline.spec.deletion_policy == Some(DeletionPolicy::Keep);
    let plan = if keep { Ok(Plan::default()) } else { plan_to(situation, &[], Pace::Careful) };
    Intent::bare(situation, plan)
}

/// A spec that cannot be honoured changes nothing; the annotation that empties a namespace needs no spec.
fn keep_last_good(situation: &Situation<'_>, fault: Finding) -> Intent {
    let empties = Hold::of(situation.baseline).is_some_and(|hold| hold.at <= Phase::Audit);
    let plan = if empties { plan_to(situation, &[], Pace::Urgent) } else { Ok(Plan::default()) };
    let mut intent = Intent::bare(situation, plan);
    intent.last_resort = empties.then(|| take_down(situation.live));
    intent.findings.insert(0, fault);
    intent.frozen = intent.frozen.or((!empties).then_some(Frozen::Invalid));
    intent
}

impl Intent {
    /// Whether no safe order of writes exists.
    pub fn has_no_plan(&self) -> bool {
        self.frozen == Some(Frozen::NoPlan)
    }

    fn bare(situation: &Situation<'_>, plan: Result<Plan, PlanError>) -> Self {
        let (plan, frozen, findings) = match plan {
            Ok(plan) => (plan, None, Vec::new()),
            Err(error) => (Plan::default(), Some(Frozen::NoPlan), vec![no_plan(&error)]),
        };
        let hold = Hold::of(situation.baseline);
        let desired = hold.as_ref().map_or(Phase::Off, |hold| hold.at.min(Phase::Audit));
        Self {
            plan,
            last_resort: None,
            frozen,
            blocked: false,
            desired: Direction::BOTH.map(|direction| (direction, desired)).into(),
            shown: Vec::new(),
            preview: Plan::default(),
            hash: String::new(),
            findings,
            facts: Vec::new(),
            hold,
            next: None,
        }
    }
}

/// Deletions alone, those that admit least first: between the first and the last some connections may fail, which in the night
/// of an outage is better than to stay isolated.
fn take_down(live: &[Live]) -> Plan {
    let admits = |live: &&Live| {
        let rules = Direction::BOTH.map(|direction| live.policy.atoms(direction).len());
        rules.iter().sum::<usize>()
    };
    let mut live: Vec<&Live> = live.iter().collect();
    live.sort_by_key(admits);
    let steps = live.into_iter().map(|live| Step::Delete(live.policy.key.clone())).collect();
    Plan { steps, ..Plan::default() }
}

/// What is enforced now, read from our live policies.
pub fn enforced(live: &[Live], direction: Direction) -> Enforced {
    let deny = live
        .iter()
        .find(|live| live.policy.isolates(direction) && live.policy.key.name.starts_with(baseline::DEFAULT_DENY))
        .map(|live| &live.policy);
    Enforced::by(live.iter().map(|live| &live.policy), deny, direction)
}

fn plan_to(situation: &Situation<'_>, target: &[Desired], pace: Pace) -> Result<Plan, PlanError> {
    plan::plan(situation.live, target, situation.facts.engine.capabilities, pace)
}

fn no_plan(error: &PlanError) -> Finding {
    match error {
        PlanError::TooManyClasses(many) => Finding::new(FindingName::TooManyClasses, many.to_string()),
        PlanError::Unproven(violation) => {
            Finding::new(FindingName::WriteRefused, format!("no safe order of writes was found: {violation}"))
        }
    }
}

/// Whom status last said to be isolated, where that is more than the live policies isolate: our own falls are told in status, so
/// somebody else took it away. Restoring it is repair and no rise. A status that is lost or in other words changes nothing.
fn told(situation: &Situation<'_>, effective: &Effective, direction: Direction, live: &Enforced) -> Enforced {
    let status = situation.baseline.status.as_ref();
    let told = status.and_then(|status| match direction {
        Direction::Ingress => status.ingress.as_ref(),
        Direction::Egress => status.egress.as_ref(),
    });
    let known = [Phase::Canary, Phase::Enforce].map(|phase| effective.enforced_at(phase));
    known
        .into_iter()
        .find(|known| live.is_within(known) && told.is_some_and(|told| told.isolated == known.to_string()))
        .unwrap_or_else(|| live.clone())
}

/// A valid spec held against what was seen.
struct Judgement<'a> {
    situation: &'a Situation<'a>,
    effective: &'a Effective,
    namespace: String,
    live: [Enforced; 2],
    /// What stands, but for what somebody took away from the live policies.
    stands: [Enforced; 2],
    findings: Vec<Finding>,
}

impl<'a> Judgement<'a> {
    fn new(situation: &'a Situation<'a>, effective: &'a Effective) -> Self {
        let live = Direction::BOTH.map(|direction| enforced(situation.live, direction));
        Self {
            situation,
            effective,
            namespace: situation.baseline.namespace().unwrap_or_default(),
            stands: [0, 1].map(|nth| told(situation, effective, Direction::BOTH[nth], &live[nth])),
            live,
            findings: Vec::new(),
        }
    }

    fn intent(mut self) -> Intent {
        let situation = self.situation;
        let desired = Direction::BOTH.map(|direction| self.effective.enforced_at(self.effective.phase(direction)));
        let shown = self.retained(&Direction::BOTH.map(|direction| self.shown_at(direction)));
        // A plan that runs is finished: half a switch is no place to stop.
        let running = plan::is_under_way(situation.live);
        let moves = running || (0..2).any(|nth| desired[nth] != self.live[nth]);
        self.findings = self.all_findings(&shown, moves);
        let preview = plan::plan(&[], &shown.policies, situation.facts.engine.capabilities, Pace::Careful);
        if let Err(error) = &preview {
            self.note(no_plan(error));
        }

        let blocked = self.findings.iter().any(|finding| finding.name.blocking());
        if blocked && self.would_forget_a_need() {
            self.stands = self.live.clone();
        }
        let rises = (0..2).any(|nth| !desired[nth].is_within(&self.stands[nth]));
        let steered = if blocked && !running {
            [0, 1].map(|nth| decide(desired[nth].clone(), &self.stands[nth], true))
        } else {
            desired
        };
        let falls = (0..2).any(|nth| !self.live[nth].is_within(&steered[nth]));
        let held_down = self.effective.hold.is_some() && falls;

        let target = self.retained(&steered);
        let pace = if held_down { Pace::Urgent } else { Pace::Careful };
        let (plan, mut frozen) = match plan_to(situation, &target.policies, pace) {
            Ok(plan) => (plan, None),
            Err(error) => {
                self.note(no_plan(&error));
                (Plan::default(), Some(Frozen::NoPlan))
            }
        };
        // Of a canary in several whole objects nobody can tell the selector, so it cannot be rendered to stand still.
        let in_pieces = situation.facts.engine.capabilities.delivers_in_pieces;
        let canary = self.live.iter().any(|live| matches!(live, Enforced::Canary(_)));
        let waits_for_nodes = running && !falls && self.has(FindingName::NodesNotReady);
        for (applies, reason) in [
            (blocked && rises && !running && in_pieces && canary, Frozen::Blocked),
            (target.hold, Frozen::FactGone),
            (waits_for_nodes, Frozen::NodesNotReady),
            (self.effective.suspend && !running && !held_down, Frozen::Suspended),
        ] {
            frozen = frozen.or((applies && !held_down && !plan.steps.is_empty()).then_some(reason));
        }

        let only_audits = plan.steps.is_empty() && preview.as_ref().is_ok_and(|plan| !plan.steps.is_empty());
        self.findings.sort();
        self.findings.dedup();
        Intent {
            plan,
            last_resort: (held_down && target.policies.is_empty()).then(|| take_down(situation.live)),
            frozen,
            blocked: blocked && rises && !running,
            desired: Direction::BOTH.map(|direction| (direction, self.effective.phase(direction))).into(),
            hash: baseline::target_hash(self.effective),
            preview: preview.ok().filter(|_| only_audits && !self.effective_enforces()).unwrap_or_default(),
            shown: shown.policies,
            facts: target.facts,
            hold: self.effective.hold.clone(),
            next: target.next,
            findings: self.findings,
        }
    }

    /// Whether restoring what somebody took away would isolate pods without the lookups that no fact tells of any more.
    fn would_forget_a_need(&self) -> bool {
        self.has(FindingName::NoDns)
            && !self
                .retained(&self.stands)
                .policies
                .iter()
                .any(|desired| desired.policy.key.name.starts_with(baseline::DNS))
    }

    fn effective_enforces(&self) -> bool {
        Direction::BOTH.iter().any(|&direction| self.effective.phase(direction) > Phase::Audit)
    }

    /// Whom the shown set isolates: those that spec asks for, and where it only audits, those that Enforce would.
    fn shown_at(&self, direction: Direction) -> Enforced {
        match self.effective.phase(direction) {
            Phase::Audit => Enforced::All,
            phase => self.effective.enforced_at(phase),
        }
    }

    /// The set for these pods, with what facts no longer say but live policies still allow.
    fn retained(&self, [ingress, egress]: &[Enforced; 2]) -> Retained {
        let Situation { facts, live, now, baseline, .. } = *self.situation;
        let rendered = baseline::render(self.effective, &self.namespace, facts, ingress, egress);
        let previous = baseline.status.as_ref().map_or(&[][..], |status| &status.facts);
        let mut retained = baseline::retain(rendered, live, facts, self.effective, previous, now);
        if facts.engine.capabilities.delivers_in_pieces
            && let Ok(pieces) = plan::in_one_piece(&retained.policies)
        {
            retained.policies = pieces;
        }
        retained
    }

    fn all_findings(&self, shown: &Retained, moves: bool) -> Vec<Finding> {
        let Situation { snapshot, facts, foreign, .. } = *self.situation;
        let policies: Vec<Policy> = shown.policies.iter().map(|desired| desired.policy.clone()).collect();
        let mut all = shown.findings.clone();
        let cluster = findings::cluster::findings(snapshot, facts, &self.namespace);
        all.extend(cluster.into_iter().filter(|finding| self.concerns(finding.name)));
        let (namespace, engine) = (self.namespace.as_str(), facts.engine.capabilities);
        all.extend(findings::foreign::findings(snapshot, namespace, &policies, engine));
        all.extend(findings::half_open::findings(snapshot, namespace, &self.effective.allow, &policies, engine));
        all.extend(findings::labels::findings(self.effective, engine));
        all.extend(findings::services::findings(snapshot, namespace, &policies, engine));
        let held: Vec<&PolicyKey> =
            policies.iter().map(|policy| &policy.key).filter(|key| foreign.contains(key)).collect();
        if !held.is_empty() {
            all.push(findings::name_conflict(held));
        }
        if moves {
            all.extend(findings::nodes::not_ready(snapshot, &facts.engine, &self.namespace));
        }
        all
    }

    /// What is not discovered matters only where the spec leaves it to discovery.
    fn concerns(&self, name: FindingName) -> bool {
        let discovered = |builtin: &Option<Builtin>| builtin.as_ref().is_some_and(|builtin| builtin.instead.is_none());
        match name {
            FindingName::NoDns => discovered(&self.effective.allow.dns),
            FindingName::MonitoringNotFound => discovered(&self.effective.allow.monitoring),
            _ => true,
        }
    }

    fn note(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn has(&self, name: FindingName) -> bool {
        self.findings.iter().any(|finding| finding.name == name)
    }
}
