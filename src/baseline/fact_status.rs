//! Facts in words, for status.

use std::fmt::Display;

use crate::api::FactStatus;
use crate::discovery::{ApiServer, Certainty, Dns, Enforces, Engine, Fact, Facts, Monitoring};

/// Name of the fact about the resolver.
pub(super) const DNS: &str = "dns";
/// Name of the fact about the Kubernetes API.
pub(super) const API_SERVER: &str = "apiServer";
/// Name of the fact about scrapes.
pub(super) const MONITORING: &str = "monitoring";
const ENGINE: &str = "engine";

/// Most items of a list that are written out.
const SHOWN: usize = 8;

/// Every fact as far as it concerns a namespace. Nothing of it retires: that is known where facts are kept.
pub fn fact_status(facts: &Facts, namespace: &str) -> Vec<FactStatus> {
    vec![
        status(DNS, &facts.dns, dns),
        status(API_SERVER, &facts.api_server, api_server),
        status(MONITORING, &facts.monitoring, |value| monitoring(value, namespace)),
        engine(&facts.engine),
    ]
}

fn status<T>(name: &str, fact: &Fact<T>, in_words: impl FnOnce(&T) -> String) -> FactStatus {
    let (value, origin) = match fact {
        Fact::Known { value, origin, ready: true } => (in_words(value), origin),
        Fact::Known { value, origin, ready: false } => (format!("{}, not ready", in_words(value)), origin),
        Fact::Absent { looked } => ("not found".to_owned(), looked),
        Fact::Unreadable { reason } => ("cannot be read".to_owned(), reason),
    };
    FactStatus { name: name.to_owned(), value, origin: origin.clone(), retiring: Vec::new() }
}

fn dns(dns: &Dns) -> String {
    let pods = dns.backends.iter().map(|(namespace, pods)| format!("pods {pods} of {namespace}"));
    let servers = list(pods.chain(dns.addresses.iter().map(ToString::to_string)));
    format!("{servers} on ports {} (UDP and TCP)", list(&dns.ports))
}

fn api_server(api: &ApiServer) -> String {
    format!(
        "endpoints {}, Service addresses {}, on ports {} (TCP)",
        list(&api.endpoints),
        list(&api.cluster_ips),
        list(&api.ports)
    )
}

fn monitoring(monitoring: &Monitoring, namespace: &str) -> String {
    let scrapers = list(monitoring.scrapers.iter().map(|(of, pods)| format!("pods {pods} of {of}")));
    let targets = monitoring.targets.get(namespace).into_iter().flatten();
    let targets = list(targets.map(|target| format!("pods {} on ports {}", target.pods, list(&target.ports))));
    format!("scraped by: {scrapers}; in this namespace: {targets}")
}

fn engine(engine: &Engine) -> FactStatus {
    let enforces = match &engine.enforces {
        Enforces::Yes => "enforces NetworkPolicy".to_owned(),
        Enforces::No(reason) => format!("does not enforce NetworkPolicy: {reason}"),
        Enforces::Unknown(reason) => format!("not known whether it enforces NetworkPolicy: {reason}"),
    };
    let name = match engine.certainty {
        Certainty::None => "not recognised".to_owned(),
        Certainty::Likely => format!("{} (likely)", engine.capabilities.engine),
        Certainty::Certain => engine.capabilities.engine.to_owned(),
    };
    FactStatus {
        name: ENGINE.to_owned(),
        value: format!("{name}, {enforces}"),
        origin: engine.origin.clone(),
        retiring: Vec::new(),
    }
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len() {
        0 => "none".to_owned(),
        count if count > SHOWN => format!("{} and {} more", items[..SHOWN].join(", "), count - SHOWN),
        _ => items.join(", "),
    }
}
