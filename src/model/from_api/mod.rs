//! Objects as the Kubernetes API gives them → the slim values of the [`Snapshot`](super::Snapshot).
//!
//! One function per kind. But for policies, where a part left out would change the meaning, none of them fails on an object that the API server accepted: a part that cannot be used (a port out of
//! range, an address that is a host name) is left out. Names that are absent, which only happens in files, become empty.

mod cluster;
mod monitor;
mod network;
mod policy;
mod workload;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::selector::Labels;

pub use cluster::{config_map, namespace, node, serves_default_deny};
pub use monitor::{pod_monitor, service_monitor};
pub use network::{endpoint_slice, service};
pub use policy::{cilium_policy, network_policy};
pub use workload::{daemon_set, pod};

fn shared(text: Option<&String>) -> Arc<str> {
    Arc::from(text.map_or("", String::as_str))
}

fn labels(of: Option<&BTreeMap<String, String>>) -> Labels {
    super::selector::labels(of.into_iter().flatten())
}

/// Only the entries under one of these prefixes, so that a busy annotation neither costs memory nor wakes anybody.
fn labels_under(of: Option<&BTreeMap<String, String>>, prefixes: &[&str]) -> Labels {
    super::selector::labels(
        of.into_iter().flatten().filter(|(key, _)| prefixes.iter().any(|prefix| key.starts_with(prefix))),
    )
}

fn addresses<'a>(of: impl IntoIterator<Item = &'a String>) -> Vec<IpAddr> {
    of.into_iter().filter_map(|address| address.parse().ok()).collect()
}

/// A port number of the API, which are 32-bit there; 0 is no port.
fn port_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|&port| port != 0)
}

#[cfg(test)]
mod tests;
