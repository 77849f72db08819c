//! What is scraped: ServiceMonitors, PodMonitors and the annotations `prometheus.io/*`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::discovery::service::{container_ports, slices, target_ports};
use crate::discovery::{Monitoring, ScrapeTarget};
use crate::model::{
    Monitor, MonitorKind, MonitorPort, Pod, PortMatch, PortRange, Protocol, Selector, Service, Snapshot, TargetPort,
};

/// Labels that differ between pods of one workload, or between its releases: a selector of them would follow every rollout.
const UNSTABLE: &[&str] = &[
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "pod-template-generation",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

pub(super) fn collect(snapshot: &Snapshot, monitoring: &mut Monitoring) {
    for monitor in snapshot.monitors.values().flat_map(|monitors| monitors.values()) {
        match monitor.kind {
            MonitorKind::Service => of_service_monitor(snapshot, monitor, monitoring),
            MonitorKind::Pod => of_pod_monitor(snapshot, monitor, monitoring),
        }
    }
    of_annotations(snapshot, monitoring);
}

fn of_service_monitor(snapshot: &Snapshot, monitor: &Monitor, monitoring: &mut Monitoring) {
    let services = snapshot.services.iter().filter(|(namespace, _)| looks_in(monitor, namespace));
    let matching = services
        .flat_map(|(_, services)| services.values())
        .filter(|service| !service.external_name && monitor.selector.matches(&service.labels));
    for service in matching {
        match &service.selector {
            Some(selector) => {
                let pods = Selector::of_labels(selector.iter());
                let ports = monitor.ports.iter().flat_map(|port| service_ports(snapshot, service, &pods, port));
                add(snapshot, monitoring, &service.namespace, pods.clone(), ports.collect(), origin(monitor));
            }
            None if monitoring.scrapers.iter().any(|(trusted, _)| *trusted == monitor.namespace) => {
                add_written_by_hand(snapshot, monitoring, service, monitor);
            }
            // A tenant's monitor and a tenant's endpoints would send Prometheus to any address at all.
            None => {}
        }
    }
}

/// On the pods of a Service, the ports that one entry of a ServiceMonitor means. A name that nobody declares yet stays a name.
fn service_ports(snapshot: &Snapshot, service: &Service, pods: &Selector, port: &MonitorPort) -> BTreeSet<PortMatch> {
    match port {
        MonitorPort::Number(number) => BTreeSet::from([PortMatch::number(Protocol::Tcp, *number)]),
        MonitorPort::TargetName(name) => by_name(snapshot, &service.namespace, pods, name),
        MonitorPort::Name(name) => {
            let named =
                service.ports.iter().filter(|of| of.protocol == Protocol::Tcp && of.name.as_ref() == Some(name));
            let each = named.flat_map(|declared| match target_ports(snapshot, service, declared) {
                numbers if !numbers.is_empty() => numbers_of(numbers),
                _ => match &declared.target {
                    TargetPort::Name(name) => BTreeSet::from([PortMatch::named(Protocol::Tcp, name)]),
                    TargetPort::Number(number) => numbers_of([*number]),
                },
            });
            each.collect()
        }
    }
}

/// The endpoints of a Service without a selector: nodes (the kubelet's metrics), machines outside.
fn add_written_by_hand(snapshot: &Snapshot, monitoring: &mut Monitoring, service: &Service, monitor: &Monitor) {
    for slice in slices(snapshot, &service.namespace, &service.name) {
        let wanted = slice.ports.iter().filter(|found| {
            monitor.ports.iter().any(|port| match port {
                MonitorPort::Name(name) => found.name.as_ref() == Some(name),
                MonitorPort::Number(number) => found.port == Some(*number),
                MonitorPort::TargetName(_) => false,
            })
        });
        for port in wanted.filter_map(|found| found.port) {
            let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
            monitoring.addresses.extend(addresses.map(|&address| (address, port)));
        }
    }
}

fn of_pod_monitor(snapshot: &Snapshot, monitor: &Monitor, monitoring: &mut Monitoring) {
    // Of every namespace, those with such pods: a target for each of thousands would say nothing.
    let namespaces: BTreeSet<Arc<str>> = match &monitor.namespaces {
        Some(names) => names.clone(),
        None => snapshot
            .pods
            .iter()
            .filter(|(_, pods)| pods.values().any(|pod| !pod.ended && monitor.selector.matches(&pod.labels)))
            .map(|(namespace, _)| Arc::clone(namespace))
            .collect(),
    };
    for namespace in namespaces {
        let ports = monitor.ports.iter().flat_map(|port| match port {
            MonitorPort::Number(number) => numbers_of([*number]),
            MonitorPort::Name(name) | MonitorPort::TargetName(name) => {
                by_name(snapshot, &namespace, &monitor.selector, name)
            }
        });
        add(snapshot, monitoring, &namespace, monitor.selector.clone(), ports.collect(), origin(monitor));
    }
}

fn of_annotations(snapshot: &Snapshot, monitoring: &mut Monitoring) {
    for (namespace, pods) in &snapshot.pods {
        let mut annotated: BTreeMap<Selector, BTreeSet<PortMatch>> = BTreeMap::new();
        for pod in pods.values().filter(|pod| !pod.ended && annotation(pod, "prometheus.io/scrape") == Some("true")) {
            let ports = match annotation(pod, "prometheus.io/port").map(str::parse::<u16>) {
                Some(Ok(port)) if port != 0 => numbers_of([port]),
                _ => numbers_of(
                    pod.ports.iter().filter(|port| port.protocol == Protocol::Tcp).map(|declared| declared.port),
                ),
            };
            // Without a label of its own, only a selector of all pods would find it: too much for one annotation.
            if let Some(selector) = stable_selector(pod) {
                annotated.entry(selector).or_default().extend(ports);
            }
        }
        for (selector, ports) in annotated {
            let origin = format!("annotation prometheus.io/scrape of pods {selector}");
            add(snapshot, monitoring, namespace, selector, ports, origin);
        }
    }
}

fn add(
    snapshot: &Snapshot,
    monitoring: &mut Monitoring,
    namespace: &Arc<str>,
    pods: Selector,
    ports: BTreeSet<PortMatch>,
    origin: String,
) {
    if ports.is_empty() || pods.is_empty() {
        return;
    }
    let on_host = snapshot.pods_in(namespace).filter(|pod| pod.host_network && !pod.ended && pods.matches(&pod.labels));
    for pod in on_host {
        for number in ports.iter().flat_map(|port| numbers_on(pod, port)) {
            monitoring.addresses.extend(pod.ips.iter().map(|&ip| (ip, number)));
        }
    }
    monitoring.targets.entry(Arc::clone(namespace)).or_default().insert(ScrapeTarget { pods, ports, origin });
}

fn numbers_on(pod: &Pod, port: &PortMatch) -> Vec<u16> {
    match &port.range {
        PortRange::Numbers { first, last } => (*first..=*last).collect(),
        PortRange::Named(name) => pod
            .ports
            .iter()
            .filter(|declared| declared.name.as_ref() == Some(name))
            .map(|declared| declared.port)
            .collect(),
        PortRange::Any => Vec::new(),
    }
}

fn by_name(snapshot: &Snapshot, namespace: &str, pods: &Selector, name: &str) -> BTreeSet<PortMatch> {
    match container_ports(snapshot, namespace, pods, Protocol::Tcp, name) {
        numbers if numbers.is_empty() => BTreeSet::from([PortMatch::named(Protocol::Tcp, name)]),
        numbers => numbers_of(numbers),
    }
}

fn numbers_of(numbers: impl IntoIterator<Item = u16>) -> BTreeSet<PortMatch> {
    numbers.into_iter().map(|number| PortMatch::number(Protocol::Tcp, number)).collect()
}

fn stable_selector(pod: &Pod) -> Option<Selector> {
    let stable: Vec<_> = pod.labels.iter().filter(|(key, _)| !UNSTABLE.contains(&&***key)).collect();
    (!stable.is_empty()).then(|| Selector::of_labels(stable))
}

fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.annotations.get(key).map(AsRef::as_ref)
}

fn looks_in(monitor: &Monitor, namespace: &str) -> bool {
    monitor.namespaces.as_ref().is_none_or(|names| names.contains(namespace))
}

fn origin(monitor: &Monitor) -> String {
    let kind = match monitor.kind {
        MonitorKind::Service => "ServiceMonitor",
        MonitorKind::Pod => "PodMonitor",
    };
    format!("{kind} {}/{}", monitor.namespace, monitor.name)
}
