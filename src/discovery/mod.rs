//! Snapshot → [`Facts`]: what every namespace needs, read from the live cluster.
//!
//! One file per fact. A fact says where it was read; a source that is not complete makes it [`Fact::Unreadable`] or, where only a part
//! of it may be missing, not ready, so that nobody takes back what was allowed before.

mod api_server;
mod dns;
mod engine;
mod fingerprints;
mod monitoring;
mod ranges;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::{PortMatch, Selector, Snapshot};
use crate::policy::Capabilities;

pub use engine::CONFIG_MAPS;

/// Reads every fact from the cluster.
pub fn discover(snapshot: &Snapshot, hints: &Hints) -> Facts {
    Facts {
        dns: dns::discover(snapshot, hints),
        api_server: api_server::discover(snapshot),
        monitoring: monitoring::discover(snapshot),
        engine: engine::discover(snapshot),
        cluster_ranges: ranges::discover(snapshot),
    }
}

/// What was discovered.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The cluster's resolver.
    pub dns: Fact<Dns>,
    /// The Kubernetes API.
    pub api_server: Fact<ApiServer>,
    /// Who scrapes what.
    pub monitoring: Fact<Monitoring>,
    /// The network engine.
    pub engine: Engine,
    /// Ranges that belong to the cluster (pods, Services, nodes) and lie outside the private ones (RFC 1918, RFC 6598, fc00::/7,
    /// link-local), which no external rule contains anyway: never "outside". Empty in most clusters.
    pub cluster_ranges: BTreeSet<IpNet>,
}

/// What the operator knows from its own place in the cluster. Empty offline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Nameservers of its own `resolv.conf` (`dnsPolicy: ClusterFirst`): the cluster's own resolver configuration.
    pub nameservers: Vec<IpAddr>,
}

/// Something discovered, with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is there.
    Known {
        /// Its value.
        value: T,
        /// The objects it was read from.
        origin: String,
        /// Whether it works: it may replace an older value.
        ready: bool,
    },
    /// Every source was complete, and it is not there.
    Absent {
        /// Where it was looked for.
        looked: String,
    },
    /// A source is not complete, so nothing can be said.
    Unreadable {
        /// Which source, and why.
        reason: String,
    },
}

impl<T> Fact<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Absent { .. } | Self::Unreadable { .. } => None,
        }
    }
}

/// The cluster's resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Pods that answer: namespace and labels.
    pub backends: BTreeSet<(Arc<str>, Selector)>,
    /// Addresses that pods ask: the nameserver's, node-local and link-local ones, nodes of hostNetwork backends.
    pub addresses: BTreeSet<IpAddr>,
    /// 53 and the target ports behind it; each for UDP and TCP.
    pub ports: BTreeSet<u16>,
}

/// The Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiServer {
    /// Addresses of its endpoints.
    pub endpoints: BTreeSet<IpAddr>,
    /// Addresses of Service `default/kubernetes`.
    pub cluster_ips: BTreeSet<IpAddr>,
    /// Ports of the endpoints and of the Service.
    pub ports: BTreeSet<u16>,
    /// Whether one of the endpoints is a node: some engines match no node by its address.
    pub on_nodes: bool,
}

/// Who scrapes what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Prometheus pods of trusted namespaces: namespace and labels.
    pub scrapers: BTreeSet<(Arc<str>, Selector)>,
    /// What they scrape, by namespace.
    pub targets: BTreeMap<Arc<str>, BTreeSet<ScrapeTarget>>,
    /// What they scrape that no selector finds, address and TCP port: pods of the host network, endpoints written by hand. Only of
    /// use to the egress of scrapers.
    pub addresses: BTreeSet<(IpAddr, u16)>,
}

/// Pods that are scraped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScrapeTarget {
    /// Which pods of the namespace.
    pub pods: Selector,
    /// On which ports (of the pod); never empty.
    pub ports: BTreeSet<PortMatch>,
    /// The object that asked for it (`ServiceMonitor shop/web`, `annotation of pod …`).
    pub origin: String,
}

/// The network engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Its record; [`Capabilities::spec`] when none was recognised.
    pub capabilities: &'static Capabilities,
    /// How certain it is that this engine judges policies here.
    pub certainty: Certainty,
    /// Whether it enforces NetworkPolicy.
    pub enforces: Enforces,
    /// What it was recognised by.
    pub origin: String,
    /// Labels by which its own pods are found: namespace and labels. `None`: it has none (k3s), or is not known.
    pub agents: Option<(Arc<str>, Selector)>,
    /// Whether the served CiliumNetworkPolicy schema has `enableDefaultDeny`, so that supplements are additive.
    pub additive_supplements: bool,
}

/// How an engine was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Not at all: the capabilities are those of the API text.
    None,
    /// By traces (definitions, annotations) that outlive it, or by one engine among several.
    Likely,
    /// By what runs.
    Certain,
}

/// Whether an engine enforces NetworkPolicy, by its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforces {
    /// By all that is configured, yes.
    Yes,
    /// No: the reason, and what to do.
    No(String),
    /// Not known: the reason.
    Unknown(String),
}

#[cfg(test)]
pub(crate) mod tests;
