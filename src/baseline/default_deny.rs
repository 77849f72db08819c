//! The policy that isolates: it admits nothing, and the others add to it.

use std::sync::Arc;

use super::draft::Draft;
use super::naming;
use crate::model::Selector;

pub(super) fn drafts() -> Vec<Draft> {
    vec![Draft {
        name: naming::DEFAULT_DENY.to_owned(),
        allowance: Arc::from("default-deny"),
        pods: Selector::all(),
        ingress: Some(Vec::new()),
        egress: Some(Vec::new()),
        reason: "isolates the pods of this namespace; what they need is admitted by the other baseline-* policies"
            .to_owned(),
        supplement: false,
    }]
}
