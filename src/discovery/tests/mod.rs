#![allow(clippy::unwrap_used)]

pub(crate) mod fixture;

mod api_server;
mod dns;
mod engine;
mod monitoring;
mod ranges;
