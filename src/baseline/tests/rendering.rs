//! What each allowance becomes.

use super::*;
use crate::baseline::{fact_status, target_hash};
use crate::findings::FindingName;

#[test]
fn nothing_is_rendered_where_nothing_is_enforced() {
    assert_eq!(render(&spec("{}"), "shop", &facts(), &Enforced::None, &Enforced::None).policies, []);
}

#[test]
fn the_readable_set_has_one_object_a_concern() {
    assert_eq!(
        names(&enforced(&spec("{}"), &facts()).policies),
        [
            "baseline-allow-api-server",
            "baseline-allow-dns",
            "baseline-allow-external-https",
            "baseline-allow-monitoring-web-f95e1400",
            "baseline-allow-same-namespace",
            "baseline-default-deny",
        ]
    );
}

#[test]
fn everything_off_leaves_the_isolation_alone() {
    assert_eq!(lines(&enforced(&only(""), &facts()).policies), ["baseline-default-deny * ingress+egress"]);
}

#[test]
fn an_object_splits_where_the_directions_isolate_different_pods() {
    for (ingress, egress, expected) in [
        (Enforced::All, Enforced::All, vec!["baseline-default-deny * ingress+egress"]),
        (canary(), canary(), vec!["baseline-default-deny track=canary ingress+egress"]),
        (Enforced::None, Enforced::All, vec!["baseline-default-deny-egress * egress"]),
        (canary(), Enforced::None, vec!["baseline-default-deny-ingress track=canary ingress"]),
        (
            Enforced::All,
            canary(),
            vec!["baseline-default-deny-egress track=canary egress", "baseline-default-deny-ingress * ingress"],
        ),
    ] {
        assert_eq!(lines(&render(&only(""), "shop", &facts(), &ingress, &egress).policies), expected);
    }
}

#[test]
fn an_allowance_that_no_enforced_pod_can_match_is_not_written() {
    let spec = only("egress: [{name: a, podSelector: {matchLabels: {track: stable}}, to: [{namespace: b}]}]");
    let set = render(&spec, "shop", &facts(), &canary(), &canary());
    assert_eq!(names(&set.policies), ["baseline-default-deny"]);
}

#[test]
fn lookups_go_to_pods_and_addresses_over_both_protocols() {
    let mut facts = facts();
    let Fact::Known { value, .. } = &mut facts.dns else { panic!("the fixture knows it") };
    value.ports.insert(5353);
    value.addresses.insert("fd00:96::a".parse().unwrap());
    let of = "namespaces(kubernetes.io/metadata.name=kube-system)/pods(k8s-app=kube-dns)";
    let lines = lines(&enforced(&only("dns: {podSelector: {matchLabels: {app: web}}}"), &facts).policies);
    assert_eq!(lines[0], "baseline-allow-dns app=web egress");
    for server in [of, "10.96.0.10/32", "fd00:96::a/128"] {
        for port in ["53/UDP", "53/TCP", "5353/UDP", "5353/TCP"] {
            assert!(is_line(&lines, &format!("-> {server}:{port}")), "{server}:{port} in {lines:#?}");
        }
    }
}

#[test]
fn named_resolvers_stand_instead_of_the_discovered_one() {
    let effective = only("dns: {to: [{cidr: 192.0.2.53/32}]}");
    let expected =
        ["baseline-allow-dns * egress", "  -> 192.0.2.53/32:53/TCP", "  -> 192.0.2.53/32:53/UDP"].map(str::to_owned);
    let unread = Facts { dns: Fact::Unreadable { reason: "forbidden".to_owned() }, ..facts() };
    assert_eq!(lines(&enforced(&effective, &facts()).policies)[..3], expected);
    assert_eq!(lines(&enforced(&effective, &unread).policies)[..3], expected);
}

#[test]
fn the_resolvers_own_namespace_answers_everybody_and_asks_upstream() {
    let effective = only("dns: {podSelector: {matchLabels: {app: other}}}");
    let set = render(&effective, "kube-system", &facts(), &Enforced::All, &Enforced::All);
    let lines = lines(&set.policies);
    let serving = names(&set.policies).into_iter().find(|name| name.starts_with("baseline-allow-dns-serving")).unwrap();
    assert!(serving.starts_with("baseline-allow-dns-serving-kube-dns-"), "{serving}");
    assert!(is_line(&lines, &format!("{serving} k8s-app=kube-dns ingress")), "{lines:#?}");
    for part in ["<- anyone:53/UDP", "<- anyone:53/TCP", "-> anyone:53/UDP", "-> anyone:53/TCP"] {
        assert!(is_line(&lines, part), "{part} in {lines:#?}");
    }
    let elsewhere = enforced(&only("dns: {}"), &facts()).policies;
    assert_eq!(names(&elsewhere), ["baseline-allow-dns", "baseline-default-deny"]);
}

#[test]
fn pods_of_the_namespace_take_part_at_both_ends() {
    let effective = only("sameNamespace: {podSelector: {matchLabels: {tier: open}}}");
    assert_eq!(
        lines(&enforced(&effective, &facts()).policies)[..3],
        ["baseline-allow-same-namespace tier=open ingress+egress", "  <- pods(tier=open):*", "  -> pods(tier=open):*"]
    );
}

#[test]
fn the_api_server_is_named_as_the_engine_can_match_it() {
    let on_nodes = Fact::Known {
        value: ApiServer { on_nodes: true, ..api_at("192.168.7.1") },
        origin: String::new(),
        ready: true,
    };
    let addresses = [
        "baseline-allow-api-server * egress",
        "  -> 10.96.0.1/32:443/TCP",
        "  -> 10.96.0.1/32:6443/TCP",
        "  -> 192.168.7.1/32:443/TCP",
        "  -> 192.168.7.1/32:6443/TCP",
    ];
    let cilium_without_field = Engine { additive_supplements: false, ..engine("cilium") };
    for (engine, api_server, expected) in [
        (engine("calico"), facts().api_server, &addresses[..]),
        (engine("calico"), on_nodes.clone(), &addresses[..]),
        (engine("spec"), on_nodes.clone(), &addresses[..]),
        (cilium_without_field.clone(), facts().api_server, &addresses[..]),
        (cilium_without_field, on_nodes, &["baseline-allow-api-server * egress", "  -> anyone:6443/TCP"][..]),
    ] {
        let name = engine.capabilities.engine;
        let facts = Facts { engine, api_server, ..facts() };
        let lines = lines(&enforced(&only("apiServer: {}"), &facts).policies);
        assert_eq!(lines[..expected.len()], *expected, "{name}");
    }
}

#[test]
fn on_cilium_a_supplement_names_the_api_server() {
    let facts = Facts { engine: engine("cilium"), ..facts() };
    let set = enforced(&only("apiServer: {}"), &facts);
    let supplement = &set.policies[1].policy;
    assert_eq!(supplement.key.kind, PolicyKind::CiliumNetworkPolicy);
    assert!(!supplement.isolates && supplement.ingress.is_none());
    let parts: Vec<String> = supplement.atoms(Direction::Egress).iter().map(ToString::to_string).collect();
    assert_eq!(parts, ["kube-apiserver:443/TCP", "kube-apiserver:6443/TCP"]);
    let suffix = supplement.key.name.strip_prefix("baseline-allow-api-server-").unwrap();
    assert!(suffix.len() == 8 && suffix.bytes().all(|c| c.is_ascii_hexdigit()), "{suffix}");
    let narrowed = enforced(&only("apiServer: {podSelector: {matchLabels: {app: web}}}"), &facts);
    assert_ne!(narrowed.policies[1].policy.key.name, supplement.key.name);
}

#[test]
fn scraped_pods_are_opened_to_trusted_scrapers_on_their_ports() {
    let mut facts = facts();
    facts.monitoring = known(scraping(&[
        ("shop", target(app("web"), "metrics")),
        ("shop", target(app("web"), "sidecar")),
        ("shop", target(app("db"), "metrics")),
        ("other", target(app("x"), "metrics")),
    ]));
    let set = enforced(&only("monitoring: {podSelector: {matchLabels: {pci: none}}}"), &facts);
    let lines = lines(&set.policies);
    let from = "<- namespaces(kubernetes.io/metadata.name=monitoring)/pods(app=prometheus)";
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines[0].starts_with("baseline-allow-monitoring-db-") && lines[0].ends_with(" app=db,pci=none ingress"));
    assert!(lines[2].starts_with("baseline-allow-monitoring-web-") && lines[2].ends_with(" app=web,pci=none ingress"));
    assert_eq!(lines[3..5], [format!("  {from}:metrics/TCP"), format!("  {from}:sidecar/TCP")]);
}

#[test]
fn a_target_keeps_its_name_while_others_come_and_go() {
    let name = |targets: &[(&str, ScrapeTarget)]| {
        let facts = Facts { monitoring: known(scraping(targets)), ..facts() };
        names(&enforced(&only("monitoring: {}"), &facts).policies)
    };
    let (web, db) = (("shop", target(app("web"), "metrics")), ("shop", target(app("db"), "metrics")));
    assert!(name(&[web.clone(), db]).contains(&name(&[web])[0]));
}

#[test]
fn targets_of_all_pods_need_no_suffix() {
    let facts = Facts { monitoring: known(scraping(&[("shop", target(Selector::all(), "metrics"))])), ..facts() };
    assert_eq!(names(&enforced(&only("monitoring: {}"), &facts).policies)[0], "baseline-allow-monitoring");
}

#[test]
fn prometheus_reaches_every_target_from_its_own_namespace() {
    let mut monitoring = scraping(&[("shop", target(app("web"), "metrics")), ("other", target(app("x"), "metrics"))]);
    monitoring.addresses.insert(("192.168.7.3".parse().unwrap(), 9100));
    let facts = Facts { monitoring: known(monitoring), ..facts() };
    let set = render(&only("monitoring: {}"), "monitoring", &facts, &Enforced::All, &Enforced::All);
    let lines = lines(&set.policies);
    assert!(
        lines[0].starts_with("baseline-allow-scraping-prometheus-") && lines[0].ends_with(" app=prometheus egress")
    );
    for part in [
        "-> namespaces(kubernetes.io/metadata.name=shop)/pods(app=web):metrics/TCP",
        "-> namespaces(kubernetes.io/metadata.name=other)/pods(app=x):metrics/TCP",
        "-> 192.168.7.3/32:9100/TCP",
    ] {
        assert!(is_line(&lines, part), "{part} in {lines:#?}");
    }
}

#[test]
fn monitoring_without_targets_here_is_not_written() {
    let set = render(&only("monitoring: {}"), "other", &facts(), &Enforced::All, &Enforced::All);
    assert_eq!(names(&set.policies), ["baseline-default-deny"]);
}

#[test]
fn named_scrapers_without_declared_ports_are_told() {
    let effective = only("monitoring: {from: [{namespace: observability}]}");
    let set = render(&effective, "other", &facts(), &Enforced::All, &Enforced::All);
    assert_eq!(set.findings.iter().map(|of| of.name).collect::<Vec<_>>(), [FindingName::MonitoringNotFound]);
    assert_eq!(enforced(&effective, &facts()).findings, []);
}

#[test]
fn the_internet_is_every_address_less_private_and_cluster_ranges() {
    let facts =
        Facts { cluster_ranges: ["198.51.100.0/24", "2001:db8:7::/48"].map(|r| r.parse().unwrap()).into(), ..facts() };
    let set = enforced(&only("externalHttps: {except: [203.0.113.7/32]}"), &facts);
    let lines = lines(&set.policies);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let (four, six) = (&lines[1], &lines[2]);
    for closed in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "198.51.100.0/24",
        "203.0.113.7/32",
    ] {
        assert!(four.contains(closed), "{closed} in {four}");
    }
    for closed in ["::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "2001:db8:7::/48"] {
        assert!(six.contains(closed), "{closed} in {six}");
    }
    assert!(!four.contains("203.0.113.0/24") && four.ends_with(":443/TCP"), "{four}");
    assert!(!four.contains("::") && !six.contains("10.0.0.0"), "each family has its own exceptions");
}

#[test]
fn a_range_by_name_opens_and_one_around_it_does_not() {
    for (to, expected) in [
        ("10.20.0.0/16", Some("10.20.0.0/16:443/TCP")),
        ("203.0.113.0/24", Some("203.0.113.0/24:443/TCP")),
        ("168.63.0.0/16", Some("168.63.0.0/16 except 168.63.129.16/32:443/TCP")),
        ("169.254.169.254/32", Some("169.254.169.254/32:443/TCP")),
        ("192.0.0.0/8", Some("192.0.0.0/8 except 192.0.2.0/24,192.168.0.0/16:443/TCP")),
        ("192.0.2.0/25", None),
    ] {
        let effective = only(&format!("externalHttps: {{to: [{{cidr: {to}}}], except: [192.0.2.0/24]}}"));
        let lines = lines(&enforced(&effective, &facts()).policies);
        assert_eq!(lines.iter().find_map(|line| line.strip_prefix("  -> ")), expected, "{to}");
    }
}

#[test]
fn where_an_except_denies_ranges_are_plain_prefixes() {
    let facts = Facts { engine: engine("aws"), ..facts() };
    let prefixes = |allow: &str| {
        let lines = lines(&enforced(&only(allow), &facts).policies);
        lines.iter().filter_map(|line| Some(line.strip_prefix("  -> ")?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        prefixes("egress: [{name: a, to: [{cidr: 10.0.0.0/8, except: [10.128.0.0/9, 10.0.0.0/10]}]}]"),
        ["10.64.0.0/10:*"]
    );
    let outside = prefixes("externalHttps: {}");
    assert!(outside.iter().all(|prefix| !prefix.contains("except")), "{outside:#?}");
    assert!(outside.contains(&"8.0.0.0/7:443/TCP".to_owned()), "{outside:#?}");
}

#[test]
fn explicit_allowances_carry_their_name_and_their_reason() {
    let effective = only(
        "ingress: [{name: storefront, podSelector: {matchLabels: {app: orders}}, from: [{namespace: storefront}], \
         ports: [{port: 8080}], reason: checkout calls orders}], egress: [{name: ledger, to: [{cidr: 10.20.0.0/16}]}]",
    );
    let set = enforced(&effective, &facts());
    assert_eq!(
        lines(&set.policies),
        [
            "baseline-default-deny * ingress+egress",
            "baseline-egress-ledger * egress",
            "  -> 10.20.0.0/16:*",
            "baseline-ingress-storefront app=orders ingress",
            "  <- namespaces(kubernetes.io/metadata.name=storefront)/pods(*):8080/TCP",
        ]
    );
    let storefront = &set.policies[2];
    assert_eq!(&*storefront.allowance, "ingress-storefront");
    assert_eq!(storefront.reason, "checkout calls orders (spec.allow.ingress, name storefront)");
}

#[test]
fn rules_that_an_engine_never_matches_are_told() {
    let effective = only("egress: [{name: a, to: [{cidr: 203.0.113.0/24}], ports: [{port: web}]}]");
    for (name, expected) in [("cilium", 1), ("spec", 0)] {
        let facts = Facts { engine: engine(name), ..facts() };
        let findings = enforced(&effective, &facts).findings;
        assert_eq!(findings.iter().filter(|of| of.name == FindingName::RuleNeverMatches).count(), expected, "{name}");
    }
}

#[test]
fn a_fact_that_a_rise_needs_and_nobody_knows_blocks_it() {
    let unread = || "forbidden".to_owned();
    let api = Facts { api_server: Fact::Unreadable { reason: unread() }, ..facts() };
    let monitoring = Facts { monitoring: Fact::Unreadable { reason: unread() }, ..facts() };
    for (facts, allow, blocks) in [
        (&api, "{}", true),
        (&api, "{apiServer: {to: [{cidr: 192.0.2.1/32}]}}", false),
        (&api, "{apiServer: {enabled: false}}", false),
        (&monitoring, "{}", true),
        (&monitoring, "{monitoring: {enabled: false}}", false),
    ] {
        let findings = enforced(&spec(allow), facts).findings;
        assert_eq!(findings.iter().any(|of| of.name.blocking()), blocks, "{allow}: {findings:?}");
    }
}

#[test]
fn the_target_hash_is_of_the_rules_alone() {
    let hash = |allow: &str| target_hash(&spec(allow));
    assert!(hash("{}").starts_with("sha256:"));
    assert_eq!(hash("{}"), hash("{dns: {}, externalHttps: {ports: [{port: 443}]}}"));
    for other in [
        "{dns: {enabled: false}}",
        "{externalHttps: {except: [203.0.113.0/24]}}",
        "{monitoring: {podSelector: {matchLabels: {a: b}}}}",
    ] {
        assert_ne!(hash("{}"), hash(other), "{other}");
    }
    let mut phased = spec("{}");
    phased.egress = crate::api::Phase::Enforce;
    assert_eq!(target_hash(&phased), hash("{}"));
}

#[test]
fn facts_are_told_in_words() {
    let facts = Facts { dns: Fact::Absent { looked: "Service kube-system/kube-dns".to_owned() }, ..facts() };
    let told: Vec<String> = fact_status(&facts, "shop")
        .into_iter()
        .map(|fact| format!("{}: {} [{}]", fact.name, fact.value, fact.origin))
        .collect();
    assert_eq!(
        told,
        [
            "dns: not found [Service kube-system/kube-dns]",
            "apiServer: endpoints 192.168.7.1, Service addresses 10.96.0.1, on ports 443, 6443 (TCP) [fixture]",
            "monitoring: scraped by: pods app=prometheus of monitoring; in this namespace: pods app=web on ports metrics/TCP [fixture]",
            "engine: calico, enforces NetworkPolicy [fixture]",
        ]
    );
}
