//! Words that findings share. A message names workloads and not pods, so that it stays the same while pods come and go.

use std::collections::BTreeSet;

use crate::model::Pod;

/// How many things a message names.
const NAMED: usize = 5;

/// The first few of them, and how many more there are.
pub(super) fn bounded(things: &BTreeSet<String>) -> String {
    let named: Vec<&str> = things.iter().take(NAMED).map(String::as_str).collect();
    match things.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What the pod belongs to.
pub(super) fn workload(pod: &Pod) -> String {
    match &pod.owner {
        Some((kind, name)) => format!("{kind} {name}"),
        None => format!("Pod {}", pod.name),
    }
}
