//! Carries out a plan as far as it may go now: nothing is decided here but whether a write is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::info;

use super::context::Context;
use super::error::Error;
use crate::cluster::{Failure, Inventory, Mode, Version};
use crate::findings::{self, Finding, FindingName};
use crate::model::{PolicyKey, PolicyKind};
use crate::plan::{Desired, Plan, Step};
use crate::telemetry::WriteLabels;

/// How far a plan went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To its end.
    Done,
    /// To a step that waits until what was written is in force.
    Waiting(Duration),
    /// Not on, the reason: no write but those that were done before it.
    Refused(Finding),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// How far the plan went.
    pub progress: Progress,
    /// What was written, in words.
    pub written: Vec<String>,
}

/// The plan of one namespace, and what it was made on.
pub struct Order<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// UID of the baseline that the policies are written for.
    pub baseline_uid: &'a str,
    /// The policies the plan starts from.
    pub inventory: &'a Inventory,
    /// The plan.
    pub plan: &'a Plan,
    /// How long a change takes to be in force.
    pub settle: Duration,
}

/// Carries out a plan up to the first step that must wait.
pub async fn execute(order: &Order<'_>, ctx: &Context) -> Result<Execution, Error> {
    if let Some(finding) = refusal(order, ctx).await? {
        return Ok(Execution { progress: Progress::Refused(finding), written: Vec::new() });
    }
    let mut versions = versions(order.inventory);
    let mut written = Vec::new();
    for step in &order.plan.steps {
        match step {
            Step::Await => {
                if let Some(left) = ctx.last_writes.left_of(order.settle, order.namespace) {
                    return Ok(Execution { progress: Progress::Waiting(left), written });
                }
            }
            Step::Apply(desired) => {
                let key = &desired.policy.key;
                let version = versions.get(key);
                ctx.may_write()?;
                let outcome = ctx.cluster.apply_policy(desired, order.baseline_uid, version, Mode::Real).await;
                match note(order, ctx, key, "apply", outcome)? {
                    Written::Done(version) => versions.insert(key.clone(), version),
                    Written::Refused(finding) => {
                        return Ok(Execution { progress: Progress::Refused(finding), written });
                    }
                };
                written.push(step.to_string());
            }
            Step::Delete(key) => {
                let Some(version) = versions.remove(key) else { continue };
                ctx.may_write()?;
                let outcome = ctx.cluster.delete_policy(key, &version).await;
                if let Written::Refused(finding) = note(order, ctx, key, "delete", outcome)? {
                    return Ok(Execution { progress: Progress::Refused(finding), written });
                }
                written.push(step.to_string());
            }
        }
    }
    Ok(Execution { progress: Progress::Done, written })
}

/// What came of a write that was answered.
enum Written<T> {
    Done(T),
    /// No dry run foresaw it: deletions have none, and rights and quotas change.
    Refused(Finding),
}

fn note<T>(
    order: &Order<'_>,
    ctx: &Context,
    key: &PolicyKey,
    verb: &'static str,
    outcome: Result<T, Failure>,
) -> Result<Written<T>, Error> {
    // Also after a failure: a request without an answer may have been done.
    ctx.last_writes.note(order.namespace);
    let label = if outcome.is_ok() { "ok" } else { "failed" };
    let labels = WriteLabels { kind: key.kind.name(), verb, outcome: label };
    ctx.metrics.writes.get_or_create(&labels).inc();
    match outcome {
        Ok(done) => {
            info!(policy = %key, verb, "policy written");
            Ok(Written::Done(done))
        }
        Err(Failure::Refused(reason)) => {
            Ok(Written::Refused(Finding::new(FindingName::WriteRefused, format!("{verb} {key}: {reason}"))))
        }
        Err(failure) => Err(Error::Write { verb, key: key.clone(), failure }),
    }
}

fn versions(inventory: &Inventory) -> BTreeMap<PolicyKey, Version> {
    inventory
        .ours
        .iter()
        .map(|live| {
            let version = Version { uid: live.uid.clone(), resource_version: live.resource_version.clone() };
            (live.policy.key.clone(), version)
        })
        .collect()
}

/// Looks for everything that would stop the plan half way, before its first write.
async fn refusal(order: &Order<'_>, ctx: &Context) -> Result<Option<Finding>, Error> {
    let applied: Vec<&Desired> = order
        .plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Apply(desired) => Some(desired),
            Step::Delete(_) | Step::Await => None,
        })
        .collect();
    let held: Vec<&PolicyKey> =
        applied.iter().map(|desired| &desired.policy.key).filter(|key| order.inventory.foreign.contains(key)).collect();
    if !held.is_empty() {
        return Ok(Some(findings::name_conflict(held)));
    }
    let versions = versions(order.inventory);
    let created: BTreeSet<&PolicyKey> = applied
        .iter()
        .map(|desired| &desired.policy.key)
        .filter(|key| key.kind == PolicyKind::NetworkPolicy && !versions.contains_key(key))
        .collect();
    if !created.is_empty()
        && let Some(room) = ctx.cluster.quota(order.namespace).await.map_err(Error::Read)?
        && i64::try_from(created.len()).is_ok_and(|count| count > room)
    {
        let message = format!(
            "the plan creates {} NetworkPolicies for a time and the ResourceQuota of namespace {} admits {room} more: \
             raise count/networkpolicies.networking.k8s.io",
            created.len(),
            order.namespace,
        );
        return Ok(Some(Finding::new(FindingName::WriteRefused, message)));
    }
    for desired in applied {
        let key = &desired.policy.key;
        let version = versions.get(key);
        match ctx.cluster.apply_policy(desired, order.baseline_uid, version, Mode::DryRun).await {
            Ok(_) => {}
            Err(Failure::Refused(reason)) => {
                return Ok(Some(Finding::new(FindingName::WriteRefused, format!("{key}: {reason}"))));
            }
            Err(failure) => return Err(Error::Write { verb: "dry-run", key: key.clone(), failure }),
        }
    }
    Ok(None)
}
