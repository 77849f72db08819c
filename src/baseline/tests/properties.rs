//! What holds for every spec, all facts and all phases.

use proptest::prelude::*;

use super::*;
use crate::baseline::ranges;
use crate::model::{Peer, Peers, Ports};

const ALLOWANCES: [&str; 7] = [
    "dns: {podSelector: {matchLabels: {app: web}}}",
    "sameNamespace: {podSelector: {matchExpressions: [{key: pci, operator: DoesNotExist}]}}",
    "apiServer: {podSelector: {matchLabels: {app: web}}}",
    "monitoring: {from: [{namespace: observability}]}",
    "externalHttps: {ports: [{port: 443}, {port: 8443}], except: [203.0.113.0/24]}",
    "ingress: [{name: a, podSelector: {matchLabels: {app: db}}, from: [{namespace: b}]}]",
    "egress: [{name: a, to: [{cidr: 203.0.113.0/24, except: [203.0.113.7/32]}]}]",
];

fn any_spec() -> impl Strategy<Value = Effective> {
    proptest::sample::subsequence(&ALLOWANCES[..], 0..=ALLOWANCES.len())
        .prop_map(|parts| spec(&format!("{{{}}}", parts.join(", "))))
}

fn any_enforced() -> impl Strategy<Value = Enforced> {
    prop_oneof![Just(Enforced::None), Just(canary()), Just(Enforced::Canary(app("web"))), Just(Enforced::All)]
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let gone = |fact: usize, mut facts: Facts| {
        match fact {
            0 => facts.dns = Fact::Absent { looked: String::new() },
            1 => facts.api_server = Fact::Unreadable { reason: String::new() },
            2 => facts.monitoring = Fact::Absent { looked: String::new() },
            _ => {}
        }
        facts
    };
    (0..5_usize, proptest::sample::select(vec!["spec", "calico", "cilium", "aws"]))
        .prop_map(move |(fact, name)| gone(fact, Facts { engine: engine(name), ..facts() }))
}

fn any_namespace() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["shop", "kube-system", "monitoring", "other"])
}

fn within(pods: &Selector, enforced: &Enforced) -> bool {
    match enforced {
        Enforced::None => false,
        Enforced::Canary(canary) => pods.is_subset(canary),
        Enforced::All => true,
    }
}

proptest! {
    #[test]
    fn a_policy_selects_enforced_pods_only(
        effective in any_spec(), facts in any_facts(), namespace in any_namespace(),
        ingress in any_enforced(), egress in any_enforced(),
    ) {
        for Desired { policy, .. } in render(&effective, namespace, &facts, &ingress, &egress).policies {
            prop_assert!(!policy.pod_selector.is_empty());
            prop_assert!(policy.ingress.is_none() || within(&policy.pod_selector, &ingress), "{policy:?}");
            prop_assert!(policy.egress.is_none() || within(&policy.pod_selector, &egress), "{policy:?}");
        }
    }

    #[test]
    fn names_are_valid_and_unique_and_rendering_is_deterministic(
        effective in any_spec(), facts in any_facts(), namespace in any_namespace(),
        ingress in any_enforced(), egress in any_enforced(),
    ) {
        let set = render(&effective, namespace, &facts, &ingress, &egress);
        prop_assert_eq!(&set, &render(&effective, namespace, &facts, &ingress, &egress));
        let keys: BTreeSet<_> = set.policies.iter().map(|of| &of.policy.key).collect();
        prop_assert_eq!(keys.len(), set.policies.len());
        for Desired { policy, allowance, reason } in &set.policies {
            prop_assert!(policy.key.name.starts_with(crate::api::names::POLICY_PREFIX) && policy.key.name.len() <= 253);
            prop_assert!(!allowance.is_empty() && allowance.len() <= 63 && !reason.is_empty());
        }
    }

    #[test]
    fn no_rule_is_empty_and_none_of_the_internet_opens_what_is_not(
        effective in any_spec(), facts in any_facts(), namespace in any_namespace(),
    ) {
        let set = render(&effective, namespace, &facts, &Enforced::All, &Enforced::All);
        for Desired { policy, allowance, .. } in &set.policies {
            for rule in policy.ingress.iter().chain(&policy.egress).flatten() {
                // Written down, an empty list admits everybody.
                prop_assert!(!matches!(&rule.peers, Peers::These(of) if of.is_empty()));
                prop_assert!(!matches!(&rule.ports, Ports::These(of) if of.is_empty()));
                let Peers::These(peers) = &rule.peers else { continue };
                for peer in peers {
                    let Peer::Block(block) = peer else { continue };
                    prop_assert!(block.except.iter().all(|inner| block.cidr.contains(inner) && *inner != block.cidr));
                    if &**allowance != "external-https" {
                        continue;
                    }
                    for closed in &ranges::NOT_THE_INTERNET {
                        let open = block.cidr.contains(closed) && !block.except.iter().any(|of| of.contains(closed));
                        prop_assert!(!open && !closed.contains(&block.cidr), "{closed} by {peer}");
                    }
                }
            }
        }
    }

    #[test]
    fn prefixes_mean_the_same_as_the_exceptions_they_stand_for(
        parts in proptest::collection::btree_set(("[0-9]{1}", 9_u8..=24), 1..6), probe in any::<u32>(),
    ) {
        let range: ipnet::IpNet = "10.0.0.0/8".parse().unwrap();
        let except: BTreeSet<ipnet::IpNet> = parts
            .iter()
            .map(|(digit, length)| format!("10.{digit}7.{digit}.0/{length}").parse::<ipnet::IpNet>().unwrap().trunc())
            .collect();
        let address = std::net::IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 | (probe & 0x00ff_ffff)));
        let pieces = ranges::prefixes(range, &except);
        let open = !except.iter().any(|of| of.contains(&address));
        prop_assert_eq!(pieces.iter().filter(|of| of.contains(&address)).count(), usize::from(open));
    }
}
