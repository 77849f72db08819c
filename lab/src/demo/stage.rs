//! Where the story is played: what is done to the cluster, waited for, and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use lab::ControlPlane;
use lab::operator::{NAMESPACE, SERVICE_ACCOUNT};
use netbaseline::api::{DirectionStatus, NetworkBaseline, NetworkBaselineStatus, Phase, names};
use netbaseline::policy::Verdict;
use serde_json::{Value, json};

use super::moment::Moment;
use super::narrate::{Mark, Narrator, in_words};
use super::reach::{Answers, QUESTIONS};

/// How long anything promised may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it is there.
const PACE: Duration = Duration::from_millis(25);
/// Who plays the people of the story.
const TEAM: &str = "team";

/// How much of the reachability a stop shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Every connection.
    All,
    /// Those that have another answer than before.
    Changed,
}

/// The cluster, what the reader was last shown of it, and the voice.
pub(super) struct Stage<'a> {
    pub(super) plane: &'a ControlPlane,
    pub(super) client: Client,
    pub(super) narrator: Narrator,
    shown: Moment,
    answers: Answers,
    told: BTreeMap<String, NetworkBaselineStatus>,
    explained: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    /// Begins with the cluster as it is.
    pub(super) async fn new(plane: &'a ControlPlane, client: Client, narrator: Narrator) -> anyhow::Result<Self> {
        let shown = Moment::read(&client).await?;
        let answers = Answers::of(&shown)?;
        Ok(Self { plane, client, narrator, shown, answers, told: BTreeMap::new(), explained: BTreeSet::new() })
    }

    /// Baselines of a namespace.
    pub(super) fn baselines(&self, namespace: &str) -> Api<NetworkBaseline> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A team writes a phase into its baseline.
    pub(super) async fn set_phase(&self, namespace: &str, phase: Phase) -> anyhow::Result<()> {
        self.narrator.did(&format!("in Git: {namespace}/default, spec.rollout.phase: {phase:?}"));
        self.patch(namespace, json!({"spec": {"rollout": {"phase": phase}}})).await
    }

    /// Somebody changes a baseline.
    pub(super) async fn patch(&self, namespace: &str, change: Value) -> anyhow::Result<()> {
        let as_team = PatchParams { field_manager: Some(TEAM.to_owned()), ..PatchParams::default() };
        let patched = self.baselines(namespace).patch(names::BASELINE_NAME, &as_team, &Patch::Merge(change)).await;
        patched.with_context(|| format!("changing the baseline of {namespace}"))?;
        Ok(())
    }

    /// Waits until the status of a baseline speaks of its present spec and is as promised.
    pub(super) async fn settled(
        &self,
        namespace: &str,
        promise: &str,
        holds: impl Fn(&NetworkBaselineStatus) -> bool,
    ) -> anyhow::Result<NetworkBaselineStatus> {
        let began = Instant::now();
        loop {
            let baseline = self.baselines(namespace).get(names::BASELINE_NAME).await;
            let baseline = baseline.with_context(|| format!("reading the baseline of {namespace}"))?;
            let generation = baseline.meta().generation;
            let status = baseline.status.unwrap_or_default();
            if status.observed_generation == generation && holds(&status) {
                self.narrator.took(promise, began.elapsed());
                return Ok(status);
            }
            ensure!(began.elapsed() < PATIENCE, "not within {}: {promise}; status: {status:#?}", in_words(PATIENCE));
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits for something else than a status.
    pub(super) async fn until<T>(
        &self,
        promise: &str,
        look: impl AsyncFn() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        loop {
            if let Some(seen) = look().await? {
                self.narrator.took(promise, began.elapsed());
                return Ok(seen);
            }
            ensure!(began.elapsed() < PATIENCE, "not within {}: {promise}", in_words(PATIENCE));
            tokio::time::sleep(PACE).await;
        }
    }

    /// The cluster now.
    pub(super) async fn look(&self) -> anyhow::Result<Moment> {
        Moment::read(&self.client).await
    }

    /// Shows what is different from what was last shown: policies, status, findings, and who reaches whom.
    pub(super) async fn show(&mut self, namespace: &str, reach: Reach) -> anyhow::Result<()> {
        let now = self.look().await?;
        self.show_policies(&now, namespace);
        if let Some(baseline) = self.baselines(namespace).get_opt(names::BASELINE_NAME).await? {
            let status = baseline.status.unwrap_or_default();
            self.show_status(namespace, &status);
            self.told.insert(namespace.to_owned(), status);
        }
        let answers = Answers::of(&now)?;
        self.show_reach(&answers, reach);
        (self.shown, self.answers) = (now, answers);
        Ok(())
    }

    fn show_policies(&mut self, now: &Moment, namespace: &str) {
        let (changes, count) = (now.changes_since(&self.shown, namespace), now.of(namespace).count());
        let summary = match (changes.len(), count) {
            (0, 0) => format!("none of ours in {namespace}"),
            (0, _) => format!("{count} of ours in {namespace}, as before"),
            _ => format!("{count} of ours in {namespace} now"),
        };
        self.narrator.topic("policies:", summary);
        // A reason is told once; what only goes, or comes back, is one line of names.
        let (told, silent): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| match change.mark {
            Mark::Added => self.explained.insert(change.detail.clone()),
            Mark::Removed => false,
            Mark::Changed | Mark::Plain => true,
        });
        for change in told {
            self.narrator.item(change.mark, &change.name, &change.detail);
        }
        for mark in [Mark::Added, Mark::Removed] {
            let names = silent.iter().filter(|change| change.mark == mark).map(|change| change.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            if !names.is_empty() {
                self.narrator.item(mark, "", &names);
            }
        }
    }

    fn show_status(&self, namespace: &str, status: &NetworkBaselineStatus) {
        let before = self.told.get(namespace).cloned().unwrap_or_default();
        let direction = |of: &Option<DirectionStatus>| {
            of.as_ref().map_or_else(String::new, |is| format!("{:?} (isolated: {})", is.phase, is.isolated))
        };
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        let ready = ready.map_or_else(String::new, |ready| format!("Ready={} {}", ready.status, ready.reason));
        let phases = match (direction(&status.ingress), direction(&status.egress)) {
            (ingress, egress) if ingress == egress => format!("both directions {ingress}"),
            (ingress, egress) => format!("ingress {ingress}, egress {egress}"),
        };
        self.narrator.topic("status:  ", format!("{phases}, {ready}"));
        let names = |status: &NetworkBaselineStatus| -> BTreeSet<(String, String)> {
            status.findings.iter().map(|finding| (finding.name.clone(), finding.message.clone())).collect()
        };
        let (had, has) = (names(&before), names(status));
        let summary = match (has.len(), had == has) {
            (0, _) => "none".to_owned(),
            (_, true) => "as before".to_owned(),
            (count, false) => count.to_string(),
        };
        self.narrator.topic("findings:", summary);
        for (name, message) in has.difference(&had) {
            self.narrator.item(Mark::Added, name, message);
        }
        for (name, _) in had.difference(&has).filter(|(name, _)| !has.iter().any(|(stands, _)| stands == name)) {
            self.narrator.item(Mark::Removed, name, "no longer stands");
        }
    }

    fn show_reach(&self, answers: &Answers, reach: Reach) {
        let (allowed, changed) = (answers.allowed(), answers.changed_since(&self.answers));
        let total = QUESTIONS.len();
        let news = match changed {
            0 => "all as before".to_owned(),
            count => format!("{count} changed"),
        };
        self.narrator.topic("reach:   ", format!("{allowed} of {total} connections are allowed, {news}"));
        if reach == Reach::All || changed > 0 {
            self.narrator.table(&answers.table(&self.answers, reach == Reach::All));
        }
    }

    /// The operator's policies as last shown.
    pub(super) fn shown(&self) -> &Moment {
        &self.shown
    }

    /// A promise about what was last shown.
    pub(super) fn promise(&self, from: &str, to: &str, wanted: Verdict) -> anyhow::Result<()> {
        let verdict = self.answers.verdict(from, to)?;
        ensure!(verdict == wanted, "promised that {from} to {to} is {wanted}, and it is {verdict}");
        Ok(())
    }

    /// What the operator wrote to policies of a namespace since then, by the API server's audit log.
    pub(super) fn writes_since(&self, since: Timestamp, namespace: &str) -> anyhow::Result<Vec<(String, String)>> {
        let operator = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
        let events = self.plane.audit()?.into_iter().filter(|event| event.wrote() && event.is_about("networkpolicies"));
        let ours = events.filter(|event| event.user.username == operator && event.request_received_timestamp >= since);
        let named = ours.filter_map(|event| event.object_ref.map(|object| (event.verb, object)));
        let here = named.filter(|(_, object)| object.namespace == namespace);
        Ok(here.map(|(verb, object)| (verb, object.name)).collect())
    }
}
