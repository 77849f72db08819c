//! A network policy as a value, whichever kind carries it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::port::PortMatch;
use super::selector::Selector;

/// The side of a pod that a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Connections that arrive at the pod.
    Ingress,
    /// Connections that the pod opens.
    Egress,
}

impl Direction {
    /// Both, ingress first.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `ingress` or `egress`, as in names of objects and fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// `Ingress` or `Egress`, as in `policyTypes`.
    pub fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kinds of policy object that carry ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `cilium.io/v2` CiliumNetworkPolicy.
    CiliumNetworkPolicy,
}

impl PolicyKind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::CiliumNetworkPolicy => "CiliumNetworkPolicy",
        }
    }
}

/// Which namespaces a pod peer is looked for in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceScope {
    /// `namespaceSelector` left out: the policy's own.
    Own,
    /// Namespaces whose labels match.
    Matching(Selector),
}

/// An address range less some of its parts (`ipBlock`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpBlock {
    /// The range.
    pub cidr: IpNet,
    /// Parts of it that this block does not match. Not a deny: another rule may allow them.
    pub except: BTreeSet<IpNet>,
}

/// Peers that only Cilium can name (Cilium docs, "Entities Based").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entity {
    /// `kube-apiserver`: the API server, on a node or not.
    KubeApiserver,
}

impl Entity {
    /// Cilium's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
        }
    }
}

/// One item of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Pods by their labels and those of their namespace.
    Pods {
        /// Where.
        namespaces: NamespaceScope,
        /// Which; `podSelector` left out matches all pods there.
        pods: Selector,
    },
    /// Addresses.
    Block(IpBlock),
    /// What only Cilium can name.
    Entity(Entity),
}

impl Peer {
    /// All pods of the namespace with this name that match.
    pub fn pods_in(namespace: &str, pods: Selector) -> Self {
        Self::Pods { namespaces: NamespaceScope::Matching(Selector::namespace(namespace)), pods }
    }

    /// An address range without exceptions.
    pub fn cidr(cidr: IpNet) -> Self {
        Self::Block(IpBlock { cidr, except: BTreeSet::new() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods { namespaces: NamespaceScope::Own, pods } => write!(f, "pods({pods})"),
            Self::Pods { namespaces: NamespaceScope::Matching(namespaces), pods } => {
                write!(f, "namespaces({namespaces})/pods({pods})")
            }
            Self::Block(block) if block.except.is_empty() => write!(f, "{}", block.cidr),
            Self::Block(block) => {
                let except: Vec<String> = block.except.iter().map(ToString::to_string).collect();
                write!(f, "{} except {}", block.cidr, except.join(","))
            }
            Self::Entity(entity) => f.write_str(entity.name()),
        }
    }
}

/// Who a rule admits. An explicit "any": that an empty list means everybody is a trap of the API that ends at its border.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peers {
    /// `from`/`to` left out or empty: everybody, nodes included.
    Any,
    /// One of these; none matches nobody.
    These(BTreeSet<Peer>),
}

/// Which ports a rule admits, of the pod (target ports).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// `ports` left out or empty: every port and protocol, ICMP where an engine judges it.
    Any,
    /// One of these; none matches nothing.
    These(BTreeSet<PortMatch>),
}

/// One rule: a connection is admitted when its peer and its port match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Who.
    pub peers: Peers,
    /// Which ports.
    pub ports: Ports,
}

impl Rule {
    /// A rule for these peers and ports.
    pub fn new(peers: impl IntoIterator<Item = Peer>, ports: impl IntoIterator<Item = PortMatch>) -> Self {
        Self { peers: Peers::These(peers.into_iter().collect()), ports: Ports::These(ports.into_iter().collect()) }
    }

    /// Everything this rule admits, cut into its smallest parts.
    pub fn atoms(&self) -> Vec<Atom> {
        let peers: Vec<Option<Peer>> = match &self.peers {
            Peers::Any => vec![None],
            Peers::These(of) => of.iter().cloned().map(Some).collect(),
        };
        let ports: Vec<Option<PortMatch>> = match &self.ports {
            Ports::Any => vec![None],
            Ports::These(of) => of.iter().cloned().map(Some).collect(),
        };
        peers.iter().flat_map(|peer| ports.iter().map(|port| Atom { peer: peer.clone(), port: port.clone() })).collect()
    }
}

/// The smallest part of a rule: one peer on one port entry. Rules that have the same atoms mean the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Atom {
    /// `None`: everybody.
    pub peer: Option<Peer>,
    /// `None`: every port.
    pub port: Option<PortMatch>,
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Some(peer) => write!(f, "{peer}")?,
            None => f.write_str("anyone")?,
        }
        match &self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

/// What identifies a policy object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl PolicyKey {
    /// The key of a NetworkPolicy.
    pub fn network_policy(namespace: &str, name: &str) -> Self {
        Self { kind: PolicyKind::NetworkPolicy, namespace: Arc::from(namespace), name: Arc::from(name) }
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

/// A policy: whom it selects, and what it admits per direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which object.
    pub key: PolicyKey,
    /// The pods it speaks of, in its own namespace.
    pub pod_selector: Selector,
    /// Ingress rules; `None`: says nothing of ingress (`policyTypes` without it).
    pub ingress: Option<Vec<Rule>>,
    /// Egress rules; `None`: says nothing of egress.
    pub egress: Option<Vec<Rule>>,
    /// Whether selecting a pod isolates it in the directions named. True of every NetworkPolicy; false of a supplement
    /// (CiliumNetworkPolicy with `enableDefaultDeny` false), which only adds.
    pub isolates: bool,
}

impl Policy {
    /// The rules of a direction; `None`: the policy says nothing of it.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// Replaces the rules of a direction.
    pub fn set_rules(&mut self, direction: Direction, rules: Option<Vec<Rule>>) {
        match direction {
            Direction::Ingress => self.ingress = rules,
            Direction::Egress => self.egress = rules,
        }
    }

    /// Whether a pod that it selects is isolated in that direction.
    pub fn isolates(&self, direction: Direction) -> bool {
        self.isolates && self.rules(direction).is_some()
    }

    /// Everything it admits in that direction, in smallest parts.
    pub fn atoms(&self, direction: Direction) -> BTreeSet<Atom> {
        self.rules(direction).into_iter().flatten().flat_map(Rule::atoms).collect()
    }

    /// Whether the two select the same pods and mean the same, however they are written.
    pub fn means_the_same(&self, other: &Self) -> bool {
        self.pod_selector == other.pod_selector
            && Direction::BOTH.iter().all(|&direction| {
                self.rules(direction).is_some() == other.rules(direction).is_some()
                    && self.isolates(direction) == other.isolates(direction)
                    && self.atoms(direction) == other.atoms(direction)
            })
    }
}
