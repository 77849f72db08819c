//! Files of this repository, read as manifests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder that everything else is told from.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The objects in a file, in order.
pub fn objects(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The YAML files of a folder, sorted, relative to the root.
pub fn yaml_files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    let name = |path: &PathBuf| Some(format!("{folder}/{}", path.file_name()?.to_str()?));
    files.iter().filter_map(name).filter(|name| name.ends_with(".yaml")).collect()
}
