//! What the documents say about names is what the code says.

use std::collections::BTreeMap;
use std::fs;

use netbaseline::findings::FindingName;
use serde_json::{Value, json};

use crate::{root, text};

/// Every finding's name. serde lists them when it is given one that does not exist.
fn names() -> Vec<String> {
    let error = serde_json::from_value::<FindingName>(json!("?")).unwrap_err().to_string();
    let (_, listed) = error.split_once("expected one of").unwrap();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The Markdown files of the repository, relative to the root.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs/"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    found
}

#[test]
fn the_table_of_findings_has_every_finding_and_says_rightly_which_block() {
    let page = text("docs/status.md");
    let rows: BTreeMap<String, bool> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            match cells.next()? {
                "yes" => Some((name.to_owned(), true)),
                "no" => Some((name.to_owned(), false)),
                _ => None,
            }
        })
        .collect();
    let code: BTreeMap<String, bool> = names()
        .into_iter()
        .map(|name| {
            let finding: FindingName = serde_json::from_value(json!(name)).unwrap();
            (name, finding.blocking())
        })
        .collect();
    assert!(code.len() > 10, "the list was read");
    assert_eq!(rows, code);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in documents() {
        let folder = root().join(&document).parent().unwrap().to_owned();
        for link in text(&document).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.contains("://") {
                continue;
            }
            let target = if path.is_empty() { root().join(&document) } else { folder.join(path) };
            assert!(target.exists(), "{document}: {link}");
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                let slugs = headings.lines().filter(|line| line.starts_with('#')).map(|line| {
                    let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                    words.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect::<String>()
                });
                assert!(slugs.into_iter().any(|slug| slug == anchor), "{document}: {link}");
            }
        }
    }
}

#[test]
fn every_field_of_the_spec_has_a_description() {
    fn walk(path: &str, schema: &Value) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            walk(&path, property);
            walk(&path, &property["items"]);
        }
    }
    let crd = serde_json::to_value(netbaseline::api::crd()).unwrap();
    walk("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
}
