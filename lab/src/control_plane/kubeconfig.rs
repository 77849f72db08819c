//! Kubeconfig files of a lab.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::certificates::Pair;
use super::folder::Folder;
use crate::Result;
use crate::error::Doing;

/// How a user shows who it is.
pub(super) enum Credential {
    Certificate(Pair),
    Token(String),
}

/// Writes `file` (relative to the lab's folder) for `user`.
pub(super) fn write(folder: &Folder, port: u16, file: &str, user: &str, credential: &Credential) -> Result<PathBuf> {
    let credential = match credential {
        Credential::Certificate(pair) => json!({"client-certificate": pair.certificate, "client-key": pair.key}),
        Credential::Token(token) => json!({"token": token}),
    };
    let cluster = format!("netbaseline-lab-{}", folder.name());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": cluster,
            "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": Pair::at(&folder.join("pki"), "ca").certificate,
            },
        }],
        "users": [{"name": user, "user": credential}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    });
    let path = folder.join(file);
    // JSON is YAML, and this way every reader agrees on it.
    fs::write(&path, format!("{config:#}\n")).at("writing", &path)?;
    Ok(path)
}
