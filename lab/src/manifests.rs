//! Objects from YAML, by server-side apply.

use std::time::{Duration, Instant};

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::error::Asking;
use crate::{Error, Result};

const MANAGER: &str = "netbaseline-lab";
/// A kind is served a moment after its definition was accepted.
const KIND_PATIENCE: Duration = Duration::from_secs(10);

/// Applies every document of `text`, in order. A `status` is written, too.
///
/// # Errors
/// When the text is no YAML of Kubernetes objects, or the API server does not know a kind or refuses an object.
pub async fn apply(client: &Client, text: &str) -> Result<()> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(bad)?;
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        let object: DynamicObject = serde_json::from_value(document).map_err(bad)?;
        let types = object.types.clone().ok_or_else(|| bad("a document has no apiVersion and kind"))?;
        let (kind, name) = (GroupVersionKind::try_from(&types).map_err(bad)?, object.name_any());
        let (resource, capabilities) = find(client, &kind).await?;
        let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
            (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), &namespace, &resource),
            (Scope::Namespaced, None) => return Err(bad(format!("{} {name} names no namespace", kind.kind))),
        };
        let doing = || format!("applying {} {name}", kind.kind);
        let parameters = PatchParams::apply(MANAGER).force();
        api.patch(&name, &parameters, &Patch::Apply(&object)).await.asking(doing)?;
        if object.data.get("status").is_some() {
            api.patch_status(&name, &parameters, &Patch::Apply(&object)).await.asking(doing)?;
        }
    }
    Ok(())
}

fn bad(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Manifest { problem: problem.into().to_string() }
}

async fn find(
    client: &Client,
    kind: &GroupVersionKind,
) -> Result<(discovery::ApiResource, discovery::ApiCapabilities)> {
    let began = Instant::now();
    loop {
        match discovery::pinned_kind(client, kind).await {
            Err(_) if began.elapsed() < KIND_PATIENCE => tokio::time::sleep(Duration::from_millis(100)).await,
            found => return found.asking(|| format!("looking up {} {}", kind.api_version(), kind.kind)),
        }
    }
}
