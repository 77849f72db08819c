//! The finalizer that lets the policies leave by their plan.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::error::Error;
use crate::api::NetworkBaseline;
use crate::api::names::{FINALIZER, FINALIZER_MANAGER};
use crate::cluster::{Cluster, Failure};

/// Whether it is there.
pub fn is_set(baseline: &NetworkBaseline) -> bool {
    baseline.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Adds it, before the first policy exists.
pub async fn add(cluster: &Cluster, baseline: &NetworkBaseline) -> Result<(), Error> {
    let with = baseline.finalizers().iter().map(String::as_str).chain([FINALIZER]);
    write(cluster, baseline, with.collect()).await.map_err(Error::Finalizer)
}

/// Removes it: the baseline may go. A conflict is an error as any other: what changed meanwhile may be our own status, and
/// that wakes nobody.
pub async fn remove(cluster: &Cluster, baseline: &NetworkBaseline) -> Result<(), Error> {
    let without = baseline.finalizers().iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER);
    write(cluster, baseline, without.collect()).await.map_err(Error::Finalizer)
}

/// Only the list of finalizers, and only in the version that was read; the spec is never touched.
async fn write(cluster: &Cluster, baseline: &NetworkBaseline, finalizers: Vec<&str>) -> Result<(), Failure> {
    let patch = json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": baseline.metadata.resource_version }
    });
    let baselines = baselines(&cluster.client, baseline);
    let params = PatchParams { field_manager: Some(FINALIZER_MANAGER.to_owned()), ..PatchParams::default() };
    cluster.within_time(baselines.patch_metadata(&baseline.name_any(), &params, &Patch::Merge(patch))).await?;
    Ok(())
}

fn baselines(client: &Client, baseline: &NetworkBaseline) -> Api<NetworkBaseline> {
    Api::namespaced(client.clone(), &baseline.namespace().unwrap_or_default())
}
