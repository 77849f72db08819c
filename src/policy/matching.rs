//! Whether a rule admits a connection: yes, no, or not known.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::capability::{Belief, Capabilities};
use super::connection::Endpoint;
use crate::model::{
    Direction, IpBlock, NAMESPACE_NAME_LABEL, NamespaceScope, Peer, Peers, Pod, PortMatch, PortRange, Ports, Protocol,
    Rule, Selector, Snapshot,
};

/// An answer that may not be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    Unknown(String),
}

impl Match {
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown(reason) => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown(_) => Self::Unknown(reason),
            },
        }
    }

    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Unknown(reason) => match other() {
                Self::Yes => Self::Yes,
                Self::No | Self::Unknown(_) => Self::Unknown(reason),
            },
        }
    }
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// An end as engines see it.
#[derive(Clone, Debug)]
pub(super) struct Party<'a> {
    pub(super) endpoint: Endpoint<'a>,
    /// Its addresses, of the family judged.
    pub(super) addresses: Vec<IpAddr>,
}

impl<'a> Party<'a> {
    /// The pod, unless it lives in its node's network.
    pub(super) fn pod(&self) -> Option<&'a Pod> {
        match self.endpoint {
            Endpoint::Pod(pod) if !pod.host_network => Some(pod),
            _ => None,
        }
    }

    fn host_network_pod(&self) -> Option<&'a Pod> {
        match self.endpoint {
            Endpoint::Pod(pod) if pod.host_network => Some(pod),
            _ => None,
        }
    }

    /// The name of the node that it is, or whose network it lives in.
    pub(super) fn node(&self) -> Option<&'a str> {
        match self.endpoint {
            Endpoint::Node(node) => Some(&node.name),
            Endpoint::Pod(pod) if pod.host_network => pod.node.as_deref(),
            _ => None,
        }
    }

    fn is_node(&self) -> bool {
        matches!(self.endpoint, Endpoint::Node(_)) || self.host_network_pod().is_some()
    }
}

/// One direction of one connection, ready to be held against rules.
pub(super) struct Question<'q, 'a> {
    pub(super) capabilities: &'static Capabilities,
    pub(super) snapshot: &'a Snapshot,
    pub(super) api_server: &'q BTreeSet<IpAddr>,
    pub(super) direction: Direction,
    /// Namespace of the pod that is judged, hence of every policy that speaks of it.
    pub(super) namespace: &'q str,
    /// The other end.
    pub(super) other: &'q Party<'a>,
    /// The address of a Service, where the engine judges by that instead of the other end's own.
    pub(super) called: Option<IpAddr>,
    pub(super) protocol: Protocol,
    /// The port judged; or why it is not known.
    pub(super) port: Result<u16, String>,
    /// The pod that takes the connection, on which named ports are looked up.
    pub(super) destination: Option<&'a Pod>,
}

impl Question<'_, '_> {
    /// Whether the rule admits the connection; `strength` keeps the peers that count (see `except_denies`).
    pub(super) fn rule(&self, rule: &Rule, strength: impl Fn(Option<&Peer>) -> Match) -> Match {
        let item = |peer: Option<&Peer>| {
            peer.map_or(Match::Yes, |peer| self.peer(peer))
                .and(|| self.ports(&rule.ports, matches!(peer, Some(Peer::Block(_)))))
                .and(|| strength(peer))
        };
        match &rule.peers {
            Peers::Any => item(None),
            Peers::These(peers) => peers.iter().fold(Match::No, |found, peer| found.or(|| item(Some(peer)))),
        }
    }

    fn peer(&self, peer: &Peer) -> Match {
        match peer {
            Peer::Pods { namespaces, pods } => self.pods(namespaces, pods),
            Peer::Block(block) => self.block(block),
            Peer::Entity(_) if !self.capabilities.supplements => Match::No,
            Peer::Entity(entity) if self.api_server.is_empty() => {
                Match::Unknown(format!("the addresses of {} are not known", entity.name()))
            }
            Peer::Entity(_) => self.other.addresses.iter().any(|address| self.api_server.contains(address)).into(),
        }
    }

    fn pods(&self, namespaces: &NamespaceScope, pods: &Selector) -> Match {
        let selected = |pod: &Pod| {
            let here = match namespaces {
                NamespaceScope::Own => (*pod.namespace == *self.namespace).into(),
                NamespaceScope::Matching(selector) => self.in_namespace(selector, &pod.namespace),
            };
            here.and(|| selects(self.capabilities, pods, pod).into())
        };
        if let Some(pod) = self.other.host_network_pod() {
            return match selected(pod) {
                Match::No => Match::No,
                _ if self.capabilities.only_believes(Belief::HostNetworkUnselected) => {
                    Match::Unknown(format!("{} is of the host network: engines differ on it", self.other.endpoint))
                }
                _ => Match::No,
            };
        }
        self.other.pod().map_or(Match::No, selected)
    }

    fn in_namespace(&self, selector: &Selector, namespace: &str) -> Match {
        let labels = self.snapshot.namespace_labels(namespace);
        let by_name = selector.requirements().all(|(key, _)| key == NAMESPACE_NAME_LABEL);
        if by_name || self.snapshot.namespaces.contains_key(namespace) {
            selector.matches(&labels).into()
        } else {
            Match::Unknown(format!("the labels of namespace {namespace} are not known"))
        }
    }

    fn block(&self, block: &IpBlock) -> Match {
        let holds = |address: &IpAddr| {
            block.cidr.contains(address) && !block.except.iter().any(|except| except.contains(address))
        };
        if let Some(address) = self.called {
            return holds(&address).into();
        }
        let holding = self.other.addresses.iter().filter(|address| holds(address)).count();
        let (matches, belief) = match self.other.pod() {
            Some(_) => (self.capabilities.block_matches_pods, Belief::BlockMatchesPods),
            None if self.other.is_node() => (self.capabilities.block_matches_nodes, Belief::BlockMatchesNodes),
            None => return (holding > 0).into(),
        };
        if self.other.addresses.is_empty() {
            return if matches {
                Match::Unknown(format!("{} has no address yet", self.other.endpoint))
            } else {
                Match::No
            };
        }
        if holding == 0 {
            Match::No
        } else if self.capabilities.only_believes(belief) {
            Match::Unknown(format!(
                "whether {} matches ipBlock {} by {}",
                self.other.endpoint,
                block.cidr,
                self.engine()
            ))
        } else if matches && holding < self.other.addresses.len() {
            Match::Unknown(format!(
                "which address {} is met at: ipBlock {} holds some",
                self.other.endpoint, block.cidr
            ))
        } else {
            matches.into()
        }
    }

    fn ports(&self, ports: &Ports, of_block: bool) -> Match {
        match ports {
            Ports::Any => Match::Yes,
            Ports::These(ports) => ports.iter().fold(Match::No, |found, port| found.or(|| self.port(port, of_block))),
        }
    }

    fn port(&self, port: &PortMatch, of_block: bool) -> Match {
        if port.protocol != self.protocol {
            return Match::No;
        }
        let number = match (&port.range, &self.port) {
            (PortRange::Any, _) => return Match::Yes,
            (_, Err(reason)) => return Match::Unknown(reason.clone()),
            (_, Ok(number)) => *number,
        };
        match &port.range {
            PortRange::Any => Match::Yes,
            PortRange::Numbers { first, last } => {
                if !(*first..=*last).contains(&number) {
                    Match::No
                } else if number == *first {
                    Match::Yes
                } else if self.capabilities.only_believes(Belief::EndPort) {
                    Match::Unknown(format!("whether endPort is honoured by {}", self.engine()))
                } else {
                    self.capabilities.end_port.into()
                }
            }
            PortRange::Named(name) => {
                let declared = self.destination.is_some_and(|pod| {
                    pod.ports.iter().any(|port| {
                        port.name.as_ref() == Some(name) && port.protocol == self.protocol && port.port == number
                    })
                });
                if !declared {
                    Match::No
                } else if !of_block || self.direction == Direction::Ingress {
                    Match::Yes
                } else if self.capabilities.only_believes(Belief::NamedPortWithBlock) {
                    Match::Unknown(format!("whether port {name} matches beside an ipBlock by {}", self.engine()))
                } else {
                    self.capabilities.named_port_with_block.into()
                }
            }
        }
    }

    fn engine(&self) -> &'static str {
        self.capabilities.engine
    }
}

/// Whether the engine takes the pod as selected: a label that it does not see is absent to it.
pub fn selects(capabilities: &Capabilities, selector: &Selector, pod: &Pod) -> bool {
    selector.requirements().all(|(key, values)| {
        let seen = if capabilities.sees_label(key) { pod.labels.get(key) } else { None };
        values.accepts(seen.map(AsRef::as_ref))
    })
}
