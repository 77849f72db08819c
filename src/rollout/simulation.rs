//! A small world in which anything may happen between two writes: whatever the order, every state on the way is safe, and
//! where it ends depends only on what holds in the end.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::intend::{Intent, Situation, intend};
use crate::api::{NetworkBaseline, NetworkBaselineStatus, names};
use crate::discovery::tests::fixture::{forbidden, snapshot};
use crate::discovery::{Certainty, Enforces, Engine, Facts, Hints, discover};
use crate::model::{Direction, Labels, Policy, PolicyKey, Snapshot, Source, labels};
use crate::plan::{self, Live, Plan, Step};
use crate::policy::Capabilities;

const RESOLVER: &str = "
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
kind: EndpointSlice
addressType: IPv4
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
endpoints: [{addresses: [10.244.0.2], targetRef: {kind: Pod, name: coredns-a, namespace: kube-system}}]
ports: [{name: dns, port: 53, protocol: UDP}]
---
kind: Pod
metadata: {name: coredns-a, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: []}
status: {podIP: 10.244.0.2}
---";

const SPECS: [&str; 8] = [
    "{rollout: {phase: Off}}",
    "{}",
    "{rollout: {phase: Canary, canary: {podSelector: {matchLabels: {track: a}}}}}",
    "{rollout: {phase: Canary, canary: {podSelector: {matchLabels: {track: b}}}}}",
    "{rollout: {phase: Enforce}}",
    "{rollout: {phase: Enforce, egress: {phase: Audit}}}",
    "{rollout: {phase: Enforce}, allow: {externalHttps: {enabled: false}, ingress: [
       {name: web, podSelector: {matchLabels: {app: web}}, from: [{namespace: front}]},
       {name: track, podSelector: {matchLabels: {track: a}}, from: [{namespace: back}]}]}}",
    "{rollout: {phase: Canary, canary: {podSelector: {matchLabels: {track: a}}}}, allow: {sameNamespace: {podSelector:
       {matchLabels: {app: web}}}}}",
];

/// What happens in the world.
#[derive(Clone, Debug)]
enum Event {
    Spec(usize),
    Hold(Option<&'static str>),
    Suspend(bool),
    Silent(Option<Source>),
    Resolver(bool),
    ApiServerAt(u8),
    Foreign(bool),
    Edited(Index),
    Deleted(Index),
    StatusLost,
    Passes(i64),
    /// The operator works; `Some`: and dies after so many writes.
    Works(Option<usize>),
}

fn event() -> impl Strategy<Value = Event> {
    let works = || prop::option::of(0..4_usize).prop_map(Event::Works);
    prop_oneof![
        4 => (0..SPECS.len()).prop_map(Event::Spec),
        8 => works(),
        1 => prop::sample::select(vec![None, Some("Off"), Some("Audit"), Some("Canary"), Some("nonsense")]).prop_map(Event::Hold),
        1 => any::<bool>().prop_map(Event::Suspend),
        2 => prop::sample::select(vec![None, Some(Source::EndpointSlices), Some(Source::Pods)]).prop_map(Event::Silent),
        2 => any::<bool>().prop_map(Event::Resolver),
        1 => (1..4_u8).prop_map(Event::ApiServerAt),
        1 => any::<bool>().prop_map(Event::Foreign),
        1 => Just(Event::StatusLost),
        2 => prop::sample::select(vec![1_i64, 120, 700]).prop_map(Event::Passes),
        1 => any::<Index>().prop_map(Event::Edited),
        1 => any::<Index>().prop_map(Event::Deleted),
    ]
}

struct World {
    engine: &'static Capabilities,
    baseline: NetworkBaseline,
    silent: Option<Source>,
    resolver: bool,
    api_server: u8,
    foreign: BTreeSet<PolicyKey>,
    live: BTreeMap<PolicyKey, Live>,
    now: Timestamp,
    last_write: Timestamp,
    drifted: bool,
    /// Both ends of the transition that is under way.
    transition: Option<(Vec<Policy>, Vec<Policy>)>,
    writes: usize,
}

#[derive(PartialEq)]
enum End {
    Done,
    Waiting,
    Refused,
    Died,
}

fn policies(live: &BTreeMap<PolicyKey, Live>) -> Vec<Policy> {
    live.values().map(|live| live.policy.clone()).collect()
}

fn pods() -> Vec<Labels> {
    let apps = ["web", "db", ""];
    apps.iter().flat_map(|app| ["a", "b", ""].map(|track| labels([("app", *app), ("track", track)]))).collect()
}

fn isolated(set: &[Policy]) -> BTreeSet<(usize, Direction)> {
    let all = pods().into_iter().enumerate();
    all.flat_map(|(nth, pod)| {
        Direction::BOTH.into_iter().filter_map(move |direction| {
            let by = |policy: &&Policy| policy.isolates(direction) && policy.pod_selector.matches(&pod);
            set.iter().find(by).map(|_| (nth, direction))
        })
    })
    .collect()
}

/// Pods that are isolated from every resolver.
fn cannot_look_up(set: &[Policy]) -> Vec<usize> {
    let pods = pods();
    let egress = isolated(set).into_iter().filter(|(_, direction)| *direction == Direction::Egress);
    egress
        .map(|(nth, _)| nth)
        .filter(|nth| {
            let selecting = set.iter().filter(|policy| policy.pod_selector.matches(&pods[*nth]));
            !selecting.flat_map(|of| of.atoms(Direction::Egress)).any(|atom| atom.to_string().contains("53"))
        })
        .collect()
}

impl World {
    fn new(engine: &str) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Self {
            engine: Capabilities::by_name(engine).unwrap(),
            baseline: spec(0),
            silent: None,
            resolver: true,
            api_server: 1,
            foreign: BTreeSet::new(),
            live: BTreeMap::new(),
            now: start,
            last_write: start,
            drifted: false,
            transition: None,
            writes: 0,
        }
    }

    fn moment(&self) -> (Snapshot, Facts) {
        let resolver = if self.resolver { RESOLVER } else { "" };
        let address = self.api_server;
        let mut seen = snapshot(&format!(
            "{resolver}\nkind: Service\nmetadata: {{name: kubernetes, namespace: default}}\nspec: {{clusterIPs: [10.96.0.1], \
             ports: [{{name: https, port: 443, targetPort: 6443}}]}}\n---\nkind: EndpointSlice\naddressType: IPv4\nmetadata: \
             {{name: kubernetes, namespace: default, labels: {{kubernetes.io/service-name: kubernetes}}}}\nendpoints: \
             [{{addresses: [192.168.7.{address}]}}]\nports: [{{name: https, port: 6443}}]\n"
        ));
        if let Some(source) = self.silent {
            seen = forbidden(seen, source);
        }
        let engine = Engine {
            capabilities: self.engine,
            certainty: Certainty::Certain,
            enforces: Enforces::Yes,
            origin: "simulation".to_owned(),
            agents: None,
            additive_supplements: self.engine.supplements,
        };
        let facts = Facts { engine, ..discover(&seen, &Hints::default()) };
        (seen, facts)
    }

    fn intent(&self) -> Intent {
        let (snapshot, facts) = self.moment();
        let live: Vec<Live> = self.live.values().cloned().collect();
        intend(&Situation {
            baseline: &self.baseline,
            snapshot: &snapshot,
            facts: &facts,
            live: &live,
            foreign: &self.foreign,
            now: self.now,
        })
    }

    fn happens(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let nth = |live: &BTreeMap<PolicyKey, Live>, at: &Index| {
            (!live.is_empty()).then(|| live.keys().nth(at.index(live.len())).unwrap().clone())
        };
        match event {
            Event::Spec(nth) => self.baseline.spec = spec(*nth).spec,
            Event::Hold(value) => {
                let annotation = value.map(|value| (names::HOLD_AT.to_owned(), value.to_owned()));
                self.baseline.metadata.annotations = annotation.map(|of| [of].into());
            }
            Event::Suspend(on) => self.baseline.spec.suspend = Some(*on),
            Event::Silent(source) => self.silent = *source,
            Event::Resolver(there) => self.resolver = *there,
            Event::ApiServerAt(address) => self.api_server = *address,
            Event::Foreign(there) => {
                let key = PolicyKey::network_policy("shop", "baseline-allow-same-namespace");
                if !there {
                    self.foreign.clear();
                } else if !self.live.contains_key(&key) {
                    self.foreign.insert(key);
                }
            }
            Event::Edited(at) => {
                if let Some(key) = nth(&self.live, at) {
                    let live = self.live.get_mut(&key).unwrap();
                    (live.policy.ingress, live.marks_intact) = (Some(Vec::new()), false);
                    (self.drifted, self.transition) = (true, None);
                }
            }
            Event::Deleted(at) => {
                if let Some(key) = nth(&self.live, at) {
                    self.live.remove(&key);
                    (self.drifted, self.transition) = (true, None);
                }
            }
            Event::StatusLost => self.baseline.status = None,
            Event::Passes(seconds) => self.now += SignedDuration::from_secs(*seconds),
            Event::Works(dies) => {
                self.work(*dies)?;
            }
        }
        Ok(())
    }

    /// One reconcile, as the operator does it.
    fn work(&mut self, dies: Option<usize>) -> Result<(End, Intent), TestCaseError> {
        let intent = self.intent();
        let mut end = End::Done;
        if intent.frozen.is_none() {
            end = self.execute(&intent.plan, &intent, dies, true)?;
        }
        if let Some(plan) = intent.last_resort.as_ref().filter(|_| intent.has_no_plan() || end == End::Refused) {
            self.transition = None;
            end = self.execute(plan, &intent, dies, false)?;
        }
        if end != End::Died {
            self.baseline.status = Some(NetworkBaselineStatus { facts: intent.facts.clone(), ..Default::default() });
        }
        Ok((end, intent))
    }

    fn execute(&mut self, plan: &Plan, intent: &Intent, dies: Option<usize>, safe: bool) -> Result<End, TestCaseError> {
        let applied = |step: &Step| matches!(step, Step::Apply(of) if self.foreign.contains(&of.policy.key));
        if plan.steps.iter().any(applied) {
            return Ok(End::Refused);
        }
        let from = policies(&self.live);
        let mut at_end = self.live.clone();
        plan.steps.iter().for_each(|step| take(&mut at_end, step));
        let to = policies(&at_end);
        if self.transition.as_ref().is_none_or(|(_, end)| *end != to) {
            self.transition = Some((from.clone(), to));
        }
        let settle = SignedDuration::try_from(self.engine.settle).unwrap();
        let running = from.iter().any(|policy| plan::is_bridge(&policy.key));
        let blocked = intent.findings.iter().any(|finding| finding.name.blocking()) && !running;
        let mut written = 0;
        for step in &plan.steps {
            if *step == Step::Await {
                if self.now < self.last_write + settle {
                    return Ok(End::Waiting);
                }
                continue;
            }
            if dies == Some(written) {
                return Ok(End::Died);
            }
            take(&mut self.live, step);
            (written, self.writes, self.last_write) = (written + 1, self.writes + 1, self.now);
            let state = policies(&self.live);
            let (old, new) = self.transition.as_ref().unwrap();
            prop_assert!(!blocked || isolated(&state).is_subset(&isolated(&from)), "rose while blocked: {}", plan);
            if safe {
                let verdict = plan::judge(old, new, &state);
                prop_assert!(verdict.is_ok(), "{:?} after {} of {}", verdict, step, plan);
                let deaf = cannot_look_up(&state);
                prop_assert!(self.drifted || deaf.is_empty(), "{deaf:?} cannot look up names after {step} of {plan}");
            }
        }
        Ok(End::Done)
    }

    /// Works until there is nothing to do, and time brings nothing either.
    fn rest(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..80 {
            let before = self.writes;
            let (end, intent) = self.work(None)?;
            if end != End::Waiting && self.writes == before && intent.next.is_none() {
                prop_assert!(intent.plan.steps.is_empty() || intent.frozen.is_some() || end == End::Refused);
                return Ok(());
            }
            self.now = intent.next.unwrap_or(self.now).max(self.now) + SignedDuration::from_secs(90);
        }
        Err(TestCaseError::fail(format!("no rest: {}", self.intent().plan)))
    }

    /// Makes everything that was broken whole.
    fn heals(&mut self) {
        (self.silent, self.resolver, self.baseline.spec.suspend) = (None, true, None);
        self.foreign.clear();
    }

    fn outcome(&self) -> BTreeMap<PolicyKey, (Policy, Arc<str>, String)> {
        let entry = |live: &Live| (live.policy.clone(), live.allowance.clone(), live.reason.clone());
        self.live.iter().map(|(key, live)| (key.clone(), entry(live))).collect()
    }
}

fn spec(nth: usize) -> NetworkBaseline {
    let head = "apiVersion: netbaseline.dev/v1alpha1\nkind: NetworkBaseline\nmetadata: {name: default, namespace: shop, uid: b}";
    serde_saphyr::from_str(&format!("{head}\nspec: {}\n", SPECS[nth])).unwrap()
}

fn take(live: &mut BTreeMap<PolicyKey, Live>, step: &Step) {
    match step {
        Step::Apply(desired) => {
            let written = Live {
                policy: desired.policy.clone(),
                allowance: desired.allowance.clone(),
                reason: desired.reason.clone(),
                marks_intact: true,
                uid: String::new(),
                resource_version: String::new(),
                written: None,
            };
            live.insert(desired.policy.key.clone(), written);
        }
        Step::Delete(key) => {
            live.remove(key);
        }
        Step::Await => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_happens_every_state_is_safe_and_the_end_depends_on_what_holds_then(
        engine in prop::sample::select(vec!["calico", "cilium"]), drift: bool, events in prop::collection::vec(event(), 1..16),
    ) {
        let mut world = World::new(engine);
        for event in events.iter().filter(|event| drift || !matches!(event, Event::Edited(_) | Event::Deleted(_))) {
            world.happens(event)?;
        }
        world.rest()?;
        world.heals();
        world.rest()?;
        let mut fresh = World::new(engine);
        fresh.baseline = NetworkBaseline { status: None, ..world.baseline.clone() };
        fresh.api_server = world.api_server;
        fresh.rest()?;
        prop_assert_eq!(world.outcome(), fresh.outcome());
    }
}

#[test]
fn the_same_plans_in_another_order_are_not_safe() {
    let (mut tried, mut violated) = (0, 0);
    for from in 0..SPECS.len() {
        for to in (0..SPECS.len()).filter(|to| *to != from) {
            let mut world = World::new("calico");
            world.baseline = spec(from);
            world.rest().unwrap();
            let old = policies(&world.live);
            world.baseline = spec(to);
            let steps: Vec<Step> = world.intent().plan.steps.into_iter().filter(|step| *step != Step::Await).collect();
            world.rest().unwrap();
            let new = policies(&world.live);
            let reversed: Vec<Step> = steps.iter().rev().cloned().collect();
            if steps.len() > 1 {
                tried += 1;
                violated += usize::from(plan::prove(&old, &new, &reversed).is_err());
            }
        }
    }
    println!("{violated} of {tried} plans are unsafe when reversed");
    assert!(violated * 2 > tried, "only {violated} of {tried} reversed plans are unsafe");
}
