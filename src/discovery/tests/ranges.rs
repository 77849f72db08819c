use std::collections::BTreeSet;

use super::fixture::snapshot;
use crate::discovery::{Hints, discover};

fn ranges(yaml: &str) -> Vec<String> {
    discover(&snapshot(yaml), &Hints::default()).cluster_ranges.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_private_anyway_is_not_repeated() {
    let found = ranges(
        "
kind: Node
metadata: {name: n1}
spec: {podCIDRs: [10.244.0.0/24, 'fd00:1::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
kind: Service
metadata: {name: s, namespace: shop}
spec: {clusterIP: 100.64.0.9}
",
    );
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn public_ranges_of_nodes_and_of_the_allocator_belong_to_the_cluster() {
    let found = ranges(
        "
kind: Node
metadata: {name: n1}
spec: {podCIDR: 8.0.0.0/24}
status: {addresses: [{type: InternalIP, address: 5.5.5.5}]}
---
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {cluster-pool-ipv4-cidr: '9.0.0.0/16 10.0.0.0/8'}
",
    );
    assert_eq!(found, ["5.5.5.5/32", "8.0.0.0/24", "9.0.0.0/16"]);
}

#[test]
fn public_pod_addresses_are_rounded_so_that_a_new_pod_changes_nothing() {
    let pod = |name: &str, ip: &str| {
        format!(
            "---\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{containers: []}}\nstatus: {{podIP: '{ip}'}}\n"
        )
    };
    let one = ranges(&pod("a", "2600:1f13:1:2:3::a"));
    assert_eq!(one, ["2600:1f13:1:2::/64"]);
    assert_eq!(ranges(&format!("{}{}", pod("a", "2600:1f13:1:2:3::a"), pod("b", "2600:1f13:1:2:9::b"))), one);
    let distinct: BTreeSet<String> =
        ranges(&format!("{}{}", pod("a", "8.1.2.3"), pod("b", "8.1.2.4"))).into_iter().collect();
    assert_eq!(distinct, BTreeSet::from(["8.1.2.0/24".to_owned()]));
}
