//! A judge that shares nothing with the proof: it enumerates concrete pods and concrete connections.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Pod = BTreeMap<Arc<str>, Arc<str>>;
type Connection = (Peer, PortMatch);

/// One pod for each way in which the selectors of these sets match or do not.
fn telling_pods(sets: &[&[Policy]]) -> Vec<Pod> {
    let selected = |pod: &Pod| -> Vec<bool> {
        sets.iter().copied().flatten().map(|policy| policy.pod_selector.matches(pod)).collect()
    };
    pods(sets).into_iter().map(|pod| (selected(&pod), pod)).collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Every pod that the selectors could tell apart: each key absent, with each value that some selector names, and with another.
fn pods(sets: &[&[Policy]]) -> Vec<Pod> {
    use crate::model::Values;
    let mut values: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
    for policy in sets.iter().copied().flatten() {
        for (key, named) in policy.pod_selector.requirements() {
            let of = values.entry(Arc::from(key)).or_insert_with(|| BTreeSet::from([Arc::from("unheard-of")]));
            if let Values::In(named) | Values::Except(named) | Values::PresentExcept(named) = named {
                of.extend(named.iter().cloned());
            }
        }
    }
    values.into_iter().fold(vec![Pod::new()], |pods, (key, values)| {
        let with = |pod: &Pod, value: &Arc<str>| {
            let mut pod = pod.clone();
            pod.insert(key.clone(), value.clone());
            pod
        };
        pods.iter()
            .flat_map(|pod| std::iter::once(pod.clone()).chain(values.iter().map(move |value| with(pod, value))))
            .collect()
    })
}

/// Every peer on every port that a rule names, and a stranger on a port of its own.
fn connections(sets: &[&[Policy]]) -> Vec<Connection> {
    let mut peers = BTreeSet::from([Peer::cidr("203.0.113.9/32".parse().unwrap())]);
    let mut ports = BTreeSet::from([PortMatch::number(Protocol::Udp, 9)]);
    for policy in sets.iter().copied().flatten() {
        for rule in policy.ingress.iter().chain(&policy.egress).flatten() {
            if let Peers::These(of) = &rule.peers {
                peers.extend(of.iter().cloned());
            }
            if let Ports::These(of) = &rule.ports {
                ports.extend(of.iter().cloned());
            }
        }
    }
    peers.iter().flat_map(|peer| ports.iter().map(move |port| (peer.clone(), port.clone()))).collect()
}

/// What a set does to one pod in one direction: whether it isolates it, and which connections its rules admit.
fn effect(set: &[Policy], pod: &Pod, direction: Direction, connections: &[Connection]) -> (bool, Vec<bool>) {
    let selecting: Vec<&Policy> =
        set.iter().filter(|policy| policy.pod_selector.matches(pod) && policy.rules(direction).is_some()).collect();
    let admits = |(peer, port): &Connection| {
        selecting.iter().flat_map(|policy| policy.rules(direction).unwrap()).any(|rule| {
            let peers = match &rule.peers {
                Peers::Any => true,
                Peers::These(of) => of.contains(peer),
            };
            let ports = match &rule.ports {
                Ports::Any => true,
                Ports::These(of) => of.contains(port),
            };
            peers && ports
        })
    };
    (selecting.iter().any(|policy| policy.isolates), connections.iter().map(admits).collect())
}

/// What is wrong with `state` between the two sets, for some pod, alone and when foreign policies isolate it.
pub(super) fn wrong(old: &[Policy], new: &[Policy], state: &[Policy]) -> Option<String> {
    let sets = [old, new, state];
    let connections = connections(&sets);
    for pod in telling_pods(&sets) {
        for direction in Direction::BOTH {
            let [old, new, now] = sets.map(|set| effect(set, &pod, direction, &connections));
            let say = |what: &str| Some(format!("{direction} of {pod:?}: {what}"));
            if now.0 != old.0 && now.0 != new.0 {
                return say(if now.0 { "isolated by neither" } else { "open in neither" });
            }
            let has_all =
                |set: &(bool, Vec<bool>)| set.0 == now.0 && set.1.iter().zip(&now.1).all(|(set, now)| *now || !set);
            if !has_all(&old) && !has_all(&new) {
                return say("rules of both are missing");
            }
            for (nth, (peer, port)) in connections.iter().enumerate() {
                let (was, will, is) = (old.1[nth], new.1[nth], now.1[nth]);
                if is && !was && !will {
                    return say(&format!("{peer}:{port} is admitted by neither"));
                }
                // As a foreign policy that isolates the pod and admits nothing would show it, and without one.
                let open = [!old.0 || was, !new.0 || will, !now.0 || is];
                if was && will && !is || open[0] && open[1] && !open[2] || open[2] && !open[0] && !open[1] {
                    return say(&format!("{peer}:{port} fails or opens on the way"));
                }
            }
        }
    }
    None
}

/// Takes the steps and judges every state on the way.
pub(super) fn wrong_on_the_way(old: &[Policy], new: &[Policy], from: &[Live], steps: &[Step]) -> Option<String> {
    let mut cluster = Cluster::new(from);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Delete(key) => {
                cluster.0.remove(key);
            }
            step => cluster.take(step),
        }
        if let Some(wrong) = wrong(old, new, &cluster.policies()) {
            return Some(format!("after step {}: {wrong}", number + 1));
        }
    }
    None
}
