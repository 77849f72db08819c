#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::{ContainerPort, MonitorPort, Protocol, Selector, TargetPort};

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn a_native_sidecar_contributes_its_ports_and_another_init_container_does_not() {
    let pod = pod(&read(
        "{metadata: {name: cart-0, namespace: shop}, spec: {
            containers: [{name: cart, ports: [{name: http, containerPort: 8080}]}],
            initContainers: [
              {name: proxy, restartPolicy: Always, ports: [{name: metrics, containerPort: 9901}]},
              {name: migrate, ports: [{name: once, containerPort: 7}]}]}}",
    ));
    let port = |name: &str, port| ContainerPort { name: Some(Arc::from(name)), port, protocol: Protocol::Tcp };
    assert_eq!(pod.ports, [port("http", 8080), port("metrics", 9901)]);
}

#[test]
fn a_pod_keeps_what_decisions_need_and_drops_what_cannot_be_used() {
    let pod = pod(&read(
        "{metadata: {name: cart-0, namespace: shop, labels: {app: cart}, deletionTimestamp: '2026-01-01T00:00:00Z',
            annotations: {prometheus.io/scrape: 'true', kubectl.kubernetes.io/last-applied-configuration: '{}'},
            ownerReferences: [
              {apiVersion: v1, kind: ConfigMap, name: x, uid: a},
              {apiVersion: apps/v1, kind: StatefulSet, name: cart, uid: b, controller: true}]},
          spec: {hostNetwork: true, nodeName: n1, containers: [{name: cart, ports: [{containerPort: 99999}]}]},
          status: {phase: Failed, podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}, {ip: 'fd00::9'}, {ip: nonsense}],
            conditions: [{type: Ready, status: 'True'}]}}",
    ));
    assert_eq!(pod.ips, ["10.0.0.9".parse::<IpAddr>().unwrap(), "fd00::9".parse().unwrap()]);
    assert_eq!(pod.annotations, crate::model::labels([("prometheus.io/scrape", "true")]));
    assert_eq!(pod.owner, Some((Arc::from("StatefulSet"), Arc::from("cart"))));
    assert_eq!(pod.node.as_deref(), Some("n1"));
    assert!(pod.host_network && pod.ended && pod.ready && pod.terminating && pod.ports.is_empty());
}

#[test]
fn a_service_port_without_a_target_leads_to_its_own_number_and_headless_has_no_address() {
    let service = service(&read(
        "{metadata: {name: cart, namespace: shop}, spec: {clusterIP: None, clusterIPs: [None], selector: {},
          ports: [{port: 80}, {name: web, port: 81, targetPort: http}, {port: 82, targetPort: 8082, protocol: UDP}]}}",
    ));
    assert_eq!((service.cluster_ips.len(), service.selector), (0, None));
    let targets: Vec<_> = service.ports.iter().map(|port| (port.target.clone(), port.protocol)).collect();
    assert_eq!(
        targets,
        [
            (TargetPort::Number(80), Protocol::Tcp),
            (TargetPort::Name(Arc::from("http")), Protocol::Tcp),
            (TargetPort::Number(8082), Protocol::Udp)
        ]
    );
}

#[test]
fn an_endpoint_without_a_condition_is_ready_and_one_that_is_no_pod_names_none() {
    let slice = endpoint_slice(&read(
        "{metadata: {name: cart-x, namespace: shop, labels: {kubernetes.io/service-name: cart}}, addressType: IPv4,
          endpoints: [
            {addresses: [10.0.0.1], targetRef: {kind: Pod, name: cart-0}},
            {addresses: [10.0.0.2], conditions: {ready: false}, targetRef: {kind: Node, name: n1}}],
          ports: [{name: '', port: 8080}, {name: all}]}",
    ));
    assert_eq!(slice.service.as_deref(), Some("cart"));
    assert_eq!(slice.endpoints[0].pod, Some((Arc::from("shop"), Arc::from("cart-0"))));
    assert!(slice.endpoints[0].ready && !slice.endpoints[1].ready);
    assert_eq!(slice.endpoints[1].pod, None);
    assert_eq!((slice.ports[0].name.as_deref(), slice.ports[0].port), (None, Some(8080)));
    assert_eq!((slice.ports[1].name.as_deref(), slice.ports[1].port), (Some("all"), None));
}

#[test]
fn a_namespace_carries_the_label_of_its_name_whatever_a_file_says() {
    let namespace = namespace(&read("{metadata: {name: shop, labels: {kubernetes.io/metadata.name: other, team: x}}}"));
    assert_eq!(namespace.labels, crate::model::labels([("kubernetes.io/metadata.name", "shop"), ("team", "x")]));
}

#[test]
fn a_node_keeps_internal_addresses_and_the_annotations_of_engines() {
    let node = node(&read(
        "{metadata: {name: n1, annotations: {k3s.io/node-args: '[]', other: x}}, spec: {podCIDR: 10.42.0.0/24},
          status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: ExternalIP, address: 8.8.8.8}],
            conditions: [{type: Ready, status: Unknown}]}}",
    ));
    assert_eq!(node.ips, ["192.168.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(node.pod_cidrs, ["10.42.0.0/24".parse().unwrap()]);
    assert_eq!(node.annotations, crate::model::labels([("k3s.io/node-args", "[]")]));
    assert!(!node.ready);
}

#[test]
fn a_daemon_set_keeps_command_and_arguments() {
    let set = daemon_set(&read(
        "{metadata: {name: cni, namespace: kube-system}, spec: {selector: {}, template: {metadata: {labels: {app: cni}},
          spec: {containers: [{name: c, image: i, command: [run], args: [--fast]}]}}}}",
    ));
    assert_eq!(set.pod_labels, crate::model::labels([("app", "cni")]));
    assert_eq!(set.containers[0].args, [Arc::from("run"), Arc::from("--fast")]);
}

#[test]
fn monitors_name_ports_in_the_order_of_precedence_of_their_kind() {
    let monitor = service_monitor(&read(
        "{metadata: {name: m, namespace: shop}, spec: {selector: {matchLabels: {app: cart}},
          endpoints: [{port: web, targetPort: 1}, {targetPort: http}, {targetPort: 8080}, {path: /x}]}}",
    ))
    .unwrap();
    assert_eq!(monitor.selector, Selector::of_labels([("app", "cart")]));
    assert_eq!(
        monitor.ports,
        [MonitorPort::Name(Arc::from("web")), MonitorPort::TargetName(Arc::from("http")), MonitorPort::Number(8080)]
    );
    let monitor = pod_monitor(&read(
        "{metadata: {name: m, namespace: shop}, spec: {podMetricsEndpoints: [{port: web, portNumber: 1}, {portNumber: 9}]}}",
    ))
    .unwrap();
    assert!(monitor.selector.is_all());
    assert_eq!(monitor.ports, [MonitorPort::Name(Arc::from("web")), MonitorPort::Number(9)]);
}

#[test]
fn monitors_look_in_their_own_namespace_unless_they_name_others_or_say_any() {
    for (selector, expected) in [
        ("{}", Some(vec!["shop"])),
        ("{matchNames: []}", Some(vec!["shop"])),
        ("{matchNames: [a, b]}", Some(vec!["a", "b"])),
        ("{any: true, matchNames: [a]}", None),
    ] {
        let yaml = format!("{{metadata: {{name: m, namespace: shop}}, spec: {{namespaceSelector: {selector}}}}}");
        let found = service_monitor(&read(&yaml)).unwrap().namespaces;
        assert_eq!(found, expected.map(|names| names.into_iter().map(Arc::from).collect()), "{selector}");
    }
}

#[test]
fn a_monitor_whose_selector_cannot_be_read_says_so() {
    for spec in ["{selector: 7}", "{selector: {matchExpressions: [{key: app, operator: Gt}]}}"] {
        let yaml = format!("{{metadata: {{name: m, namespace: shop}}, spec: {spec}}}");
        assert!(service_monitor(&read(&yaml)).unwrap_err().starts_with("spec.selector cannot be read"), "{spec}");
    }
    let broken = read("{metadata: {name: m, namespace: shop}, spec: {namespaceSelector: {matchNames: shop}}}");
    assert!(pod_monitor(&broken).is_err());
}

#[test]
fn only_a_served_v2_schema_with_the_field_makes_supplements_additive() {
    let definition = |version: &str, served: bool, field: &str| {
        let yaml = format!(
            "{{metadata: {{name: ciliumnetworkpolicies.cilium.io}}, spec: {{group: cilium.io, scope: Namespaced,
              names: {{kind: CiliumNetworkPolicy, plural: ciliumnetworkpolicies}}, versions: [{{name: {version}, served: {served},
              storage: true, schema: {{openAPIV3Schema: {{properties: {{spec: {{properties: {{{field}: {{}}}}}}}}}}}}}}]}}}}"
        );
        serves_default_deny(&read(&yaml))
    };
    assert!(definition("v2", true, "enableDefaultDeny"));
    assert!(!definition("v2", false, "enableDefaultDeny"));
    assert!(!definition("v2alpha1", true, "enableDefaultDeny"));
    assert!(!definition("v2", true, "egressDeny"));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[a-z]{0,4}".prop_map(Into::into),
    ];
    let keys = prop_oneof![
        "spec|metadata|namespace|selector|namespaceSelector|matchNames|matchLabels|matchExpressions|any",
        "endpoints|podMetricsEndpoints|port|portNumber|targetPort",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(keys.clone(), inner, 0..6)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_stored_as_a_monitor_is_read_or_refused_in_words(stored in any_json()) {
        for read in [service_monitor(&stored), pod_monitor(&stored)] {
            prop_assert!(read.map_or_else(|error| error.starts_with("spec."), |of| of.namespaces.is_none_or(|n| !n.is_empty())));
        }
    }
}
