//! Which pods to isolate: rises can be blocked, falls cannot.

use crate::model::Enforced;

/// Which pods to isolate now: as desired, unless that would be a rise and something blocks. Falls always go.
pub fn decide(desired: Enforced, live: &Enforced, blocked: bool) -> Enforced {
    if blocked && !desired.is_within(live) { live.clone() } else { desired }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Selector;

    fn canary(value: &str) -> Enforced {
        Enforced::Canary(Selector::of_labels([("track", value)]))
    }

    #[test]
    fn a_rise_waits_while_something_blocks_and_a_fall_does_not() {
        for (desired, live, blocked, expected) in [
            (Enforced::All, Enforced::None, false, Enforced::All),
            (Enforced::All, Enforced::None, true, Enforced::None),
            (Enforced::All, canary("a"), true, canary("a")),
            (canary("b"), canary("a"), true, canary("a")),
            (canary("a"), Enforced::All, true, canary("a")),
            (Enforced::None, Enforced::All, true, Enforced::None),
            (Enforced::All, Enforced::All, true, Enforced::All),
        ] {
            assert_eq!(decide(desired.clone(), &live, blocked), expected, "{desired} from {live}, blocked: {blocked}");
        }
    }
}
