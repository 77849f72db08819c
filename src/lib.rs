//! NetworkBaseline: minimum-viable NetworkPolicies for every namespace, rolled out without an outage.
//!
//! ```text
//!  NetworkBaseline ─┐
//!  cluster watch ───┴─► Snapshot ─► discovery ─► Facts ─► baseline ─► PolicySet ─► rollout ─► plan ══► apply ─► status, Events, metrics
//!                       ╰─────────────────── pure: no clock, no network ────────────────────╯      I/O
//! ```
//!
//! Everything left of `══►` compiles without default features: no runtime, no client. `now` is an argument.

pub mod api;
pub mod baseline;
pub mod discovery;
pub mod findings;
pub mod model;
pub mod plan;
pub mod policy;
pub mod rollout;

#[cfg(feature = "operator")]
#[allow(clippy::disallowed_methods, reason = "talks to the API server: deadlines are measured here")]
pub mod cluster;
#[cfg(feature = "operator")]
#[allow(clippy::disallowed_methods, reason = "the clock enters here and is handed on as `now`")]
pub mod operator;
#[cfg(feature = "operator")]
#[allow(clippy::disallowed_methods, reason = "measures how long things take")]
pub mod telemetry;
