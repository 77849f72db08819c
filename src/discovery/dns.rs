//! The cluster's resolver: the Service that pods ask, the pods behind it, and the caches on nodes before it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::service::{slices, target_ports};
use super::{Dns, Fact, Hints};
use crate::model::{Selector, Service, Snapshot, Source};

/// The port that pods ask. `resolv.conf` cannot name another.
const PORT: u16 = 53;

/// The Services under which platforms run their resolver: kubeadm and most others, RKE2, kubespray, OpenShift. All in namespaces of
/// the platform.
const SERVICES: &[(&str, &str)] = &[
    ("kube-system", "kube-dns"),
    ("kube-system", "rke2-coredns-rke2-coredns"),
    ("kube-system", "coredns"),
    ("openshift-dns", "dns-default"),
];

/// Where NodeLocal DNSCache runs, and its label (kubernetes/kubernetes `cluster/addons/dns/nodelocaldns`).
const NODE_LOCAL: (&str, &str, &str) = ("kube-system", "k8s-app", "node-local-dns");

/// Its address unless its `-localip` says otherwise.
const NODE_LOCAL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

pub(super) fn discover(snapshot: &Snapshot, hints: &Hints) -> Fact<Dns> {
    if let Some(reason) = snapshot.gap(&[Source::Services, Source::EndpointSlices]) {
        return Fact::Unreadable { reason };
    }
    let mut dns = Dns { ports: BTreeSet::from([PORT]), ..Dns::default() };
    let mut origin = Vec::new();
    let mut ready = false;
    for service in resolvers(snapshot, hints) {
        ready |= add_service(snapshot, service, &mut dns);
        origin.push(format!("Service {}/{}", service.namespace, service.name));
    }
    for &nameserver in hints.nameservers.iter().filter(|nameserver| is_link_local(nameserver)) {
        dns.addresses.insert(nameserver);
        origin.push(format!("nameserver {nameserver} of the operator's own resolv.conf"));
    }
    if origin.is_empty() {
        return Fact::Absent { looked: looked(hints) };
    }
    if let Some(found) = add_node_local(snapshot, &mut dns) {
        origin.push(found);
    }
    // Which backends share their node's network and which caches stand before them is read from these: a part may be missing.
    if let Some(gap) = snapshot.gap(&[Source::Pods, Source::DaemonSets]) {
        ready = false;
        origin.push(format!("incomplete, {gap}"));
    }
    Fact::Known { value: dns, origin: origin.join(", "), ready }
}

/// The Services that pods ask: by the nameservers given, whatever their name, and by the names of platforms.
fn resolvers<'a>(snapshot: &'a Snapshot, hints: &Hints) -> Vec<&'a Service> {
    let asked = |service: &Service| service.cluster_ips.iter().any(|ip| hints.nameservers.contains(ip));
    let named = |service: &Service| SERVICES.contains(&(&*service.namespace, &*service.name));
    snapshot
        .services
        .values()
        .flat_map(|services| services.values())
        .map(AsRef::as_ref)
        .filter(|service| service.ports.iter().any(|port| port.port == PORT))
        .filter(|service| !service.external_name && (asked(service) || named(service)))
        .collect()
}

/// Adds a resolver and says whether one of its backends is ready.
fn add_service(snapshot: &Snapshot, service: &Service, dns: &mut Dns) -> bool {
    // An engine that judges before translation sees this address, for the others it does no harm.
    dns.addresses.extend(&service.cluster_ips);
    for port in service.ports.iter().filter(|port| port.port == PORT) {
        dns.ports.extend(target_ports(snapshot, service, port));
    }
    if let Some(selector) = &service.selector {
        dns.backends.insert((Arc::clone(&service.namespace), Selector::of_labels(selector.iter())));
    }
    let mut ready = false;
    for endpoint in slices(snapshot, &service.namespace, &service.name).flat_map(|slice| &slice.endpoints) {
        ready |= endpoint.ready;
        let pod = endpoint.pod.as_ref().and_then(|(namespace, name)| snapshot.pods.get(namespace)?.get(name));
        let selected = service.selector.is_some() && endpoint.pod.is_some();
        if !selected || pod.is_some_and(|pod| pod.host_network) {
            dns.addresses.extend(&endpoint.addresses);
        }
    }
    ready
}

/// Adds NodeLocal DNSCache: its addresses, and its pods where they have a network of their own (Cilium's local redirect).
fn add_node_local(snapshot: &Snapshot, dns: &mut Dns) -> Option<String> {
    let (namespace, key, value) = NODE_LOCAL;
    let selector = Selector::of_labels([(key, value)]);
    let pods: Vec<_> = snapshot.pods_in(namespace).filter(|pod| !pod.ended && selector.matches(&pod.labels)).collect();
    let set = snapshot
        .daemon_sets
        .get(namespace)
        .into_iter()
        .flat_map(|sets| sets.values())
        .find(|set| selector.matches(&set.pod_labels));
    if pods.is_empty() && set.is_none() {
        return None;
    }
    let configured: BTreeSet<IpAddr> =
        set.iter().flat_map(|set| &set.containers).flat_map(|container| local_ips(&container.args)).collect();
    if configured.is_empty() {
        dns.addresses.insert(NODE_LOCAL_ADDRESS);
    }
    dns.addresses.extend(configured);
    if pods.iter().any(|pod| !pod.host_network) {
        dns.backends.insert((Arc::from(namespace), selector));
    }
    Some(match set {
        Some(set) => format!("DaemonSet {namespace}/{}", set.name),
        None => format!("pods {key}={value} of {namespace}"),
    })
}

/// The addresses of `-localip 169.254.20.10,10.96.0.10`, in one argument or two.
fn local_ips(args: &[Arc<str>]) -> Vec<IpAddr> {
    let value = args.iter().enumerate().find_map(|(nth, argument)| {
        let flag = argument.trim_start_matches('-');
        match flag.strip_prefix("localip=") {
            Some(value) => Some(value),
            None if flag == "localip" => args.get(nth + 1).map(AsRef::as_ref),
            None => None,
        }
    });
    let addresses = value.unwrap_or_default().split(',').filter_map(|address| address.trim().parse::<IpAddr>().ok());
    addresses.filter(|address| !address.is_unspecified()).collect()
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn looked(hints: &Hints) -> String {
    let names: Vec<String> = SERVICES.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let mut looked = format!("Services {} with port {PORT}", names.join(", "));
    if !hints.nameservers.is_empty() {
        let nameservers: Vec<String> = hints.nameservers.iter().map(ToString::to_string).collect();
        looked.push_str(&format!("; a Service with the address of nameserver {}", nameservers.join(", ")));
    }
    looked
}
