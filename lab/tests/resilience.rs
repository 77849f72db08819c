//! What the operator does when the cluster is not as it was: facts that vanish or move, kinds and engines that come and go.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod bench;

#[path = "resilience/engines.rs"]
mod engines;
#[path = "resilience/facts.rs"]
mod facts;
#[path = "resilience/kinds.rs"]
mod kinds;
