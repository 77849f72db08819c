//! What a set of policies says, as text that is the same however it was written.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::{Direction, Policy};

use super::Desired;

/// `sha256:…` of what the policies say: names, pods and rules. Order, reasons, marks and the namespace do not count.
pub fn hash(target: &[Desired]) -> String {
    let mut policies: Vec<String> = target
        .iter()
        .map(|Desired { policy, .. }| json!([policy.key.kind, policy.key.name, meaning(policy)]).to_string())
        .collect();
    policies.sort_unstable();
    format!("sha256:{:x}", Sha256::digest(policies.join("\n")))
}

/// The first eight digits of the hash of what one policy says, whatever its name. `salt` gives others of the same content.
pub(super) fn of_content(policy: &Policy, salt: u32) -> String {
    let mut digits = format!("{:x}", Sha256::digest(json!([salt, meaning(policy)]).to_string()));
    digits.truncate(8);
    digits
}

/// What a policy says, without its name and namespace.
pub(super) fn meaning(policy: &Policy) -> Value {
    let rules = |direction| {
        let _ = policy.rules(direction)?;
        Some(policy.atoms(direction).iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    json!({
        "pods": policy.pod_selector.to_string(),
        "isolates": policy.isolates,
        "ingress": rules(Direction::Ingress),
        "egress": rules(Direction::Egress),
    })
}
