#![allow(clippy::unwrap_used)]

mod properties;
mod rendering;
mod sticky;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{PolicySet, render};
use crate::api::{Effective, NetworkBaseline, validate};
use crate::discovery::{ApiServer, Certainty, Dns, Enforces, Engine, Fact, Facts, Monitoring, ScrapeTarget};
use crate::model::Enforced;
use crate::model::{Direction, PolicyKind, PortMatch, Protocol, Selector};
use crate::plan::Desired;
use crate::policy::Capabilities;

fn spec(allow: &str) -> Effective {
    let text = format!(
        "apiVersion: netbaseline.dev/v1alpha1\nkind: NetworkBaseline\nmetadata: {{name: default}}\nspec: {{allow: {allow}}}\n"
    );
    let baseline: NetworkBaseline = serde_saphyr::from_str(&text).unwrap();
    validate(&baseline).unwrap()
}

/// Only these allowances, the other built-ins off.
fn only(allow: &str) -> Effective {
    let all = ["dns", "sameNamespace", "apiServer", "monitoring", "externalHttps"];
    let off = all.iter().filter(|name| !allow.contains(**name)).map(|name| format!("{name}: {{enabled: false}}"));
    let parts: Vec<String> = off.chain((!allow.is_empty()).then(|| allow.to_owned())).collect();
    spec(&format!("{{{}}}", parts.join(", ")))
}

fn app(value: &str) -> Selector {
    Selector::of_labels([("app", value)])
}

fn canary() -> Enforced {
    Enforced::Canary(Selector::of_labels([("track", "canary")]))
}

fn known<T>(value: T) -> Fact<T> {
    Fact::Known { value, origin: "fixture".to_owned(), ready: true }
}

fn dns_at(address: &str) -> Dns {
    Dns {
        backends: BTreeSet::from([(Arc::from("kube-system"), Selector::of_labels([("k8s-app", "kube-dns")]))]),
        addresses: BTreeSet::from([address.parse().unwrap()]),
        ports: BTreeSet::from([53]),
    }
}

fn api_at(endpoint: &str) -> ApiServer {
    ApiServer {
        endpoints: BTreeSet::from([endpoint.parse().unwrap()]),
        cluster_ips: BTreeSet::from(["10.96.0.1".parse().unwrap()]),
        ports: BTreeSet::from([443, 6443]),
        on_nodes: false,
    }
}

fn target(pods: Selector, port: &str) -> ScrapeTarget {
    let ports = BTreeSet::from([PortMatch::named(Protocol::Tcp, port)]);
    ScrapeTarget { pods, ports, origin: "fixture".to_owned() }
}

fn scraping(targets: &[(&str, ScrapeTarget)]) -> Monitoring {
    let mut by_namespace: BTreeMap<Arc<str>, BTreeSet<ScrapeTarget>> = BTreeMap::new();
    for (namespace, target) in targets {
        by_namespace.entry(Arc::from(*namespace)).or_default().insert(target.clone());
    }
    Monitoring {
        scrapers: BTreeSet::from([(Arc::from("monitoring"), app("prometheus"))]),
        targets: by_namespace,
        addresses: BTreeSet::new(),
    }
}

fn engine(name: &str) -> Engine {
    let capabilities = Capabilities::by_name(name).unwrap();
    Engine {
        capabilities,
        certainty: if name == "spec" { Certainty::None } else { Certainty::Certain },
        enforces: Enforces::Yes,
        origin: "fixture".to_owned(),
        agents: None,
        additive_supplements: capabilities.supplements,
    }
}

fn facts() -> Facts {
    Facts {
        dns: known(dns_at("10.96.0.10")),
        api_server: known(api_at("192.168.7.1")),
        monitoring: known(scraping(&[("shop", target(app("web"), "metrics"))])),
        engine: engine("calico"),
        cluster_ranges: BTreeSet::new(),
    }
}

fn enforced(effective: &Effective, facts: &Facts) -> PolicySet {
    render(effective, "shop", facts, &Enforced::All, &Enforced::All)
}

/// A line for each policy and for each of the smallest parts of its rules.
fn lines(policies: &[Desired]) -> Vec<String> {
    let mut lines = Vec::new();
    for Desired { policy, .. } in policies {
        let mark = if policy.key.kind == PolicyKind::CiliumNetworkPolicy { "CNP " } else { "" };
        let directions: Vec<&str> =
            Direction::BOTH.iter().filter(|&&of| policy.rules(of).is_some()).map(|of| of.name()).collect();
        lines.push(format!("{mark}{} {} {}", policy.key.name, policy.pod_selector, directions.join("+")));
        for direction in Direction::BOTH {
            let arrow = if direction == Direction::Ingress { "<-" } else { "->" };
            lines.extend(policy.atoms(direction).iter().map(|atom| format!("  {arrow} {atom}")));
        }
    }
    lines
}

fn names(policies: &[Desired]) -> Vec<String> {
    policies.iter().map(|desired| desired.policy.key.name.to_string()).collect()
}

fn is_line(lines: &[String], expected: &str) -> bool {
    lines.iter().any(|line| line.trim() == expected)
}
