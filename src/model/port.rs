//! Protocols and ports as rules name them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A transport protocol that NetworkPolicy knows (API default: TCP).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// By the API's name; absent is TCP, as the API server defaults it.
    pub fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which ports of one protocol a rule admits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRange {
    /// `port` left out: all of them.
    Any,
    /// `port`, or `port` to `endPort`, both included.
    Numbers {
        /// First port.
        first: u16,
        /// Last port, not below `first`.
        last: u16,
    },
    /// A container port by name, resolved per destination pod.
    Named(Arc<str>),
}

/// One entry of a rule's `ports`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortMatch {
    /// Protocol.
    pub protocol: Protocol,
    /// Ports.
    pub range: PortRange,
}

impl PortMatch {
    /// A single port by number.
    pub fn number(protocol: Protocol, port: u16) -> Self {
        Self { protocol, range: PortRange::Numbers { first: port, last: port } }
    }

    /// A container port by name.
    pub fn named(protocol: Protocol, name: &str) -> Self {
        Self { protocol, range: PortRange::Named(Arc::from(name)) }
    }
}

impl fmt::Display for PortMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            PortRange::Any => write!(f, "*/{}", self.protocol),
            PortRange::Numbers { first, last } if first == last => write!(f, "{first}/{}", self.protocol),
            PortRange::Numbers { first, last } => write!(f, "{first}-{last}/{}", self.protocol),
            PortRange::Named(name) => write!(f, "{name}/{}", self.protocol),
        }
    }
}
