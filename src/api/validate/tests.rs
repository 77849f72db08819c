#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::names::HOLD_AT;
use crate::model::Enforced;

fn baseline(spec: &str) -> NetworkBaseline {
    let head =
        "apiVersion: netbaseline.dev/v1alpha1\nkind: NetworkBaseline\nmetadata: {name: default, namespace: shop}\n";
    serde_saphyr::from_str(&format!("{head}spec: {spec}\n")).unwrap()
}

fn held(spec: &str, at: &str) -> NetworkBaseline {
    let mut baseline = baseline(spec);
    baseline.metadata.annotations = Some([(HOLD_AT.to_owned(), at.to_owned())].into());
    baseline
}

fn faults(spec: &str) -> Vec<String> {
    validate(&baseline(spec)).unwrap_err().into_iter().map(|fault| format!("{}: {}", fault.path, fault.found)).collect()
}

#[test]
fn an_empty_spec_audits_with_every_builtin_on() {
    let effective = validate(&baseline("{}")).unwrap();
    assert_eq!((effective.ingress, effective.egress), (Phase::Audit, Phase::Audit));
    assert_eq!((effective.suspend, effective.deletion_policy), (false, super::super::DeletionPolicy::Remove));
    let allow = effective.allow;
    assert!(allow.same_namespace == Some(Selector::all()) && allow.ingress.is_empty() && allow.egress.is_empty());
    for builtin in [allow.dns, allow.api_server, allow.monitoring] {
        assert_eq!(builtin, Some(Builtin::default()));
    }
    let external = allow.external_https.unwrap();
    assert_eq!(external.ports, BTreeSet::from([PortMatch::number(Protocol::Tcp, 443)]));
    assert!(external.except.is_empty() && external.instead.is_none());
}

#[test]
fn switched_off_is_none() {
    let off = "{enabled: false}";
    let spec = format!(
        "{{allow: {{dns: {off}, sameNamespace: {off}, apiServer: {off}, monitoring: {off}, externalHttps: {off}}}}}"
    );
    let allow = validate(&baseline(&spec)).unwrap().allow;
    assert!(allow.dns.is_none() && allow.same_namespace.is_none() && allow.api_server.is_none());
    assert!(allow.monitoring.is_none() && allow.external_https.is_none());
}

#[test]
fn a_direction_goes_as_far_as_the_least_of_phase_cap_and_hold() {
    const CANARY: &str = "canary: {podSelector: {matchLabels: {track: canary}}}";
    for (rollout, hold, ingress, egress) in [
        ("phase: Enforce", None, Phase::Enforce, Phase::Enforce),
        ("phase: Enforce, ingress: {phase: Audit}", None, Phase::Audit, Phase::Enforce),
        ("phase: Canary, egress: {phase: Enforce}", None, Phase::Canary, Phase::Canary),
        ("phase: Off, ingress: {phase: Enforce}", None, Phase::Off, Phase::Off),
        ("phase: Enforce", Some("Audit"), Phase::Audit, Phase::Audit),
        ("phase: Enforce", Some("Canary"), Phase::Canary, Phase::Canary),
        ("phase: Enforce, ingress: {phase: Off}", Some("Audit"), Phase::Off, Phase::Audit),
        ("phase: Canary", Some("Enforce"), Phase::Canary, Phase::Canary),
        ("phase: Enforce", Some("audit"), Phase::Audit, Phase::Audit),
        ("phase: Enforce", Some(""), Phase::Audit, Phase::Audit),
    ] {
        let spec = format!("{{rollout: {{{rollout}, {CANARY}}}}}");
        let baseline = hold.map_or_else(|| baseline(&spec), |at| held(&spec, at));
        let effective = validate(&baseline).unwrap();
        assert_eq!((effective.ingress, effective.egress), (ingress, egress), "{rollout}, hold {hold:?}");
    }
}

#[test]
fn a_hold_counts_with_a_spec_that_does_not() {
    let broken = held("{rollout: {phase: Canary}}", "Audit");
    assert!(validate(&broken).is_err());
    assert_eq!(Hold::of(&broken), Some(Hold { at: Phase::Audit, readable: true, value: "Audit".to_owned() }));
    assert_eq!(Hold::of(&baseline("{}")), None);
}

#[test]
fn a_hold_at_canary_without_a_canary_is_audit() {
    let effective = validate(&held("{rollout: {phase: Enforce}}", "Canary")).unwrap();
    assert_eq!(effective.egress, Phase::Audit);
    assert!(!effective.hold.unwrap().readable);
}

#[test]
fn phases_say_which_pods_are_isolated() {
    let spec = "{rollout: {phase: Canary, canary: {podSelector: {matchLabels: {track: canary}}}}}";
    let effective = validate(&baseline(spec)).unwrap();
    assert_eq!(effective.enforced_at(Phase::Audit), Enforced::None);
    assert_eq!(effective.enforced_at(Phase::Canary), Enforced::Canary(Selector::of_labels([("track", "canary")])));
    assert_eq!(effective.enforced_at(Phase::Enforce), Enforced::All);
    assert_eq!(validate(&baseline("{}")).unwrap().enforced_at(Phase::Canary), Enforced::None);
}

#[test]
fn peers_are_parsed_into_what_they_name() {
    let spec = "{allow: {egress: [{name: all, to: [
        {namespace: storefront, podSelector: {matchLabels: {app: web}}},
        {namespaceSelector: {}},
        {podSelector: {matchLabels: {app: db}}},
        {cidr: 10.20.0.0/16, except: [10.20.3.0/24]},
        {cidr: '2001:db8::/32'}],
        ports: [{port: 8080}, {port: 9000, endPort: 9010, protocol: UDP}, {port: metrics}, {protocol: SCTP}]}]}}";
    let allow = validate(&baseline(spec)).unwrap().allow;
    let shown: BTreeSet<String> = allow.egress[0].peers.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "10.20.0.0/16 except 10.20.3.0/24",
            "2001:db8::/32",
            "namespaces(*)/pods(*)",
            "namespaces(kubernetes.io/metadata.name=storefront)/pods(app=web)",
            "pods(app=db)",
        ]
    );
    let Ports::These(ports) = &allow.egress[0].ports else { panic!("ports are given") };
    let ports: BTreeSet<String> = ports.iter().map(ToString::to_string).collect();
    assert_eq!(
        ports.iter().map(String::as_str).collect::<Vec<_>>(),
        ["*/SCTP", "8080/TCP", "9000-9010/UDP", "metrics/TCP"]
    );
}

#[test]
fn each_fault_is_found_with_its_place() {
    let ingress = |peer: &str| format!("{{allow: {{ingress: [{{name: a, from: [{peer}]}}]}}}}");
    let ports = |port: &str| format!("{{allow: {{externalHttps: {{ports: [{port}]}}}}}}");
    let pods = |selector: &str| format!("{{allow: {{dns: {{podSelector: {selector}}}}}}}");
    for (spec, expected) in [
        ("{rollout: {phase: Canary}}".to_owned(), "spec.rollout.canary.podSelector: nothing"),
        ("{rollout: {ingress: {phase: Canary}}}".to_owned(), "spec.rollout.canary.podSelector: nothing"),
        (
            "{rollout: {canary: {podSelector: {}}}}".to_owned(),
            "spec.rollout.canary.podSelector: an empty selector, which is every pod",
        ),
        (ingress("{cidr: 10.0.0.0/33}"), "spec.allow.ingress[0].from[0].cidr: \"10.0.0.0/33\""),
        (ingress("{cidr: 10.0.0.1/8}"), "spec.allow.ingress[0].from[0].cidr: \"10.0.0.1/8\""),
        (ingress("{cidr: 010.0.0.0/8}"), "spec.allow.ingress[0].from[0].cidr: \"010.0.0.0/8\""),
        (ingress("{cidr: 10.0.0.1}"), "spec.allow.ingress[0].from[0].cidr: \"10.0.0.1\""),
        (ingress("{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}"), "spec.allow.ingress[0].from[0].except: 11.0.0.0/16"),
        (ingress("{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}"), "spec.allow.ingress[0].from[0].except: 10.0.0.0/8"),
        (ingress("{cidr: 0.0.0.0/0, except: ['fd00::/8']}"), "spec.allow.ingress[0].from[0].except: fd00::/8"),
        (ingress("{cidr: 0.0.0.0/0, except: [x]}"), "spec.allow.ingress[0].from[0].except[0]: \"x\""),
        (
            ingress("{namespace: a, except: [10.0.0.0/8]}"),
            "spec.allow.ingress[0].from[0].except: an except without cidr",
        ),
        (ingress("{}"), "spec.allow.ingress[0].from[0]: an empty peer"),
        (ingress("{cidr: 10.0.0.0/8, namespace: a}"), "spec.allow.ingress[0].from[0]: a cidr together with pods"),
        (
            ingress("{namespace: a, namespaceSelector: {}}"),
            "spec.allow.ingress[0].from[0]: namespace together with namespaceSelector",
        ),
        (ingress("{namespace: Shop}"), "spec.allow.ingress[0].from[0].namespace: \"Shop\""),
        (ingress(""), "spec.allow.ingress[0].from: 0 items"),
        (ports("{port: 0}"), "spec.allow.externalHttps.ports[0].port: 0 to 0"),
        (ports("{port: 65536}"), "spec.allow.externalHttps.ports[0].port: 65536 to 65536"),
        (ports("{port: 80, endPort: 79}"), "spec.allow.externalHttps.ports[0].endPort: 79"),
        (ports("{endPort: 79}"), "spec.allow.externalHttps.ports[0].endPort: an endPort without a port number"),
        (
            ports("{port: web, endPort: 79}"),
            "spec.allow.externalHttps.ports[0].endPort: an endPort without a port number",
        ),
        (ports("{port: '8080'}"), "spec.allow.externalHttps.ports[0].port: \"8080\""),
        (
            ports("{port: a-name-too-long-for-a-port}"),
            "spec.allow.externalHttps.ports[0].port: \"a-name-too-long-for-a-port\"",
        ),
        (pods("{matchLabels: {'-app': web}}"), "spec.allow.dns.podSelector: label key \"-app\""),
        (pods("{matchLabels: {'Bad_Prefix/app': web}}"), "spec.allow.dns.podSelector: label key \"Bad_Prefix/app\""),
        (pods("{matchLabels: {app: 'a b'}}"), "spec.allow.dns.podSelector: value \"a b\" of label key \"app\""),
        (
            pods("{matchExpressions: [{key: app, operator: Equals, values: [web]}]}"),
            "spec.allow.dns.podSelector: app Equals (web)",
        ),
        (pods("{matchExpressions: [{key: app, operator: In, values: []}]}"), "spec.allow.dns.podSelector: app In ()"),
        (
            pods("{matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}"),
            "spec.allow.dns.podSelector: app=web, app DoesNotExist ()",
        ),
        (
            "{allow: {externalHttps: {to: [{namespace: shop}]}}}".to_owned(),
            "spec.allow.externalHttps.to[0]: a peer without cidr",
        ),
        (
            "{allow: {egress: [{name: a, to: [{namespace: a}]}, {name: a, to: [{namespace: b}]}]}}".to_owned(),
            "spec.allow.egress[1].name: \"a\"",
        ),
        ("{allow: {egress: [{name: A_b, to: [{namespace: a}]}]}}".to_owned(), "spec.allow.egress[0].name: \"A_b\""),
        (
            "{allow: {egress: [{name: a123456789-123456789-123456789-123456789-, to: [{namespace: a}]}]}}".to_owned(),
            "spec.allow.egress[0].name: \"a123456789-123456789-123456789-123456789-\"",
        ),
        ("{allow: {dns: {enabled: false, to: [{cidr: x}]}}}".to_owned(), "spec.allow.dns.to[0].cidr: \"x\""),
    ] {
        assert_eq!(faults(&spec), [expected], "{spec}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let spec = "{rollout: {phase: Canary}, allow: {dns: {to: [{cidr: x}]}, ingress: [{name: A, from: [{}]}]}}";
    assert_eq!(
        faults(spec),
        [
            "spec.rollout.canary.podSelector: nothing",
            "spec.allow.dns.to[0].cidr: \"x\"",
            "spec.allow.ingress[0].name: \"A\"",
            "spec.allow.ingress[0].from[0]: an empty peer",
        ]
    );
}

#[test]
fn another_name_than_default_is_a_fault() {
    let mut other = baseline("{}");
    other.metadata.name = Some("second".to_owned());
    let faults = validate(&other).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "metadata.name: found \"second\", expected default: a namespace has one baseline"
    );
}

#[test]
fn explicit_allowances_are_the_same_in_whatever_order_they_are_written() {
    let list = |first: &str, second: &str| {
        let item = |name: &str| format!("{{name: {name}, to: [{{namespace: {name}}}]}}");
        validate(&baseline(&format!("{{allow: {{egress: [{}, {}]}}}}", item(first), item(second)))).unwrap()
    };
    assert_eq!(list("a", "b"), list("b", "a"));
}
