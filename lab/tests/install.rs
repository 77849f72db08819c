//! The manifests as they are installed, on a real API server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use lab::components::{self, Component};
use lab::{ControlPlane, control_plane};
use netbaseline::api::NetworkBaseline;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn objects(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> Output {
    let kubeconfig = plane.kubeconfig_path();
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let binaries = components::ensure(&[Component::Kubectl]).unwrap();
        let program = binaries.path(Component::Kubectl).unwrap();
        Command::new(program).current_dir(root()).env("KUBECONFIG", kubeconfig).args(arguments).output().unwrap()
    })
    .await
    .unwrap()
}

async fn apply(plane: &ControlPlane, folder: &str) -> String {
    let output = kubectl(plane, &["apply", "--server-side", "-k", folder]).await;
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The control plane with everything of `config/default`.
async fn installed() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let plane = ControlPlane::shared().await.unwrap();
    INSTALLED
        .get_or_init(|| async {
            apply(plane, "config/default").await;
            let established =
                ["wait", "--for=condition=Established", "--timeout=30s", "crd/networkbaselines.netbaseline.dev"];
            assert!(kubectl(plane, &established).await.status.success());
        })
        .await;
    plane
}

async fn namespace(client: &Client, name: &str) {
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

/// Whether somebody may do `verb resource[/subresource]` in a namespace; `resource:name` asks for one object.
async fn may(client: &Client, user: &str, namespace: &str, verb: &str, resource: &str) -> bool {
    let (resource, name) = resource.split_once(':').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource,
                            "subresource": subresource, "name": name});
    let groups: &[&str] = if user.starts_with("system:serviceaccount:") {
        &["system:serviceaccounts"]
    } else {
        &["system:authenticated"]
    };
    let review = json!({"spec": {"user": user, "groups": groups, "resourceAttributes": attributes}, "metadata": {}});
    let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
    let answer = Api::<SubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

#[tokio::test]
async fn installing_twice_changes_nothing() {
    let plane = installed().await;
    let versions = || async {
        let shown = [
            "get",
            "-k",
            "config/default",
            "-o",
            "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{\"\\n\"}{end}",
        ];
        String::from_utf8(kubectl(plane, &shown).await.stdout).unwrap()
    };
    let before = versions().await;
    assert!(before.lines().count() > 10, "{before}");
    apply(plane, "config/default").await;
    assert_eq!(versions().await, before);
}

#[tokio::test]
async fn the_api_server_gives_the_verdicts_that_are_written_down() {
    let plane = installed().await;
    let client = plane.client().await.unwrap();
    namespace(&client, "admission").await;
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let file = objects("tests/admission/cases.yaml");
    for case in file[0].as_array().unwrap() {
        let title = &case["title"];
        // Not typed: what the type cannot hold must reach the server too.
        let resource = kube::api::ApiResource::erase::<NetworkBaseline>(&());
        let api: Api<kube::api::DynamicObject> = Api::namespaced_with(client.clone(), "admission", &resource);
        let object = json!({
            "apiVersion": "netbaseline.dev/v1alpha1",
            "kind": "NetworkBaseline",
            "metadata": {"name": case.get("name").unwrap_or(&json!("default"))},
            "spec": case["spec"],
        });
        match (api.create(&params, &serde_json::from_value(object).unwrap()).await, case.get("refused")) {
            (Ok(stored), None) => assert_eq!(stored.data["spec"], case["spec"], "{title}: stored as it was written"),
            (Err(refusal), Some(expected)) => {
                let refusal = refusal.to_string();
                assert!(refusal.contains(expected.as_str().unwrap()), "{title}: {refusal}");
            }
            (Ok(_), Some(_)) => panic!("{title}: accepted"),
            (Err(refusal), None) => panic!("{title}: {refusal}"),
        }
    }
}

#[tokio::test]
async fn every_example_is_stored_as_it_was_written() {
    let plane = installed().await;
    apply(plane, "examples").await;
    let client = plane.client().await.unwrap();
    let stored = Api::<NetworkBaseline>::all(client).list(&ListParams::default()).await.unwrap();
    let list = objects("examples/kustomization.yaml");
    let files = list[0]["resources"].as_array().unwrap().iter().filter_map(Value::as_str);
    let written = files.flat_map(|file| objects(&format!("examples/{file}")));
    for baseline in written.filter(|object| object["kind"] == "NetworkBaseline") {
        let namespace = baseline["metadata"]["namespace"].as_str().unwrap();
        let found = stored.iter().find(|stored| stored.namespace().as_deref() == Some(namespace));
        assert_eq!(serde_json::to_value(&found.unwrap().spec).unwrap(), baseline["spec"], "{namespace}");
    }
}

#[tokio::test]
async fn the_operator_may_do_what_it_does_and_nothing_more() {
    let plane = installed().await;
    let client = plane.client().await.unwrap();
    let operator = "system:serviceaccount:netbaseline-system:netbaseline";
    for (namespace, verb, resource, expected) in [
        ("shop", "watch", "pods", true),
        ("shop", "list", "resourcequotas", true),
        ("shop", "create", "networkpolicies.networking.k8s.io", true),
        ("shop", "delete", "ciliumnetworkpolicies.cilium.io", true),
        ("shop", "patch", "networkbaselines.netbaseline.dev", true),
        ("shop", "patch", "networkbaselines/status.netbaseline.dev", true),
        ("shop", "create", "events.events.k8s.io", true),
        ("kube-system", "watch", "configmaps:cilium-config", true),
        ("netbaseline-system", "create", "leases.coordination.k8s.io", true),
        ("netbaseline-system", "update", "leases.coordination.k8s.io:netbaseline", true),
        ("shop", "create", "networkbaselines.netbaseline.dev", false),
        ("shop", "update", "networkbaselines.netbaseline.dev", false),
        ("shop", "delete", "networkbaselines.netbaseline.dev", false),
        ("shop", "update", "networkpolicies.networking.k8s.io", false),
        ("shop", "deletecollection", "networkpolicies.networking.k8s.io", false),
        ("shop", "create", "pods", false),
        ("shop", "create", "pods/exec", false),
        ("shop", "get", "secrets", false),
        ("kube-system", "get", "configmaps:coredns", false),
        ("kube-system", "list", "configmaps", false),
        ("shop", "create", "leases.coordination.k8s.io", false),
        ("netbaseline-system", "update", "leases.coordination.k8s.io:other", false),
    ] {
        let allowed = may(&client, operator, namespace, verb, resource).await;
        assert_eq!(allowed, expected, "{verb} {resource} in {namespace}");
    }
}

#[tokio::test]
async fn the_operator_can_follow_one_config_map_by_its_name() {
    let plane = installed().await;
    let kubeconfig = plane.kubeconfig_for_service_account("netbaseline-system", "netbaseline").await.unwrap();
    let operator = control_plane::client_of(&kubeconfig).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(operator, "kube-system");
    maps.list(&ListParams::default().fields("metadata.name=cilium-config")).await.unwrap();
    maps.list(&ListParams::default()).await.unwrap_err();
}

#[tokio::test]
async fn who_may_view_or_edit_a_namespace_may_view_or_edit_its_baseline() {
    let plane = installed().await;
    let client = plane.client().await.unwrap();
    namespace(&client, "people").await;
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), "people");
    for role in ["view", "edit", "admin"] {
        let binding = json!({
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("{role}er")}],
        });
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }
    let baselines = "networkbaselines.netbaseline.dev";
    // Aggregation is a controller's work, and takes its time after the roles were created.
    for _ in 0..100 {
        if may(&client, "adminer", "people", "delete", baselines).await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for (user, verb, expected) in [
        ("viewer", "list", true),
        ("viewer", "patch", false),
        ("editer", "list", true),
        ("editer", "patch", true),
        ("adminer", "delete", true),
        ("stranger", "get", false),
    ] {
        assert_eq!(may(&client, user, "people", verb, baselines).await, expected, "{user} {verb}");
    }
    assert!(!may(&client, "adminer", "people", "patch", "networkbaselines/status.netbaseline.dev").await);
}

#[tokio::test]
async fn the_operators_pods_are_admitted_under_the_restricted_level() {
    let plane = installed().await;
    let client = plane.client().await.unwrap();
    let deployment = &objects("config/manager/deployment.yaml")[0];
    let mut pod = deployment["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("admitted");
    let pods: Api<Pod> = Api::namespaced(client, "netbaseline-system");
    let params = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&params, &serde_json::from_value(pod.clone()).unwrap()).await.unwrap();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refusal = pods.create(&params, &serde_json::from_value(pod).unwrap()).await.unwrap_err().to_string();
    assert!(refusal.contains("restricted"), "{refusal}");
}
