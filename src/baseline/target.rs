//! The hash of what a spec asks for, whatever the cluster: facts are replaced by symbols.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::render;
use crate::api::Effective;
use crate::discovery::{ApiServer, Certainty, Dns, Enforces, Engine, Fact, Facts, Monitoring, ScrapeTarget};
use crate::model::Enforced;
use crate::model::{PortMatch, Protocol, Selector};
use crate::plan;
use crate::policy::Capabilities;

/// The namespace that is hashed for; it hosts none of the symbols' servers.
const NAMESPACE: &str = "namespace";

/// `sha256:…` of the rules that phase Enforce means, with facts symbolic: the same in every cluster and namespace, and
/// another as soon as one rule of the spec is another.
pub fn target_hash(effective: &Effective) -> String {
    plan::hash(&render(effective, NAMESPACE, &symbols(), &Enforced::All, &Enforced::All).policies)
}

fn symbols() -> Facts {
    fn known<T>(value: T) -> Fact<T> {
        Fact::Known { value, origin: "symbol".to_owned(), ready: true }
    }
    let server = |name: &str| (Arc::from(name), Selector::of_labels([("symbol", name)]));
    let target = ScrapeTarget {
        pods: Selector::of_labels([("symbol", "target")]),
        ports: BTreeSet::from([PortMatch::named(Protocol::Tcp, "symbol")]),
        origin: "symbol".to_owned(),
    };
    Facts {
        dns: known(Dns {
            backends: BTreeSet::from([server("dns")]),
            addresses: BTreeSet::new(),
            ports: BTreeSet::from([53]),
        }),
        api_server: known(ApiServer {
            endpoints: BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED)]),
            cluster_ips: BTreeSet::new(),
            ports: BTreeSet::from([443]),
            on_nodes: false,
        }),
        monitoring: known(Monitoring {
            scrapers: BTreeSet::from([server("monitoring")]),
            targets: BTreeMap::from([(Arc::from(NAMESPACE), BTreeSet::from([target]))]),
            addresses: BTreeSet::new(),
        }),
        engine: Engine {
            capabilities: Capabilities::spec(),
            certainty: Certainty::None,
            enforces: Enforces::Yes,
            origin: "symbol".to_owned(),
            agents: None,
            additive_supplements: false,
        },
        cluster_ranges: BTreeSet::new(),
    }
}
