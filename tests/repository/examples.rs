//! Every example is read by the code that reads a team's object.

use netbaseline::api::{NetworkBaseline, validate};
use serde_json::Value;

use crate::{objects, text, yaml_files};

/// The baselines of all examples, with the file they are in.
fn baselines() -> Vec<(String, Value)> {
    let files = yaml_files("examples");
    let found: Vec<_> = files
        .iter()
        .flat_map(|file| objects(file).into_iter().map(move |object| (file.clone(), object)))
        .filter(|(_, object)| object["kind"] == "NetworkBaseline")
        .collect();
    assert!(found.len() >= 8, "the folder is the right one");
    found
}

#[test]
fn every_example_has_only_fields_that_exist() {
    for (file, written) in baselines() {
        let read: NetworkBaseline =
            serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(serde_json::to_value(read).unwrap(), written, "{file}: a field was not understood");
    }
}

#[test]
fn every_example_is_valid() {
    for (file, written) in baselines() {
        let read: NetworkBaseline = serde_json::from_value(written).unwrap();
        let faults = validate(&read).err().unwrap_or_default();
        assert!(faults.is_empty(), "{file}: {faults:?}");
    }
}

#[test]
fn every_example_baseline_is_in_the_list_that_gitops_tools_use() {
    let listed = objects("examples/kustomization.yaml");
    let listed: Vec<&str> = listed[0]["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut files: Vec<_> = baselines().into_iter().map(|(file, _)| file.replace("examples/", "")).collect();
    files.dedup();
    assert_eq!(listed, files);
}

#[test]
fn every_example_brings_its_namespace_and_none_is_used_twice() {
    let mut seen = std::collections::BTreeSet::new();
    for (file, baseline) in baselines() {
        let namespace = &baseline["metadata"]["namespace"];
        assert!(seen.insert(namespace.to_string()), "{file}: {namespace} has a baseline already");
        let brings = |object: &Value| object["kind"] == "Namespace" && object["metadata"]["name"] == *namespace;
        assert!(objects(&file).iter().any(brings), "{file}: {namespace} is not created");
    }
}

#[test]
fn every_example_says_what_it_is_for() {
    for file in yaml_files("examples") {
        assert!(text(&file).starts_with("# ") || file.ends_with("kustomization.yaml"), "{file}");
    }
}

#[test]
fn gitops_objects_point_at_folders_that_exist() {
    let application = &objects("examples/argocd-application.yaml")[0];
    let flux = &objects("examples/flux-kustomization.yaml")[1];
    for path in [&application["spec"]["source"]["path"], &flux["spec"]["path"]] {
        assert!(crate::root().join(path.as_str().unwrap()).join("kustomization.yaml").is_file(), "{path}");
    }
}
