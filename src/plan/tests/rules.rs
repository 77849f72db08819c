//! One sentence of the design each.

use serde_json::json;

use super::naive::wrong;
use super::*;
use crate::policy::MAX_CLASSES;

fn deny() -> Policy {
    policy("default-deny", &Selector::all()).on_ingress([]).on_egress([])
}

fn dns() -> Policy {
    policy("allow-dns", &Selector::all()).on_egress([rule("dns", 53)])
}

fn https() -> Policy {
    policy("allow-external-https", &Selector::all()).on_egress([rule("gateway", 443)])
}

fn api_server() -> Policy {
    supplement("allow-api-server-0", &Selector::all(), 6443)
}

fn pieces_engine() -> Capabilities {
    let spec = Capabilities::spec();
    Capabilities { delivers_in_pieces: true, ignored_labels: spec.ignored_labels, source: spec.source, ..*spec }
}

fn step(old: &[Policy], new: &[Policy], number: usize) -> Policy {
    match &spec_plan(&all_alive(old), &all_desired(new)).steps[number - 1] {
        Step::Apply(desired) => desired.policy.clone(),
        other => panic!("step {number} is {other:?}"),
    }
}

#[test]
fn equal_sets_make_an_empty_plan() {
    assert_eq!(spec_plan(&all_alive(&[deny(), dns()]), &all_desired(&[deny(), dns()])), Plan::default());
}

#[test]
fn a_policy_that_is_written_differently_is_equal() {
    let two = policy("allow-dns", &Selector::all()).on_egress([rule("dns", 53), rule("dns", 53)]);
    assert_eq!(short_plan(&[deny(), two], &[deny(), dns()]), "");
}

#[test]
fn one_added_allow_in_an_isolated_namespace_is_one_step() {
    assert_eq!(short_plan(&[deny()], &[deny(), dns()]), "+allow-dns");
}

#[test]
fn one_removed_allow_is_one_step() {
    assert_eq!(short_plan(&[deny(), dns()], &[deny()]), "-allow-dns");
}

#[test]
fn what_adds_goes_before_what_removes() {
    assert_eq!(short_plan(&[deny(), dns()], &[deny(), https()]), "+allow-external-https -allow-dns");
}

#[test]
fn isolation_that_one_object_brings_whole_needs_no_bridge() {
    assert_eq!(short_plan(&[], &[deny(), dns()]), "+allow-dns +default-deny");
    assert_eq!(short_plan(&[deny(), dns()], &[]), "-default-deny -allow-dns");
}

#[test]
fn isolation_that_several_objects_bring_goes_over_a_bridge() {
    assert_eq!(
        short_plan(&[], &[deny(), dns(), https()]),
        "+bridge- ... +allow-dns +allow-external-https +default-deny ... -bridge-"
    );
}

#[test]
fn isolation_that_several_objects_end_goes_over_a_bridge() {
    assert_eq!(
        short_plan(&[deny(), dns(), https()], &[]),
        "+bridge- ... -default-deny -allow-dns -allow-external-https ... -bridge-"
    );
}

#[test]
fn an_edit_that_adds_and_removes_is_two_edits() {
    let moved = policy("allow-dns", &Selector::all()).on_egress([rule("dns", 5353)]);
    let (old, new) = ([deny(), dns()], [deny(), moved.clone()]);
    assert_eq!(short_plan(&old, &new), "+allow-dns +allow-dns");
    assert_eq!(step(&old, &new, 1).atoms(Direction::Egress).len(), 2);
    assert_eq!(step(&old, &new, 2), moved);
}

#[test]
fn a_pod_selector_is_never_edited_in_place() {
    let narrower = policy("allow-dns", &app("web")).on_egress([rule("dns", 53)]);
    assert_eq!(short_plan(&[deny(), dns()], &[deny(), narrower]), "+bridge- ... -allow-dns +allow-dns ... -bridge-");
}

#[test]
fn only_the_classes_that_need_it_get_a_bridge() {
    let narrower = policy("allow-dns", &app("web")).on_egress([rule("dns", 53)]);
    let plan = spec_plan(&all_alive(&[deny(), dns()]), &all_desired(&[deny(), narrower]));
    let classes: Vec<&Selector> = plan.bridged.iter().map(|bridged| &bridged.class).collect();
    assert_eq!(classes, [&app("web")], "pods that lose the rule for good need none");
}

#[test]
fn a_bridge_carries_everything_that_the_set_allows_its_class() {
    let web = policy("ingress-web", &app("web")).on_ingress([rule("storefront", 8080)]);
    let new = [deny(), dns(), https(), web];
    let plan = spec_plan(&[], &all_desired(&new));
    let bridges: Vec<&Desired> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Apply(desired) if &*desired.allowance == "bridge" => Some(desired),
            _ => None,
        })
        .collect();
    assert_eq!(bridges.len(), 2);
    for bridge in bridges {
        let of_web = bridge.policy.pod_selector == app("web");
        assert_eq!(bridge.policy.atoms(Direction::Ingress).len(), usize::from(of_web));
        assert_eq!(bridge.policy.atoms(Direction::Egress).len(), 2);
        assert_eq!(bridge.policy.key.name.len(), "baseline-bridge-".len() + 8);
    }
}

#[test]
fn directions_that_move_apart_need_a_bridge_of_each_set() {
    let ingress = [
        policy("a-ingress", &Selector::all()).on_ingress([rule("p", 1)]),
        policy("b-ingress", &Selector::all()).on_ingress([rule("q", 2)]),
    ];
    let egress = [
        policy("a-egress", &Selector::all()).on_egress([rule("p", 1)]),
        policy("b-egress", &Selector::all()).on_egress([rule("q", 2)]),
    ];
    let plan = spec_plan(&all_alive(&ingress), &all_desired(&egress));
    assert_eq!(
        short(&plan.steps),
        "+bridge- +bridge- ... +a-egress +b-egress -a-ingress -b-ingress ... -bridge- -bridge-"
    );
    let (Step::Apply(first), Some(Step::Delete(last))) = (&plan.steps[0], plan.steps.last()) else {
        panic!("{plan}");
    };
    assert!(first.policy.egress.is_some(), "the new set's leaves first");
    assert_ne!(first.policy.key, *last);
}

#[test]
fn a_plan_that_was_interrupted_goes_on_with_the_bridges_that_live() {
    let new = all_desired(&[deny(), dns(), https()]);
    let mut cluster = Cluster::new(&[]);
    cluster.take(&spec_plan(&[], &new).steps[0]);
    assert_eq!(
        short(&spec_plan(&cluster.live(), &new).steps),
        "... +allow-dns +allow-external-https +default-deny ... -bridge-",
        "and waits, since the bridge may be a moment old"
    );
}

#[test]
fn bridges_that_an_earlier_plan_left_leave_after_an_await() {
    let new = all_desired(&[deny(), dns(), https()]);
    let mut cluster = Cluster::new(&[]);
    spec_plan(&[], &new).steps.iter().take(5).for_each(|step| cluster.take(step));
    assert_eq!(short(&spec_plan(&cluster.live(), &new).steps), "... -bridge-");
}

#[test]
fn a_rule_for_isolated_pods_is_never_held_up_by_an_await() {
    let mut cluster = Cluster::new(&all_alive(&[deny(), dns(), https()]));
    cluster.take(&spec_plan(&cluster.live(), &[]).steps[0]);
    let more = policy("allow-dns", &Selector::all()).on_egress([rule("dns", 53), rule("dns", 5353)]);
    let target = all_desired(&[deny(), more, https()]);
    assert_eq!(short(&spec_plan(&cluster.live(), &target).steps), "+allow-dns ... -bridge-");
}

#[test]
fn a_bridge_that_somebody_edited_is_not_taken_for_one() {
    let new = all_desired(&[deny(), dns(), https()]);
    let Step::Apply(bridge) = &spec_plan(&[], &new).steps[0] else { panic!("no bridge") };
    let mut edited = alive(bridge);
    edited.policy.egress = Some(Vec::new());
    let plan = spec_plan(&[edited.clone()], &new);
    assert!(
        plan.steps.iter().all(|step| !matches!(step, Step::Apply(applied) if applied.policy.key == edited.policy.key)),
        "{plan}"
    );
    assert!(plan.steps.contains(&Step::Delete(edited.policy.key)), "{plan}");
}

#[test]
fn a_bridge_never_takes_a_name_of_the_target() {
    let Step::Apply(bridge) = &spec_plan(&[], &all_desired(&[deny(), dns(), https()])).steps[0] else {
        panic!("no bridge")
    };
    // What it says is in the set anyway, so the bridge has the content that its name was made of.
    let namesake = Policy { key: bridge.policy.key.clone(), ..dns() };
    let target = all_desired(&[deny(), dns(), https(), namesake.clone()]);
    let steps = spec_plan(&[], &target).steps;
    let writes = |step: &&Step| matches!(step, Step::Apply(applied) if bridge::is_bridge(&applied.policy.key));
    assert_eq!(steps.iter().filter(writes).count(), 2);
    assert!(!steps.contains(&Step::Delete(namesake.key)));
}

#[test]
fn lost_marks_are_restored_by_an_apply() {
    let mut from = all_alive(&[deny(), dns()]);
    from[0].marks_intact = false;
    from[1].reason.clear();
    assert_eq!(short(&spec_plan(&from, &all_desired(&[deny(), dns()])).steps), "+allow-dns +default-deny");
}

#[test]
fn supplements_are_in_force_before_pods_depend_on_them_and_leave_after() {
    let set = [deny(), dns(), https(), api_server()];
    assert_eq!(
        short_plan(&[], &set),
        "+allow-api-server-0 ... +bridge- ... +allow-dns +allow-external-https +default-deny ... -bridge-"
    );
    assert_eq!(
        short_plan(&set, &[]),
        "+bridge- ... -default-deny -allow-dns -allow-external-https ... -bridge- ... -allow-api-server-0"
    );
}

#[test]
fn a_supplement_that_moves_is_replaced_by_its_successor() {
    let moved = supplement("allow-api-server-1", &Selector::all(), 443);
    assert_eq!(short_plan(&[deny(), api_server()], &[deny(), moved]), "+allow-api-server-1 ... -allow-api-server-0");
}

#[test]
fn a_rule_that_changes_its_kind_waits_between() {
    let plain = policy("allow-api-server", &Selector::all()).on_egress([rule("api", 6443)]);
    assert_eq!(
        short_plan(&[deny(), plain.clone()], &[deny(), api_server()]),
        "+allow-api-server-0 ... -allow-api-server"
    );
    assert_eq!(short_plan(&[deny(), api_server()], &[deny(), plain]), "+allow-api-server ... -allow-api-server-0");
}

#[test]
fn a_supplement_whose_pods_were_edited_is_created_anew_under_a_stand_in() {
    let edited = supplement("allow-api-server-0", &app("web"), 6443);
    assert_eq!(
        short_plan(&[deny(), edited], &[deny(), api_server()]),
        "+bridge- ... -allow-api-server-0 +allow-api-server-0 ... -bridge-"
    );
}

#[test]
fn supplements_isolate_nobody() {
    assert_eq!(short_plan(&[], &[api_server()]), "+allow-api-server-0");
    assert_eq!(judge(&[], &[api_server()], &[api_server()]), Ok(()));
}

#[test]
fn an_urgent_plan_takes_the_same_writes_without_an_await() {
    let from = all_alive(&[deny(), dns(), https(), api_server()]);
    let careful = spec_plan(&from, &[]).steps;
    let urgent = plan(&from, &[], Capabilities::spec(), Pace::Urgent).unwrap().steps;
    assert_eq!(urgent, careful.into_iter().filter(|step| *step != Step::Await).collect::<Vec<_>>());
}

#[test]
fn an_engine_that_needs_no_time_makes_no_await() {
    let engine = Capabilities { settle: std::time::Duration::ZERO, ..pieces_engine() };
    let plan = plan(&[], &all_desired(&[deny(), dns(), https()]), &engine, Pace::Careful).unwrap();
    assert!(!plan.steps.contains(&Step::Await));
}

#[test]
fn an_engine_that_delivers_in_pieces_waits_before_anything_is_taken_away() {
    let from = all_alive(&[deny(), dns()]);
    let plan = plan(&from, &all_desired(&[deny(), https()]), &pieces_engine(), Pace::Careful).unwrap();
    assert_eq!(short(&plan.steps), "+allow-external-https ... -allow-dns");
}

#[test]
fn in_one_piece_a_change_is_a_new_piece_and_then_the_old_one_leaves() {
    let engine = pieces_engine();
    let piece = |set: &[Policy]| in_one_piece(&all_desired(set)).unwrap();
    let (before, after) = (piece(&[deny(), dns(), api_server()]), piece(&[deny(), dns(), https(), api_server()]));
    let rise = plan(&[], &before, &engine, Pace::Careful).unwrap();
    assert_eq!(short(&rise.steps), "+allow-api-server-0 ... +bridge-");
    let live: Vec<Live> = before.iter().map(alive).collect();
    let change = plan(&live, &after, &engine, Pace::Careful).unwrap();
    assert_eq!(short(&change.steps), "... +bridge- ... -bridge-");
    let fall = plan(&live, &[], &engine, Pace::Careful).unwrap();
    assert_eq!(short(&fall.steps), "... -bridge- ... -allow-api-server-0");
}

#[test]
fn more_classes_than_can_be_judged_are_an_error_that_names_selectors() {
    let set: Vec<Policy> = (0..9)
        .map(|nth| policy(&nth.to_string(), &Selector::of_labels([(format!("key{nth}"), "on")])).on_ingress([]))
        .collect();
    let error = plan(&[], &all_desired(&set), Capabilities::spec(), Pace::Careful).unwrap_err();
    assert!(matches!(&error, PlanError::TooManyClasses(too_many) if !too_many.merge.is_empty()));
    assert!(error.to_string().contains(&MAX_CLASSES.to_string()), "{error}");
}

#[test]
fn the_proof_names_the_step_the_pods_and_the_rules() {
    let new = [deny(), dns(), https()];
    let steps: Vec<Step> = all_desired(&new).into_iter().map(Step::Apply).collect();
    assert_eq!(
        prove(&[], &new, &steps).unwrap_err().to_string(),
        "unsafe: after step 1, egress of pods * lacks rules of the new set (pods(app=dns):53/TCP, pods(app=gateway):443/TCP)"
    );
}

#[test]
fn a_state_is_judged_clause_by_clause() {
    let open: [Policy; 0] = [];
    let tight = [deny(), dns()];
    let both = [deny(), dns(), https()];
    type Case<'a> = (&'a [Policy], &'a [Policy], &'a [Policy], Option<&'a str>);
    let cases: [Case<'_>; 9] = [
        (&tight, &both, &tight, None),
        (&tight, &both, &both, None),
        (&open, &tight, &open, None),
        (&tight, &both, &open, Some("is not isolated")),
        (&open, &open, &tight, Some("is isolated")),
        (&tight, &both, &[deny()], Some("lacks rules of the old set (pods(app=dns):53/TCP) and of the new set")),
        (&open, &both, &tight, Some("lacks rules of the new set (pods(app=gateway):443/TCP)")),
        (&tight, &[deny()], &both, Some("admits what neither set admits (pods(app=gateway):443/TCP)")),
        (&[deny(), https()], &[deny(), dns()], &both, None),
    ];
    for (old, new, state, expected) in cases {
        let judged = judge(old, new, state).map_err(|error| error.to_string());
        assert_eq!(wrong(old, new, state).is_some(), judged.is_err(), "{judged:?}");
        match (&judged, expected) {
            (Ok(()), None) => {}
            (Err(said), Some(part)) => assert!(said.contains(part), "{said}"),
            _ => panic!("{judged:?}, not {expected:?}"),
        }
    }
}

#[test]
fn the_hash_speaks_of_names_pods_and_rules_and_of_nothing_else() {
    let set = all_desired(&[deny(), dns()]);
    let mut other = set.clone();
    other[0].reason = "another".to_owned();
    other.reverse();
    assert_eq!(hash(&set), hash(&other));
    for changed in [
        all_desired(&[deny()]),
        all_desired(&[deny(), https()]),
        all_desired(&[deny(), Policy { pod_selector: app("web"), ..dns() }]),
        all_desired(&[deny(), dns().on_ingress([])]),
    ] {
        assert_ne!(hash(&set), hash(&changed));
    }
    assert_eq!(hash(&[]), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(hash(&set).starts_with("sha256:"));
}

#[test]
fn the_hash_is_the_same_in_every_release() {
    // People repeat it in `approvedTarget`: a change of its form withdraws every approval.
    assert_eq!(
        hash(&all_desired(&[deny(), dns(), api_server()])),
        "sha256:2b08380ad348ce3e1546e386fd546f15ee5dae87da6091c5c438981aa4741445"
    );
}

#[test]
fn a_plan_is_text_for_people() {
    let narrower = policy("allow-dns", &app("web")).on_egress([rule("dns", 53)]);
    let plan = spec_plan(&all_alive(&[deny(), dns()]), &all_desired(&[deny(), narrower]));
    let expected = "  \
  1. apply  NetworkPolicy shop/baseline-bridge-b0bfabaf (everything the baseline allows pods app=web, in one object): pods app=web; ingress nothing; egress pods(app=dns):53/TCP
  2. await  the steps before are in force on every node
  3. delete NetworkPolicy shop/baseline-allow-dns
  4. apply  NetworkPolicy shop/baseline-allow-dns (because of baseline-allow-dns): pods app=web; egress pods(app=dns):53/TCP
  5. await  the steps before are in force on every node
  6. delete NetworkPolicy shop/baseline-bridge-b0bfabaf
pods app=web need a bridge: without it, after step 1, egress of pods app=web lacks rules of the old set (pods(app=dns):53/TCP) and of the new set (pods(app=dns):53/TCP)
";
    assert_eq!(plan.to_string(), expected);
    assert_eq!(Plan::default().to_string(), "nothing to do\n");
}

#[test]
fn a_plan_is_json_for_programs() {
    let plan = spec_plan(&all_alive(&[deny(), dns()]), &all_desired(&[deny(), https()]));
    let name = |name| json!({"kind": "NetworkPolicy", "namespace": "shop", "name": name});
    let json = plan.to_json();
    assert_eq!(json["steps"][1]["delete"], name("baseline-allow-dns"));
    assert_eq!(json["steps"][0]["apply"]["policy"]["egress"], json!(["pods(app=gateway):443/TCP"]));
    assert_eq!(json["steps"][0]["apply"]["policy"]["ingress"], json!(null));
    assert_eq!(json["bridged"], json!([]));
}
