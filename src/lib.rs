//! NetworkBaseline: minimum-viable NetworkPolicies for every namespace, rolled out without an outage.

pub mod api;
pub mod model;
