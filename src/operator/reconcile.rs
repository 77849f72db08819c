//! One pass over one baseline: a list of named steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use tracing::{Instrument, info_span, warn};

use super::conditions::judge;
use super::context::{Context, Moment};
use super::error::Error;
use super::execute::{Execution, Order, Progress, execute};
use super::status::Outcome;
use super::{events, finalizer, status};
use crate::api::NetworkBaseline;
use crate::cluster::Inventory;
use crate::model::Source;
use crate::plan::Step;
use crate::rollout::{Intent, Situation, intend};
use crate::telemetry::{ReconcileLabels, Standing};

/// Reconciles a baseline, and counts how it went.
pub async fn reconcile(baseline: Arc<NetworkBaseline>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let namespace = baseline.namespace().ok_or(Error::Malformed("namespace"))?;
    let span = info_span!("reconcile", namespace);
    let result = steps(&baseline, &namespace, &ctx).instrument(span).await;
    let label = match &result {
        Ok(_) => "ok",
        Err(error) => error.class(),
    };
    let labels = ReconcileLabels { result: label };
    ctx.metrics.reconciles.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    if result.is_ok() {
        ctx.attempts.succeeded(&namespace);
    }
    result
}

async fn steps(baseline: &NetworkBaseline, namespace: &str, ctx: &Context) -> Result<Action, Error> {
    let subject = Subject::of(baseline, namespace)?;
    let moment = ctx.moment();
    if subject.needs_no_plan(&moment) {
        return subject.let_go(ctx).await;
    }
    let inventory = subject.read(ctx, &moment).await?;
    let intent = subject.intend(&inventory, &moment);
    subject.prepare(&intent, ctx).await?;
    let execution = subject.execute(&intent, &inventory, &moment, ctx).await?;
    let inventory = subject.read_again(inventory, &execution, ctx, &moment).await?;
    if subject.is_gone(&intent, &execution) {
        return subject.let_go(ctx).await;
    }
    subject.tell(&intent, &execution, &inventory, ctx).await?;
    Ok(subject.next_look(&intent, &execution, ctx))
}

/// How long after a failure the next attempt is made.
pub fn after_failure(baseline: &NetworkBaseline, error: &Error, ctx: &Context) -> Action {
    let namespace = baseline.namespace().unwrap_or_default();
    let wait = ctx.attempts.failed(namespace.clone(), error.first_wait());
    let cause = std::error::Error::source(error).map(ToString::to_string);
    warn!(namespace, %error, cause, class = error.class(), ?wait, "reconcile failed");
    Action::requeue(wait)
}

/// The baseline that is reconciled.
struct Subject<'a> {
    baseline: &'a NetworkBaseline,
    namespace: &'a str,
    uid: &'a str,
    deleting: bool,
}

impl<'a> Subject<'a> {
    fn of(baseline: &'a NetworkBaseline, namespace: &'a str) -> Result<Self, Error> {
        let uid = baseline.metadata.uid.as_deref().ok_or(Error::Malformed("uid"))?;
        Ok(Self { baseline, namespace, uid, deleting: baseline.metadata.deletion_timestamp.is_some() })
    }

    /// A namespace that goes takes its pods and policies with it; what is being deleted without our finalizer has none.
    fn needs_no_plan(&self, moment: &Moment) -> bool {
        let terminating = moment.snapshot.namespaces.get(self.namespace).is_some_and(|namespace| namespace.terminating);
        self.deleting && (terminating || !finalizer::is_set(self.baseline))
    }

    async fn let_go(&self, ctx: &Context) -> Result<Action, Error> {
        ctx.board.note(self.namespace, None);
        if finalizer::is_set(self.baseline) {
            ctx.may_write()?;
            finalizer::remove(&ctx.cluster, self.baseline).await?;
        }
        Ok(Action::await_change())
    }

    async fn read(&self, ctx: &Context, moment: &Moment) -> Result<Inventory, Error> {
        let with_cilium = moment.snapshot.definitions.contains("ciliumnetworkpolicies.cilium.io");
        ctx.cluster.inventory(self.namespace, self.uid, with_cilium).await.map_err(Error::Read)
    }

    fn intend(&self, inventory: &Inventory, moment: &Moment) -> Intent {
        intend(&Situation {
            baseline: self.baseline,
            snapshot: &moment.snapshot,
            facts: &moment.facts,
            live: &inventory.ours,
            foreign: &inventory.foreign,
            now: Timestamp::now(),
        })
    }

    /// From the first policy on, deletion has to wait for its plan.
    async fn prepare(&self, intent: &Intent, ctx: &Context) -> Result<(), Error> {
        let writes = intent.frozen.is_none() && intent.plan.steps.iter().any(|step| matches!(step, Step::Apply(_)));
        if writes && !self.deleting && !finalizer::is_set(self.baseline) {
            ctx.may_write()?;
            finalizer::add(&ctx.cluster, self.baseline).await?;
        }
        Ok(())
    }

    async fn execute(
        &self,
        intent: &Intent,
        inventory: &Inventory,
        moment: &Moment,
        ctx: &Context,
    ) -> Result<Execution, Error> {
        let order = |plan| Order {
            namespace: self.namespace,
            baseline_uid: self.uid,
            inventory,
            plan,
            settle: ctx.settle(moment.facts.engine.capabilities),
        };
        let execution = if intent.frozen.is_some() {
            Execution { progress: Progress::Done, written: Vec::new() }
        } else {
            execute(&order(&intent.plan), ctx).await?
        };
        match &intent.last_resort {
            Some(plan) if intent.has_no_plan() || matches!(execution.progress, Progress::Refused(_)) => {
                execute(&order(plan), ctx).await
            }
            _ => Ok(execution),
        }
    }

    /// What is told is what is there, not what was meant.
    async fn read_again(
        &self,
        inventory: Inventory,
        execution: &Execution,
        ctx: &Context,
        moment: &Moment,
    ) -> Result<Inventory, Error> {
        if execution.written.is_empty() { Ok(inventory) } else { self.read(ctx, moment).await }
    }

    fn is_gone(&self, intent: &Intent, execution: &Execution) -> bool {
        self.deleting && intent.frozen.is_none() && execution.progress == Progress::Done
    }

    async fn tell(
        &self,
        intent: &Intent,
        execution: &Execution,
        inventory: &Inventory,
        ctx: &Context,
    ) -> Result<(), Error> {
        let verdict = judge(intent, &execution.progress, self.deleting);
        let outcome = Outcome {
            baseline: self.baseline,
            intent,
            progress: &execution.progress,
            verdict: &verdict,
            live: &inventory.ours,
            now: Timestamp::now(),
        };
        let mut standing = Standing { phases: outcome.phases(), held: intent.hold.is_some(), ..Standing::default() };
        for finding in outcome.findings() {
            *standing.findings.entry(finding.name).or_default() += 1;
        }
        ctx.board.note(self.namespace, Some(standing));
        let told = outcome.status();
        ctx.may_write()?;
        if status::write(&ctx.cluster, self.baseline, &told).await? || !execution.written.is_empty() {
            events::publish(&ctx.recorder, ctx.cluster.request_timeout, self.baseline, &told, &execution.written).await;
        }
        Ok(())
    }

    fn next_look(&self, intent: &Intent, execution: &Execution, ctx: &Context) -> Action {
        let timer = intent.next.map(|next| {
            let left = next.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or(Duration::ZERO) + Duration::from_millis(100)
        });
        let namespace = self.namespace.to_owned();
        let progress = match &execution.progress {
            Progress::Refused(_) => Some(ctx.refusals.failed(namespace, REFUSED_AGAIN).min(REFUSED_AT_LATEST)),
            Progress::Waiting(left) => {
                ctx.refusals.succeeded(&namespace);
                Some(*left)
            }
            Progress::Done => {
                ctx.refusals.succeeded(&namespace);
                None
            }
        };
        timer.into_iter().chain(progress).min().map_or_else(Action::await_change, Action::requeue)
    }
}

/// When the API server refuses a plan, what it refuses for may change without a sign that any watch sees (a quota, admission). Whoever
/// is at work on it sees soon that it helped; one that nobody works on costs a dry run a minute.
const REFUSED_AGAIN: Duration = Duration::from_secs(2);
/// The longest wait after a refusal.
const REFUSED_AT_LATEST: Duration = Duration::from_secs(60);

/// The sources that must have answered once before anything is decided.
pub const NEEDED: [Source; 6] = [
    Source::Namespaces,
    Source::Pods,
    Source::Services,
    Source::EndpointSlices,
    Source::NetworkPolicies,
    Source::CustomResourceDefinitions,
];
