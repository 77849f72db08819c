//! Classes: the pieces into which a set of pod selectors cuts the space of labels.

use std::collections::BTreeSet;

use crate::model::Selector;

/// The most classes that selectors may make. A plan judges, and where needed writes, one object per class.
pub const MAX_CLASSES: usize = 256;

/// A piece of label space that every selector of the set either contains or does not touch, so that all pods in it are
/// selected by the same policies. Again a selector, hence a policy can select exactly a class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// The pods of this class; matches some labels, and never those of another class.
    pub selector: Selector,
}

impl Class {
    /// Whether the pods of this class are selected. For a selector that did not take part in making the classes, whether
    /// all of them are.
    pub fn is_in(&self, selector: &Selector) -> bool {
        self.selector.is_subset(selector)
    }
}

/// The selectors cut label space into more than [`MAX_CLASSES`] pieces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pod selectors in use cut the pods into more than {MAX_CLASSES} classes: give fewer of them independent labels, \
     or merge {}",
    list(.merge)
)]
pub struct TooManyClasses {
    /// The selectors that overlap most others without one containing the other, worst first.
    pub merge: Vec<Selector>,
}

/// How many selectors [`TooManyClasses`] names.
const NAMED: usize = 8;

fn list(selectors: &[Selector]) -> String {
    selectors.iter().map(|selector| format!("{{{selector}}}")).collect::<Vec<_>>().join(", ")
}

/// Cuts label space by these selectors.
///
/// The classes are disjoint, every label set is in one, and each selector is a union of classes. Their order depends on the
/// set of selectors alone.
///
/// # Errors
/// [`TooManyClasses`] when there would be more than [`MAX_CLASSES`]: never a part of them.
pub fn classes<'a>(selectors: impl IntoIterator<Item = &'a Selector>) -> Result<Vec<Class>, TooManyClasses> {
    let selectors: BTreeSet<&Selector> = selectors.into_iter().collect();
    let mut pieces = vec![Selector::all()];
    for selector in &selectors {
        let mut cut = Vec::with_capacity(pieces.len() + 1);
        for piece in pieces {
            let inside = piece.and(selector);
            if inside.is_empty() {
                cut.push(piece);
            } else {
                cut.extend(piece.minus(selector));
                cut.push(inside);
            }
            if cut.len() > MAX_CLASSES {
                return Err(TooManyClasses { merge: overlapping(&selectors) });
            }
        }
        pieces = cut;
    }
    let mut classes: Vec<Class> = pieces.into_iter().map(|selector| Class { selector }).collect();
    classes.sort();
    Ok(classes)
}

/// Only selectors that overlap without nesting multiply classes; those that do it with the most others come first.
fn overlapping(selectors: &BTreeSet<&Selector>) -> Vec<Selector> {
    let mut ranked: Vec<(usize, &Selector)> = selectors
        .iter()
        .map(|&one| {
            let overlaps = selectors
                .iter()
                .filter(|&&other| !one.is_disjoint(other) && !one.is_subset(other) && !other.is_subset(one))
                .count();
            (overlaps, one)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    ranked.into_iter().take(NAMED).map(|(_, selector)| selector.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::model::Values;
    use crate::policy::arbitrary;

    fn of(key: &str, value: &str) -> Selector {
        Selector::of_labels([(key, value)])
    }

    #[test]
    fn no_selector_leaves_one_class_of_everything() {
        assert_eq!(classes([]).unwrap(), [Class { selector: Selector::all() }]);
        assert_eq!(classes([&Selector::all()]).unwrap(), [Class { selector: Selector::all() }]);
    }

    #[test]
    fn a_selector_cuts_into_itself_and_the_rest() {
        let canary = of("track", "canary");
        let classes = classes([&canary]).unwrap();
        assert_eq!(classes.len(), 2);
        assert_eq!(classes.iter().filter(|class| class.is_in(&canary)).count(), 1);
    }

    #[test]
    fn two_independent_selectors_make_four_classes() {
        let (app, track) = (of("app", "web"), of("track", "canary"));
        assert_eq!(classes([&app, &track, &app]).unwrap().len(), 4);
    }

    #[test]
    fn values_of_one_key_do_not_multiply() {
        let apps: Vec<Selector> = (0..100).map(|nth| of("app", &format!("a{nth}"))).collect();
        assert_eq!(classes(&apps).unwrap().len(), 101);
    }

    #[test]
    fn a_selector_that_selects_nothing_makes_no_class() {
        let nothing = Selector::all().with("app", &Values::In(BTreeSet::new()));
        let classes = classes([&nothing]).unwrap();
        assert_eq!(classes.len(), 1);
        assert!(!classes[0].is_in(&nothing));
    }

    #[test]
    fn too_many_classes_name_the_selectors_that_multiply() {
        let independent: Vec<Selector> = (0..9).map(|nth| of(&format!("k{nth}"), "v")).collect();
        let nested = independent.iter().fold(Selector::all(), |all, one| all.and(one));
        let error = classes(independent.iter().chain([&nested])).unwrap_err();
        assert!(!error.merge.contains(&nested), "{error}");
        assert!(error.to_string().contains("{k0=v}, {k1=v}"), "{error}");
    }

    proptest! {
        #[test]
        fn every_label_set_is_in_exactly_one_class(
            selectors in prop::collection::vec(arbitrary::selector(), 0..6),
            labels in arbitrary::label_set(),
        ) {
            let classes = classes(&selectors).unwrap();
            prop_assert_eq!(classes.iter().filter(|class| class.selector.matches(&labels)).count(), 1);
        }

        #[test]
        fn labels_match_a_selector_exactly_when_their_class_is_in_it(
            selectors in prop::collection::vec(arbitrary::selector(), 1..6),
            labels in arbitrary::label_set(),
        ) {
            let classes = classes(&selectors).unwrap();
            let class = classes.iter().find(|class| class.selector.matches(&labels)).unwrap();
            for selector in &selectors {
                prop_assert_eq!(selector.matches(&labels), class.is_in(selector));
                prop_assert!(class.is_in(selector) || class.selector.is_disjoint(selector));
            }
        }

        #[test]
        fn the_order_of_selectors_does_not_matter(mut selectors in prop::collection::vec(arbitrary::selector(), 0..6)) {
            let forward = classes(&selectors).unwrap();
            selectors.reverse();
            prop_assert_eq!(forward, classes(&selectors).unwrap());
        }
    }
}
