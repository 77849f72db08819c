//! Generated files are committed. These tests compare; `UPDATE=1 cargo test --test generated` rewrites.
#![allow(clippy::disallowed_methods, reason = "UPDATE is how a person asks for the files to be rewritten")]
#![allow(clippy::panic, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::Path;

fn assert_generated(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let found = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        found == expected,
        "{} is not what the types say: run `UPDATE=1 cargo test --test generated` and commit",
        path.display()
    );
}

#[test]
fn the_committed_definition_is_the_one_of_the_types() {
    assert_generated("crds/netbaseline.dev_networkbaselines.yaml", &netbaseline::api::crd_yaml());
}
