//! The lab itself, on a real control plane.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use lab::{ControlPlane, Error, Options, control_plane};
use serde_json::json;

async fn namespace(client: &Client, name: &str) {
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

async fn config_map(client: &Client, namespace: &str, name: &str) {
    let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "b"}})).unwrap();
    Api::<ConfigMap>::namespaced(client.clone(), namespace).create(&PostParams::default(), &map).await.unwrap();
}

#[tokio::test]
async fn a_service_account_is_known_by_its_token_and_has_no_rights_of_its_own() {
    let plane = ControlPlane::shared().await.unwrap();
    let admin = plane.client().await.unwrap();
    namespace(&admin, "tokens").await;
    let account = serde_json::from_value(json!({"metadata": {"name": "robot"}})).unwrap();
    Api::<ServiceAccount>::namespaced(admin, "tokens").create(&PostParams::default(), &account).await.unwrap();

    let kubeconfig = plane.kubeconfig_for_service_account("tokens", "robot").await.unwrap();
    let robot = control_plane::client_of(&kubeconfig).await.unwrap();
    let refusal = Api::<ConfigMap>::namespaced(robot, "tokens").list(&ListParams::default()).await.unwrap_err();
    let refusal = refusal.to_string();
    assert!(refusal.contains("system:serviceaccount:tokens:robot") && refusal.contains("forbidden"), "{refusal}");
}

#[tokio::test]
async fn a_user_of_ones_own_making_is_known_by_its_certificate() {
    let plane = ControlPlane::shared().await.unwrap();
    let developer = plane.client_as("dev:jane", Some("developers")).await.unwrap();
    let refusal = Api::<Namespace>::all(developer).list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refusal.contains("dev:jane"), "{refusal}");
}

#[tokio::test]
async fn the_audit_log_has_writes_with_bodies_but_for_secrets_and_no_reads_of_the_administrator() {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    namespace(&client, "audited").await;
    config_map(&client, "audited", "one").await;
    let secret = serde_json::from_value(json!({"metadata": {"name": "two"}, "stringData": {"a": "hidden"}})).unwrap();
    Api::<Secret>::namespaced(client.clone(), "audited").create(&PostParams::default(), &secret).await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client, "audited");
    let live = maps.get("one").await.unwrap();
    maps.delete("one", &DeleteParams::default().dry_run()).await.unwrap();

    let ours: Vec<_> = plane
        .audit()
        .unwrap()
        .into_iter()
        .filter(|event| event.user.username == "admin")
        .filter(|event| event.object_ref.as_ref().is_some_and(|object| object.namespace == "audited"))
        .filter(|event| !event.is_about("namespaces"))
        .collect();
    let seen: Vec<_> = ours.iter().map(|event| (event.verb.as_str(), event.wrote())).collect();
    assert_eq!(seen, [("create", true), ("create", true), ("delete", false)]);
    assert_eq!(ours[0].resource_version(), live.metadata.resource_version.as_deref());
    assert_eq!(ours[0].request_object.as_ref().unwrap().pointer("/data/a").unwrap(), "b");
    assert!(ours[1].is_about("secrets") && ours[1].request_object.is_none());
}

#[tokio::test]
async fn the_controllers_empty_a_namespace_that_is_deleted() {
    let plane = ControlPlane::shared().await.unwrap();
    let client = plane.client().await.unwrap();
    namespace(&client, "doomed").await;
    config_map(&client, "doomed", "one").await;
    let namespaces = Api::<Namespace>::all(client);
    namespaces.delete("doomed", &DeleteParams::default()).await.unwrap();
    let gone = async {
        while namespaces.get_opt("doomed").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn labs_run_side_by_side_survive_a_crash_with_their_data_and_leave_nothing_when_they_are_dropped() {
    let shared = ControlPlane::shared().await.unwrap();
    let own = ControlPlane::start(Options::ephemeral()).await.unwrap();
    assert_ne!(own.port(), shared.port());
    namespace(&own.client().await.unwrap(), "kept").await;
    assert!(Api::<Namespace>::all(shared.client().await.unwrap()).get_opt("kept").await.unwrap().is_none());

    own.restart().await.unwrap();
    assert!(Api::<Namespace>::all(own.client().await.unwrap()).get_opt("kept").await.unwrap().is_some());

    let (name, folder) = (own.name().to_owned(), own.folder().to_owned());
    assert!(matches!(lab::down(&name), Err(Error::Busy { .. })), "a lab that a test holds is not taken from it");
    let listed = lab::list().unwrap().into_iter().find(|lab| lab.name == name).unwrap();
    assert_eq!(listed.condition, lab::Condition::Up);
    drop(own);
    assert!(!folder.exists());
    for process in listed.processes {
        let mark = std::fs::read(format!("/proc/{}/environ", process.id)).unwrap_or_default();
        let mark = String::from_utf8_lossy(&mark).into_owned();
        assert!(!mark.contains(&folder.display().to_string()), "{} is still there", process.program);
    }
}

/// Makes the test below play the process that gets killed.
const VICTIM: &str = "NETBASELINE_LAB_TEST_VICTIM";

#[tokio::test]
async fn a_lab_whose_process_is_killed_leaves_nothing_even_when_its_watcher_is_killed_first() {
    if std::env::var_os(VICTIM).is_some() {
        let plane = ControlPlane::start(Options::ephemeral()).await.unwrap();
        println!("\nlab {}", plane.name());
        return std::future::pending().await;
    }

    let (mut victim, name) = victim();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let began = Instant::now();
    while lab::list().unwrap().iter().any(|lab| lab.name == name) {
        assert!(began.elapsed() < Duration::from_secs(60), "its watcher left lab {name}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let (mut victim, name) = victim_without_watcher();
    victim.kill().unwrap();
    victim.wait().unwrap();
    drop(ControlPlane::start(Options::ephemeral()).await.unwrap());
    assert!(lab::list().unwrap().iter().all(|lab| lab.name != name), "the next start sweeps it");
}

/// Another process with an ephemeral lab.
fn victim() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_lab_whose_process_is_killed_leaves_nothing_even_when_its_watcher_is_killed_first"])
        .arg("--nocapture")
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let name = lines.filter_map(|line| line.strip_prefix("lab ").map(str::to_owned)).next().unwrap();
    (child, name)
}

fn victim_without_watcher() -> (Child, String) {
    let (child, name) = victim();
    let lab = lab::list().unwrap().into_iter().find(|lab| lab.name == name).unwrap();
    let watcher = lab.processes.iter().find(|process| process.program == "sh").unwrap();
    assert!(Command::new("kill").args(["-9", &watcher.id.to_string()]).status().unwrap().success());
    (child, name)
}
