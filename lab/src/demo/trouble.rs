//! The second half: what happens when something happens.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use lab::manifests;
use netbaseline::api::{Phase, names};
use netbaseline::policy::Verdict::{Allowed, Denied};
use serde_json::json;

use super::narrate::{Mark, in_words};
use super::stage::{Reach, Stage};
use super::status::{at, dns, finds, is_ready, is_true};

const OLD_RESOLVER: &str = "10.96.0.10";
const NEW_RESOLVER: &str = "10.96.0.53";
const RESOLVER: &str = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: 10.96.0.53
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: dns}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: dns-tcp}
";

/// A name of ours that somebody else holds in a namespace of its own.
const FOREIGN: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: baseline-allow-dns, namespace: edge}
spec:
  podSelector: {matchLabels: {app: nobody}}
  policyTypes: [Egress]
";
const EDGE: &str = "
apiVersion: netbaseline.dev/v1alpha1
kind: NetworkBaseline
metadata: {name: default, namespace: edge}
spec:
  rollout:
    phase: Enforce
    ingress: {phase: Audit}
  allow:
    egress:
    - name: storefront
      podSelector: {matchLabels: {app: gateway}}
      to: [{namespace: shop, podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 8080}]
      reason: customers come through the gateway
";

/// Facts are sticky: they never go without a successor.
pub(super) async fn resolver_moves(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "The DNS Service goes away, and comes back under another address",
        "What every namespace needs never leaves a policy because something vanished: the last value stays. A new \
         address is allowed at once; the old one leaves ten minutes after the new one works.",
    );
    let services = Api::<Service>::namespaced(stage.client.clone(), "kube-system");
    let before = stage.look().await?.versions("shop");
    stage.narrator.did("kubectl -n kube-system delete service kube-dns");
    services.delete("kube-dns", &DeleteParams::default()).await.context("deleting the DNS Service")?;
    let kept = stage.settled("shop", "the status says so", |status| finds(status, "FactKept")).await?;
    for finding in kept.findings.iter().filter(|finding| finding.name == "FactKept") {
        stage.narrator.item(Mark::Added, &finding.name, &finding.message);
    }
    ensure!(stage.look().await?.versions("shop") == before, "promised that no policy changes when DNS vanishes");
    stage.narrator.holds(&format!("none of the {} policies of shop was touched", before.len()));

    stage.narrator.did(&format!("kubectl apply: Service kube-dns with clusterIP {NEW_RESOLVER}"));
    manifests::apply(&stage.client, RESOLVER).await?;
    let moved = |status: &_| {
        let (value, retiring) = dns(status);
        let old_retires = retiring.iter().any(|part| part.contains(OLD_RESOLVER));
        value.contains(NEW_RESOLVER) && old_retires && is_ready(status) && !finds(status, "FactKept")
    };
    let status = stage.settled("shop", "the new address is allowed, the old one retires", moved).await?;
    for part in dns(&status).1 {
        stage.narrator.item(Mark::Plain, "retiring", part);
    }
    stage.show("shop", Reach::Changed).await?;
    stage.promise("shop/canary", "cluster DNS", Allowed)
}

/// Drift is repaired.
pub(super) async fn policy_edited(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    const EDITED: &str = "baseline-default-deny";
    const DELETED: &str = "baseline-allow-external-https";
    stage.narrator.stop(
        "Somebody edits a policy of ours, somebody deletes another",
        "What is there is compared with what should be, by meaning. The difference is repaired by a plan, not by a \
         timer.",
    );
    let (namespace, policies) = ("shop", Api::<NetworkPolicy>::namespaced(stage.client.clone(), "shop"));
    let since = Timestamp::now();
    let before = stage.look().await?.versions(namespace);
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    stage.narrator.did(&format!("kubectl -n shop edit networkpolicy {EDITED}: ingress: [{{}}], everybody may come"));
    let edit = Patch::Merge(json!({"spec": {"ingress": [{}]}}));
    let edited = policies.patch(EDITED, &by_hand, &edit).await.context("editing a policy")?;
    let edited = edited.metadata.resource_version;
    let repaired = async || {
        let policy = policies.get_opt(EDITED).await?;
        let closed = policy.filter(|policy| policy.spec.as_ref().is_some_and(|spec| spec.ingress.is_none()));
        Ok(closed.filter(|policy| policy.metadata.resource_version != edited))
    };
    stage.until("it admits nobody again", repaired).await?;
    stage.narrator.did(&format!("kubectl -n shop delete networkpolicy {DELETED}"));
    let had = before.get(DELETED).cloned();
    policies.delete(DELETED, &DeleteParams::default()).await.context("deleting a policy")?;
    let written_again = async || {
        let policy = policies.get_opt(DELETED).await?;
        Ok(policy.filter(|policy| policy.metadata.resource_version != had))
    };
    stage.until("it is there again", written_again).await?;
    stage
        .settled(namespace, "shop is as it should be", |status| at(status, Phase::Enforce) && is_ready(status))
        .await?;
    for (verb, name) in stage.writes_since(since, namespace)? {
        stage.narrator.item(Mark::Plain, &format!("{verb} {name}"), "by the operator, says the audit log");
    }
    stage.show(namespace, Reach::Changed).await
}

/// Nothing of others is overwritten, and nothing is half done.
pub(super) async fn name_taken(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "A policy of somebody else holds our name",
        "Namespace edge wants Enforce for egress, while its ingress waits at Audit. But a policy that is not ours is \
         called baseline-allow-dns. It is refused before the first write, visibly.",
    );
    let since = Timestamp::now();
    stage.narrator.did("kubectl apply: somebody's NetworkPolicy edge/baseline-allow-dns");
    manifests::apply(&stage.client, FOREIGN).await?;
    stage.narrator.did("in Git: edge/default, spec.rollout: {phase: Enforce, ingress: {phase: Audit}}");
    manifests::apply(&stage.client, EDGE).await?;
    let refused =
        |status: &_| is_true(status, "Conflicted") && is_true(status, "Stalled") && finds(status, "NameConflict");
    stage.settled("edge", "Stalled, Conflicted, finding NameConflict", refused).await?;
    stage.show("edge", Reach::Changed).await?;
    let writes = stage.writes_since(since, "edge")?;
    ensure!(writes.is_empty(), "promised that nothing is written beside a foreign policy, found {writes:?}");
    stage.narrator.holds("nothing was written, and the foreign policy is as it was");
    stage.narrator.did("kubectl -n edge delete networkpolicy baseline-allow-dns");
    let policies = Api::<NetworkPolicy>::namespaced(stage.client.clone(), "edge");
    policies.delete("baseline-allow-dns", &DeleteParams::default()).await.context("deleting the foreign policy")?;
    let risen = |status: &netbaseline::api::NetworkBaselineStatus| {
        status.egress.as_ref().is_some_and(|egress| egress.phase == Phase::Enforce) && is_ready(status)
    };
    stage.settled("edge", "it goes on by itself", risen).await?;
    stage.show("edge", Reach::Changed).await?;
    stage.promise("edge/gateway", "shop/web", Allowed)
}

/// The lever of the night.
pub(super) async fn hold(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "The night of an outage: hold-at",
        "An annotation caps the phase at once, whatever Git says. No pause between the stages, and still no \
         connection that was allowed fails on the way.",
    );
    let began = Instant::now();
    stage.narrator.did("kubectl -n shop annotate networkbaseline default netbaseline.dev/hold-at=Audit");
    stage.patch("shop", json!({"metadata": {"annotations": {names::HOLD_AT: "Audit"}}})).await?;
    let policies = Api::<NetworkPolicy>::namespaced(stage.client.clone(), "shop");
    let empty = async || Ok(policies.list(&kube::api::ListParams::default()).await?.items.is_empty().then_some(()));
    stage.until("no policy of ours is left in shop", empty).await?;
    let emptied = began.elapsed();
    stage.settled("shop", "the status says that it is held", |status| at(status, Phase::Audit)).await?;
    stage.show("shop", Reach::Changed).await?;
    ensure!(emptied < Duration::from_secs(10), "promised at once, and it took {}", in_words(emptied));
    stage.promise("default/intruder", "shop/orders-db", Allowed)?;
    stage.narrator.did("kubectl -n shop annotate networkbaseline default netbaseline.dev/hold-at-");
    stage.patch("shop", json!({"metadata": {"annotations": {names::HOLD_AT: null}}})).await?;
    let again = |status: &_| at(status, Phase::Enforce) && is_ready(status);
    stage.settled("shop", "the outage is over, Git says Enforce", again).await?;
    stage.show("shop", Reach::Changed).await?;
    stage.promise("default/intruder", "shop/orders-db", Denied)
}

/// Policies leave in an order that cuts nobody off.
pub(super) async fn deleted(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.narrator.stop(
        "The baseline of payments is deleted",
        "A finalizer holds the object until its policies have left by a plan. The policies carry no owner reference, \
         so no garbage collector takes them down in an order that cuts traffic.",
    );
    let since = Timestamp::now();
    stage.narrator.did("kubectl -n payments delete networkbaseline default");
    let baselines = stage.baselines("payments");
    baselines.delete(names::BASELINE_NAME, &DeleteParams::default()).await.context("deleting the baseline")?;
    let gone = async || Ok(baselines.get_opt(names::BASELINE_NAME).await?.is_none().then_some(()));
    stage.until("the policies have left, then the baseline", gone).await?;
    let writes = stage.writes_since(since, "payments")?;
    stage.narrator.topic("order:", "of the writes, by the API server's audit log");
    for (verb, name) in &writes {
        let (mark, why) = match (verb.as_str(), name.strip_prefix("baseline-bridge-").is_some()) {
            ("delete", _) => (Mark::Removed, ""),
            (_, true) => (Mark::Added, "carries what one class of pods needs while the others leave"),
            (_, false) => (Mark::Added, ""),
        };
        stage.narrator.item(mark, name, why);
    }
    stage.show("payments", Reach::Changed).await?;
    ensure!(stage.shown().of("payments").next().is_none(), "promised that no policy of ours stays in payments");
    stage.promise("default/intruder", "payments/db", Allowed)
}
