//! Stand-ins for nodes, as none runs here: pods are bound, get an address and are said to be ready.
//!
//! With [`stand_in`] running, Deployments, DaemonSets and their EndpointSlices behave as on a real cluster, driven by
//! the real controllers. Nothing executes and no packet flows.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::TryStreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::error::Asking;
use crate::{Result, manifests};

/// The nodes' names, addresses (RFC 5737) and pod ranges.
const NODES: [(&str, &str, u8); 2] = [("lab-a", "192.0.2.11", 1), ("lab-b", "192.0.2.12", 2)];

/// Creates two Nodes that are Ready.
///
/// # Errors
/// When the API server refuses them.
pub async fn create(client: &Client) -> Result<()> {
    for (name, address, range) in NODES {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": format!("10.244.{range}.0/24"), "podCIDRs": [format!("10.244.{range}.0/24")]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn", "message": "no node runs",
                    "lastHeartbeatTime": now(), "lastTransitionTime": now()}],
            },
        });
        manifests::apply(client, &node.to_string()).await?;
        // Admission marks every new node as not ready, and the controller that would take the mark off is not run.
        let untainted = Patch::Merge(json!({"spec": {"taints": null}}));
        let nodes = Api::<Node>::all(client.clone());
        nodes.patch(name, &PatchParams::default(), &untainted).await.asking(|| format!("clearing node {name}"))?;
    }
    Ok(())
}

/// Plays scheduler and kubelet for all pods, until it is dropped or the watch fails for good.
///
/// # Errors
/// When the API server refuses what a scheduler and a kubelet may do.
pub async fn stand_in(client: Client) -> Result<()> {
    let pods = watcher(Api::<Pod>::all(client.clone()), watcher::Config::default()).default_backoff().applied_objects();
    // A watch that breaks begins anew by itself; only its errors end here.
    let mut pods = std::pin::pin!(pods);
    loop {
        match pods.try_next().await {
            Ok(Some(pod)) => match settle(&client, &pod).await {
                // The pod went or changed meanwhile, which brings the next event.
                Err(crate::Error::Kube { source, .. }) if is_conflict(&source) => {}
                result => result?,
            },
            Ok(None) => return Ok(()),
            Err(_) => {}
        }
    }
}

/// Takes one pod a step further: an unbound one is bound and made Running and Ready with an address of its own, one
/// that is being deleted goes. For tests that want a single pod to run.
///
/// # Errors
/// When the API server refuses.
pub async fn settle(client: &Client, pod: &Pod) -> Result<()> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let doing = || format!("running pod {namespace}/{name}");
    if pod.metadata.deletion_timestamp.is_some() {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        pods.delete(&name, &at_once).await.asking(doing)?;
        return Ok(());
    }
    let spec = pod.spec.clone().unwrap_or_default();
    if pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some()) {
        return Ok(());
    }
    // Unique among all pods that this process ever runs, which owns its lab.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let wanted = spec.node_name.clone().or_else(|| pinned_node(pod));
    let index = match &wanted {
        Some(wanted) => NODES.iter().position(|(node, ..)| node == wanted).unwrap_or(0),
        None => number as usize % NODES.len(),
    };
    let (node, node_address, range) = NODES[index];
    if spec.node_name.is_none() {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node}});
        let parameters = PostParams::default();
        pods.create_subresource::<_, Value>("binding", &name, &parameters, &binding).await.asking(doing)?;
    }
    let address = if spec.host_network == Some(true) { node_address.to_owned() } else { address(range, number) };
    let status = Patch::Merge(json!({"status": status(pod, node_address, &address)}));
    pods.patch_status(&name, &PatchParams::default(), &status).await.asking(doing)?;
    Ok(())
}

/// The node that the DaemonSet controller made the pod for; it leaves the binding to the scheduler.
fn pinned_node(pod: &Pod) -> Option<String> {
    let affinity = pod.spec.as_ref()?.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.first()?.match_fields.as_ref()?;
    fields.iter().find(|field| field.key == "metadata.name")?.values.as_ref()?.first().cloned()
}

fn address(range: u8, number: u32) -> String {
    // Above 250 pods of a process addresses leave the node's range, and stay unique up to 250 ranges.
    let third = u32::from(range) + NODES.len() as u32 * (number / 250);
    Ipv4Addr::new(10, 244, (third % 250) as u8, (number % 250 + 2) as u8).to_string()
}

fn status(pod: &Pod, node_address: &str, address: &str) -> Value {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let containers: Vec<_> = containers
        .map(|container| {
            json!({"name": container.name, "image": container.image, "imageID": "", "ready": true, "started": true,
                "restartCount": 0, "state": {"running": {"startedAt": now()}}})
        })
        .collect();
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now()}));
    json!({
        "phase": "Running", "startTime": now(),
        "hostIP": node_address, "hostIPs": [{"ip": node_address}],
        "podIP": address, "podIPs": [{"ip": address}],
        "conditions": conditions, "containerStatuses": containers,
    })
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 || status.code == 409)
}

/// Seconds are as exact as the API's times are.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
