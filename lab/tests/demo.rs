//! The demonstration tells what it promises, also where nobody sees colours.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::process::Command;

/// What a reader must have seen, in this order.
const PROMISED: &[&str] = &[
    "NO PACKET FLOWS",
    "1. Off:",
    "16 of 16 connections are allowed",
    "2. Audit:",
    "9 policies by",
    "none of ours in shop",
    "3. Canary:",
    "+ baseline-default-deny",
    "both directions Canary (isolated: track=canary), Ready=True Converged",
    "14 of 16 connections are allowed, 2 changed",
    "4. Enforce: all pods of shop",
    "~ baseline-default-deny  pods track=canary → all pods",
    "12 of 16 connections are allowed, 2 changed",
    "5. Enforce: payments",
    "11 of 16 connections are allowed, 1 changed",
    "6. The DNS Service",
    "+ FactKept",
    "none of the 9 policies of shop was touched",
    "retiring  baseline-allow-dns: 10.96.0.10/32:53/UDP",
    "~ baseline-allow-dns  adds egress 10.96.0.53/32:53/TCP",
    "7. Somebody edits",
    "✓ it admits nobody again",
    "✓ it is there again",
    "8. A policy of somebody else",
    "+ NameConflict",
    "✓ nothing was written",
    "✓ it goes on by itself",
    "9. The night of an outage",
    "✓ no policy of ours is left in shop",
    "Ready=True Held",
    "✓ the outage is over",
    "10. And back",
    "0 of ours in shop now",
    "11. The baseline of payments is deleted",
    "✓ the policies have left, then the baseline",
    "16 of 16 connections are allowed, 1 changed",
    "Everything is gone again",
];

#[test]
fn the_demonstration_shows_what_it_promises_and_is_plain_when_piped() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab")).arg("demo").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(!text.contains('\u{1b}'), "colours in a pipe:\n{text}");
    let mut rest = text.as_str();
    for promised in PROMISED {
        let found = rest.find(promised);
        assert!(found.is_some(), "{promised:?} does not come where it should in:\n{text}");
        rest = &rest[found.unwrap() + promised.len()..];
    }
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "longer than 100 columns: {long:#?}");
}
