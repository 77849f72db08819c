//! The install manifests say what the operator needs, and not more.

use std::collections::BTreeSet;

use netbaseline::discovery::CONFIG_MAPS;
use serde_json::Value;

use crate::{objects, root, text, yaml_files};

fn all() -> Vec<Value> {
    ["config/rbac", "config/manager"]
        .iter()
        .flat_map(|folder| yaml_files(folder))
        .flat_map(|file| objects(&file))
        .filter(|object| object["kind"] != "Kustomization")
        .collect()
}

fn one(kind: &str, name: &str) -> Value {
    all()
        .into_iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn strings(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The verbs that the operator has everywhere on a resource.
fn verbs<'a>(role: &'a Value, resource: &str) -> BTreeSet<&'a str> {
    let rules = role["rules"].as_array().into_iter().flatten();
    rules
        .filter(|rule| strings(&rule["resources"]).contains(resource))
        .flat_map(|rule| strings(&rule["verbs"]))
        .collect()
}

#[test]
fn the_operator_has_no_right_by_wildcard_and_none_that_leads_to_more_rights() {
    let role = one("ClusterRole", "netbaseline-operator");
    for rule in role["rules"].as_array().unwrap() {
        for list in ["apiGroups", "resources", "verbs"] {
            assert!(!strings(&rule[list]).contains("*"), "{rule}");
        }
        assert!(strings(&rule["verbs"]).is_disjoint(&BTreeSet::from(["escalate", "bind", "impersonate"])), "{rule}");
        let sensitive = BTreeSet::from(["secrets", "pods/exec", "serviceaccounts", "serviceaccounts/token"]);
        assert!(strings(&rule["resources"]).is_disjoint(&sensitive), "{rule}");
    }
}

#[test]
fn the_operator_reads_the_config_maps_of_engines_and_no_other() {
    let role = one("ClusterRole", "netbaseline-operator");
    let rules = role["rules"].as_array().unwrap();
    let rules: Vec<&Value> = rules.iter().filter(|rule| strings(&rule["resources"]).contains("configmaps")).collect();
    assert_eq!(rules.len(), 1);
    assert_eq!(strings(&rules[0]["resources"]), BTreeSet::from(["configmaps"]));
    assert_eq!(strings(&rules[0]["resourceNames"]), CONFIG_MAPS.iter().map(|(_, name)| *name).collect());
    assert_eq!(strings(&rules[0]["verbs"]), BTreeSet::from(["get", "list", "watch"]));
}

#[test]
fn the_operator_writes_policies_statuses_and_events_and_nothing_else() {
    let role = one("ClusterRole", "netbaseline-operator");
    let writes = BTreeSet::from(["create", "update", "patch", "delete", "deletecollection"]);
    let written: BTreeSet<&str> = role["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| !strings(&rule["verbs"]).is_disjoint(&writes))
        .flat_map(|rule| strings(&rule["resources"]))
        .collect();
    let expected =
        ["networkpolicies", "ciliumnetworkpolicies", "networkbaselines", "networkbaselines/status", "events"];
    assert_eq!(written, BTreeSet::from(expected));
}

#[test]
fn the_operator_cannot_create_replace_or_delete_a_baseline() {
    let role = one("ClusterRole", "netbaseline-operator");
    assert_eq!(verbs(&role, "networkbaselines"), BTreeSet::from(["get", "list", "watch", "patch"]));
    assert_eq!(verbs(&role, "networkbaselines/status"), BTreeSet::from(["patch"]));
}

#[test]
fn every_role_is_bound_to_the_account_that_the_deployment_uses() {
    let account = one("Deployment", "netbaseline")["spec"]["template"]["spec"]["serviceAccountName"].clone();
    let roles = ["netbaseline-operator", "netbaseline-leader"];
    for name in roles {
        let binding = all().into_iter().find(|object| object["roleRef"]["name"] == name).unwrap();
        assert_eq!(binding["subjects"][0]["name"], account, "{name}");
        assert_eq!(binding["subjects"][0]["namespace"], "netbaseline-system", "{name}");
        assert_eq!(binding["subjects"].as_array().unwrap().len(), 1, "{name}");
    }
}

#[test]
fn the_pods_pass_the_restricted_pod_security_level() {
    let namespace = one("Namespace", "netbaseline-system");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = &one("Deployment", "netbaseline")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(strings(&container["capabilities"]["drop"]), BTreeSet::from(["ALL"]));
}

#[test]
fn one_replica_outlives_a_drain() {
    assert_eq!(one("Deployment", "netbaseline")["spec"]["replicas"], 2);
    assert_eq!(one("PodDisruptionBudget", "netbaseline")["spec"]["minAvailable"], 1);
}

#[test]
fn everything_that_selects_the_operator_selects_its_pods() {
    let deployment = one("Deployment", "netbaseline");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&one("PodDisruptionBudget", "netbaseline")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&one("NetworkPolicy", "netbaseline")["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(&one("Service", "netbaseline")["spec"]["selector"], labels);
}

#[test]
fn the_operators_own_policy_admits_its_probes() {
    let container = one("Deployment", "netbaseline")["spec"]["template"]["spec"]["containers"][0].clone();
    let port = &container["ports"][0]["name"];
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(&container[probe]["httpGet"]["port"], port);
    }
    let policy = one("NetworkPolicy", "netbaseline");
    let rule = &policy["spec"]["ingress"][0];
    assert_eq!(&rule["ports"][0]["port"], port);
    assert!(rule.get("from").is_none(), "probes come from the node, which no peer can name");
}

#[test]
fn the_image_is_that_of_this_version() {
    let kustomization = &objects("config/default/kustomization.yaml")[0];
    assert_eq!(kustomization["images"][0]["newTag"], env!("CARGO_PKG_VERSION"));
    let image = one("Deployment", "netbaseline")["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image, kustomization["images"][0]["name"]);
}

#[test]
fn every_kustomization_lists_files_that_exist_and_no_manifest_is_forgotten() {
    for folder in ["crds", "config/default", "config/rbac", "config/manager", "examples"] {
        let kustomization = &objects(&format!("{folder}/kustomization.yaml"))[0];
        let listed = strings(&kustomization["resources"]);
        for entry in &listed {
            assert!(root().join(folder).join(entry).exists(), "{folder}: {entry}");
        }
        if folder != "examples" {
            for file in yaml_files(folder) {
                let name = file.rsplit('/').next().unwrap();
                assert!(name == "kustomization.yaml" || listed.contains(name), "{file} is in no list");
            }
        }
    }
}

#[test]
fn the_image_is_built_from_paths_that_exist_and_runs_without_root() {
    let dockerfile = text("Dockerfile");
    let ignored = text(".dockerignore");
    for line in dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from=")) {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let (_, sources) = words.split_last().unwrap();
        for source in sources {
            assert!(root().join(source).exists(), "{line}: no {source}");
            assert!(ignored.lines().any(|kept| kept == format!("!{source}")), ".dockerignore leaves out {source}");
        }
    }
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("[profile.dist]") && dockerfile.contains("--profile dist"));
    assert!(manifest.contains("name = \"netbaseline\"") && dockerfile.contains("--bin netbaseline"));
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("scratch\n"), "the image holds the binary and nothing to run a shell with");
    let pod = &one("Deployment", "netbaseline")["spec"]["template"]["spec"]["securityContext"];
    assert!(last.contains(&format!("USER {}:{}", pod["runAsUser"], pod["runAsGroup"])));
    assert!(last.contains("ENTRYPOINT [\"/netbaseline\"]"));
}

#[test]
fn argo_cd_is_given_the_health_check_that_is_tested() {
    let patch = &objects("config/argocd/argocd-cm.yaml")[0];
    let check = &patch["data"]["resource.customizations.health.netbaseline.dev_NetworkBaseline"];
    assert_eq!(check.as_str().unwrap(), text("config/argocd/health.lua"));
}
