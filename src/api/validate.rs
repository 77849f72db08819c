//! [`NetworkBaseline`] → [`Effective`]: the spec is parsed once, and every fault is reported with its place.
//!
//! The schema refuses most of this in the API server. What is repeated here counts for objects that were stored under an
//! older schema, for servers without the CEL rules, and for files that no server has seen.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::effective::{Allowances, Builtin, Effective, Explicit, External, Hold};
use super::names::BASELINE_NAME;
use super::spec::{Allow, ExternalHttps, NetworkBaseline, Peer, Phase, Port, Rollout};
use super::syntax;
use crate::model;
use crate::model::{IpBlock, NamespaceScope, PortMatch, PortRange, Ports, Protocol, Selector};

/// One fault of a spec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: found {found}, expected {expected}")]
pub struct Invalid {
    /// The field, such as `spec.allow.ingress[2].from[0].cidr`.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What to write instead.
    pub expected: String,
}

/// Longest name of an explicit allowance: `baseline-ingress-<name>` and a label value must hold it.
const LONGEST_NAME: usize = 40;
/// Most peers or ports of one allowance.
const MOST_ITEMS: usize = 16;
/// Most explicit allowances of a direction, and most ranges of an `except`.
const MOST_ENTRIES: usize = 64;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 256;

/// Parses a baseline.
///
/// # Errors
/// Every fault of the spec, in the order of its fields.
pub fn validate(baseline: &NetworkBaseline) -> Result<Effective, Vec<Invalid>> {
    let mut faults = Faults(Vec::new());
    let name = baseline.metadata.name.as_deref().unwrap_or_default();
    if name != BASELINE_NAME {
        faults.push("metadata.name", quoted(name), "default: a namespace has one baseline");
    }
    let spec = &baseline.spec;
    let rollout = spec.rollout.clone().unwrap_or_default();
    let canary = faults.canary(&rollout);
    let allow = faults.allowances(&spec.allow.clone().unwrap_or_default());
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let hold = Hold::of(baseline);
    let phase = rollout.phase.unwrap_or_default();
    let least = |cap: &Option<super::spec::DirectionCap>| {
        [cap.as_ref().map(|cap| cap.phase), hold.as_ref().map(|hold| hold.at)]
            .into_iter()
            .flatten()
            .fold(phase, Phase::min)
    };
    Ok(Effective {
        suspend: spec.suspend.unwrap_or(false),
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
        ingress: least(&rollout.ingress),
        egress: least(&rollout.egress),
        hold,
        canary,
        allow,
    })
}

/// Collects faults while values are parsed; a value with a fault is replaced by a harmless one, which nobody will see.
struct Faults(Vec<Invalid>);

impl Faults {
    fn push(&mut self, path: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) {
        self.0.push(Invalid { path: path.into(), found: found.into(), expected: expected.into() });
    }

    fn canary(&mut self, rollout: &Rollout) -> Option<Selector> {
        let path = "spec.rollout.canary.podSelector";
        let phases = [
            rollout.phase,
            rollout.ingress.as_ref().map(|cap| cap.phase),
            rollout.egress.as_ref().map(|cap| cap.phase),
        ];
        let Some(canary) = &rollout.canary else {
            if phases.contains(&Some(Phase::Canary)) {
                self.push(path, "nothing", "the pods that phase Canary isolates first");
            }
            return None;
        };
        let selector = self.selector(path, &canary.pod_selector);
        if selector.is_all() && canary.pod_selector == LabelSelector::default() {
            self.push(path, "an empty selector, which is every pod", "a label that only the canary's pods carry");
        }
        Some(selector)
    }

    fn allowances(&mut self, allow: &Allow) -> Allowances {
        let dns = allow.dns.clone().unwrap_or_default();
        let same = allow.same_namespace.clone().unwrap_or_default();
        let api = allow.api_server.clone().unwrap_or_default();
        let monitoring = allow.monitoring.clone().unwrap_or_default();
        let external = allow.external_https.clone().unwrap_or_default();
        let on = |enabled: Option<bool>| enabled.unwrap_or(true);
        // Switched off or not, every field is read: a fault in it would show only on the day it is switched on.
        let dns_pods = self.builtin("spec.allow.dns", dns.pod_selector.as_ref(), "to", dns.to.as_deref());
        let same_pods = self.pods("spec.allow.sameNamespace", same.pod_selector.as_ref());
        let api_pods = self.builtin("spec.allow.apiServer", api.pod_selector.as_ref(), "to", api.to.as_deref());
        let scraped =
            self.builtin("spec.allow.monitoring", monitoring.pod_selector.as_ref(), "from", monitoring.from.as_deref());
        let outside = self.external("spec.allow.externalHttps", &external);
        let (ingress, egress) =
            (allow.ingress.as_deref().unwrap_or_default(), allow.egress.as_deref().unwrap_or_default());
        Allowances {
            dns: on(dns.enabled).then_some(dns_pods),
            same_namespace: on(same.enabled).then_some(same_pods),
            api_server: on(api.enabled).then_some(api_pods),
            monitoring: on(monitoring.enabled).then_some(scraped),
            external_https: on(external.enabled).then_some(outside),
            ingress: self.explicits(
                "spec.allow.ingress",
                "from",
                ingress
                    .iter()
                    .map(|a| (&*a.name, a.pod_selector.as_ref(), &*a.from, a.ports.as_deref(), a.reason.as_ref())),
            ),
            egress: self.explicits(
                "spec.allow.egress",
                "to",
                egress
                    .iter()
                    .map(|a| (&*a.name, a.pod_selector.as_ref(), &*a.to, a.ports.as_deref(), a.reason.as_ref())),
            ),
        }
    }

    fn builtin(&mut self, path: &str, pods: Option<&LabelSelector>, side: &str, peers: Option<&[Peer]>) -> Builtin {
        Builtin {
            pods: self.pods(path, pods),
            instead: peers.map(|peers| self.peers(&format!("{path}.{side}"), peers)),
        }
    }

    fn external(&mut self, path: &str, external: &ExternalHttps) -> External {
        let instead = external.to.as_deref().map(|to| {
            for (nth, peer) in to.iter().enumerate() {
                if peer.cidr.is_none() {
                    let allowance = "a cidr: pods are allowed under spec.allow.egress";
                    self.push(format!("{path}.to[{nth}]"), "a peer without cidr", allowance);
                }
            }
            self.peers(&format!("{path}.to"), to)
        });
        let https = || BTreeSet::from([PortMatch::number(Protocol::Tcp, 443)]);
        External {
            pods: self.pods(path, external.pod_selector.as_ref()),
            ports: external.ports.as_deref().map_or_else(https, |ports| self.ports(&format!("{path}.ports"), ports)),
            except: self.ranges(&format!("{path}.except"), external.except.as_deref().unwrap_or_default()),
            instead,
        }
    }

    fn explicits<'a>(
        &mut self,
        path: &str,
        side: &str,
        items: impl ExactSizeIterator<
            Item = (&'a str, Option<&'a LabelSelector>, &'a [Peer], Option<&'a [Port]>, Option<&'a String>),
        >,
    ) -> Vec<Explicit> {
        if items.len() > MOST_ENTRIES {
            self.push(path, format!("{} entries", items.len()), format!("at most {MOST_ENTRIES}"));
        }
        let mut names = BTreeSet::new();
        let mut all: Vec<Explicit> = Vec::new();
        for (nth, (name, pods, peers, ports, reason)) in items.enumerate() {
            let path = format!("{path}[{nth}]");
            if !syntax::is_dns_label(name, LONGEST_NAME) {
                let expected = format!("at most {LONGEST_NAME} lower-case letters, digits or inner '-'");
                self.push(format!("{path}.name"), quoted(name), expected);
            } else if !names.insert(name) {
                self.push(format!("{path}.name"), quoted(name), "a name that no entry before has");
            }
            if let Some(length) = reason.map(|text| text.chars().count()).filter(|&length| length > LONGEST_REASON) {
                self.push(
                    format!("{path}.reason"),
                    format!("{length} characters"),
                    format!("at most {LONGEST_REASON}"),
                );
            }
            all.push(Explicit {
                name: Arc::from(name),
                pods: self.pods(&path, pods),
                peers: self.peers(&format!("{path}.{side}"), peers),
                ports: ports.map_or(Ports::Any, |ports| Ports::These(self.ports(&format!("{path}.ports"), ports))),
                reason: reason.cloned(),
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn pods(&mut self, path: &str, selector: Option<&LabelSelector>) -> Selector {
        selector.map_or_else(Selector::all, |selector| self.selector(&format!("{path}.podSelector"), selector))
    }

    fn selector(&mut self, path: &str, api: &LabelSelector) -> Selector {
        if let Some((found, expected)) = syntax::selector_fault(api) {
            self.push(path, found, expected);
            return Selector::all();
        }
        match Selector::try_from(api) {
            Ok(selector) if selector.is_empty() => {
                self.push(path, selector_text(api), "requirements that some labels can meet together");
                Selector::all()
            }
            Ok(selector) => selector,
            Err(error) => {
                self.push(path, selector_text(api), error.to_string());
                Selector::all()
            }
        }
    }

    fn bounded(&mut self, path: &str, count: usize) {
        if !(1..=MOST_ITEMS).contains(&count) {
            self.push(
                path,
                format!("{count} items"),
                format!("1 to {MOST_ITEMS}; leave the field out instead of emptying it"),
            );
        }
    }

    fn peers(&mut self, path: &str, peers: &[Peer]) -> BTreeSet<model::Peer> {
        self.bounded(path, peers.len());
        peers.iter().enumerate().filter_map(|(nth, peer)| self.peer(&format!("{path}[{nth}]"), peer)).collect()
    }

    fn peer(&mut self, path: &str, peer: &Peer) -> Option<model::Peer> {
        let Peer { namespace, namespace_selector, pod_selector, cidr, except } = peer;
        let names_pods = namespace.is_some() || namespace_selector.is_some() || pod_selector.is_some();
        if cidr.is_some() == names_pods {
            let found = if names_pods { "a cidr together with pods" } else { "an empty peer" };
            self.push(path, found, "either cidr, or pods by namespace, namespaceSelector or podSelector");
            return None;
        }
        if except.is_some() && cidr.is_none() {
            self.push(format!("{path}.except"), "an except without cidr", "except only beside the cidr that it cuts");
        }
        if let Some(cidr) = cidr {
            return self.block(path, cidr, except.as_deref().unwrap_or_default());
        }
        let namespaces = match (namespace, namespace_selector) {
            (Some(_), Some(_)) => {
                self.push(path, "namespace together with namespaceSelector", "one of the two");
                return None;
            }
            (Some(name), None) => {
                if !syntax::is_dns_label(name, 63) {
                    self.push(format!("{path}.namespace"), quoted(name), "the name of a namespace");
                }
                NamespaceScope::Matching(Selector::namespace(name))
            }
            (None, Some(selector)) => {
                NamespaceScope::Matching(self.selector(&format!("{path}.namespaceSelector"), selector))
            }
            (None, None) => NamespaceScope::Own,
        };
        Some(model::Peer::Pods { namespaces, pods: self.pods(path, pod_selector.as_ref()) })
    }

    fn block(&mut self, path: &str, cidr: &str, except: &[String]) -> Option<model::Peer> {
        let except = self.ranges(&format!("{path}.except"), except);
        let cidr = self.range(&format!("{path}.cidr"), cidr)?;
        for inner in &except {
            // `contains` is false across families.
            if !cidr.contains(inner) || cidr == *inner {
                self.push(format!("{path}.except"), inner.to_string(), format!("a smaller range inside {cidr}"));
            }
        }
        Some(model::Peer::Block(IpBlock { cidr, except }))
    }

    fn ranges(&mut self, path: &str, texts: &[String]) -> BTreeSet<IpNet> {
        if texts.len() > MOST_ENTRIES {
            self.push(path, format!("{} ranges", texts.len()), format!("at most {MOST_ENTRIES}"));
        }
        texts.iter().enumerate().filter_map(|(nth, text)| self.range(&format!("{path}[{nth}]"), text)).collect()
    }

    fn range(&mut self, path: &str, text: &str) -> Option<IpNet> {
        syntax::cidr(text).map_err(|expected| self.push(path, quoted(text), expected)).ok()
    }

    fn ports(&mut self, path: &str, ports: &[Port]) -> BTreeSet<PortMatch> {
        self.bounded(path, ports.len());
        ports.iter().enumerate().filter_map(|(nth, port)| self.port(&format!("{path}[{nth}]"), port)).collect()
    }

    fn port(&mut self, path: &str, port: &Port) -> Option<PortMatch> {
        let number = |value: i32| u16::try_from(value).ok().filter(|&value| value > 0);
        let protocol = port.protocol.unwrap_or_default();
        let range = match (&port.port, port.end_port) {
            (None, None) => PortRange::Any,
            (Some(IntOrString::String(name)), None) if syntax::is_port_name(name) => {
                PortRange::Named(Arc::from(name.as_str()))
            }
            (Some(IntOrString::String(name)), None) => {
                let expected = "a number, or a container port's name: at most 15 lower-case letters, digits or inner '-', a letter among them";
                self.push(format!("{path}.port"), quoted(name), expected);
                return None;
            }
            (None | Some(IntOrString::String(_)), Some(_)) => {
                self.push(
                    format!("{path}.endPort"),
                    "an endPort without a port number",
                    "the range's first port as a number in port",
                );
                return None;
            }
            (Some(IntOrString::Int(first)), last) => {
                let last = last.unwrap_or(*first);
                let (Some(first), Some(last)) = (number(*first), number(last)) else {
                    self.push(format!("{path}.port"), format!("{first} to {last}"), "ports of 1 to 65535");
                    return None;
                };
                if last < first {
                    self.push(format!("{path}.endPort"), last.to_string(), format!("{first} or more"));
                    return None;
                }
                PortRange::Numbers { first, last }
            }
        };
        Some(PortMatch { protocol, range })
    }
}

fn quoted(text: impl Display) -> String {
    format!("\"{text}\"")
}

/// A selector as it was written: its own faults keep it from being shown as a [`Selector`].
fn selector_text(api: &LabelSelector) -> String {
    let labels = api.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = api
        .match_expressions
        .iter()
        .flatten()
        .map(|of| format!("{} {} ({})", of.key, of.operator, of.values.as_deref().unwrap_or_default().join(",")));
    labels.chain(expressions).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
