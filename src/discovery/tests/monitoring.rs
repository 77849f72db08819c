use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixture::{forbidden, snapshot};
use crate::discovery::{Fact, Hints, Monitoring, discover};
use crate::model::{PortMatch, Protocol, Selector, Snapshot, Source};

const PROMETHEUS: &str = "
---
kind: Namespace
metadata: {name: monitoring}
---
kind: Pod
metadata: {name: prometheus-0, namespace: monitoring, labels: {app.kubernetes.io/name: prometheus}}
spec: {containers: []}
";

const CART: &str = "
---
kind: Service
metadata: {name: cart, namespace: shop, labels: {scrape: me}}
spec: {selector: {app: cart}, ports: [{name: web, port: 80, targetPort: http}, {name: admin, port: 9000, targetPort: 9001}]}
---
kind: Pod
metadata: {name: cart-0, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: cart, ports: [{name: http, containerPort: 8080}]}]}
";

fn fact(yaml: &str) -> Fact<Monitoring> {
    discover(&snapshot(yaml), &Hints::default()).monitoring
}

fn found(snapshot: &Snapshot) -> (Monitoring, String, bool) {
    match discover(snapshot, &Hints::default()).monitoring {
        Fact::Known { value, origin, ready } => (value, origin, ready),
        other => unreachable!("{other:?}"),
    }
}

/// Targets as `namespace selector ports`.
fn targets(yaml: &str) -> Vec<String> {
    let (monitoring, ..) = found(&snapshot(&format!("{yaml}{PROMETHEUS}")));
    let lines = monitoring.targets.iter().flat_map(|(namespace, targets)| {
        targets.iter().map(move |target| {
            let ports: Vec<String> = target.ports.iter().map(ToString::to_string).collect();
            format!("{namespace} {} {}", target.pods, ports.join(" "))
        })
    });
    lines.collect()
}

#[test]
fn prometheus_is_believed_in_a_well_known_namespace_and_in_a_labelled_one() {
    let (monitoring, origin, ready) = found(&snapshot(
        "
kind: Namespace
metadata: {name: metrics-eu, labels: {netbaseline.dev/provides: monitoring}}
---
kind: Pod
metadata: {name: p, namespace: metrics-eu, labels: {app: prometheus, app.kubernetes.io/name: prometheus}}
spec: {containers: []}
---
kind: Namespace
metadata: {name: observability}
---
kind: Pod
metadata: {name: p, namespace: observability, labels: {app: prometheus}}
spec: {containers: []}
",
    ));
    let scraper = |namespace: &str, key: &str| (Arc::from(namespace), Selector::of_labels([(key, "prometheus")]));
    assert_eq!(
        monitoring.scrapers,
        BTreeSet::from([
            scraper("metrics-eu", "app"),
            scraper("metrics-eu", "app.kubernetes.io/name"),
            scraper("observability", "app"),
        ])
    );
    assert_eq!(
        origin,
        "pods app.kubernetes.io/name=prometheus of metrics-eu; pods app=prometheus of metrics-eu, observability"
    );
    assert!(ready);
}

#[test]
fn a_tenants_pod_label_opens_nothing() {
    let tenant = PROMETHEUS.replace("monitoring", "shop");
    assert!(matches!(fact(&tenant), Fact::Absent { .. }));
}

#[test]
fn a_well_known_name_without_a_living_prometheus_is_not_believed() {
    let ended = format!("{PROMETHEUS}status: {{phase: Succeeded}}\n");
    assert!(matches!(fact(&ended), Fact::Absent { .. }));
}

#[test]
fn a_prometheus_of_the_host_network_is_said_to_be_unnameable() {
    let on_host = PROMETHEUS.replace("spec: {", "spec: {hostNetwork: true, ");
    let Fact::Absent { looked } = fact(&on_host) else { unreachable!() };
    assert!(looked.contains("monitoring/app.kubernetes.io/name=prometheus are pods of the host network"), "{looked}");
}

#[test]
fn a_service_monitor_leads_from_the_services_port_to_the_pods_port() {
    let monitor = |endpoints: &str| {
        targets(&format!(
            "{CART}---
kind: ServiceMonitor
metadata: {{name: m, namespace: shop}}
spec: {{selector: {{matchLabels: {{scrape: me}}}}, endpoints: {endpoints}}}
"
        ))
    };
    for (endpoints, expected) in [
        ("[{port: web}]", vec!["shop app=cart 8080/TCP"]),
        ("[{port: admin}]", vec!["shop app=cart 9001/TCP"]),
        ("[{targetPort: http}]", vec!["shop app=cart 8080/TCP"]),
        ("[{targetPort: 7000}, {port: web}]", vec!["shop app=cart 7000/TCP 8080/TCP"]),
        ("[{port: absent}]", vec![]),
    ] {
        assert_eq!(monitor(endpoints), expected, "{endpoints}");
    }
}

#[test]
fn a_port_name_that_no_pod_declares_yet_stays_a_name() {
    let without_pods = CART.replace("kind: Pod", "kind: Pod\nstatus: {phase: Failed}");
    let yaml = format!(
        "{without_pods}---
kind: ServiceMonitor
metadata: {{name: m, namespace: shop}}
spec: {{selector: {{}}, endpoints: [{{port: web}}]}}
"
    );
    assert_eq!(targets(&yaml), ["shop app=cart http/TCP"]);
}

#[test]
fn a_monitor_looks_where_its_namespace_selector_says() {
    let monitor = |namespaces: &str| {
        targets(&format!(
            "{CART}---
kind: ServiceMonitor
metadata: {{name: m, namespace: monitoring}}
spec: {{selector: {{}}, namespaceSelector: {namespaces}, endpoints: [{{port: admin}}]}}
"
        ))
    };
    assert_eq!(monitor("{}"), Vec::<String>::new());
    assert_eq!(monitor("{any: true}"), ["shop app=cart 9001/TCP"]);
    assert_eq!(monitor("{matchNames: [shop]}"), ["shop app=cart 9001/TCP"]);
}

#[test]
fn a_pod_monitor_names_container_ports_or_numbers() {
    for (namespaces, endpoints, expected) in [
        ("{}", "[{port: http}]", "shop app=cart 8080/TCP"),
        ("{any: true}", "[{portNumber: 9100}]", "shop app=cart 9100/TCP"),
        ("{}", "[{port: later}]", "shop app=cart later/TCP"),
    ] {
        let yaml = format!(
            "{CART}---
kind: PodMonitor
metadata: {{name: m, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: cart}}}}, namespaceSelector: {namespaces}, podMetricsEndpoints: {endpoints}}}
"
        );
        assert_eq!(targets(&yaml), [expected], "{namespaces} {endpoints}");
    }
}

#[test]
fn annotations_name_a_port_or_mean_every_declared_one_of_the_workload() {
    let pod = |name: &str, annotations: &str| {
        format!(
            "---
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: cart, pod-template-hash: {name}, statefulset.kubernetes.io/pod-name: {name}}}
  annotations: {{{annotations}}}
spec: {{containers: [{{name: c, ports: [{{containerPort: 8080}}, {{containerPort: 53, protocol: UDP}}, {{containerPort: 8081}}]}}]}}
"
        )
    };
    let scrape = "prometheus.io/scrape: 'true'";
    assert_eq!(targets(&pod("a", &format!("{scrape}, prometheus.io/port: '9102'"))), ["shop app=cart 9102/TCP"]);
    assert_eq!(targets(&pod("a", scrape)), ["shop app=cart 8080/TCP 8081/TCP"]);
    assert_eq!(targets(&pod("a", "prometheus.io/port: '9102'")), Vec::<String>::new());
    let both = format!("{}{}", pod("a", scrape), pod("b", scrape));
    assert_eq!(targets(&both), ["shop app=cart 8080/TCP 8081/TCP"], "replicas are one target");
}

#[test]
fn an_annotated_pod_without_a_label_of_its_own_opens_nothing() {
    let yaml = "
kind: Pod
metadata: {name: a, namespace: shop, labels: {pod-template-hash: x}, annotations: {prometheus.io/scrape: 'true'}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
";
    assert_eq!(targets(yaml), Vec::<String>::new());
}

#[test]
fn what_no_selector_finds_is_an_address_for_the_scrapers() {
    let kubelet = |namespace: &str| {
        format!(
            "
kind: Service
metadata: {{name: kubelet, namespace: kube-system, labels: {{k8s-app: kubelet}}}}
spec: {{clusterIP: None, ports: [{{name: https-metrics, port: 10250}}]}}
---
kind: EndpointSlice
addressType: IPv4
metadata: {{name: kubelet-1, namespace: kube-system, labels: {{kubernetes.io/service-name: kubelet}}}}
endpoints: [{{addresses: [192.168.0.1]}}]
ports: [{{name: https-metrics, port: 10250}}, {{name: other, port: 4194}}]
---
kind: ServiceMonitor
metadata: {{name: kubelet, namespace: {namespace}}}
spec: {{selector: {{}}, namespaceSelector: {{any: true}}, endpoints: [{{port: https-metrics}}]}}
---
kind: Pod
metadata: {{name: exporter, namespace: {namespace}, labels: {{app: exporter}}, annotations: {{prometheus.io/scrape: 'true'}}}}
spec: {{hostNetwork: true, containers: [{{name: e, ports: [{{containerPort: 9100}}]}}]}}
status: {{podIP: 192.168.0.2}}
{PROMETHEUS}"
        )
    };
    let kubelets = ("192.168.0.1".parse().unwrap(), 10250);
    let exporter = ("192.168.0.2".parse().unwrap(), 9100);
    assert_eq!(found(&snapshot(&kubelet("monitoring"))).0.addresses, BTreeSet::from([kubelets, exporter]));
    assert_eq!(
        found(&snapshot(&kubelet("shop"))).0.addresses,
        BTreeSet::from([exporter]),
        "a tenant's monitor does not send Prometheus to addresses that somebody wrote"
    );
}

#[test]
fn targets_keep_where_they_come_from() {
    let yaml = format!(
        "{CART}---
kind: ServiceMonitor
metadata: {{name: m, namespace: shop}}
spec: {{selector: {{}}, endpoints: [{{port: admin}}]}}
{PROMETHEUS}"
    );
    let (monitoring, ..) = found(&snapshot(&yaml));
    let target = monitoring.targets["shop"].first().unwrap();
    assert_eq!(target.origin, "ServiceMonitor shop/m");
    assert_eq!(target.ports, BTreeSet::from([PortMatch::number(Protocol::Tcp, 9001)]));
}

#[test]
fn a_source_that_cannot_be_read_takes_nothing_back() {
    for source in [Source::ServiceMonitors, Source::PodMonitors, Source::Services, Source::EndpointSlices] {
        let (monitoring, origin, ready) = found(&forbidden(snapshot(PROMETHEUS), source));
        assert!(!ready && monitoring.scrapers.len() == 1 && origin.contains("forbidden"), "{source:?}: {origin}");
    }
    for source in [Source::Namespaces, Source::Pods] {
        let fact = discover(&forbidden(snapshot(PROMETHEUS), source), &Hints::default()).monitoring;
        assert!(matches!(fact, Fact::Unreadable { .. }), "{source:?}");
    }
}
