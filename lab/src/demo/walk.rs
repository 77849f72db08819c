//! The first half: a namespace goes from Off to Enforce, then a second one beside it; and back.

use anyhow::ensure;
use jiff::Timestamp;
use lab::{manifests, story};
use netbaseline::api::{NetworkBaseline, Phase, names};
use netbaseline::policy::Verdict::{Allowed, Denied};

use super::narrate::Mark;
use super::stage::{Reach, Stage};
use super::status::{at, is_ready};

/// Both baselines arrive with everything off.
pub(super) async fn off(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "Off: two teams write a baseline each",
        "Nothing is enforced, so everybody reaches everybody, the intruder in namespace default too. The operator \
         has already found out what every namespace needs:",
    );
    stage.narrator.did("in Git: a NetworkBaseline \"default\" in shop and one in payments, phase: Off");
    manifests::apply(&stage.client, story::BASELINES).await?;
    stage.settled("shop", "the operator knows shop", |status| at(status, Phase::Off) && is_ready(status)).await?;
    stage.settled("payments", "and payments", |status| at(status, Phase::Off) && is_ready(status)).await?;
    let baseline: NetworkBaseline = stage.baselines("shop").get(names::BASELINE_NAME).await?;
    stage.narrator.topic("facts:", "each read from the cluster, never written by a team");
    for fact in baseline.status.unwrap_or_default().facts {
        stage.narrator.item(Mark::Plain, &fact.name, &format!("{} (from {})", fact.value, fact.origin));
    }
    stage.show("shop", Reach::All).await?;
    ensure!(stage.shown().written.is_empty(), "promised no policies at Off, found {:?}", stage.shown().written.keys());
    stage.promise("default/intruder", "payments/db", Allowed)
}

/// What would be done is seen before anything is.
pub(super) async fn audit(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "Audit: shop sees what would happen",
        "Still nothing is enforced. The status names the policies of the set, the plan that would bring them, and \
         what a person should know before.",
    );
    stage.set_phase("shop", Phase::Audit).await?;
    let planned = |status: &_| at(status, Phase::Audit) && is_ready(status);
    stage.settled("shop", "the plan is made and proven, nothing is written", planned).await?;
    let baseline = stage.baselines("shop").get(names::BASELINE_NAME).await?;
    let target = baseline.status.and_then(|status| status.target).unwrap_or_default();
    let steps = target.pending_total.unwrap_or_default();
    stage
        .narrator
        .topic("plan:", format!("{} policies by {steps} steps, target {:.19}…", target.policies.len(), target.hash));
    for step in target.pending_steps.iter().take(3) {
        stage.narrator.item(Mark::Plain, step, "");
    }
    stage.narrator.item(Mark::Plain, &format!("… {} more", (steps - 3).max(0)), "in status.target.pendingSteps");
    stage.show("shop", Reach::Changed).await?;
    ensure!(steps > 3 && !target.policies.is_empty(), "promised a plan in the status, found {steps} steps");
    ensure!(stage.shown().written.is_empty(), "promised that Audit writes nothing");
    Ok(())
}

/// A few pods first.
pub(super) async fn canary(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "Canary: one pod of shop is isolated first",
        "The pods with track=canary, with every allowance that speaks of them. Any NetworkPolicy that selects a pod \
         isolates it, so the order of writes decides whether traffic fails: bridges carry everything while the \
         readable policies arrive.",
    );
    stage.set_phase("shop", Phase::Canary).await?;
    stage.settled("shop", "the canary is isolated", |status| at(status, Phase::Canary) && is_ready(status)).await?;
    stage.show("shop", Reach::All).await?;
    stage.promise("default/intruder", "shop/canary", Denied)?;
    stage.promise("default/intruder", "shop/orders-db", Allowed)?;
    stage.promise("shop/canary", "Internet, SMTP", Denied)?;
    stage.promise("shop/canary", "cluster DNS", Allowed)
}

/// Everybody.
pub(super) async fn enforce(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "Enforce: all pods of shop are isolated",
        "Every policy has to change its podSelector, which no write can do for all of them at once. Bridges carry \
         the traffic of old and new meanwhile, every state in between is proven, and none of them is left at the end.",
    );
    let since = Timestamp::now();
    stage.set_phase("shop", Phase::Enforce).await?;
    stage.settled("shop", "all of shop is isolated", |status| at(status, Phase::Enforce) && is_ready(status)).await?;
    let writes = stage.writes_since(since, "shop")?;
    let bridges = writes.iter().filter(|(verb, name)| verb == "delete" && name.starts_with("baseline-bridge-")).count();
    stage
        .narrator
        .holds(&format!("{} writes by the API server's audit log, {bridges} bridges came and went", writes.len()));
    stage.show("shop", Reach::Changed).await?;
    let left = stage.shown().of("shop").filter(|(name, _)| name.starts_with("baseline-bridge-")).count();
    ensure!(left == 0, "promised that no bridge is left, found {left}");
    stage.promise("default/intruder", "shop/orders-db", Denied)?;
    stage.promise("shop/web", "Internet, SMTP", Denied)?;
    stage.promise("shop/orders", "payments/api", Allowed)?;
    stage.promise("default/intruder", "payments/db", Allowed)
}

/// The neighbour, whose database is its own business.
pub(super) async fn payments(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "Enforce: payments follows",
        "Every connection has two ends. Shop's orders may call payments because both baselines say so; Prometheus \
         still scrapes although no team wrote a word about it; the intruder is out.",
    );
    stage.set_phase("payments", Phase::Enforce).await?;
    stage.settled("payments", "payments is isolated", |status| at(status, Phase::Enforce) && is_ready(status)).await?;
    stage.show("payments", Reach::All).await?;
    stage.promise("default/intruder", "payments/db", Denied)?;
    stage.promise("prometheus", "payments/api", Allowed)?;
    stage.promise("shop/orders", "payments/api", Allowed)?;
    stage.promise("payments/api", "payments/db", Allowed)
}

/// Down again, by the same proof.
pub(super) async fn back(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "And back: shop goes down to Canary, then to Off",
        "A fall is a plan too, and always may go, whatever findings stand.",
    );
    stage.set_phase("shop", Phase::Canary).await?;
    let canary = |status: &_| at(status, Phase::Canary) && is_ready(status);
    stage.settled("shop", "only the canary is isolated", canary).await?;
    stage.set_phase("shop", Phase::Off).await?;
    stage.settled("shop", "nothing is enforced in shop", |status| at(status, Phase::Off) && is_ready(status)).await?;
    stage.show("shop", Reach::Changed).await?;
    ensure!(stage.shown().of("shop").next().is_none(), "promised that no policy of ours stays in shop");
    stage.promise("default/intruder", "shop/orders-db", Allowed)?;
    stage.promise("default/intruder", "payments/db", Denied)
}
