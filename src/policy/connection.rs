//! What the evaluator is asked, and what it answers.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::{Direction, Node, Pod, PolicyKey, Protocol, TargetPort};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Endpoint<'a> {
    /// A pod. One of the host network is judged as its node.
    Pod(&'a Pod),
    /// A node itself: the kubelet, a process of the host.
    Node(&'a Node),
    /// An address that is neither a pod's nor a node's.
    Address(IpAddr),
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(pod) => write!(f, "pod {}/{}", pod.namespace, pod.name),
            Self::Node(node) => write!(f, "node {}", node.name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// A connection that somebody opens. Its answers follow it: NetworkPolicy judges who opens.
#[derive(Clone, Debug)]
pub struct Connection<'a> {
    /// Who opens it.
    pub from: Endpoint<'a>,
    /// Who takes it: the backend, where a Service was called.
    pub to: Endpoint<'a>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port on `to`; a name is looked up among the ports that the pod there declares.
    pub port: TargetPort,
    /// The Service address and port that was called, if one was. Engines that judge before translation see these.
    pub service: Option<(IpAddr, u16)>,
}

impl<'a> Connection<'a> {
    /// A TCP connection straight to a port.
    pub fn tcp(from: Endpoint<'a>, to: Endpoint<'a>, port: u16) -> Self {
        Self { from, to, protocol: Protocol::Tcp, port: TargetPort::Number(port), service: None }
    }
}

/// Whether a connection is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// It is.
    Allowed,
    /// It is not.
    Denied,
    /// Something that decides is not known. Never to be taken for either of the others.
    Unknown,
}

impl Verdict {
    /// The verdict on a connection that needs both: one end that refuses is enough.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied, _) | (_, Self::Denied) => Self::Denied,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Allowed, Self::Allowed) => Self::Allowed,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        })
    }
}

/// One end's part in the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Whether this end lets the connection through.
    pub verdict: Verdict,
    /// The policies that isolate this end in its direction; none: every connection is let through.
    pub isolating: Vec<PolicyKey>,
    /// The rules that admit the connection: policy and index of the rule in its section.
    pub allowing: Vec<(PolicyKey, usize)>,
    /// Why the verdict is unknown; empty where it is not.
    pub unknown: Vec<String>,
}

impl Side {
    /// An end that no policy speaks of.
    pub(super) fn open() -> Self {
        Self { verdict: Verdict::Allowed, isolating: Vec::new(), allowing: Vec::new(), unknown: Vec::new() }
    }

    /// The two address families of a connection, judged apart: what both say, or unknown.
    pub(super) fn of_families(self, other: Self) -> Self {
        if self.verdict == other.verdict {
            return self;
        }
        let reason = format!("{} over IPv4 and {} over IPv6", self.verdict, other.verdict);
        let mut unknown = self.unknown;
        unknown.extend(other.unknown);
        unknown.push(reason);
        Self { verdict: Verdict::Unknown, unknown, ..other }
    }
}

/// The verdict on a connection, and how each end came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Both ends together.
    pub verdict: Verdict,
    /// The end that takes the connection.
    pub ingress: Side,
    /// The end that opens it.
    pub egress: Side,
}

impl Decision {
    /// One end's part.
    pub fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}
