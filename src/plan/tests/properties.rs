//! What holds of every plan between any two sets.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::naive::{wrong, wrong_on_the_way};
use super::*;
use crate::policy::arbitrary::selector;

/// More plans than this from one state to one target means that planning goes round in circles.
const ROUNDS: usize = 10;

fn a_rule() -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![
        1 => Just(Peers::Any),
        6 => prop::collection::btree_set(select(vec!["p", "q", "r", "s"]).prop_map(|name| Peer::pods_in(name, Selector::all())), 0..3)
            .prop_map(Peers::These),
    ];
    let ports = prop_oneof![
        1 => Just(Ports::Any),
        6 => prop::collection::btree_set(select(vec![80, 81, 82]).prop_map(|port| PortMatch::number(Protocol::Tcp, port)), 0..3)
            .prop_map(Ports::These),
    ];
    (peers, ports).prop_map(|(peers, ports)| Rule { peers, ports })
}

fn side() -> impl Strategy<Value = Option<Vec<Rule>>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 4 => prop::collection::vec(a_rule(), 1..4).prop_map(Some)]
}

/// An isolating policy under one of six names, so that two sets often keep a name and change what is under it.
fn isolating() -> impl Strategy<Value = Policy> {
    let pods = prop_oneof![2 => Just(Selector::all()), 3 => selector()];
    (select(vec!["a", "b", "c", "d", "e", "f"]), pods, side(), side())
        .prop_map(|(name, pods, ingress, egress)| Policy { ingress, egress, ..policy(name, &pods) })
        .prop_filter("names a direction", |policy| policy.ingress.is_some() || policy.egress.is_some())
}

fn adding() -> impl Strategy<Value = Policy> {
    let pods = prop_oneof![1 => Just(Selector::all()), 1 => selector()];
    (select(vec!["x", "y"]), pods, select(vec![443, 6443])).prop_map(|(name, pods, port)| supplement(name, &pods, port))
}

fn set() -> impl Strategy<Value = Vec<Policy>> {
    (prop::collection::vec(isolating(), 0..6), prop::collection::vec(adding(), 0..2)).prop_map(|(isolating, adding)| {
        let by_key: BTreeMap<PolicyKey, Policy> =
            isolating.into_iter().chain(adding).map(|policy| (policy.key.clone(), policy)).collect();
        by_key.into_values().collect()
    })
}

/// A set as far as a rollout enforces it: per direction nowhere, on the canary or on all pods.
fn enforced(set: &[Policy], on: &[Option<Selector>; 2]) -> Vec<Policy> {
    let mut policies = Vec::new();
    for policy in set {
        let narrowed = |direction: Direction| {
            let pods = on[direction as usize].as_ref()?.and(&policy.pod_selector);
            policy.rules(direction).filter(|_| !pods.is_empty()).map(|rules| (pods, Some(rules.to_vec())))
        };
        match (narrowed(Direction::Ingress), narrowed(Direction::Egress)) {
            (Some((pods, ingress)), Some((same, egress))) if pods == same => {
                policies.push(Policy { pod_selector: pods, ingress, egress, ..policy.clone() });
            }
            sides => {
                for (direction, (pods, rules)) in
                    Direction::BOTH.into_iter().zip(<[_; 2]>::from(sides)).filter_map(|(d, s)| Some((d, s?)))
                {
                    let mut half = Policy { pod_selector: pods, ingress: None, egress: None, ..policy.clone() };
                    half.key.name = Arc::from(format!("{}-{direction}", policy.key.name));
                    half.set_rules(direction, rules);
                    policies.push(half);
                }
            }
        }
    }
    policies
}

fn stand() -> impl Strategy<Value = [Option<Selector>; 2]> {
    let on = || prop_oneof![Just(None), Just(Some(Selector::all())), selector().prop_map(Some)];
    (on(), on()).prop_map(<[_; 2]>::from)
}

/// Two sets: any two, or one set as a rollout enforces it before and after.
fn pair() -> impl Strategy<Value = (Vec<Policy>, Vec<Policy>)> {
    prop_oneof![
        (set(), set()),
        (set(), stand(), stand()).prop_map(|(set, before, after)| (enforced(&set, &before), enforced(&set, &after))),
    ]
}

fn planned(from: &[Live], target: &[Desired], pace: Pace) -> Result<Plan, TestCaseError> {
    plan(from, target, Capabilities::spec(), pace).map_err(|error| TestCaseError::fail(error.to_string()))
}

/// What an executor does in one reconcile: an Await at the beginning has had its time, the next one has not.
fn until_await(steps: &[Step]) -> usize {
    let first = steps.iter().take_while(|step| **step == Step::Await).count();
    first + steps[first..].iter().take_while(|step| **step != Step::Await).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_prefix_of_a_plan_is_safe_and_its_end_is_the_target((old, new) in pair(), urgent: bool) {
        let (from, target) = (all_alive(&old), all_desired(&new));
        let pace = if urgent { Pace::Urgent } else { Pace::Careful };
        let plan = planned(&from, &target, pace)?;
        prop_assert_eq!(wrong_on_the_way(&old, &new, &from, &plan.steps), None, "{}", plan);
        prop_assert_eq!(prove(&old, &new, &plan.steps), Ok(()));
        let mut cluster = Cluster::new(&from);
        plan.steps.iter().for_each(|step| cluster.take(step));
        prop_assert!(cluster.is(&target), "{}", plan);
        prop_assert_eq!(planned(&cluster.live(), &target, pace)?, Plan::default());
        prop_assert!(!urgent || !plan.steps.contains(&Step::Await));
    }

    #[test]
    fn planning_anew_at_every_await_and_after_every_crash_arrives_by_safe_states(
        (old, new) in pair(),
        crashes in prop::collection::vec(any::<Option<Index>>(), 0..6),
    ) {
        let target = all_desired(&new);
        let mut cluster = Cluster::new(&all_alive(&old));
        let mut crashes = crashes.into_iter().flatten();
        let mut rounds = 0;
        loop {
            let (from, state) = (cluster.live(), cluster.policies());
            let plan = planned(&from, &target, Pace::Careful)?;
            if plan.steps.is_empty() {
                break;
            }
            let mut take = until_await(&plan.steps);
            match crashes.next() {
                Some(crash) => take = crash.index(take + 1),
                None => rounds += 1,
            }
            prop_assert!(rounds <= ROUNDS, "still {}", plan);
            prop_assert_eq!(wrong_on_the_way(&state, &new, &from, &plan.steps), None, "{}", plan);
            prop_assert_eq!(wrong_on_the_way(&old, &new, &from, &plan.steps), None, "{}", plan);
            plan.steps[..take].iter().for_each(|step| cluster.take(step));
        }
        prop_assert!(cluster.is(&target));
    }

    #[test]
    fn a_plan_changed_midway_to_a_third_set_arrives_there_by_safe_states(
        (old, new) in pair(), third in set(), at: Index,
    ) {
        let mut cluster = Cluster::new(&all_alive(&old));
        let plan = planned(&cluster.live(), &all_desired(&new), Pace::Careful)?;
        plan.steps[..at.index(plan.steps.len() + 1)].iter().for_each(|step| cluster.take(step));
        let (target, middle) = (all_desired(&third), cluster.policies());
        for _ in 0..ROUNDS {
            let from = cluster.live();
            let plan = planned(&from, &target, Pace::Careful)?;
            if plan.steps.is_empty() {
                break;
            }
            prop_assert_eq!(wrong_on_the_way(&middle, &third, &from, &plan.steps), None, "{}", plan);
            plan.steps[..until_await(&plan.steps)].iter().for_each(|step| cluster.take(step));
        }
        prop_assert!(cluster.is(&target));
    }

    #[test]
    fn bridges_may_arrive_and_leave_in_any_order((old, new) in pair(), seed in any::<u64>()) {
        let from = all_alive(&old);
        let mut steps = planned(&from, &all_desired(&new), Pace::Careful)?.steps;
        let bridge = |step: &Step| match step {
            Step::Apply(desired) => bridge::is_bridge(&desired.policy.key),
            Step::Delete(key) => bridge::is_bridge(key),
            Step::Await => false,
        };
        steps.chunk_by_mut(|a, b| bridge(a) && bridge(b)).for_each(|stage| shuffle(stage, seed));
        prop_assert_eq!(wrong_on_the_way(&old, &new, &from, &steps), None);
    }

    #[test]
    fn under_bridges_for_all_classes_the_readable_set_may_change_in_any_order((old, new) in pair(), seed in any::<u64>()) {
        let isolating = |set: &[Policy]| set.iter().filter(|p| p.isolates).cloned().collect::<Vec<_>>();
        let (old, new) = (isolating(&old), isolating(&new));
        let (from, target) = (all_alive(&old), all_desired(&new));
        let names = Names { live: &from, target: &target };
        let proof = Proof::new(&old, &new, std::iter::empty()).unwrap();
        let bridges = Bridges::between(proof.classes(), (&old, &new), &names);
        let pauses = Pauses { between_stages: true, before_narrowing: false };
        let mut steps = Stages::between(&from, &target, &names).steps(&bridges, pauses);
        // The first stages only add; from the bridges on, no key is written twice but by an edit in two halves.
        let written_twice = |stage: &[Step]| {
            let keys: Vec<&PolicyKey> = stage.iter().filter_map(key_of).collect();
            keys.iter().collect::<BTreeSet<_>>().len() < keys.len()
        };
        for stage in steps.chunk_by_mut(|a, b| *a != Step::Await && *b != Step::Await) {
            if !written_twice(stage) {
                shuffle(stage, seed);
            }
        }
        prop_assert_eq!(wrong_on_the_way(&old, &new, &from, &steps), None);
    }

    #[test]
    fn the_proof_and_the_naive_judge_agree_on_any_state((old, new) in pair(), state in set(), pick: bool) {
        let state = if pick { old.iter().take(1).chain(&new).cloned().collect() } else { state };
        let unsafe_state = wrong(&old, &new, &state).is_some();
        // The judge sees that `Any` includes a peer; the proof compares rules as they are written, so it refuses more.
        prop_assert!(!unsafe_state || judge(&old, &new, &state).is_err());
    }

    #[test]
    fn one_piece_per_class_means_the_same((old, new) in pair()) {
        let pieces = in_one_piece(&all_desired(&new)).unwrap();
        let policies: Vec<Policy> = pieces.iter().map(|piece| piece.policy.clone()).collect();
        prop_assert_eq!(wrong(&new, &new, &policies), None);
        let from = all_alive(&old);
        let plan = planned(&from, &pieces, Pace::Careful)?;
        prop_assert_eq!(wrong_on_the_way(&old, &new, &from, &plan.steps), None, "{}", plan);
    }

    #[test]
    fn lost_marks_are_restored_without_another_change(new in set()) {
        let mut from = all_alive(&new);
        from.iter_mut().for_each(|live| live.marks_intact = false);
        let plan = planned(&from, &all_desired(&new), Pace::Careful)?;
        prop_assert_eq!(plan.steps.len(), new.len());
        prop_assert!(plan.steps.iter().all(|step| matches!(step, Step::Apply(_))));
    }

    #[test]
    fn the_hash_does_not_depend_on_order_or_namespace(new in set(), seed in any::<u64>()) {
        let before = hash(&all_desired(&new));
        let mut target = all_desired(&new);
        shuffle(&mut target, seed);
        target.iter_mut().for_each(|desired| desired.policy.key.namespace = Arc::from("payments"));
        prop_assert_eq!(hash(&target), before);
    }
}

fn key_of(step: &Step) -> Option<&PolicyKey> {
    match step {
        Step::Apply(desired) => Some(&desired.policy.key),
        Step::Delete(key) => Some(key),
        Step::Await => None,
    }
}

/// Fisher-Yates over a small generator: a strategy cannot shuffle what depends on another strategy's value.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, usize::try_from(state >> 33).unwrap() % (last + 1));
    }
}

/// The other properties could hold of any order of writes; they do not.
#[test]
fn most_plans_that_need_a_bridge_are_unsafe_when_shuffled() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut tried, mut violated) = (0, 0);
    for seed in 0..300 {
        let (old, new) = pair().new_tree(&mut runner).unwrap().current();
        let from = all_alive(&old);
        let plan = spec_plan(&from, &all_desired(&new));
        if plan.bridged.is_empty() {
            continue;
        }
        let mut steps = plan.steps;
        shuffle(&mut steps, seed * 7919 + 1);
        tried += 1;
        let naive = wrong_on_the_way(&old, &new, &from, &steps).is_some();
        assert!(!naive || prove(&old, &new, &steps).is_err(), "the proof misses a violation");
        violated += usize::from(naive);
    }
    assert!(tried > 100, "{tried} of 300 pairs need a bridge");
    assert!(violated * 4 > tried * 3, "only {violated} of {tried} shuffled plans are unsafe");
}
