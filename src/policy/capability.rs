//! What engines (CNIs) do differently from each other and from the API text, as data.

use std::time::Duration;

/// Whether egress is judged by the address a pod called or by the one it reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// Judged before a Service address is translated: the Service's own address and port count too.
    Before,
    /// Judged after translation: only pod (endpoint) addresses and ports count.
    After,
}

/// What becomes of a connection that a newly arrived policy denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Established {
    /// Judged again: cut, in silence.
    Cut,
    /// Goes on until it ends.
    Kept,
    /// Not known.
    Unknown,
}

/// What an engine does with policies.
#[derive(Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name, as in `--engine` and in status.
    pub engine: &'static str,
    /// Where egress is judged.
    pub egress_judged: Translation,
    /// Whether an ipBlock that contains a pod's address matches the pod.
    pub block_matches_pods: bool,
    /// Whether an ipBlock that contains a node's address matches the node.
    pub block_matches_nodes: bool,
    /// Established connections when a policy arrives.
    pub established: Established,
    /// Whether connections from a pod's own node (kubelet probes) always reach it.
    pub node_reaches_own_pods: bool,
    /// Whether named ports match together with an ipBlock peer.
    pub named_port_with_block: bool,
    /// Whether `endPort` is honoured.
    pub end_port: bool,
    /// Whether SCTP is judged at all.
    pub sctp: bool,
    /// Whether an `except` denies what another rule allows.
    pub except_denies: bool,
    /// Whether policies reach the nodes in pieces, so that only a set in which one object carries everything is safe.
    pub delivers_in_pieces: bool,
    /// Whether supplements (CiliumNetworkPolicy with entities) can be used.
    pub supplements: bool,
    /// Label keys that selectors of this engine do not see: exact keys, or prefixes that end in `*`.
    pub ignored_labels: &'static [&'static str],
    /// How long a change takes to be in force everywhere, with a wide margin.
    pub settle: Duration,
    /// Where this is known from.
    pub source: &'static str,
}

impl Capabilities {
    /// The record of an engine by name.
    pub fn by_name(engine: &str) -> Option<&'static Self> {
        CAPABILITIES.iter().find(|record| record.engine == engine)
    }

    /// The API text, taken at its word; also the record of an engine that is not known.
    pub fn spec() -> &'static Self {
        &CAPABILITIES[0]
    }

    /// Whether selectors of this engine see a label key.
    pub fn sees_label(&self, key: &str) -> bool {
        !self.ignored_labels.iter().any(|ignored| match ignored.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == *ignored,
        })
    }
}

/// Every engine known. The first is the API text.
pub static CAPABILITIES: &[Capabilities] = &[Capabilities {
    engine: "spec",
    egress_judged: Translation::After,
    block_matches_pods: true,
    block_matches_nodes: true,
    established: Established::Unknown,
    node_reaches_own_pods: true,
    named_port_with_block: true,
    end_port: true,
    sctp: true,
    except_denies: false,
    delivers_in_pieces: false,
    supplements: false,
    ignored_labels: &[],
    settle: Duration::from_secs(10),
    source: "networking.k8s.io/v1 NetworkPolicy, API reference",
}];
