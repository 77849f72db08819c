//! The transitions that were taken on a real engine: a namespace of three workloads, one of them tightened to pod level.
//! Written by hand (the new set's objects, then the old ones deleted) nine of the ten that were tried lost
//! connections there. And one object that somebody edited beyond recognition.

use std::collections::BTreeSet;

use super::naive::wrong_on_the_way;
use super::*;
use crate::model::Values;

/// Everybody but `app=s2`.
fn others() -> Selector {
    Selector::all().with("app", &Values::Except(BTreeSet::from([Arc::from("s2")])))
}

fn loose() -> Vec<Policy> {
    vec![
        policy("default-deny", &Selector::all()).on_ingress([]).on_egress([]),
        policy("allow-dns", &Selector::all()).on_egress([rule("dns", 53)]),
        policy("allow-same-namespace", &Selector::all()).on_ingress([rule("c", 80)]).on_egress([rule("s1", 80)]),
        policy("allow-external-https", &Selector::all()).on_egress([rule("gateway", 443)]),
    ]
}

/// `s2` is left out of the broad allowance and has its own.
fn tightened() -> Vec<Policy> {
    let mut set = loose();
    set[2].pod_selector = others();
    set.push(policy("ingress-c-to-s2", &app("s2")).on_ingress([rule("c", 80)]));
    set
}

/// The set for those pods only.
fn on(pods: &Selector, set: Vec<Policy>) -> Vec<Policy> {
    let narrowed = set.into_iter().map(|policy| Policy { pod_selector: policy.pod_selector.and(pods), ..policy });
    narrowed.filter(|policy| !policy.pod_selector.is_empty()).collect()
}

/// The ingress side of the set, under the names that it has when the directions are enforced alike.
fn ingress_only(set: Vec<Policy>) -> Vec<Policy> {
    let halves = set.into_iter().map(|policy| Policy { egress: None, ..policy });
    halves.filter(|policy| policy.ingress.is_some()).collect()
}

struct Transition {
    name: &'static str,
    old: Vec<Policy>,
    new: Vec<Policy>,
    bridged: usize,
    by_hand_is_safe: bool,
}

fn transitions() -> Vec<Transition> {
    let canary = || on(&app("s1"), tightened());
    let moved = || on(&app("c"), tightened());
    let transition = |name, old, new, bridged| Transition { name, old, new, bridged, by_hand_is_safe: false };
    vec![
        transition("off to enforce", vec![], tightened(), 2),
        transition("enforce to off", tightened(), vec![], 2),
        transition("off to canary", vec![], canary(), 1),
        transition("canary to enforce", canary(), tightened(), 3),
        transition("enforce to canary", tightened(), canary(), 3),
        transition("a canary that moves", canary(), moved(), 2),
        transition("a canary that moves back", moved(), canary(), 2),
        transition("one workload tightened to pod level", loose(), tightened(), 1),
        // The one of the ten that lost nothing on the engine either.
        Transition { by_hand_is_safe: true, ..transition("one workload loosened again", tightened(), loose(), 1) },
        transition("ingress only to both", ingress_only(tightened()), tightened(), 2),
        transition("both to ingress only", tightened(), ingress_only(tightened()), 2),
    ]
}

#[test]
fn every_transition_is_safe_and_arrives() {
    for Transition { name, old, new, bridged, .. } in transitions() {
        let (from, target) = (all_alive(&old), all_desired(&new));
        let plan = spec_plan(&from, &target);
        assert_eq!(wrong_on_the_way(&old, &new, &from, &plan.steps), None, "{name}: {plan}");
        assert_eq!(plan.bridged.len(), bridged, "{name}: {plan}");
        let mut cluster = Cluster::new(&from);
        plan.steps.iter().for_each(|step| cluster.take(step));
        assert!(cluster.is(&target), "{name}: {plan}");
    }
}

#[test]
fn every_transition_written_by_hand_is_caught() {
    for Transition { name, old, new, by_hand_is_safe, .. } in transitions() {
        let target = all_desired(&new);
        let gone = old.iter().filter(|old| !new.iter().any(|new| new.key == old.key));
        let steps: Vec<Step> =
            target.into_iter().map(Step::Apply).chain(gone.map(|old| Step::Delete(old.key.clone()))).collect();
        assert_eq!(prove(&old, &new, &steps).is_ok(), by_hand_is_safe, "{name}");
        assert_eq!(wrong_on_the_way(&old, &new, &all_alive(&old), &steps).is_none(), by_hand_is_safe, "{name}");
    }
}

#[test]
fn an_object_edited_beyond_recognition_is_deleted_and_created_anew() {
    let intended = supplement("allow-api-server-0", &Selector::all(), 6443);
    let unreadable = Policy { pod_selector: Selector::nothing(), egress: None, ..intended.clone() };
    let live = Live { marks_intact: false, ..alive(&desired(&unreadable)) };
    let plan = plan(&[live], &[desired(&intended)], Capabilities::spec(), Pace::Urgent).unwrap();
    let on_it: Vec<String> = plan.steps.iter().map(ToString::to_string).filter(|step| step.ends_with("-0")).collect();
    assert_eq!(on_it, ["delete baseline-allow-api-server-0", "apply baseline-allow-api-server-0"]);
}
