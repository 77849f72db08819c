//! The custom resource definition, as it is installed.
//!
//! The derive says what the Rust types say; what the API server also wants to hear is said here, in one walk over the
//! schema: absent is not `null`, selectors are bounded, and no format that it does not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::NetworkBaseline;

/// First lines of the committed file.
const HEADER: &str = "# Generated from src/api; rewritten by `UPDATE=1 cargo test --test generated`.\n";

/// Labels: a value, or nothing (apimachinery, `LabelValueFmt`).
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// Labels: an optional DNS prefix and a name (apimachinery, `IsQualifiedName`).
const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";

/// The definition of [`NetworkBaseline`] that the operator is installed with.
pub fn crd() -> CustomResourceDefinition {
    serde_json::from_value(definition()).expect("the walk only adds keywords that the type has")
}

/// The same as a manifest: `crds/netbaseline.dev_networkbaselines.yaml`, and what `netbaseline crd` prints.
pub fn crd_yaml() -> String {
    let body = serde_saphyr::to_string(&definition()).expect("a JSON value is serialisable");
    format!("{HEADER}{body}")
}

fn definition() -> Value {
    let mut definition = serde_json::to_value(NetworkBaseline::crd()).expect("the derived definition is serialisable");
    if let Some(versions) = definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
        for schema in versions.iter_mut().filter_map(|version| version.pointer_mut("/schema/openAPIV3Schema")) {
            complete(schema);
        }
    }
    definition
}

/// Completes a schema and all schemas in it.
fn complete(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    // The API server drops a `null` only where the schema does not ask for it, and CEL's `has()` is true of one that stays.
    schema.remove("nullable");
    // An Option without serde's help would be the only source of a default; the API server would store it into the spec.
    schema.remove("default");
    // Unknown to the API server, which then warns at every installation.
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
    for bound in ["minimum", "maximum"] {
        whole(schema, bound);
    }
    if is_selector(schema) {
        bound_selector(schema);
    }
    for nested in ["items", "additionalProperties"] {
        if let Some(nested) = schema.get_mut(nested) {
            complete(nested);
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(complete);
    }
}

/// `65535.0` → `65535`: the type of the definition has floats only, and the API server answers with integers.
fn whole(schema: &mut Map<String, Value>, bound: &str) {
    let Some(number) = schema.get(bound).and_then(Value::as_f64) else { return };
    if number.fract() == 0.0 && number.abs() < f64::from(i32::MAX) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in the range of i32, as was just checked")]
        schema.insert(bound.to_owned(), json!(number as i64));
    }
}

fn is_selector(schema: &Map<String, Value>) -> bool {
    let has = |property: &str| schema.get("properties").is_some_and(|properties| properties.get(property).is_some());
    has("matchLabels") && has("matchExpressions")
}

/// What apimachinery checks in Go code (`ValidateLabelSelector`) and its generated schema leaves out. Bounds are what the
/// API server computes the cost of CEL rules from: without them it refuses the definition.
fn bound_selector(schema: &mut Map<String, Value>) {
    // As in the built-in kinds: a selector has one owner, or half of it would be merged with half of another's.
    schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    let Some(properties) = schema.get_mut("properties") else { return };
    let mut put = |pointer: &str, keywords: Value| {
        if let (Some(Value::Object(target)), Value::Object(keywords)) = (properties.pointer_mut(pointer), keywords) {
            target.extend(keywords);
        }
    };
    put("/matchLabels", json!({"maxProperties": 16}));
    put("/matchLabels/additionalProperties", json!({"maxLength": 63, "pattern": LABEL_VALUE}));
    put("/matchExpressions", json!({"maxItems": 16}));
    put(
        "/matchExpressions/items",
        json!({"x-kubernetes-validations": [{
            "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
            "message": "In and NotIn need values, Exists and DoesNotExist take none",
        }]}),
    );
    put("/matchExpressions/items/properties/key", json!({"maxLength": 317, "pattern": LABEL_KEY}));
    put("/matchExpressions/items/properties/operator", json!({"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}));
    put("/matchExpressions/items/properties/values", json!({"maxItems": 64}));
    put("/matchExpressions/items/properties/values/items", json!({"maxLength": 63, "pattern": LABEL_VALUE}));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema with its path.
    fn schemas() -> Vec<(String, Map<String, Value>)> {
        fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Map<String, Value>)>) {
            let Value::Object(schema) = schema else { return };
            found.push((path.to_owned(), schema.clone()));
            for nested in ["items", "additionalProperties"] {
                if let Some(nested) = schema.get(nested) {
                    walk(&format!("{path}[]"), nested, found);
                }
            }
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                walk(&format!("{path}.{name}"), property, found);
            }
        }
        let mut found = Vec::new();
        walk("", &definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        assert!(found.len() > 200, "the walk reaches the leaves");
        found
    }

    fn schema(path: &str) -> Map<String, Value> {
        schemas().into_iter().find(|(at, _)| at == path).unwrap_or_else(|| panic!("no field {path}")).1
    }

    #[test]
    fn no_schema_has_a_default_that_would_be_written_into_an_object_of_git() {
        let with: Vec<_> = schemas().into_iter().filter(|(_, schema)| schema.contains_key("default")).collect();
        assert!(with.is_empty(), "{with:?}");
    }

    #[test]
    fn null_is_not_a_value_of_any_field() {
        let with: Vec<_> = schemas().into_iter().filter(|(_, schema)| schema.contains_key("nullable")).collect();
        assert!(with.is_empty(), "{with:?}");
    }

    #[test]
    fn no_format_is_unknown_to_the_api_server() {
        for (path, schema) in schemas() {
            if let Some(format) = schema.get("format") {
                assert!(["int32", "int64", "date-time"].contains(&format.as_str().unwrap()), "{path}: {format}");
            }
        }
    }

    #[test]
    fn bounds_are_integers() {
        for (path, schema) in schemas() {
            for bound in ["minimum", "maximum"] {
                assert!(schema.get(bound).is_none_or(Value::is_i64), "{path} {bound}: {:?}", schema.get(bound));
            }
        }
        assert_eq!(schema(".spec.allow.ingress[].ports[].endPort")["maximum"], json!(65535));
    }

    #[test]
    fn ports_are_numbers_in_range_or_names() {
        let port = schema(".spec.allow.ingress[].ports[].port");
        assert_eq!(port["x-kubernetes-int-or-string"], json!(true));
        assert_eq!((&port["minimum"], &port["maximum"]), (&json!(1), &json!(65535)));
        assert_eq!(port["maxLength"], json!(15));
        assert!(port.contains_key("pattern"));
    }

    #[test]
    fn every_list_and_every_string_of_the_spec_is_bounded() {
        for (path, schema) in schemas().into_iter().filter(|(path, _)| path.starts_with(".spec")) {
            match schema.get("type").and_then(Value::as_str) {
                Some("array") => assert!(schema.contains_key("maxItems"), "{path}"),
                Some("string") => assert!(schema.contains_key("maxLength") || schema.contains_key("enum"), "{path}"),
                _ => {}
            }
        }
    }

    #[test]
    fn explicit_allowances_are_merged_by_name() {
        for path in [".spec.allow.ingress", ".spec.allow.egress"] {
            let list = schema(path);
            assert_eq!(list["x-kubernetes-list-type"], json!("map"), "{path}");
            assert_eq!(list["x-kubernetes-list-map-keys"], json!(["name"]), "{path}");
        }
    }

    #[test]
    fn selectors_are_atomic_and_their_operators_are_known() {
        let selectors: Vec<_> = schemas().into_iter().filter(|(_, schema)| is_selector(schema)).collect();
        assert!(selectors.len() > 10);
        for (path, selector) in selectors {
            assert_eq!(selector["x-kubernetes-map-type"], json!("atomic"), "{path}");
            assert!(
                selector["properties"]["matchExpressions"]["items"]["properties"]["operator"].get("enum").is_some(),
                "{path}"
            );
        }
    }

    #[test]
    fn the_manifest_reads_back_as_the_definition() {
        let read: Value = serde_saphyr::from_str(&crd_yaml()).unwrap();
        assert_eq!(read, definition());
    }

    #[test]
    fn the_typed_definition_says_what_the_manifest_says() {
        let typed: Value = serde_json::to_value(crd()).unwrap();
        let manifest = serde_json::from_value::<CustomResourceDefinition>(definition()).unwrap();
        assert_eq!(typed, serde_json::to_value(manifest).unwrap());
        assert_eq!(crd().metadata.name.as_deref(), Some("networkbaselines.netbaseline.dev"));
    }
}
