//! The story that the demonstration tells: a shop, its payments, the platform around them, and an intruder.

use kube::Client;

use crate::{Result, manifests};

/// Resolver, engine, Prometheus and gateway.
pub const CLUSTER: &str = include_str!("cluster.yaml");
/// Namespaces `shop` and `payments` with their workloads, and the intruder in `default`.
pub const WORKLOADS: &str = include_str!("workloads.yaml");
/// The baselines of both teams, at phase Off.
pub const BASELINES: &str = include_str!("baselines.yaml");

/// How many pods the story has: engine agents, resolvers, Prometheus, the gateway, `shop`, `payments`, the intruder.
pub const PODS: usize = 14;

/// Creates the cluster's and the teams' objects. Their pods run once [`nodes::stand_in`](crate::nodes::stand_in) does.
///
/// # Errors
/// When the API server refuses an object.
pub async fn set_up(client: &Client) -> Result<()> {
    manifests::apply(client, CLUSTER).await?;
    manifests::apply(client, WORKLOADS).await
}
