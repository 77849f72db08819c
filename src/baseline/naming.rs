//! Names of policies. A name is a function of what the policy is for, never of what else exists, so that an object keeps
//! its name while others come and go.

use sha2::{Digest, Sha256};

use crate::model::{Direction, Policy, Selector, Values};

/// The policy that isolates.
pub const DEFAULT_DENY: &str = "baseline-default-deny";
/// Lookups, at the end of the pods that ask.
pub const DNS: &str = "baseline-allow-dns";
/// Prefix: lookups, at the end of the pods that answer.
pub(super) const DNS_SERVING: &str = "baseline-allow-dns-serving";
/// Prefix: what the pods that answer ask upstream.
pub(super) const DNS_UPSTREAM: &str = "baseline-allow-dns-upstream";
/// Connections inside the namespace.
pub(super) const SAME_NAMESPACE: &str = "baseline-allow-same-namespace";
/// Scrapes, at the end of the pods that are scraped; with a suffix unless those are all pods.
pub(super) const MONITORING: &str = "baseline-allow-monitoring";
/// Prefix: scrapes, at the end of the Prometheus pods.
pub(super) const SCRAPING: &str = "baseline-allow-scraping";
/// The Internet.
pub(super) const EXTERNAL_HTTPS: &str = "baseline-allow-external-https";
/// The Kubernetes API; with a suffix of its content where it is a supplement.
pub(super) const API_SERVER: &str = "baseline-allow-api-server";
/// Prefix of bridges.
pub(super) const BRIDGE: &str = "baseline-bridge-";

/// Longest readable part of a suffix, in bytes.
const LONGEST_SLUG: usize = 30;

/// `prefix` for all pods, else `prefix-<label values>-<8 hex of the selector>`: readable, and distinct also where the
/// values are the same under other keys.
pub(super) fn of_pods(prefix: &str, pods: &Selector) -> String {
    if pods.is_all() {
        return prefix.to_owned();
    }
    let slug = slug(pods);
    let hash = digest(&pods.to_string());
    if slug.is_empty() { format!("{prefix}-{hash}") } else { format!("{prefix}-{slug}-{hash}") }
}

/// `prefix-<8 hex>` of everything a supplement selects and admits: one that changes is another object, so the old one
/// stays until the new one is in force.
pub(super) fn of_content(prefix: &str, policy: &Policy) -> String {
    let mut text = policy.pod_selector.to_string();
    for direction in Direction::BOTH {
        for atom in policy.atoms(direction) {
            text.push_str(&format!("\n{direction} {atom}"));
        }
    }
    format!("{prefix}-{}", digest(&text))
}

fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The values that single labels are compared with, in the characters of a DNS name.
fn slug(pods: &Selector) -> String {
    let mut words: Vec<&str> = Vec::new();
    for (_, values) in pods.requirements() {
        if let Values::In(of) = values
            && let (Some(value), 1) = (of.first(), of.len())
            && !words.contains(&value.as_ref())
        {
            words.push(value.as_ref());
        }
    }
    let text: String = words
        .join("-")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(LONGEST_SLUG)
        .collect();
    text.trim_matches('-').to_owned()
}
