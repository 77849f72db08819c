//! What Argo CD and Flux make of a baseline, by their own languages.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::Path;

use mlua::LuaSerdeExt;
use serde_json::{Value, json};

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

fn baseline(observed: u64, conditions: &[(&str, &str)]) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status)| json!({"type": kind, "status": status, "message": format!("{kind} it is")}))
        .collect();
    json!({
        "metadata": {"name": "default", "namespace": "shop", "generation": 2},
        "spec": {},
        "status": {"observedGeneration": observed, "conditions": conditions},
    })
}

/// A baseline, what Argo CD should call it, and which of Flux's expressions should hold (`None`: they fail, so Flux waits).
fn table() -> Vec<(&'static str, Value, &'static str, Option<&'static str>)> {
    let unseen = json!({"metadata": {"generation": 1}, "spec": {}});
    let mut deleted = baseline(2, &[("Ready", "True")]);
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    vec![
        ("not seen yet", unseen, "Progressing", None),
        ("a change not seen yet", baseline(1, &[("Ready", "True")]), "Progressing", Some("inProgress")),
        (
            "a running plan",
            baseline(2, &[("Ready", "False"), ("Reconciling", "True")]),
            "Progressing",
            Some("inProgress"),
        ),
        ("blocked", baseline(2, &[("Ready", "False"), ("Stalled", "True")]), "Degraded", Some("failed")),
        ("converged, held or suspended", baseline(2, &[("Ready", "True")]), "Healthy", Some("current")),
        (
            "no longer reconciling",
            baseline(2, &[("Ready", "True"), ("Reconciling", "False")]),
            "Healthy",
            Some("current"),
        ),
        ("not ready without a reason", baseline(2, &[("Ready", "Unknown")]), "Progressing", Some("nothing")),
        ("being deleted", deleted, "Progressing", Some("current")),
    ]
}

#[test]
fn argo_cd_calls_every_state_by_its_name() {
    let check = text("config/argocd/health.lua");
    for (state, object, expected, _) in table() {
        let lua = mlua::Lua::new();
        lua.globals().set("obj", lua.to_value(&object).unwrap()).unwrap();
        let health: mlua::Table = lua.load(&check).eval().unwrap();
        assert_eq!(health.get::<String>("status").unwrap(), expected, "{state}");
        assert!(!health.get::<String>("message").unwrap().is_empty(), "{state}");
    }
}

#[test]
fn flux_calls_every_state_by_its_name() {
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text("examples/flux-kustomization.yaml")).unwrap();
    let check = &objects[1]["spec"]["healthCheckExprs"][0];
    for (state, object, _, expected) in table() {
        let mut context = cel::Context::default();
        for field in ["metadata", "spec", "status"] {
            if let Some(value) = object.get(field) {
                context.add_variable(field, value).unwrap();
            }
        }
        // In Flux's order: the first that holds is the answer, and one that fails means "ask again".
        let mut answer = Some("nothing");
        for name in ["inProgress", "failed", "current"] {
            let program = cel::Program::compile(check[name].as_str().unwrap()).unwrap();
            match program.execute(&context) {
                Ok(cel::Value::Bool(true)) => answer = Some(name),
                Ok(cel::Value::Bool(false)) => continue,
                Ok(_) | Err(_) => answer = None,
            }
            break;
        }
        assert_eq!(answer, expected, "{state}");
    }
}
