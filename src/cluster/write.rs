//! Writes, each with its preconditions: a policy is changed only in the version that the plan was made for.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::Cluster;
use super::live::cilium_policies;
use crate::api::names;
use crate::model::{PolicyKey, PolicyKind, to_api};
use crate::plan::Desired;

/// Why the API server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody else wrote first, or holds the name: look again and plan anew.
    #[error("the object changed meanwhile: {0}")]
    Conflict(String),
    /// The request can never succeed as it is: admission, validation, a missing right, a quota.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing can be said; try again later.
    #[error("the API server does not answer properly: {0}")]
    Unavailable(String),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                // 404 on a write or a namespaced list: the object or its namespace went away.
                404 | 409 | 410 => Self::Conflict(status.message.clone()),
                400 | 401 | 403 | 405 | 413 | 415 | 422 => Self::Refused(status.message.clone()),
                _ => Self::Unavailable(format!("{} ({})", status.message, status.code)),
            },
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// The version of an object that a write is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// UID.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
}

/// Whether a write is done or only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Done.
    Real,
    /// Tried through admission and validation (`dryRun=All`).
    DryRun,
}

impl Cluster {
    /// Applies a policy for the baseline with this UID. `version` is the object as it was listed; `None`: there is none, and a
    /// foreign object that appears under the name meanwhile is not overwritten, since only known objects are forced.
    pub async fn apply_policy(
        &self,
        desired: &Desired,
        baseline_uid: &str,
        version: Option<&Version>,
        mode: Mode,
    ) -> Result<Version, Failure> {
        let key = &desired.policy.key;
        let mut body = body(desired).map_err(Failure::Refused)?;
        let mut metadata = json!({
            "name": key.name,
            "namespace": key.namespace,
            "labels": {
                names::MANAGED_BY: names::MANAGED_BY_VALUE,
                names::ALLOWANCE: desired.allowance,
            },
            "annotations": {
                names::BASELINE_UID: baseline_uid,
                names::REASON: desired.reason,
            },
        });
        if let Some(version) = version {
            metadata["uid"] = json!(version.uid);
            metadata["resourceVersion"] = json!(version.resource_version);
        }
        body["metadata"] = metadata;
        let mut params = PatchParams::apply(names::POLICY_MANAGER);
        params.force = version.is_some();
        params.dry_run = mode == Mode::DryRun;
        let policies = self.policies(key);
        let written = self.within_time(policies.patch(&key.name, &params, &Patch::Apply(&body))).await?;
        Ok(Version {
            uid: written.metadata.uid.unwrap_or_default(),
            resource_version: written.metadata.resource_version.unwrap_or_default(),
        })
    }

    /// Deletes a policy, in exactly this version.
    pub async fn delete_policy(&self, key: &PolicyKey, version: &Version) -> Result<(), Failure> {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(version.uid.clone()),
            resource_version: Some(version.resource_version.clone()),
        });
        let policies = self.policies(key);
        self.within_time(policies.delete(&key.name, &params)).await.map(|_| ())
    }

    fn policies(&self, key: &PolicyKey) -> Api<DynamicObject> {
        let resource = match key.kind {
            PolicyKind::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            PolicyKind::CiliumNetworkPolicy => cilium_policies(),
        };
        Api::namespaced_with(self.client.clone(), &key.namespace, &resource)
    }
}

fn body(desired: &Desired) -> Result<Value, String> {
    match desired.policy.key.kind {
        PolicyKind::NetworkPolicy => {
            let policy = to_api::network_policy(&desired.policy).map_err(|error| error.to_string())?;
            let mut body = serde_json::to_value(policy).map_err(|error| error.to_string())?;
            // What an apply does not name stays with whoever wrote it: rules that somebody added to a direction without rules.
            for rules in ["ingress", "egress"] {
                body["spec"].as_object_mut().ok_or("no spec")?.entry(rules).or_insert_with(|| json!([]));
            }
            Ok(body)
        }
        PolicyKind::CiliumNetworkPolicy => to_api::cilium_policy(&desired.policy).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::{Policy, Selector};

    #[test]
    fn a_direction_without_rules_is_named_so_that_rules_of_others_do_not_survive_there() {
        for (ingress, egress) in
            [(Some(Vec::new()), None), (None, Some(Vec::new())), (Some(Vec::new()), Some(Vec::new()))]
        {
            let key = PolicyKey::network_policy("shop", "baseline-default-deny");
            let policy = Policy { key, pod_selector: Selector::all(), ingress, egress, isolates: true };
            let desired = Desired { policy, allowance: "default-deny".into(), reason: String::new() };
            let body = body(&desired).unwrap();
            assert_eq!((&body["spec"]["ingress"], &body["spec"]["egress"]), (&json!([]), &json!([])));
        }
    }
}
