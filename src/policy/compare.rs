//! How two sets of policies differ in meaning.

use std::collections::BTreeSet;

use super::classes::{TooManyClasses, classes};
use crate::model::{Atom, Direction, Policy, Selector};

/// What changes for the pods of one class in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which pods.
    pub class: Selector,
    /// Which direction.
    pub direction: Direction,
    /// Whether they are isolated by the old set.
    pub isolated_before: bool,
    /// Whether they are isolated by the new set.
    pub isolated_after: bool,
    /// What only the new set's rules admit.
    pub gained: BTreeSet<Atom>,
    /// What only the old set's rules admit.
    pub lost: BTreeSet<Atom>,
}

/// Compares two sets of policies of one namespace, class by class. Equal meaning gives no difference, however it is written;
/// nor do rules that differ only for pods that neither set isolates, since they admit nothing that is not open anyway.
///
/// # Errors
/// [`TooManyClasses`] when the selectors of both sets together make too many.
pub fn compare(old: &[Policy], new: &[Policy]) -> Result<Vec<Difference>, TooManyClasses> {
    let classes = classes(old.iter().chain(new).map(|policy| &policy.pod_selector))?;
    let mut differences = Vec::new();
    for class in &classes {
        for direction in Direction::BOTH {
            let of = |set: &[Policy]| -> (bool, BTreeSet<Atom>) {
                let selecting = || set.iter().filter(|policy| class.is_in(&policy.pod_selector));
                let isolated = selecting().any(|policy| policy.isolates(direction));
                (isolated, selecting().flat_map(|policy| policy.atoms(direction)).collect())
            };
            let ((isolated_before, before), (isolated_after, after)) = (of(old), of(new));
            let changes = isolated_before != isolated_after || (isolated_after && before != after);
            if changes {
                differences.push(Difference {
                    class: class.selector.clone(),
                    direction,
                    isolated_before,
                    isolated_after,
                    gained: &after - &before,
                    lost: &before - &after,
                });
            }
        }
    }
    Ok(differences)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::policy::{arbitrary, fixture};

    fn atoms(differences: &[Difference]) -> Vec<(String, Direction, Vec<String>, Vec<String>)> {
        let words = |of: &BTreeSet<Atom>| of.iter().map(ToString::to_string).collect();
        differences.iter().map(|d| (d.class.to_string(), d.direction, words(&d.gained), words(&d.lost))).collect()
    }

    #[test]
    fn rules_gained_and_lost_are_told_per_class_and_direction() {
        let policy = |port: u16| {
            fixture::policy(
                "shop",
                "web",
                json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"ports": [{"port": port}]}]}),
            )
        };
        let found = compare(&[policy(80)], &[policy(81)]).unwrap();
        let expected = vec![(
            "app=web".to_owned(),
            Direction::Ingress,
            vec!["anyone:81/TCP".to_owned()],
            vec!["anyone:80/TCP".to_owned()],
        )];
        assert_eq!(atoms(&found), expected);
        assert!(found[0].isolated_before && found[0].isolated_after);
    }

    #[test]
    fn isolation_alone_is_a_difference() {
        let deny = fixture::policy("shop", "deny", json!({"policyTypes": ["Egress"]}));
        let found = compare(&[], &[deny]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].direction, found[0].isolated_before, found[0].isolated_after),
            (Direction::Egress, false, true)
        );
    }

    #[test]
    fn a_supplement_beside_nothing_that_isolates_is_no_difference() {
        assert_eq!(compare(&[], &[fixture::supplement("shop", "api", 6443)]).unwrap(), []);
    }

    proptest! {
        #[test]
        fn a_set_does_not_differ_from_itself_in_another_order(mut set in prop::collection::vec(arbitrary::policy(), 0..5)) {
            let forward = set.clone();
            set.reverse();
            prop_assert_eq!(compare(&forward, &set).unwrap(), []);
        }

        #[test]
        fn the_way_back_gains_what_the_way_there_loses(
            old in prop::collection::vec(arbitrary::policy(), 0..4),
            new in prop::collection::vec(arbitrary::policy(), 0..4),
        ) {
            let (there, back) = (compare(&old, &new).unwrap(), compare(&new, &old).unwrap());
            let turned: Vec<Difference> = back
                .into_iter()
                .map(|d| Difference {
                    isolated_before: d.isolated_after,
                    isolated_after: d.isolated_before,
                    gained: d.lost,
                    lost: d.gained,
                    ..d
                })
                .collect();
            // Rules beside no isolation are only told when isolation itself changes, so both ways tell the same places.
            prop_assert_eq!(there, turned);
        }
    }
}
