//! Whatever the API server refuses, the operator refuses too: objects may have been stored under an older schema.

use std::collections::BTreeSet;

use netbaseline::api::{NetworkBaseline, validate};
use serde_json::{Value, json};

use crate::objects;

fn cases() -> Vec<Value> {
    let file = objects("tests/admission/cases.yaml");
    file[0].as_array().unwrap().clone()
}

#[test]
fn the_operator_gives_the_verdicts_that_the_api_server_gives() {
    for case in cases() {
        let object = json!({
            "apiVersion": "netbaseline.dev/v1alpha1",
            "kind": "NetworkBaseline",
            "metadata": {"name": case.get("name").unwrap_or(&json!("default")), "namespace": "shop"},
            "spec": case["spec"],
        });
        let refusal = match serde_json::from_value::<NetworkBaseline>(object) {
            Ok(read) => validate(&read).err().map(|faults| format!("{faults:?}")),
            Err(error) => Some(error.to_string()),
        };
        assert_eq!(refusal.is_some(), case.get("refused").is_some(), "{}: {refusal:?}", case["title"]);
    }
}

#[test]
fn every_case_has_its_own_title() {
    let titles: Vec<String> = cases().iter().map(|case| case["title"].to_string()).collect();
    assert!(titles.len() > 30);
    assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len());
}
