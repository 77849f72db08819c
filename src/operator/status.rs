//! What a reconcile tells: the status, written only when it differs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::conditions::Verdict;
use super::error::Error;
use super::execute::Progress;
use crate::api::names::STATUS_MANAGER;
use crate::api::{DirectionStatus, FindingStatus, NetworkBaseline, NetworkBaselineStatus, Phase, TargetStatus};
use crate::cluster::Cluster;
use crate::findings::Finding;
use crate::model::Direction;
use crate::model::Enforced;
use crate::plan::{Live, Plan};
use crate::rollout::{Intent, enforced};

/// Most steps that status lists.
const MOST_STEPS: usize = 32;
/// Most findings that status lists.
const MOST_FINDINGS: usize = 64;
/// Longest message of a finding, in characters; the schema bounds what etcd has to hold.
const LONGEST_MESSAGE: usize = 1024;

/// What came of a reconcile.
pub struct Outcome<'a> {
    /// The baseline as it was read.
    pub baseline: &'a NetworkBaseline,
    /// What was intended.
    pub intent: &'a Intent,
    /// What came of it.
    pub progress: &'a Progress,
    /// The judgement.
    pub verdict: &'a Verdict,
    /// Our policies afterwards.
    pub live: &'a [Live],
    /// When.
    pub now: Timestamp,
}

impl Outcome<'_> {
    /// The status that says so.
    pub fn status(&self) -> NetworkBaselineStatus {
        let before = self.baseline.status.clone().unwrap_or_default();
        let generation = self.baseline.metadata.generation;
        let findings = self.findings();
        let [ingress, egress] = Direction::BOTH.map(|direction| Some(self.direction(direction)));
        let unchanged = before.ingress.as_ref().map(|had| &had.isolated) == ingress.as_ref().map(|is| &is.isolated)
            && before.egress.as_ref().map(|had| &had.isolated) == egress.as_ref().map(|is| &is.isolated);
        let since = before.since.clone().filter(|_| unchanged).unwrap_or(Time(self.now));
        NetworkBaselineStatus {
            observed_generation: generation,
            ingress,
            egress,
            since: Some(since),
            target: Some(self.target(&before)),
            facts: self.intent.facts.clone(),
            findings_total: count(findings.len()),
            findings: findings.iter().take(MOST_FINDINGS).map(finding_status).collect(),
            conditions: self.verdict.conditions(&before.conditions, generation, self.now),
        }
    }

    /// Every finding, that which stopped the plan among them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.intent.findings.clone();
        if let Progress::Refused(finding) = self.progress
            && !findings.iter().any(|stands| stands.name == finding.name)
        {
            findings.push(finding.clone());
        }
        findings
    }

    /// The phase that the live policies hold.
    pub fn phases(&self) -> BTreeMap<Direction, Phase> {
        Direction::BOTH.map(|direction| (direction, self.direction(direction).phase)).into()
    }

    fn direction(&self, direction: Direction) -> DirectionStatus {
        let desired = self.intent.desired.get(&direction).copied().unwrap_or_default();
        let isolated = enforced(self.live, direction);
        let phase = match isolated {
            Enforced::None => desired.min(Phase::Audit),
            Enforced::Canary(_) => Phase::Canary,
            Enforced::All => Phase::Enforce,
        };
        DirectionStatus { phase, desired, isolated: isolated.to_string() }
    }

    fn target(&self, before: &NetworkBaselineStatus) -> TargetStatus {
        let pending: Vec<String> = if *self.progress != Progress::Done || self.intent.frozen.is_some() {
            left(&self.intent.plan, self.live)
        } else {
            left(&self.intent.preview, &[])
        };
        // An invalid spec has no hash: that of the last good one stays, as its policies do.
        let hash = Some(self.intent.hash.clone()).filter(|hash| !hash.is_empty());
        let before = before.target.clone().unwrap_or_default();
        TargetStatus {
            policies: if hash.is_some() {
                self.intent.shown.iter().map(|desired| desired.policy.key.name.to_string()).collect()
            } else {
                before.policies
            },
            hash: hash.unwrap_or(before.hash),
            pending_total: count(pending.len()),
            pending_steps: pending.into_iter().take(MOST_STEPS).collect(),
        }
    }
}

/// The steps of a plan that the live policies do not show as done.
fn left(plan: &Plan, live: &[Live]) -> Vec<String> {
    use crate::plan::Step;
    let mut left: Vec<&Step> = plan.steps.iter().collect();
    let done = plan.steps.iter().take_while(|step| match step {
        Step::Apply(desired) => {
            live.iter().any(|live| live.policy.key == desired.policy.key && live.policy.means_the_same(&desired.policy))
        }
        Step::Delete(key) => live.iter().all(|live| live.policy.key != *key),
        Step::Await => false,
    });
    left.drain(..done.count());
    left.into_iter().map(ToString::to_string).collect()
}

fn count(of: usize) -> Option<i64> {
    i64::try_from(of).ok()
}

fn finding_status(finding: &Finding) -> FindingStatus {
    let message = finding.message.chars().take(LONGEST_MESSAGE).collect();
    FindingStatus { name: format!("{:?}", finding.name), blocking: finding.name.blocking(), message }
}

/// Writes a status, unless it is what stands there.
pub async fn write(
    cluster: &Cluster,
    baseline: &NetworkBaseline,
    status: &NetworkBaselineStatus,
) -> Result<bool, Error> {
    if baseline.status.as_ref() == Some(status) {
        return Ok(false);
    }
    let namespace = baseline.namespace().ok_or(Error::Malformed("namespace"))?;
    let baselines: Api<NetworkBaseline> = Api::namespaced(cluster.client.clone(), &namespace);
    let patch = json!({
        "apiVersion": "netbaseline.dev/v1alpha1",
        "kind": "NetworkBaseline",
        "metadata": { "name": baseline.name_any(), "uid": baseline.metadata.uid },
        "status": status,
    });
    let params = PatchParams::apply(STATUS_MANAGER).force();
    let name = baseline.name_any();
    cluster.within_time(baselines.patch_status(&name, &params, &Patch::Apply(patch))).await.map_err(Error::Status)?;
    Ok(true)
}
