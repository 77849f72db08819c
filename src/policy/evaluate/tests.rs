//! Clause by clause: what the API says, then what engines do otherwise. Quotations are of the API reference of
//! `networking.k8s.io/v1` NetworkPolicy, or of the concept page "Network Policies".
#![allow(clippy::needless_pass_by_value, clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Availability, EndpointSlice, Node, PolicyKey};
use crate::policy::{arbitrary, fixture};

use Verdict::{Allowed, Denied, Unknown};

/// Two namespaces, two nodes, an address outside.
struct World {
    snapshot: Snapshot,
    web: Pod,
    db: Pod,
    client: Pod,
    n1: Node,
    n2: Node,
}

const OUTSIDE: Endpoint<'static> = Endpoint::Address(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 10)));

fn world() -> World {
    let snapshot = fixture::with_namespace(fixture::snapshot(), "shop", &[("team", "a")]);
    let mut client = fixture::pod("other", "client", &[("app", "client")], &["10.0.1.1"]);
    client.node = Some(Arc::from("n2"));
    World {
        snapshot: fixture::with_namespace(snapshot, "other", &[("team", "b")]),
        web: fixture::pod("shop", "web", &[("app", "web")], &["10.0.0.1"]),
        db: fixture::pod("shop", "db", &[("app", "db")], &["10.0.0.2"]),
        client,
        n1: fixture::node("n1", "192.168.0.1"),
        n2: fixture::node("n2", "192.168.0.2"),
    }
}

fn engine(name: &str) -> &'static Capabilities {
    Capabilities::by_name(name).unwrap()
}

fn shop(name: &str, spec: Value) -> Policy {
    fixture::policy("shop", name, spec)
}

fn deny_all() -> Policy {
    shop("deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
}

/// The pods of `shop` admit this rule, and nothing else.
fn ingress(rule: Value) -> Policy {
    shop("in", json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}))
}

/// The pods of `shop` may open what this rule says, and nothing else.
fn egress(rule: Value) -> Policy {
    shop("out", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}))
}

impl World {
    fn decide_by(&self, engine_name: &str, policies: &[Policy], connection: &Connection<'_>) -> Decision {
        Compiled::new(policies, &self.snapshot, engine(engine_name)).decide(connection)
    }

    fn by(&self, engine_name: &str, policies: &[Policy], from: Endpoint<'_>, to: Endpoint<'_>, port: u16) -> Verdict {
        self.decide_by(engine_name, policies, &Connection::tcp(from, to, port)).verdict
    }

    fn verdict(&self, policies: &[Policy], from: Endpoint<'_>, to: Endpoint<'_>, port: u16) -> Verdict {
        self.by("spec", policies, from, to, port)
    }

    fn web(&self) -> Endpoint<'_> {
        Endpoint::Pod(&self.web)
    }

    fn db(&self) -> Endpoint<'_> {
        Endpoint::Pod(&self.db)
    }

    fn client(&self) -> Endpoint<'_> {
        Endpoint::Pod(&self.client)
    }
}

// --- Isolation

#[test]
fn a_pod_that_no_policy_selects_is_open_both_ways() {
    // "By default, a pod is non-isolated for egress; all outbound connections are allowed." And ingress alike.
    let w = world();
    let elsewhere = fixture::policy("other", "deny", json!({"podSelector": {"matchLabels": {"app": "x"}}}));
    assert_eq!(w.verdict(&[], w.client(), w.web(), 80), Allowed);
    assert_eq!(w.verdict(&[elsewhere], w.client(), w.web(), 80), Allowed);
}

#[test]
fn a_policy_isolates_the_pods_it_selects_in_its_directions_alone() {
    // "A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and has 'Egress' in its
    // policyTypes".
    let w = world();
    let ingress_only = [shop("deny", json!({"podSelector": {"matchLabels": {"app": "web"}}}))];
    assert_eq!(w.verdict(&ingress_only, w.client(), w.web(), 80), Denied);
    assert_eq!(w.verdict(&ingress_only, w.web(), w.client(), 80), Allowed);
    assert_eq!(w.verdict(&ingress_only, w.client(), w.db(), 80), Allowed);
}

#[test]
fn a_policy_selects_pods_of_its_own_namespace_only() {
    // "This policy applies to pods in its namespace": podSelector has no namespace of its own.
    let w = world();
    let elsewhere = fixture::policy("other", "deny", json!({"podSelector": {}}));
    assert_eq!(w.verdict(&[elsewhere], w.client(), w.web(), 80), Allowed);
}

#[test]
fn policies_are_additive() {
    // "Network policies do not conflict; they are additive." "the order of evaluation does not affect the policy result"
    let w = world();
    let allow = shop(
        "allow",
        json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}]}),
    );
    for policies in [[deny_all(), allow.clone()], [allow, deny_all()]] {
        let decision = w.decide_by("spec", &policies, &Connection::tcp(w.client(), w.web(), 80));
        assert_eq!(decision.ingress.verdict, Allowed);
        assert_eq!(decision.ingress.isolating.len(), 2);
        assert_eq!(decision.ingress.allowing, [(PolicyKey::network_policy("shop", "allow"), 0)]);
    }
}

#[test]
fn both_ends_must_let_a_connection_through() {
    // "For a connection from a source pod to a destination pod to be allowed, both the egress policy on the source pod and
    // the ingress policy on the destination pod need to allow the connection."
    let w = world();
    let source = fixture::policy("other", "deny", json!({"podSelector": {}, "policyTypes": ["Egress"]}));
    let destination = ingress(json!({}));
    let decision = w.decide_by("spec", &[source, destination], &Connection::tcp(w.client(), w.web(), 80));
    assert_eq!((decision.egress.verdict, decision.ingress.verdict, decision.verdict), (Denied, Allowed, Denied));
    assert_eq!(decision.side(Direction::Egress), &decision.egress);
}

#[test]
fn verdicts_of_two_ends_combine_with_denied_strongest() {
    for (one, other, both) in
        [(Allowed, Allowed, Allowed), (Allowed, Unknown, Unknown), (Denied, Unknown, Denied), (Denied, Allowed, Denied)]
    {
        assert_eq!((one.and(other), other.and(one)), (both, both));
    }
}

// --- Peers

#[test]
fn an_absent_peer_list_admits_everybody() {
    // "If this field is empty or missing, this rule matches all sources (traffic not restricted by source)." (from)
    let w = world();
    let policies = [ingress(json!({"ports": [{"port": 80}]}))];
    for from in [w.client(), OUTSIDE, Endpoint::Node(&w.n2)] {
        assert_eq!(w.verdict(&policies, from, w.web(), 80), Allowed, "{from}");
        assert_eq!(w.verdict(&policies, from, w.web(), 81), Denied, "{from}");
    }
}

#[test]
fn selectors_in_one_peer_are_both_needed_and_separate_peers_are_alternatives() {
    // "namespaceSelector and podSelector: A single to/from entry that specifies both […] selects particular Pods within
    // particular namespaces." Two entries: "from Pods […] or from any Pod in any namespace".
    let w = world();
    let team = |team: &str| json!({"matchLabels": {"team": team}});
    let app = |app: &str| json!({"matchLabels": {"app": app}});
    let table = [
        (json!([{"namespaceSelector": team("b"), "podSelector": app("client")}]), Allowed),
        (json!([{"namespaceSelector": team("b"), "podSelector": app("web")}]), Denied),
        (json!([{"namespaceSelector": team("a"), "podSelector": app("client")}]), Denied),
        (json!([{"namespaceSelector": team("b")}, {"podSelector": app("web")}]), Allowed),
        (json!([{"namespaceSelector": team("a")}, {"podSelector": app("client")}]), Denied),
        (json!([{"namespaceSelector": {}}]), Allowed),
        (json!([{"podSelector": {}}]), Denied),
        (json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]), Allowed),
    ];
    for (from, expected) in table {
        assert_eq!(w.verdict(&[ingress(json!({"from": from}))], w.client(), w.web(), 80), expected, "{from}");
    }
}

#[test]
fn an_absent_namespace_selector_means_the_policys_own_namespace() {
    // "Otherwise it selects the Pods matching PodSelector in the policy's own Namespace." (podSelector)
    let w = world();
    let policies = [ingress(json!({"from": [{"podSelector": {}}]}))];
    assert_eq!(w.verdict(&policies, w.db(), w.web(), 80), Allowed);
    assert_eq!(w.verdict(&policies, w.client(), w.web(), 80), Denied);
}

#[test]
fn a_namespace_that_was_not_seen_is_judged_by_name_alone() {
    let w = world();
    let stranger = fixture::pod("stranger", "s", &[], &["10.0.9.1"]);
    let by = |labels: Value| [ingress(json!({"from": [{"namespaceSelector": {"matchLabels": labels}}]}))];
    let from = Endpoint::Pod(&stranger);
    assert_eq!(w.verdict(&by(json!({"kubernetes.io/metadata.name": "stranger"})), from, w.web(), 80), Allowed);
    assert_eq!(w.verdict(&by(json!({"kubernetes.io/metadata.name": "other"})), from, w.web(), 80), Denied);
    assert_eq!(w.verdict(&by(json!({"team": "b"})), from, w.web(), 80), Unknown);
}

#[test]
fn a_block_matches_its_range_less_the_exceptions_and_another_rule_may_admit_those() {
    // "except is a slice of CIDRs that should not be included within an IPBlock"
    let w = world();
    let block = |cidr: &str, except: &[&str]| json!({"to": [{"ipBlock": {"cidr": cidr, "except": except}}]});
    let table = [
        (block("203.0.113.0/24", &[]), Allowed),
        (block("203.0.113.10/32", &[]), Allowed),
        (block("203.0.113.0/24", &["203.0.113.0/28"]), Denied),
        (block("203.0.113.0/24", &["203.0.113.128/25"]), Allowed),
        (block("198.51.100.0/24", &[]), Denied),
        (block("::/0", &[]), Denied),
    ];
    for (rule, expected) in table {
        assert_eq!(w.verdict(&[egress(rule.clone())], w.web(), OUTSIDE, 443), expected, "{rule}");
    }
    let two = [egress(block("0.0.0.0/0", &["203.0.113.0/24"])), {
        let mut again = egress(block("203.0.113.0/25", &[]));
        again.key.name = Arc::from("again");
        again
    }];
    assert_eq!(w.verdict(&two, w.web(), OUTSIDE, 443), Allowed);
}

#[test]
fn blocks_of_ipv6_match_ipv6() {
    let w = world();
    let mut web = w.web.clone();
    web.ips = vec!["fd00::1".parse().unwrap()];
    let outside = Endpoint::Address("2001:db8::1".parse().unwrap());
    let policies = |cidr: &str| [egress(json!({"to": [{"ipBlock": {"cidr": cidr}}]}))];
    assert_eq!(w.verdict(&policies("2001:db8::/32"), Endpoint::Pod(&web), outside, 443), Allowed);
    assert_eq!(w.verdict(&policies("0.0.0.0/0"), Endpoint::Pod(&web), outside, 443), Denied);
}

#[test]
fn a_verdict_that_differs_between_address_families_is_unknown() {
    let mut w = world();
    w.web.ips.push("fd00::1".parse().unwrap());
    w.db.ips.push("fd00::2".parse().unwrap());
    let four = json!({"ipBlock": {"cidr": "10.0.0.0/8"}});
    let six = json!({"ipBlock": {"cidr": "fd00::/8"}});
    assert_eq!(w.verdict(&[egress(json!({"to": [four]}))], w.web(), w.db(), 80), Unknown);
    assert_eq!(w.verdict(&[egress(json!({"to": [four, six]}))], w.web(), w.db(), 80), Allowed);
    // The client has no IPv6 address, so only IPv4 can be meant.
    assert_eq!(w.verdict(&[egress(json!({"to": [four]}))], w.web(), w.client(), 80), Allowed);
}

#[test]
fn a_pod_without_an_address_may_or_may_not_be_in_a_block() {
    let mut w = world();
    w.client.ips.clear();
    let policies = [egress(json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}))];
    assert_eq!(w.verdict(&policies, w.web(), w.client(), 80), Unknown);
    assert_eq!(w.by("cilium", &policies, w.web(), w.client(), 80), Denied);
}

// --- Ports

#[test]
fn ports_match_protocol_and_number_of_the_pod() {
    // "If present, only traffic on the specified protocol AND port will be matched." (port)
    let w = world();
    let table = [
        (json!([{"port": 80}]), Protocol::Tcp, 80, Allowed),
        (json!([{"port": 80}]), Protocol::Tcp, 81, Denied),
        (json!([{"port": 80}]), Protocol::Udp, 80, Denied),
        (json!([{"port": 80, "protocol": "UDP"}]), Protocol::Udp, 80, Allowed),
        (json!([{"protocol": "UDP"}]), Protocol::Udp, 9, Allowed),
        (json!([{"protocol": "UDP"}]), Protocol::Tcp, 9, Denied),
        (json!([{"port": 80}, {"port": 81}]), Protocol::Tcp, 81, Allowed),
        (json!([{"port": 80, "protocol": "SCTP"}]), Protocol::Sctp, 80, Allowed),
        (json!([]), Protocol::Udp, 9, Allowed),
        // endPort: "the range of ports from port to endPort if set, inclusive, should be allowed by the policy"
        (json!([{"port": 80, "endPort": 82}]), Protocol::Tcp, 80, Allowed),
        (json!([{"port": 80, "endPort": 82}]), Protocol::Tcp, 82, Allowed),
        (json!([{"port": 80, "endPort": 82}]), Protocol::Tcp, 83, Denied),
    ];
    for (ports, protocol, port, expected) in table {
        let policies = [ingress(json!({"ports": ports}))];
        let connection = Connection { protocol, ..Connection::tcp(w.client(), w.web(), port) };
        assert_eq!(w.decide_by("spec", &policies, &connection).verdict, expected, "{ports} {protocol} {port}");
    }
}

#[test]
fn a_named_port_is_looked_up_on_the_pod_that_takes_the_connection() {
    // "This can either be a numerical or named port on a pod." (port)
    let mut w = world();
    w.db.ports[0].port = 5432;
    let into = [ingress(json!({"ports": [{"port": "http"}]}))];
    let out_of = [egress(json!({"to": [{"podSelector": {}}], "ports": [{"port": "http"}]}))];
    assert_eq!(w.verdict(&into, w.client(), w.web(), 8080), Allowed);
    assert_eq!(w.verdict(&into, w.client(), w.db(), 8080), Denied);
    assert_eq!(w.verdict(&into, w.client(), w.db(), 5432), Allowed);
    assert_eq!(w.verdict(&out_of, w.web(), w.db(), 5432), Allowed);
    assert_eq!(w.verdict(&out_of, w.web(), w.db(), 8080), Denied);
    // The name belongs to a TCP port.
    let udp = [ingress(json!({"ports": [{"port": "http", "protocol": "UDP"}]}))];
    assert_eq!(w.verdict(&udp, w.client(), w.web(), 8080), Denied);
    let unknown = [ingress(json!({"ports": [{"port": "nonesuch"}]}))];
    assert_eq!(w.verdict(&unknown, w.client(), w.web(), 8080), Denied);
}

#[test]
fn a_named_port_means_nothing_outside() {
    let w = world();
    assert_eq!(w.verdict(&[egress(json!({"ports": [{"port": "http"}]}))], w.web(), OUTSIDE, 8080), Denied);
}

#[test]
fn a_connection_by_port_name_is_judged_by_the_pods_number() {
    let w = world();
    let by_name =
        |name: &str| Connection { port: TargetPort::Name(Arc::from(name)), ..Connection::tcp(w.client(), w.web(), 0) };
    let policies = [ingress(json!({"ports": [{"port": 8080}]}))];
    assert_eq!(w.decide_by("spec", &policies, &by_name("http")).verdict, Allowed);
    let lost = w.decide_by("spec", &policies, &by_name("nonesuch"));
    assert_eq!(lost.verdict, Unknown);
    assert_eq!(lost.ingress.unknown, ["pod shop/web declares no TCP port named nonesuch"]);
}

// --- Pods and nodes

#[test]
fn a_pod_always_reaches_itself() {
    // "A Pod cannot block access to itself" (concept page, behavior of to and from selectors)
    let w = world();
    assert_eq!(w.verdict(&[deny_all()], w.web(), w.web(), 80), Allowed);
    assert_eq!(w.verdict(&[deny_all()], w.web(), w.db(), 80), Denied);
    // By its own Service it depends on the engine; on Cilium it was seen to work.
    let service = Some(("10.96.0.1".parse().unwrap(), 80));
    let hairpin = Connection { service, ..Connection::tcp(w.web(), w.web(), 80) };
    assert_eq!(w.decide_by("spec", &[deny_all()], &hairpin).verdict, Unknown);
    assert_eq!(w.decide_by("cilium", &[deny_all()], &hairpin).verdict, Allowed);
}

#[test]
fn the_pods_own_node_always_reaches_it() {
    // "OR if the traffic source is the pod's local node" (ingress)
    let w = world();
    assert_eq!(w.verdict(&[deny_all()], Endpoint::Node(&w.n1), w.web(), 80), Allowed);
    assert_eq!(w.verdict(&[deny_all()], Endpoint::Node(&w.n2), w.web(), 80), Denied);
    assert_eq!(w.by("cilium", &[deny_all()], Endpoint::Node(&w.n1), w.web(), 80), Allowed);
}

#[test]
fn whether_a_pod_reaches_its_own_node_depends_on_the_engine() {
    // "traffic to and from the node where a Pod is running is always allowed" (concept page); Cilium denies it.
    let w = world();
    let verdict = |engine: &str| w.by(engine, &[deny_all()], w.web(), Endpoint::Node(&w.n1), 10250);
    assert_eq!([verdict("spec"), verdict("cilium"), verdict("calico")], [Allowed, Denied, Unknown]);
    let open = [egress(json!({}))];
    assert_eq!(w.by("calico", &open, w.web(), Endpoint::Node(&w.n1), 10250), Allowed);
}

#[test]
fn a_pod_of_the_host_network_is_not_isolated_and_counts_as_its_node() {
    // "NetworkPolicy behaviour for hostNetwork pods is undefined"; most often they are "treated the same as […] traffic of the
    // node's IP".
    let mut w = world();
    w.client.host_network = true;
    w.client.ips = w.n2.ips.clone();
    let elsewhere = fixture::policy("other", "deny", json!({"podSelector": {}}));
    assert_eq!(w.verdict(&[elsewhere], w.web(), w.client(), 80), Allowed);
    let selecting = [ingress(json!({"from": [{"namespaceSelector": {}}]}))];
    assert_eq!(w.by("cilium", &selecting, w.client(), w.web(), 80), Denied);
    assert_eq!(w.verdict(&selecting, w.client(), w.web(), 80), Unknown);
    let by_address = [ingress(json!({"from": [{"ipBlock": {"cidr": "192.168.0.2/32"}}]}))];
    assert_eq!(w.verdict(&by_address, w.client(), w.web(), 80), Allowed);
    w.client.node = Some(Arc::from("n1"));
    assert_eq!(w.verdict(&[deny_all()], w.client(), w.web(), 80), Allowed);
}

#[test]
fn a_terminating_pod_is_still_judged_and_an_ended_one_is_not() {
    let mut w = world();
    w.web.terminating = true;
    assert_eq!(w.verdict(&[deny_all()], w.client(), w.web(), 80), Denied);
    w.web.ended = true;
    assert_eq!(w.verdict(&[deny_all()], w.client(), w.web(), 80), Allowed);
}

// --- Engines

#[test]
fn a_block_never_matches_pods_or_nodes_on_cilium() {
    let w = world();
    let policies = [egress(json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}))];
    let verdict = |engine: &str, to| w.by(engine, &policies, w.web(), to, 80);
    assert_eq!([verdict("spec", w.client()), verdict("cilium", w.client())], [Allowed, Denied]);
    let node = Endpoint::Node(&w.n2);
    assert_eq!([verdict("spec", node), verdict("cilium", node), verdict("calico", node)], [Allowed, Denied, Unknown]);
    assert_eq!([verdict("spec", OUTSIDE), verdict("cilium", OUTSIDE)], [Allowed, Allowed]);
}

#[test]
fn a_named_port_beside_a_block_admits_nothing_on_cilium_but_for_ingress() {
    let w = world();
    let port = json!([{"port": "http"}]);
    let out_of = [egress(json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": port}))];
    assert_eq!(w.by("spec", &out_of, w.web(), w.client(), 8080), Unknown);
    assert_eq!(w.by("kube-router", &out_of, w.web(), w.client(), 8080), Denied);
    let into = [ingress(json!({"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": port}))];
    assert_eq!(w.by("cilium", &into, OUTSIDE, w.web(), 8080), Allowed);
    // Without peers it works on both sides (measured).
    assert_eq!(w.by("cilium", &[egress(json!({"ports": port}))], w.web(), w.client(), 8080), Allowed);
}

#[test]
fn a_label_that_the_engine_does_not_see_is_absent_to_it() {
    let mut w = world();
    w.web.labels = crate::model::labels([("app", "web"), ("pod-template-hash", "7d9")]);
    let hash = json!({"matchLabels": {"pod-template-hash": "7d9"}});
    let deny = [shop("deny", json!({"podSelector": hash}))];
    assert_eq!(w.by("spec", &deny, w.client(), w.web(), 80), Denied);
    assert_eq!(w.by("cilium", &deny, w.client(), w.web(), 80), Allowed);
    let peer = [ingress(json!({"from": [{"podSelector": hash}]}))];
    assert_eq!(w.by("spec", &peer, w.web(), w.db(), 80), Allowed);
    assert_eq!(w.by("cilium", &peer, w.web(), w.db(), 80), Denied);
}

#[test]
fn a_service_is_judged_by_its_own_address_where_egress_is_judged_before_translation() {
    let w = world();
    let service = Some(("10.96.0.7".parse().unwrap(), 80));
    let connection = Connection { service, ..Connection::tcp(w.web(), OUTSIDE, 8443) };
    let by_service = [egress(json!({"to": [{"ipBlock": {"cidr": "10.96.0.7/32"}}], "ports": [{"port": 80}]}))];
    let by_backend = [egress(json!({"to": [{"ipBlock": {"cidr": "203.0.113.10/32"}}], "ports": [{"port": 8443}]}))];
    let verdict = |engine: &str, policies: &[Policy]| w.decide_by(engine, policies, &connection).verdict;
    assert_eq!([verdict("aws", &by_service), verdict("cilium", &by_service)], [Allowed, Denied]);
    assert_eq!([verdict("aws", &by_backend), verdict("cilium", &by_backend)], [Denied, Allowed]);
}

#[test]
fn an_except_denies_what_a_broader_rule_allows_on_aws() {
    // aws/amazon-network-policy-controller-k8s#146
    let w = world();
    let dns = Endpoint::Address("10.96.0.10".parse().unwrap());
    let with = |rule: Value| {
        let mut other = egress(rule);
        other.key.name = Arc::from("other");
        [egress(json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]})), other]
    };
    let to = |cidr: &str| with(json!({"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": 53}]}));
    let table = [
        (with(json!({"ports": [{"port": 53}]})), Denied),
        (to("0.0.0.0/0"), Denied),
        (to("10.0.0.0/8"), Unknown),
        (to("10.96.0.10/32"), Allowed),
    ];
    for (policies, expected) in table {
        assert_eq!(w.by("aws", &policies, w.web(), dns, 53), expected, "{policies:?}");
        assert_eq!(w.by("spec", &policies, w.web(), dns, 53), Allowed);
    }
    let pods = with(json!({"to": [{"namespaceSelector": {}}]}));
    assert_eq!(w.by("aws", &pods, w.web(), w.client(), 53), Allowed);
}

#[test]
fn sctp_is_unknown_where_the_engine_does_not_judge_it() {
    let w = world();
    let open = [ingress(json!({}))];
    let sctp = Connection { protocol: Protocol::Sctp, ..Connection::tcp(w.client(), w.web(), 80) };
    assert_eq!(w.decide_by("cilium", &open, &sctp).verdict, Unknown);
    assert_eq!(w.decide_by("calico", &open, &sctp).verdict, Allowed);
}

#[test]
fn an_end_port_that_is_only_believed_is_unknown_but_for_the_first_port() {
    let w = world();
    let policies = [ingress(json!({"ports": [{"port": 80, "endPort": 82}]}))];
    assert_eq!(w.by("azure-npm", &policies, w.client(), w.web(), 80), Allowed);
    assert_eq!(w.by("azure-npm", &policies, w.client(), w.web(), 81), Unknown);
}

#[test]
fn an_engine_that_ignores_policies_lets_everything_through() {
    let w = world();
    assert_eq!(w.by("flannel", &[deny_all()], w.client(), w.web(), 80), Allowed);
}

#[test]
fn a_supplement_adds_the_api_server_and_isolates_nobody() {
    let mut w = world();
    let slice = EndpointSlice {
        namespace: Arc::from("default"),
        name: Arc::from("kubernetes"),
        service: Some(Arc::from("kubernetes")),
        endpoints: vec![crate::model::Endpoint { addresses: w.n2.ips.clone(), pod: None, ready: true }],
        ports: Vec::new(),
    };
    let added = [fixture::supplement("shop", "api", 6443)];
    let isolated = [deny_all(), fixture::supplement("shop", "api", 6443)];
    let api = Endpoint::Node(&w.n2);
    assert_eq!(w.by("cilium", &added, w.web(), w.client(), 80), Allowed);
    assert_eq!(w.by("cilium", &isolated, w.web(), api, 6443), Unknown, "nobody knows where the API server is");
    w.snapshot
        .endpoint_slices
        .insert(Arc::from("default"), Arc::new([(Arc::from("kubernetes"), Arc::new(slice))].into()));
    let api = Endpoint::Node(&w.n2);
    let verdict = |engine: &str, to, port| w.by(engine, &isolated, w.web(), to, port);
    assert_eq!(verdict("cilium", api, 6443), Allowed);
    assert_eq!(verdict("cilium", api, 443), Denied);
    assert_eq!(verdict("cilium", OUTSIDE, 6443), Denied);
    assert_eq!(verdict("calico", api, 6443), Denied, "no other engine reads it");
}

// --- What was not seen or not understood

#[test]
fn a_policy_that_is_not_understood_makes_the_verdicts_it_could_change_unknown() {
    let w = world();
    let open = ingress(json!({"ports": [{"port": 80}]}));
    let verdict = |snapshot: &Snapshot, port| {
        Compiled::live(snapshot, engine("cilium")).decide(&Connection::tcp(w.client(), w.web(), port)).ingress
    };
    let nothing = fixture::with_unreadable(w.snapshot.clone(), "shop", "odd");
    assert_eq!(verdict(&nothing, 80).unknown, ["NetworkPolicy shop/odd is not understood: it has a deny rule"]);
    // A NetworkPolicy cannot take away what another admits; it can admit what others do not.
    let admitted = fixture::with_foreign(nothing, open.clone());
    assert_eq!((verdict(&admitted, 80).verdict, verdict(&admitted, 81).verdict), (Allowed, Unknown));
    // A CiliumNetworkPolicy can do both.
    let cilium = fixture::with_foreign(fixture::with_unreadable(w.snapshot.clone(), "shop", "cilium/odd"), open);
    assert_eq!((verdict(&cilium, 80).verdict, verdict(&cilium, 81).verdict), (Unknown, Unknown));
    let elsewhere = fixture::with_unreadable(w.snapshot.clone(), "third", "odd");
    assert_eq!(verdict(&elsewhere, 80).verdict, Allowed);
}

#[test]
fn while_policies_are_not_all_seen_nothing_is_known_of_a_pod() {
    let mut w = world();
    w.snapshot.sources.insert(Source::NetworkPolicies, Availability::Syncing);
    let decide = |to| Compiled::live(&w.snapshot, engine("spec")).decide(&Connection::tcp(OUTSIDE, to, 80)).verdict;
    assert_eq!(decide(w.web()), Unknown);
    assert_eq!(decide(Endpoint::Node(&w.n1)), Allowed);
}

#[test]
fn a_target_takes_the_place_of_the_operators_own_policies() {
    let w = world();
    let mut snapshot = fixture::with_foreign(w.snapshot.clone(), deny_all());
    let decide = |snapshot: &Snapshot, target: &[Policy]| {
        Compiled::with_target(snapshot, "shop", target, engine("spec"))
            .decide(&Connection::tcp(w.client(), w.web(), 80))
            .verdict
    };
    assert_eq!(decide(&snapshot, &[]), Denied, "a foreign policy stays");
    for policies in snapshot.policies.values_mut() {
        for observed in Arc::make_mut(policies).values_mut() {
            Arc::make_mut(observed).ours = true;
        }
    }
    assert_eq!(decide(&snapshot, &[]), Allowed);
    assert_eq!(decide(&snapshot, &[ingress(json!({"ports": [{"port": 81}]}))]), Denied);
    let live = Compiled::live(&snapshot, engine("spec"));
    assert_eq!(live.decide(&Connection::tcp(w.client(), w.web(), 80)).verdict, Denied);
    let elsewhere = Compiled::with_target(&snapshot, "other", &[], engine("spec"));
    assert_eq!(elsewhere.decide(&Connection::tcp(w.client(), w.web(), 80)).verdict, Denied);
}

// --- Properties

proptest! {
    #[test]
    fn the_order_of_policies_does_not_matter(
        mut policies in prop::collection::vec(arbitrary::policy(), 0..5),
        (from, to) in (arbitrary::label_set(), arbitrary::label_set()),
        port in prop::sample::select(vec![53_u16, 80, 443, 8080]),
    ) {
        let mut w = world();
        w.web.labels = Arc::new(from);
        w.db.labels = Arc::new(to);
        let forward = w.verdict(&policies, w.web(), w.db(), port);
        policies.reverse();
        prop_assert_eq!(forward, w.verdict(&policies, w.web(), w.db(), port));
    }

    #[test]
    fn a_rule_more_never_cuts_a_connection_of_an_isolated_pod(
        policies in prop::collection::vec(arbitrary::policy(), 0..4),
        more in arbitrary::policy(),
        (from, to) in (arbitrary::label_set(), arbitrary::label_set()),
        port in prop::sample::select(vec![53_u16, 80, 443, 8080]),
    ) {
        let mut w = world();
        w.web.labels = Arc::new(from);
        w.db.labels = Arc::new(to);
        let before: Vec<Policy> = [deny_all()].into_iter().chain(policies).collect();
        let after: Vec<Policy> = before.iter().cloned().chain([more]).collect();
        if w.verdict(&before, w.web(), w.db(), port) == Allowed {
            prop_assert_eq!(w.verdict(&after, w.web(), w.db(), port), Allowed);
        }
    }
}
