//! What lies in a namespace right now, read past every cache: the start of every plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};

use super::{Cluster, Failure};
use crate::api::{names, ownership};
use crate::model::{Policy, PolicyKey, PolicyKind, Selector, from_api};
use crate::plan::Live;

/// The policies of a namespace.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Ours.
    pub ours: Vec<Live>,
    /// Everybody else's.
    pub foreign: BTreeSet<PolicyKey>,
}

/// The API resource of CiliumNetworkPolicies.
pub(super) fn cilium_policies() -> ApiResource {
    ApiResource {
        group: "cilium.io".into(),
        version: "v2".into(),
        api_version: "cilium.io/v2".into(),
        kind: "CiliumNetworkPolicy".into(),
        plural: "ciliumnetworkpolicies".into(),
    }
}

impl Cluster {
    /// Lists the policies of a namespace at the API server. `uid` is the baseline's; `with_cilium` says whether the cluster
    /// serves CiliumNetworkPolicies.
    pub async fn inventory(&self, namespace: &str, uid: &str, with_cilium: bool) -> Result<Inventory, Failure> {
        let everything = ListParams::default();
        let mut inventory = Inventory::default();
        let policies: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), namespace);
        for object in self.within_time(policies.list(&everything)).await? {
            let read = from_api::network_policy(&object);
            inventory.add(PolicyKind::NetworkPolicy, namespace, uid, &object.metadata, read);
        }
        if with_cilium {
            let policies: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &cilium_policies());
            for object in self.within_time(policies.list(&everything)).await? {
                let read = serde_json::to_value(&object)
                    .map_err(|error| error.to_string())
                    .and_then(|value| from_api::cilium_policy(&value));
                inventory.add(PolicyKind::CiliumNetworkPolicy, namespace, uid, &object.metadata, read);
            }
        }
        Ok(inventory)
    }

    /// How many more NetworkPolicies the ResourceQuotas of a namespace admit; `None`: as many as you like.
    pub async fn quota(&self, namespace: &str) -> Result<Option<i64>, Failure> {
        let quotas: Api<ResourceQuota> = Api::namespaced(self.client.clone(), namespace);
        let listed = self.within_time(quotas.list(&ListParams::default())).await?;
        Ok(listed.iter().filter_map(room).min())
    }
}

impl Inventory {
    fn add(&mut self, kind: PolicyKind, namespace: &str, uid: &str, meta: &ObjectMeta, read: Result<Policy, String>) {
        let name: Arc<str> = Arc::from(meta.name.as_deref().unwrap_or_default());
        let key = PolicyKey { kind, namespace: Arc::from(namespace), name };
        if !ownership::is_ours(meta) {
            self.foreign.insert(key);
            return;
        }
        let text = |map: &Option<BTreeMap<String, String>>, key: &str| {
            map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
        };
        let readable = read.is_ok();
        self.ours.push(Live {
            // Edited into something that we never write. It reads as one that selects nothing, so that it is deleted and created
            // anew: an apply would leave in place what it does not name.
            policy: read.unwrap_or_else(|_| Policy {
                key,
                pod_selector: Selector::nothing(),
                ingress: None,
                egress: None,
                isolates: false,
            }),
            allowance: Arc::from(text(&meta.labels, names::ALLOWANCE)),
            reason: text(&meta.annotations, names::REASON),
            marks_intact: readable && ownership::marks_are_intact(meta, uid),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            written: written(meta),
        });
    }
}

/// When we last changed an object, as far as it tells.
fn written(meta: &ObjectMeta) -> Option<Timestamp> {
    meta.managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref() == Some(names::POLICY_MANAGER))
        .filter_map(|entry| entry.time.as_ref())
        .chain(&meta.creation_timestamp)
        .map(|time| time.0)
        .max()
}

/// The object count quota of NetworkPolicies (Kubernetes docs, "Resource Quotas", object count quota).
fn room(quota: &ResourceQuota) -> Option<i64> {
    const RESOURCE: &str = "count/networkpolicies.networking.k8s.io";
    let count = |of: &Option<BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
        of.as_ref()?.get(RESOURCE)?.0.parse::<i64>().ok()
    };
    let hard = count(&quota.spec.as_ref()?.hard)?;
    let used = quota.status.as_ref().and_then(|status| count(&status.used)).unwrap_or_default();
    tracing::debug!(quota = quota.name_any(), hard, used, "a quota limits policies");
    Some(hard - used)
}
