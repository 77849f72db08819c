//! A judge that shares nothing with the product: pods, their connections, and the text of the policies.

use std::net::Ipv4Addr;

use kube::ResourceExt;
use netbaseline::api::names;
use serde_json::Value;

use super::State;

type Labels = Vec<(&'static str, &'static str)>;

/// What a connection goes to or comes from.
enum Remote {
    Pod { own_namespace: bool, namespace: Labels, pod: Labels },
    Address(Ipv4Addr),
}

const PORTS: [(&str, u64); 6] = [("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 8080), ("TCP", 5432), ("TCP", 9)];

/// Every pod that the policies of these tests could tell apart.
fn pods() -> Vec<Labels> {
    let mut pods = Vec::new();
    for app in ["orders", "web", "payments", "other"] {
        for tier in [None, Some("gold")] {
            for track in [None, Some("canary")] {
                let optional = [tier.map(|tier| ("tier", tier)), track.map(|track| ("track", track))];
                pods.push([("app", app)].into_iter().chain(optional.into_iter().flatten()).collect());
            }
        }
    }
    pods
}

fn remotes() -> Vec<Remote> {
    let own = |pod| Remote::Pod { own_namespace: true, namespace: vec![("team", "own")], pod };
    let far =
        |name, pod| Remote::Pod { own_namespace: false, namespace: vec![("kubernetes.io/metadata.name", name)], pod };
    let address = |text: &str| Remote::Address(text.parse().unwrap());
    vec![
        own(vec![("app", "web")]),
        own(vec![("app", "other")]),
        far("storefront", vec![("app", "web")]),
        far("elsewhere", vec![("app", "web")]),
        address("10.96.0.10"),
        address("10.60.0.53"),
        address("10.9.8.7"),
        address("1.1.1.1"),
        address("169.254.169.254"),
    ]
}

/// Whether pods are isolated, and which connections rules admit: one entry per pod and direction.
type Effects = Vec<(bool, Vec<bool>)>;

/// Judges the states between two.
pub struct Judge {
    foreign: Effects,
    old: Effects,
    new: Effects,
}

impl Judge {
    pub fn new(old: &State, new: &State) -> Self {
        Self { foreign: effects(old, false), old: effects(old, true), new: effects(new, true) }
    }

    /// A connection on which both ends agree, and the state does not; with the foreign policies and without.
    pub fn wrong(&self, state: &State) -> Option<String> {
        if effects(state, false) != self.foreign {
            return Some("a foreign policy changed".to_owned());
        }
        let now = effects(state, true);
        for (place, foreign) in self.foreign.iter().enumerate() {
            for connection in 0..foreign.1.len() {
                for with_foreign in [false, true] {
                    let open = |effects: &Effects| {
                        let (isolated, admitted) = &effects[place];
                        let isolated = *isolated || with_foreign && foreign.0;
                        !isolated || admitted[connection] || with_foreign && foreign.1[connection]
                    };
                    let (old, new, now) = (open(&self.old), open(&self.new), open(&now));
                    if old == new && now != old {
                        let (pod, direction) = (&pods()[place / 2], ["ingress", "egress"][place % 2]);
                        let word = if now { "opened" } else { "cut" };
                        return Some(format!("{direction} of {pod:?}: connection {connection} is {word}"));
                    }
                }
            }
        }
        None
    }
}

fn effects(state: &State, ours: bool) -> Effects {
    let chosen = state.values().filter(|policy| policy.name_any().starts_with(names::POLICY_PREFIX) == ours);
    let policies: Vec<Value> = chosen.map(|policy| serde_json::to_value(&policy.spec).unwrap()).collect();
    let (pods, remotes) = (pods(), remotes());
    let sides = pods
        .iter()
        .flat_map(|pod| [("Ingress", "ingress", "from"), ("Egress", "egress", "to")].map(|side| (pod, side)));
    let effect = |(pod, (kind, rules, peers)): (&Labels, (&str, &str, &str))| {
        let types = |policy: &&Value| list(&policy["policyTypes"]).iter().any(|it| it == kind);
        let selecting: Vec<&Value> =
            policies.iter().filter(|policy| selects(&policy["podSelector"], pod)).filter(types).collect();
        let rules: Vec<&Value> = selecting.iter().flat_map(|policy| list(&policy[rules])).collect();
        let of_remote = |remote: &Remote| -> Vec<&[Value]> {
            let from_it = rules.iter().filter(|rule| {
                let peers = list(&rule[peers]);
                peers.is_empty() || peers.iter().any(|peer| is_peer(peer, remote))
            });
            from_it.map(|rule| list(&rule["ports"])).collect()
        };
        let connections = remotes.iter().flat_map(|remote| {
            let ports = of_remote(remote);
            PORTS.map(|port| ports.iter().any(|of| of.is_empty() || of.iter().any(|entry| is_port(entry, port))))
        });
        (!selecting.is_empty(), connections.collect())
    };
    sides.map(effect).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn selects(selector: &Value, labels: &Labels) -> bool {
    let value = |key: &str| labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    let is = |key: &str, wanted: &Value| value(key).is_some_and(|value| wanted == value);
    exact.into_iter().all(|(key, wanted)| is(key, wanted))
        && list(&selector["matchExpressions"]).iter().all(|it| {
            let value = value(it["key"].as_str().unwrap());
            let among = || value.is_some_and(|value| list(&it["values"]).iter().any(|it| it == value));
            match it["operator"].as_str().unwrap() {
                "In" => among(),
                "NotIn" => !among(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                other => panic!("operator {other}"),
            }
        })
}

fn is_peer(peer: &Value, remote: &Remote) -> bool {
    match remote {
        Remote::Pod { own_namespace, namespace, pod } => {
            let here = match &peer["namespaceSelector"] {
                Value::Null => *own_namespace,
                selector => selects(selector, namespace),
            };
            peer["ipBlock"].is_null() && here && selects(&peer["podSelector"], pod)
        }
        Remote::Address(address) => {
            let inside = |range: &Value| range.as_str().is_some_and(|range| contains(range, *address));
            inside(&peer["ipBlock"]["cidr"]) && !list(&peer["ipBlock"]["except"]).iter().any(inside)
        }
    }
}

fn contains(range: &str, address: Ipv4Addr) -> bool {
    let (base, bits) = range.split_once('/').unwrap();
    let (Ok(base), bits) = (base.parse::<Ipv4Addr>(), bits.parse::<u32>().unwrap()) else { return false };
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    u32::from(base) & mask == u32::from(address) & mask
}

fn is_port(entry: &Value, (protocol, port): (&str, u64)) -> bool {
    let first = entry["port"].as_u64();
    let last = entry["endPort"].as_u64().or(first);
    entry["protocol"] == protocol
        && (entry["port"].is_null() || first.is_some_and(|it| it <= port) && last.is_some_and(|it| port <= it))
}
