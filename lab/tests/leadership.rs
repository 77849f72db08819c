//! One replica writes; it ends well; it says how it is; and at rest it writes nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod bench;

#[path = "leadership/replicas.rs"]
mod replicas;
#[path = "leadership/rest.rs"]
mod rest;
