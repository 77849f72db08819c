//! What leaves late, what never leaves, and what leaves at once.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::api::FactStatus;
use crate::baseline::{GRACE, Retained, retain};
use crate::findings::FindingName;
use crate::plan::Live;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const OLD: &str = "-> 10.96.0.10/32:53/UDP";
const NEW: &str = "-> 10.96.0.99/32:53/UDP";

fn live(policies: &[Desired]) -> Vec<Live> {
    let of = |desired: &Desired| Live {
        policy: desired.policy.clone(),
        allowance: desired.allowance.clone(),
        reason: desired.reason.clone(),
        marks_intact: true,
        uid: "uid".to_owned(),
        resource_version: "1".to_owned(),
        written: None,
    };
    policies.iter().map(of).collect()
}

fn keep(effective: &Effective, facts: &Facts, live: &[Live], previous: &[FactStatus], now: Timestamp) -> Retained {
    retain(enforced(effective, facts), live, facts, effective, previous, now)
}

fn silent<T>() -> [Fact<T>; 2] {
    [Fact::Absent { looked: "everywhere".to_owned() }, Fact::Unreadable { reason: "forbidden".to_owned() }]
}

fn moved(ready: bool) -> Facts {
    Facts { dns: Fact::Known { value: dns_at("10.96.0.99"), origin: String::new(), ready }, ..facts() }
}

#[test]
fn what_is_at_rest_is_kept_as_it_is() {
    let set = enforced(&spec("{}"), &facts()).policies;
    let kept = keep(&spec("{}"), &facts(), &live(&set), &[], NOW);
    assert_eq!((kept.policies, kept.findings, kept.next, kept.hold), (set, Vec::new(), None, false));
}

#[test]
fn policies_of_a_fact_that_is_gone_or_unreadable_stay_verbatim() {
    let set = enforced(&spec("{}"), &facts()).policies;
    for (dns, api_server) in silent().into_iter().zip(silent()) {
        let facts = Facts { dns, api_server, ..facts() };
        let kept = keep(&spec("{}"), &facts, &live(&set), &[], NOW);
        assert_eq!(lines(&kept.policies), lines(&set));
        assert_eq!(kept.findings.iter().filter(|of| of.name == FindingName::FactKept).count(), 2);
        assert_eq!(kept.next, None);
    }
}

#[test]
fn what_answers_the_cluster_stays_while_the_resolver_is_not_known() {
    let effective = only("dns: {}");
    let set = render(&effective, "kube-system", &facts(), &Enforced::All, &Enforced::All).policies;
    for dns in silent() {
        let facts = Facts { dns, ..facts() };
        let rendered = render(&effective, "kube-system", &facts, &Enforced::All, &Enforced::All);
        let kept = retain(rendered, &live(&set), &facts, &effective, &[], NOW);
        assert_eq!(lines(&kept.policies), lines(&set));
    }
}

#[test]
fn a_fact_that_moved_adds_at_once_and_its_old_place_leaves_after_the_grace() {
    let effective = only("dns: {}");
    let old = live(&enforced(&effective, &facts()).policies);
    let first = keep(&effective, &moved(true), &old, &[], NOW);
    let both = lines(&first.policies);
    assert!(is_line(&both, OLD) && is_line(&both, NEW), "{both:#?}");
    assert_eq!(first.next, Some(NOW + GRACE));
    let retiring: Vec<&str> = first.facts[0].retiring.iter().map(|of| of.value.as_str()).collect();
    assert_eq!(retiring, ["baseline-allow-dns: 10.96.0.10/32:53/TCP", "baseline-allow-dns: 10.96.0.10/32:53/UDP"]);

    let live = live(&first.policies);
    let later = NOW + SignedDuration::from_mins(9);
    let second = keep(&effective, &moved(true), &live, &first.facts, later);
    assert_eq!((lines(&second.policies), second.next, &second.facts), (both.clone(), Some(NOW + GRACE), &first.facts));

    let third = keep(&effective, &moved(true), &live, &second.facts, NOW + GRACE);
    assert!(!is_line(&lines(&third.policies), OLD) && third.next.is_none());
    assert!(third.facts[0].retiring.is_empty());

    let lost = keep(&effective, &moved(true), &live, &[], NOW + GRACE);
    assert_eq!((lines(&lost.policies), lost.next), (both, Some(NOW + GRACE + GRACE)));
}

#[test]
fn a_new_place_that_is_not_ready_replaces_nothing() {
    let effective = only("dns: {}");
    let old = live(&enforced(&effective, &facts()).policies);
    let kept = keep(&effective, &moved(false), &old, &[], NOW + GRACE);
    let lines = lines(&kept.policies);
    assert!(is_line(&lines, OLD) && is_line(&lines, NEW), "{lines:#?}");
    assert_eq!((kept.findings[0].name, kept.next), (FindingName::FactKept, None));
}

#[test]
fn the_owners_word_counts_at_once() {
    let before = enforced(&only("dns: {}"), &facts()).policies;
    let named = enforced(&only("dns: {to: [{cidr: 192.0.2.53/32}]}"), &facts()).policies;
    let other = enforced(&only("dns: {to: [{cidr: 192.0.2.54/32}]}"), &facts()).policies;
    for (live_set, allow, expected) in [
        (&before, "", enforced(&only(""), &facts()).policies),
        (&before, "dns: {to: [{cidr: 192.0.2.53/32}]}", named.clone()),
        (&named, "dns: {to: [{cidr: 192.0.2.54/32}]}", other),
        (&named, "dns: {}", before.clone()),
    ] {
        let effective = only(allow);
        let kept = keep(&effective, &facts(), &live(live_set), &[], NOW);
        assert_eq!(lines(&kept.policies), lines(&expected), "{allow}");
    }
}

#[test]
fn switching_off_counts_while_the_fact_is_gone_too() {
    let set = enforced(&only("dns: {}"), &facts()).policies;
    for dns in silent() {
        let kept = keep(&only(""), &Facts { dns, ..facts() }, &live(&set), &[], NOW);
        assert_eq!(names(&kept.policies), ["baseline-default-deny"]);
    }
}

#[test]
fn the_last_value_goes_where_the_allowance_is_enforced_now() {
    let effective = only("dns: {}");
    let set = live(&enforced(&effective, &facts()).policies);
    let [gone, _] = silent();
    let facts = Facts { dns: gone, ..facts() };
    let kept = |egress: Enforced, effective: &Effective| {
        let rendered = render(effective, "shop", &facts, &Enforced::None, &egress);
        let kept = retain(rendered, &set, &facts, effective, &[], NOW);
        lines(&kept.policies).into_iter().filter(|line| line.starts_with("baseline-allow-dns")).collect::<Vec<_>>()
    };
    assert_eq!(kept(canary(), &effective), ["baseline-allow-dns track=canary egress"]);
    assert_eq!(kept(Enforced::None, &effective), [""; 0], "kept or not, a policy isolates what it selects");
    let narrowed = only("dns: {podSelector: {matchLabels: {app: web}}}");
    assert_eq!(kept(Enforced::All, &narrowed), ["baseline-allow-dns app=web egress"]);
}

#[test]
fn what_a_deleted_monitor_opened_leaves_after_the_grace() {
    let effective = only("monitoring: {}");
    let set = enforced(&effective, &facts()).policies;
    for monitoring in [known(scraping(&[])), Fact::Absent { looked: String::new() }] {
        let facts = Facts { monitoring, ..facts() };
        let first = keep(&effective, &facts, &live(&set), &[], NOW);
        assert_eq!(lines(&first.policies), lines(&set));
        let last = keep(&effective, &facts, &live(&set), &first.facts, NOW + GRACE);
        assert_eq!(names(&last.policies), ["baseline-default-deny"]);
    }
}

#[test]
fn what_cannot_be_read_of_monitoring_stays() {
    let effective = only("monitoring: {}");
    let set = enforced(&effective, &facts()).policies;
    let incomplete = Fact::Known { value: scraping(&[]), origin: "incomplete".to_owned(), ready: false };
    for monitoring in [Fact::Unreadable { reason: "forbidden".to_owned() }, incomplete] {
        let facts = Facts { monitoring, ..facts() };
        let first = keep(&effective, &facts, &live(&set), &[], NOW);
        let last = keep(&effective, &facts, &live(&set), &first.facts, NOW + GRACE);
        assert_eq!((lines(&last.policies), last.next), (lines(&set), None));
        assert!(last.findings.iter().any(|of| of.name == FindingName::FactKept));
    }
}

#[test]
fn drift_is_not_a_former_value() {
    let effective = only("dns: {}");
    let mut edited = live(&enforced(&effective, &facts()).policies);
    let dns = edited.iter_mut().find(|of| &*of.policy.key.name == "baseline-allow-dns").unwrap();
    dns.policy
        .egress
        .as_mut()
        .unwrap()
        .push(crate::model::Rule { peers: crate::model::Peers::Any, ports: crate::model::Ports::Any });
    dns.marks_intact = false;
    let kept = keep(&effective, &facts(), &edited, &[], NOW);
    assert_eq!(lines(&kept.policies), lines(&enforced(&effective, &facts()).policies));
}

#[test]
fn a_supplement_that_is_left_over_keeps_its_ports_under_the_name_of_its_content() {
    let effective = only("apiServer: {}");
    let cilium = Facts { engine: engine("cilium"), ..facts() };
    let old = enforced(&effective, &cilium).policies;
    let value = ApiServer { ports: BTreeSet::from([443, 7443]), ..api_at("192.168.7.1") };
    let facts = Facts { api_server: known(value), ..cilium.clone() };
    let first = keep(&effective, &facts, &live(&old), &[], NOW);
    let first_lines = lines(&first.policies);
    for port in ["443", "6443", "7443"] {
        assert!(is_line(&first_lines, &format!("-> kube-apiserver:{port}/TCP")), "{first_lines:#?}");
    }
    // Mid-way both supplements are live.
    let both: Vec<Live> = live(&old).into_iter().chain(live(&first.policies[1..])).collect();
    assert_eq!(lines(&keep(&effective, &facts, &both, &first.facts, NOW).policies), first_lines);
    let last = keep(&effective, &facts, &live(&first.policies), &first.facts, NOW + GRACE);
    assert_eq!(lines(&last.policies), lines(&enforced(&effective, &facts).policies));
}

#[test]
fn the_engines_own_way_stays_while_no_engine_is_recognised() {
    let effective = only("apiServer: {}");
    let set = enforced(&effective, &Facts { engine: engine("cilium"), ..facts() }).policies;
    let unknown = Facts { engine: engine("spec"), ..facts() };
    let first = keep(&effective, &unknown, &live(&set), &[], NOW);
    let last = keep(&effective, &unknown, &live(&first.policies), &first.facts, NOW + GRACE);
    assert!(last.policies.iter().any(|of| of.policy == set[1].policy), "{:#?}", lines(&last.policies));
    let calico = keep(&effective, &facts(), &live(&set), &[], NOW);
    let after = keep(&effective, &facts(), &live(&set), &calico.facts, NOW + GRACE);
    assert!(after.policies.iter().all(|of| of.policy.isolates));
}

#[test]
fn plain_prefixes_stay_plain_while_no_engine_is_recognised() {
    let effective = only("externalHttps: {}");
    let aws = enforced(&effective, &Facts { engine: engine("aws"), ..facts() }).policies;
    let unknown = Facts { engine: engine("spec"), ..facts() };
    assert_eq!(lines(&keep(&effective, &unknown, &live(&aws), &[], NOW).policies), lines(&aws));
}

#[test]
fn nothing_is_written_while_only_bridges_may_carry_a_fact_that_is_gone() {
    let effective = only("dns: {}");
    let mut bridge = enforced(&only(""), &facts()).policies;
    bridge[0].policy.key.name = Arc::from("baseline-bridge-0123abcd");
    for dns in silent() {
        let facts = Facts { dns, ..facts() };
        assert!(keep(&effective, &facts, &live(&bridge), &[], NOW).hold);
        assert!(!keep(&only(""), &facts, &live(&bridge), &[], NOW).hold, "switched off");
        assert!(!keep(&effective, &facts, &[], &[], NOW).hold, "no bridge");
        let fall = render(&effective, "shop", &facts, &Enforced::None, &Enforced::None);
        assert!(!retain(fall, &live(&bridge), &facts, &effective, &[], NOW).hold, "a fall goes");
    }
    assert!(!keep(&effective, &facts(), &live(&bridge), &[], NOW).hold, "known");
}
