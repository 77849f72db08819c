//! How the operator conducts itself, a test per sentence, on a real control plane.
#![allow(clippy::unwrap_used)]
#![allow(clippy::panic, reason = "helpers of tests fail the test")]

#[path = "conduct/adoption.rs"]
mod adoption;
#[path = "conduct/drift.rs"]
mod drift;
#[path = "conduct/hold.rs"]
mod hold;
#[path = "conduct/refusals.rs"]
mod refusals;
#[path = "conduct/removal.rs"]
mod removal;
#[path = "conduct/rollout.rs"]
mod rollout;
#[path = "conduct/suspend.rs"]
mod suspend;
#[path = "conduct/world.rs"]
mod world;
#[path = "conduct/writing.rs"]
mod writing;
