//! The demonstration's objects come to life without a node.
#![allow(clippy::unwrap_used)]
#![allow(clippy::panic, reason = "helpers of tests fail the test")]

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use lab::{ControlPlane, nodes, story};

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let loops = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), loops).await.unwrap_or_else(|_| panic!("not in 30 s: {what}"));
}

async fn running(client: &Client) -> Vec<Pod> {
    let pods = Api::<Pod>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    let ready = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    pods.into_iter().filter(ready).collect()
}

#[tokio::test]
async fn the_workloads_of_the_story_run_have_addresses_of_their_own_and_stand_behind_their_services() {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    nodes::create(&client).await.unwrap();
    let kubelets = tokio::spawn(nodes::stand_in(client.clone()));
    story::set_up(&client).await.unwrap();

    // 2 engine agents, 2 resolvers, Prometheus, the gateway, 5 pods of shop, 2 of payments, the intruder.
    eventually("14 pods run", async || running(&client).await.len() == 14).await;
    let mut addresses: Vec<_> = running(&client).await.into_iter().filter_map(|pod| pod.status?.pod_ip).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 14);

    let slices = Api::<EndpointSlice>::namespaced(client.clone(), "kube-system");
    let of_dns = ListParams::default().labels("kubernetes.io/service-name=kube-dns");
    eventually("two resolvers are ready behind kube-dns", async || {
        let slices = slices.list(&of_dns).await.unwrap();
        let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
        endpoints.filter(|endpoint| endpoint.conditions.as_ref().is_some_and(|is| is.ready == Some(true))).count() == 2
    })
    .await;

    let shop = Api::<Pod>::namespaced(client.clone(), "shop");
    let db = shop.list(&ListParams::default().labels("app=orders-db")).await.unwrap().items.remove(0).name_any();
    shop.delete(&db, &DeleteParams::default()).await.unwrap();
    eventually("a deleted pod is replaced", async || {
        shop.get_opt(&db).await.unwrap().is_none() && running(&client).await.len() == 14
    })
    .await;
    assert!(!kubelets.is_finished());
}
