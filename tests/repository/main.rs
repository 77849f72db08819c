//! What lies in this repository besides code: manifests, examples and documents agree with the code and with each other.
#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod admission;
mod docs;
mod examples;
mod install;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder that everything else is told from.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text.
fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The objects in a file, in order.
fn objects(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The YAML files of a folder, sorted, relative to the root.
fn yaml_files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    let name = |path: &PathBuf| Some(format!("{folder}/{}", path.file_name()?.to_str()?));
    files.iter().filter_map(name).filter(|name| name.ends_with(".yaml")).collect()
}
