//! Who reaches whom, by the evaluator that also proves the plans, over what the API server holds.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context;
use comfy_table::{Attribute, Cell, Color, Table};
use netbaseline::discovery::{Hints, discover};
use netbaseline::model::{Pod, PolicyKey, Protocol, Selector, Service, Snapshot, TargetPort};
use netbaseline::policy::{Compiled, Connection, Decision, Endpoint, Verdict};

use super::moment::Moment;
use super::narrate::color;
use crate::commands::table;

/// Somebody on the Internet (RFC 5737).
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));

/// One end of a connection of the story.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    /// A pod with this label in this namespace.
    Pod(&'static str, &'static str, &'static str),
    /// The cluster's resolver, asked by its Service.
    Dns,
    /// The Kubernetes API, asked by its Service.
    ApiServer,
    /// An address outside the cluster.
    Internet,
}

const WEB: Who = Who::Pod("shop", "app", "web");
const STABLE: Who = Who::Pod("shop", "track", "stable");
const CANARY: Who = Who::Pod("shop", "track", "canary");
const ORDERS_DB: Who = Who::Pod("shop", "app", "orders-db");
const API: Who = Who::Pod("payments", "app", "api");
const DB: Who = Who::Pod("payments", "app", "db");
const PROMETHEUS: Who = Who::Pod("monitoring", "app.kubernetes.io/name", "prometheus");
const GATEWAY: Who = Who::Pod("edge", "app", "gateway");
const INTRUDER: Who = Who::Pod("default", "app", "intruder");

/// A connection of the story.
pub(super) struct Question {
    from: (&'static str, Who),
    to: (&'static str, Who),
    port: u16,
}

const fn ask(from: &'static str, source: Who, to: &'static str, target: Who, port: u16) -> Question {
    Question { from: (from, source), to: (to, target), port }
}

/// What the shop lives on, and what nobody should be able to do.
pub(super) const QUESTIONS: [Question; 16] = [
    ask("edge/gateway", GATEWAY, "shop/web", WEB, 8080),
    ask("shop/web", WEB, "shop/orders", STABLE, 8080),
    ask("shop/orders", STABLE, "shop/orders-db", ORDERS_DB, 5432),
    ask("shop/canary", CANARY, "shop/orders-db", ORDERS_DB, 5432),
    ask("shop/orders", STABLE, "payments/api", API, 8443),
    ask("payments/api", API, "payments/db", DB, 5432),
    ask("prometheus", PROMETHEUS, "shop/orders", STABLE, 9102),
    ask("prometheus", PROMETHEUS, "payments/api", API, 9102),
    ask("shop/canary", CANARY, "cluster DNS", Who::Dns, 53),
    ask("shop/web", WEB, "Kubernetes API", Who::ApiServer, 443),
    ask("shop/orders", STABLE, "Internet, HTTPS", Who::Internet, 443),
    ask("shop/canary", CANARY, "Internet, SMTP", Who::Internet, 25),
    ask("shop/web", WEB, "Internet, SMTP", Who::Internet, 25),
    ask("default/intruder", INTRUDER, "shop/canary", CANARY, 8080),
    ask("default/intruder", INTRUDER, "shop/orders-db", ORDERS_DB, 5432),
    ask("default/intruder", INTRUDER, "payments/db", DB, 5432),
];

/// The answer to each of [`QUESTIONS`].
#[derive(Clone, Debug)]
pub(super) struct Answers(Vec<(Verdict, String)>);

impl Answers {
    /// Asks the evaluator.
    pub(super) fn of(moment: &Moment) -> anyhow::Result<Self> {
        let snapshot = &*moment.snapshot;
        let engine = discover(snapshot, &Hints::default()).engine;
        let compiled = Compiled::live(snapshot, engine.capabilities);
        let answer = |question: &Question| {
            let decision = compiled.decide(&question.connection(snapshot)?);
            Ok((decision.verdict, because(&decision)))
        };
        QUESTIONS.iter().map(answer).collect::<anyhow::Result<_>>().map(Self)
    }

    /// The verdict on a connection by the words of the table.
    pub(super) fn verdict(&self, from: &str, to: &str) -> anyhow::Result<Verdict> {
        let asked = QUESTIONS.iter().position(|question| question.from.0 == from && question.to.0 == to);
        asked.map(|nth| self.0[nth].0).with_context(|| format!("nobody asks whether {from} reaches {to}"))
    }

    /// How many are let through.
    pub(super) fn allowed(&self) -> usize {
        self.0.iter().filter(|(verdict, _)| *verdict == Verdict::Allowed).count()
    }

    /// How many have another answer than before.
    pub(super) fn changed_since(&self, before: &Self) -> usize {
        self.0.iter().zip(&before.0).filter(|(now, before)| now.0 != before.0).count()
    }

    /// Before and now; only what changed unless `all` are asked for.
    pub(super) fn table(&self, before: &Self, all: bool) -> Table {
        let mut table = table(&["WHO", "REACHES", "BEFORE", "NOW", "BECAUSE"]);
        for ((question, (now, because)), (had, _)) in QUESTIONS.iter().zip(&self.0).zip(&before.0) {
            let changed = now != had;
            if !changed && !all {
                continue;
            }
            let told = Cell::new(now).fg(color(*now));
            let target = format!("{} :{}", question.to.0, question.port);
            table.add_row([
                Cell::new(question.from.0),
                Cell::new(target),
                Cell::new(had).fg(if changed { color(*had) } else { Color::DarkGrey }),
                if changed { told.add_attribute(Attribute::Bold) } else { told },
                Cell::new(because).fg(Color::DarkGrey),
            ]);
        }
        table
    }
}

impl Question {
    fn connection<'s>(&self, snapshot: &'s Snapshot) -> anyhow::Result<Connection<'s>> {
        let (from, _) = self.from.1.find(snapshot)?;
        let (to, service) = self.to.1.find(snapshot)?;
        let protocol = if matches!(self.to.1, Who::Dns) { Protocol::Udp } else { Protocol::Tcp };
        let (service, port) = match service {
            Some((service, port)) => (service.cluster_ips.first().map(|&address| (address, self.port)), port),
            None => (None, self.port),
        };
        Ok(Connection { from, to, protocol, port: TargetPort::Number(port), service })
    }
}

impl Who {
    /// The end, and the Service that it is called by with the port behind that.
    fn find(self, snapshot: &Snapshot) -> anyhow::Result<(Endpoint<'_>, Option<(&Service, u16)>)> {
        match self {
            Self::Pod(namespace, key, value) => Ok((Endpoint::Pod(pod(snapshot, namespace, key, value)?), None)),
            Self::Internet => Ok((Endpoint::Address(OUTSIDE), None)),
            Self::Dns => {
                let service = service(snapshot, "kube-system", "kube-dns");
                Ok((Endpoint::Pod(pod(snapshot, "kube-system", "k8s-app", "kube-dns")?), service.map(|of| (of, 53))))
            }
            Self::ApiServer => {
                let slices = snapshot.endpoint_slices.get("default").into_iter().flat_map(|slices| slices.values());
                let slice = slices.into_iter().find(|slice| slice.service.as_deref() == Some("kubernetes"));
                let slice = slice.context("default/kubernetes has no EndpointSlice")?;
                let address = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).next();
                let port = slice.ports.iter().find_map(|port| port.port);
                let (address, port) = address.zip(port).context("default/kubernetes has no endpoint")?;
                let service = service(snapshot, "default", "kubernetes").context("there is no default/kubernetes")?;
                Ok((Endpoint::Address(*address), Some((service, port))))
            }
        }
    }
}

fn pod<'s>(snapshot: &'s Snapshot, namespace: &str, key: &str, value: &str) -> anyhow::Result<&'s Pod> {
    let selector = Selector::of_labels([(key, value)]);
    let found = snapshot.pods_in(namespace).find(|pod| !pod.terminating && selector.matches(&pod.labels));
    found.map(AsRef::as_ref).with_context(|| format!("no pod {key}={value} runs in {namespace}"))
}

fn service<'s>(snapshot: &'s Snapshot, namespace: &str, name: &str) -> Option<&'s Service> {
    snapshot.services.get(namespace)?.get(name).map(AsRef::as_ref)
}

/// What made the verdict, in a few words: what refuses, else what admits.
fn because(decision: &Decision) -> String {
    let sides = [(&decision.egress, "out of"), (&decision.ingress, "into")];
    let isolated = || sides.iter().filter_map(|(side, way)| Some((side, *way, side.isolating.first()?)));
    let refuses: Vec<String> = isolated()
        .filter_map(|(side, way, isolating)| match side.verdict {
            Verdict::Allowed => None,
            Verdict::Denied => Some(format!("no rule lets it {way} {}", isolating.namespace)),
            Verdict::Unknown => Some(side.unknown.join(", ")),
        })
        .collect();
    let mut names: Vec<&str> = isolated().flat_map(|(side, ..)| &side.allowing).map(|(key, _)| short(key)).collect();
    names.dedup();
    match (refuses.is_empty(), names.is_empty()) {
        (false, _) => refuses.join(", "),
        (true, false) => names.join(", "),
        (true, true) => "neither end is isolated".to_owned(),
    }
}

/// The names of ours without what all of them begin with, and without the hash at the end of some.
fn short(key: &PolicyKey) -> &str {
    let Some(name) = key.name.strip_prefix("baseline-") else { return &key.name };
    match name.rsplit_once('-') {
        Some((rest, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}
