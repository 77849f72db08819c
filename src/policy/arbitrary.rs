//! Strategies for property tests: few keys and values, so that random values meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use crate::model::{Selector, Values};

const KEYS: [&str; 3] = ["app", "tier", "track"];
const VALUES: [&str; 3] = ["a", "b", "c"];

fn values() -> impl Strategy<Value = Values> {
    let of = prop::sample::subsequence(VALUES.to_vec(), 1..=2)
        .prop_map(|of| of.into_iter().map(Arc::from).collect::<BTreeSet<Arc<str>>>());
    prop_oneof![
        4 => of.clone().prop_map(Values::In),
        2 => of.clone().prop_map(Values::Except),
        1 => of.prop_map(Values::PresentExcept),
        1 => Just(Values::PresentExcept(BTreeSet::new())),
        1 => Just(Values::Absent),
    ]
}

/// A selector of up to two keys that matches something.
pub fn selector() -> impl Strategy<Value = Selector> {
    prop::collection::vec((prop::sample::select(KEYS.to_vec()), values()), 0..3)
        .prop_map(|requirements| {
            requirements.iter().fold(Selector::all(), |selector, (key, values)| selector.with(key, values))
        })
        .prop_filter("matches something", |selector| !selector.is_empty())
}

/// The labels of a pod, values among them that no selector names.
pub fn label_set() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    let value = prop::option::of(prop::sample::select(vec!["a", "b", "c", "other"]));
    prop::collection::vec(value, KEYS.len()).prop_map(|values| {
        KEYS.iter().zip(values).filter_map(|(key, value)| Some((Arc::from(*key), Arc::from(value?)))).collect()
    })
}
