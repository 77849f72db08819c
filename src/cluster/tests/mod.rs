//! The wire edge against an API server that answers by a script.
#![allow(clippy::unwrap_used)]

mod feed;
mod live;
pub(crate) mod script;
mod write;
