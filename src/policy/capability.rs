//! What engines (CNIs) do differently from each other and from the API text, as data. The records are in [`CAPABILITIES`].

use std::time::Duration;

use super::engines::CAPABILITIES;

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

/// A trait of an engine that its record may hold as a belief, neither measured nor read in its source. A verdict that hangs
/// on one is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// [`Capabilities::block_matches_pods`].
    BlockMatchesPods,
    /// [`Capabilities::block_matches_nodes`].
    BlockMatchesNodes,
    /// [`Capabilities::node_reaches_own_pods`].
    NodeReachesOwnPods,
    /// [`Capabilities::pod_reaches_own_node`].
    PodReachesOwnNode,
    /// [`Capabilities::named_port_with_block`].
    NamedPortWithBlock,
    /// [`Capabilities::end_port`].
    EndPort,
    /// [`Capabilities::sctp`].
    Sctp,
    /// That no selector matches a pod of the host network. The API leaves it open (concept page "Network Policies",
    /// "NetworkPolicy and hostNetwork pods").
    HostNetworkUnselected,
    /// That a pod which calls its own Service and gets itself is never cut off.
    SelfByService,
}

/// What an engine does with policies.
#[derive(Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name, as in `--engine` and in status.
    pub engine: &'static str,
    /// Whether it enforces NetworkPolicy at all, unless its configuration says otherwise.
    pub enforces: bool,
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
    /// Whether connections from a pod to its own node are never cut off.
    pub pod_reaches_own_node: bool,
    /// Whether a named port in an egress rule matches together with an ipBlock peer.
    pub named_port_with_block: bool,
    /// Whether `endPort` is honoured; where it is not, a range is its first port, in silence.
    pub end_port: bool,
    /// Whether SCTP is judged at all.
    pub sctp: bool,
    /// Whether an `except` denies what another rule allows.
    pub except_denies: bool,
    /// Whether policies reach the nodes in pieces, so that only a set in which one object carries everything is safe.
    pub delivers_in_pieces: bool,
    /// Whether supplements (CiliumNetworkPolicy with entities) can be used.
    pub supplements: bool,
    /// Keys of pod labels that selectors of this engine do not see: exact keys, or prefixes that end in `*`.
    pub ignored_labels: &'static [&'static str],
    /// How long a change takes to be in force everywhere, with a wide margin.
    pub settle: Duration,
    /// What of the above is believed only.
    pub beliefs: &'static [Belief],
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

    /// Whether a trait is believed only.
    pub fn only_believes(&self, belief: Belief) -> bool {
        self.beliefs.contains(&belief)
    }

    /// Whether selectors of this engine see a pod label of this key.
    pub fn sees_label(&self, key: &str) -> bool {
        !self.ignored_labels.iter().any(|ignored| match ignored.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == *ignored,
        })
    }
}
