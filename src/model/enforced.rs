//! Which pods are isolated.

use std::fmt;

use super::policy::{Direction, Policy};
use super::selector::Selector;

/// Which pods of a namespace are isolated in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Enforced {
    /// None.
    #[default]
    None,
    /// Those that match.
    Canary(Selector),
    /// All.
    All,
}

impl Enforced {
    /// Reads from policies which pods they isolate. Phases are never remembered: a lost status lowers nothing.
    ///
    /// `deny` is the policy that carries the isolation of the set (default deny), if there is one; pods that only others select
    /// count when all pods are selected one way or another.
    pub fn by<'a>(policies: impl IntoIterator<Item = &'a Policy>, deny: Option<&Policy>, direction: Direction) -> Self {
        let isolating: Vec<&Selector> = policies
            .into_iter()
            .filter(|policy| policy.isolates(direction))
            .map(|policy| &policy.pod_selector)
            .filter(|selector| !selector.is_empty())
            .collect();
        if isolating.is_empty() {
            return Self::None;
        }
        if isolating.iter().any(|selector| selector.is_all()) || covers_everything(&isolating) {
            return Self::All;
        }
        let widest = isolating.iter().find(|wide| isolating.iter().all(|selector| selector.is_subset(wide)));
        let canary = deny.filter(|deny| deny.isolates(direction)).map(|deny| &deny.pod_selector).or(widest.copied());
        Self::Canary(canary.unwrap_or(isolating[0]).clone())
    }

    /// Whether no pod is isolated here that is not isolated there.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::All) => true,
            (Self::All, _) | (Self::Canary(_), Self::None) => false,
            (Self::Canary(pods), Self::Canary(others)) => pods.is_subset(others),
        }
    }
}

/// Many selectors on many keys would cut the rest into ever smaller pieces; past this many the answer is "no".
const MOST_PIECES: usize = 1024;

fn covers_everything(selectors: &[&Selector]) -> bool {
    let mut rest = vec![Selector::all()];
    for selector in selectors {
        rest = rest.iter().flat_map(|piece| piece.minus(selector)).collect();
        if rest.is_empty() {
            return true;
        }
        if rest.len() > MOST_PIECES {
            return false;
        }
    }
    false
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Canary(pods) => write!(f, "{pods}"),
            Self::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{PolicyKey, Values};

    fn canary(value: &str) -> Enforced {
        Enforced::Canary(Selector::of_labels([("track", value)]))
    }

    fn deny(pods: Selector, direction: Direction) -> Policy {
        let rules = |of| (of == direction).then(Vec::new);
        Policy {
            key: PolicyKey::network_policy("shop", "baseline-default-deny"),
            pod_selector: pods,
            ingress: rules(Direction::Ingress),
            egress: rules(Direction::Egress),
            isolates: true,
        }
    }

    #[test]
    fn what_is_enforced_is_read_from_the_policies_per_direction() {
        let policies = [deny(Selector::all(), Direction::Ingress)];
        assert_eq!(Enforced::by(&policies, None, Direction::Ingress), Enforced::All);
        assert_eq!(Enforced::by(&policies, None, Direction::Egress), Enforced::None);
    }

    #[test]
    fn bridges_that_together_select_every_pod_enforce_all() {
        let a = Values::In([Arc::from("a")].into());
        let policies = [
            deny(Selector::all().with("app", &a), Direction::Ingress),
            deny(Selector::all().with("app", &a.complement()[0]), Direction::Ingress),
        ];
        assert_eq!(Enforced::by(&policies, None, Direction::Ingress), Enforced::All);
        assert_eq!(
            Enforced::by(&policies[..1], None, Direction::Ingress),
            Enforced::Canary(policies[0].pod_selector.clone())
        );
    }

    #[test]
    fn of_several_selectors_the_default_denys_names_the_canary() {
        let policies = [
            deny(Selector::of_labels([("app", "orders"), ("track", "canary")]), Direction::Egress),
            deny(Selector::of_labels([("track", "canary")]), Direction::Egress),
        ];
        assert_eq!(Enforced::by(&policies, Some(&policies[1]), Direction::Egress), canary("canary"));
        assert_eq!(Enforced::by(&policies, None, Direction::Egress), canary("canary"));
    }

    #[test]
    fn a_supplement_isolates_nobody() {
        let supplement = Policy { isolates: false, ..deny(Selector::all(), Direction::Egress) };
        assert_eq!(Enforced::by([&supplement], None, Direction::Egress), Enforced::None);
    }
}
