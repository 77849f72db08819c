//! Verdicts: isolation per direction, the union of the rules, both ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::capability::{Belief, Capabilities, Translation};
use super::connection::{Connection, Decision, Endpoint, Side, Verdict};
use super::matching::{Match, Party, Question, selects};
use crate::model::{Direction, Peer, Peers, Pod, Policy, PolicyKind, Protocol, Rule, Snapshot, Source, TargetPort};

/// The policies in force, ready to be asked. Asking cannot fail.
pub struct Compiled<'s> {
    capabilities: &'static Capabilities,
    snapshot: &'s Snapshot,
    policies: BTreeMap<&'s str, Vec<&'s Policy>>,
    unreadable: BTreeMap<&'s str, Vec<Unreadable>>,
    /// Kinds of policy of which some may not have been seen.
    incomplete: Vec<Unreadable>,
    api_server: BTreeSet<IpAddr>,
}

/// Policies that may say anything.
struct Unreadable {
    kind: PolicyKind,
    reason: String,
}

impl<'s> Compiled<'s> {
    /// Exactly these policies. The snapshot tells of namespaces and of the API server's addresses.
    pub fn new(
        policies: impl IntoIterator<Item = &'s Policy>,
        snapshot: &'s Snapshot,
        capabilities: &'static Capabilities,
    ) -> Self {
        let mut compiled = Self {
            capabilities,
            snapshot,
            policies: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            incomplete: Vec::new(),
            api_server: api_server(snapshot),
        };
        for policy in policies {
            compiled.policies.entry(&policy.key.namespace).or_default().push(policy);
        }
        compiled
    }

    /// The policies that the cluster has.
    pub fn live(snapshot: &'s Snapshot, capabilities: &'static Capabilities) -> Self {
        Self::observed(snapshot, capabilities, None)
    }

    /// The policies that the cluster has, but with `target` instead of the operator's own in one namespace.
    pub fn with_target(
        snapshot: &'s Snapshot,
        namespace: &str,
        target: &'s [Policy],
        capabilities: &'static Capabilities,
    ) -> Self {
        let mut compiled = Self::observed(snapshot, capabilities, Some(namespace));
        for policy in target {
            compiled.policies.entry(&policy.key.namespace).or_default().push(policy);
        }
        compiled
    }

    fn observed(snapshot: &'s Snapshot, capabilities: &'static Capabilities, without_ours: Option<&str>) -> Self {
        let mut compiled = Self::new([], snapshot, capabilities);
        for (namespace, policies) in &snapshot.policies {
            for (key, observed) in policies.iter() {
                if observed.ours && without_ours == Some(namespace) {
                    continue;
                }
                match &observed.policy {
                    Ok(policy) => compiled.policies.entry(namespace).or_default().push(policy),
                    Err(reason) => {
                        let kind = if key.starts_with("cilium/") {
                            PolicyKind::CiliumNetworkPolicy
                        } else {
                            PolicyKind::NetworkPolicy
                        };
                        let reason =
                            format!("{} {namespace}/{} is not understood: {reason}", kind.name(), observed.name);
                        compiled.unreadable.entry(namespace).or_default().push(Unreadable { kind, reason });
                    }
                }
            }
        }
        let kinds = [
            (Source::NetworkPolicies, PolicyKind::NetworkPolicy),
            (Source::CiliumNetworkPolicies, PolicyKind::CiliumNetworkPolicy),
        ];
        for (source, kind) in kinds {
            let Some(reason) = snapshot.gap(&[source]) else { continue };
            compiled.incomplete.push(Unreadable { kind, reason });
        }
        compiled
    }

    /// The verdict on a connection.
    ///
    /// Where both ends have addresses of both families the two are judged apart, and must agree.
    pub fn decide(&self, connection: &Connection<'s>) -> Decision {
        let family = |six: bool| {
            let (from, to) = (party(connection.from, Some(six)), party(connection.to, Some(six)));
            (!from.addresses.is_empty() && !to.addresses.is_empty()).then_some((from, to))
        };
        let (ingress, egress) = match (family(false), family(true)) {
            (Some(four), Some(six)) => {
                let ((ingress, egress), (ingress_six, egress_six)) =
                    (self.sides(connection, &four), self.sides(connection, &six));
                (ingress.of_families(ingress_six), egress.of_families(egress_six))
            }
            (Some(one), None) | (None, Some(one)) => self.sides(connection, &one),
            (None, None) => self.sides(connection, &(party(connection.from, None), party(connection.to, None))),
        };
        Decision { verdict: ingress.verdict.and(egress.verdict), ingress, egress }
    }

    fn sides(&self, connection: &Connection<'s>, (from, to): &(Party<'s>, Party<'s>)) -> (Side, Side) {
        (self.side(Direction::Ingress, to, from, connection), self.side(Direction::Egress, from, to, connection))
    }

    fn side(&self, direction: Direction, subject: &Party<'s>, other: &Party<'s>, connection: &Connection<'s>) -> Side {
        // Nodes, pods of their network and addresses outside are no subjects of NetworkPolicy, ended pods have no traffic.
        let Some(pod) = subject.pod().filter(|pod| !pod.ended) else { return Side::open() };
        if !self.capabilities.enforces {
            return Side::open();
        }
        let selecting: Vec<(&Policy, &[Rule])> = self
            .policies
            .get(&*pod.namespace)
            .into_iter()
            .flatten()
            .filter(|policy| selects(self.capabilities, &policy.pod_selector, pod))
            .filter_map(|policy| Some((*policy, policy.rules(direction)?)))
            .collect();
        let mut side = Side::open();
        side.isolating = selecting
            .iter()
            .filter(|(policy, _)| policy.isolates(direction))
            .map(|(policy, _)| policy.key.clone())
            .collect();
        let exempt = self.exempt(direction, pod, other, connection);
        if exempt == Match::Yes {
            return side;
        }
        let found = if side.isolating.is_empty() {
            Match::Yes
        } else if let Some(reason) = self.unjudged(connection.protocol) {
            Match::Unknown(reason)
        } else {
            exempt.or(|| {
                let question = self.question(direction, pod, other, connection);
                self.admitted(&question, &selecting, &mut side)
            })
        };
        side.verdict = match found {
            Match::Yes => Verdict::Allowed,
            Match::No => Verdict::Denied,
            Match::Unknown(reason) => {
                side.unknown.push(reason);
                Verdict::Unknown
            }
        };
        self.doubt(pod, side)
    }

    /// Connections that no policy cuts.
    fn exempt(&self, direction: Direction, pod: &Pod, other: &Party<'_>, connection: &Connection<'_>) -> Match {
        let believed = |belief: Belief, what: &str| {
            if self.capabilities.only_believes(belief) {
                Match::Unknown(format!("whether {what} by {}", self.capabilities.engine))
            } else {
                Match::Yes
            }
        };
        if other.pod().is_some_and(|other| other.namespace == pod.namespace && other.name == pod.name) {
            return match connection.service {
                None => Match::Yes,
                Some(_) => believed(Belief::SelfByService, "a pod that calls itself by a Service is let through"),
            };
        }
        if other.node().is_none() || other.node() != pod.node.as_deref() {
            return Match::No;
        }
        let (exempt, belief, what) = match direction {
            Direction::Ingress => (
                self.capabilities.node_reaches_own_pods,
                Belief::NodeReachesOwnPods,
                "a node is let through to its own pods",
            ),
            Direction::Egress => (
                self.capabilities.pod_reaches_own_node,
                Belief::PodReachesOwnNode,
                "a pod is let through to its own node",
            ),
        };
        match believed(belief, what) {
            Match::Yes => exempt.into(),
            unknown => unknown,
        }
    }

    /// Why rules do not decide: the engine may drop this protocol whatever they say, or let it through.
    fn unjudged(&self, protocol: Protocol) -> Option<String> {
        let sctp = self.capabilities.sctp && !self.capabilities.only_believes(Belief::Sctp);
        (protocol == Protocol::Sctp && !sctp).then(|| format!("whether SCTP is judged by {}", self.capabilities.engine))
    }

    fn question<'q>(
        &'q self,
        direction: Direction,
        pod: &'q Pod,
        other: &'q Party<'s>,
        connection: &Connection<'s>,
    ) -> Question<'q, 's> {
        let before = direction == Direction::Egress && self.capabilities.egress_judged == Translation::Before;
        let called = connection.service.filter(|_| before);
        let destination = match connection.to {
            Endpoint::Pod(pod) => Some(pod),
            Endpoint::Node(_) | Endpoint::Address(_) => None,
        };
        let port = match (called, &connection.port) {
            (Some((_, port)), _) | (None, &TargetPort::Number(port)) => Ok(port),
            (None, TargetPort::Name(name)) => destination
                .and_then(|pod| {
                    pod.ports
                        .iter()
                        .find(|port| port.name.as_ref() == Some(name) && port.protocol == connection.protocol)
                })
                .map(|port| port.port)
                .ok_or_else(|| format!("{} declares no {} port named {name}", connection.to, connection.protocol)),
        };
        Question {
            capabilities: self.capabilities,
            snapshot: self.snapshot,
            api_server: &self.api_server,
            direction,
            namespace: &pod.namespace,
            other,
            called: called.map(|(address, _)| address),
            protocol: connection.protocol,
            port,
            destination,
        }
    }

    /// Whether some rule admits the connection; those that do are noted.
    fn admitted(&self, question: &Question<'_, 's>, selecting: &[(&Policy, &[Rule])], side: &mut Side) -> Match {
        let denied = if self.capabilities.except_denies { narrowest_except(question, selecting) } else { None };
        let strength = |peer: Option<&Peer>| match denied {
            None => Match::Yes,
            Some(denied) => beats(peer, denied),
        };
        let mut found = Match::No;
        for (policy, rules) in selecting {
            for (nth, rule) in rules.iter().enumerate() {
                let admits = question.rule(rule, strength);
                if admits == Match::Yes {
                    side.allowing.push((policy.key.clone(), nth));
                }
                found = found.or(|| admits);
            }
        }
        found
    }

    /// Policies that were not seen or not understood may change the verdict. A NetworkPolicy only isolates and adds, so a
    /// connection that a rule admits stays admitted; a CiliumNetworkPolicy may also deny.
    fn doubt(&self, pod: &Pod, mut side: Side) -> Side {
        let admitted = side.verdict == Verdict::Allowed && !side.isolating.is_empty();
        let unreadable = self.unreadable.get(&*pod.namespace).into_iter().flatten();
        for doubtful in unreadable.chain(&self.incomplete) {
            if doubtful.kind == PolicyKind::CiliumNetworkPolicy || !admitted {
                side.verdict = Verdict::Unknown;
                side.unknown.push(doubtful.reason.clone());
            }
        }
        side
    }
}

fn party(endpoint: Endpoint<'_>, six: Option<bool>) -> Party<'_> {
    let addresses = match endpoint {
        Endpoint::Pod(pod) => pod.ips.as_slice(),
        Endpoint::Node(node) => node.ips.as_slice(),
        Endpoint::Address(ref address) => std::slice::from_ref(address),
    };
    let of_family = |address: &&IpAddr| six.is_none_or(|six| address.is_ipv6() == six);
    Party { endpoint, addresses: addresses.iter().filter(of_family).copied().collect() }
}

/// The addresses behind Service `default/kubernetes`.
fn api_server(snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let slices = snapshot.endpoint_slices.get("default").into_iter().flat_map(|slices| slices.values());
    slices
        .filter(|slice| slice.service.as_deref() == Some("kubernetes"))
        .flat_map(|slice| &slice.endpoints)
        .flat_map(|endpoint| endpoint.addresses.iter().copied())
        .collect()
}

/// The longest prefix of an `except` that holds the address judged, whatever ports its rule names: as the agent of AWS enters
/// it into its table (`Capabilities::except_denies`).
fn narrowest_except(question: &Question<'_, '_>, selecting: &[(&Policy, &[Rule])]) -> Option<u8> {
    let judged = question.called.as_ref().map_or(question.other.addresses.as_slice(), std::slice::from_ref);
    let peers = selecting.iter().flat_map(|(_, rules)| rules.iter()).filter_map(|rule| match &rule.peers {
        Peers::Any => None,
        Peers::These(peers) => Some(peers),
    });
    let blocks = peers.flatten().filter_map(|peer| match peer {
        Peer::Block(block) => Some(block),
        Peer::Pods { .. } | Peer::Entity(_) => None,
    });
    blocks
        .flat_map(|block| &block.except)
        .filter(|except| judged.iter().any(|address| except.contains(address)))
        .map(ipnet::IpNet::prefix_len)
        .max()
}

/// Whether a peer is entered with a longer prefix than a deny of this length; pods are entered by address.
fn beats(peer: Option<&Peer>, denied: u8) -> Match {
    let length = match peer {
        None => 0,
        Some(Peer::Pods { .. } | Peer::Entity(_)) => return Match::Yes,
        Some(Peer::Block(block)) => block.cidr.prefix_len(),
    };
    if length == denied {
        return Match::Unknown(format!("which of an allow and an except of the same length /{length} wins"));
    }
    (length > denied).into()
}

#[cfg(test)]
mod tests;
