//! One sentence of the design each.

use super::*;

fn deny() -> Policy {
    policy("default-deny", &Selector::all()).on_ingress([]).on_egress([])
}

fn dns() -> Policy {
    policy("allow-dns", &Selector::all()).on_egress([rule("dns", 53)])
}

#[test]
fn equal_sets_make_an_empty_plan() {
    assert_eq!(spec_plan(&all_alive(&[deny(), dns()]), &all_desired(&[deny(), dns()])), Plan::default());
}

#[test]
fn one_added_allow_in_an_isolated_namespace_is_one_step() {
    assert_eq!(short_plan(&[deny()], &[deny(), dns()]), "+allow-dns");
}

fn https() -> Policy {
    policy("allow-external-https", &Selector::all()).on_egress([rule("gateway", 443)])
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
