//! The cluster over the wire: watches that feed a slim [`Snapshot`](crate::model::Snapshot), uncached reads, and writes with
//! preconditions. Nothing is decided here.

mod feed;
mod feeds;
mod live;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::future::Future;
use std::time::Duration;

use kube::Client;

pub use feeds::follow_cluster;
pub use live::Inventory;
pub use store::{Change, Store};
pub use write::{Failure, Mode, Version};

/// The API server, and how long it may take.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// How long one request may take. Part of the safety of leadership: a new leader waits for it before its first write.
    pub request_timeout: Duration,
}

impl Cluster {
    /// Bounds a request.
    pub async fn within_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.request_timeout, request).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::Unavailable(format!("no answer within {:?}", self.request_timeout))),
        }
    }
}
