//! The API server's audit log: every write by anybody, every read by a service account.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Doing;
use crate::{Error, Result};

/// What is logged. Bodies of Secrets and tokens are not.
pub(super) const POLICY: &str = include_str!("audit-policy.yaml");

/// One finished request, from `audit.k8s.io/v1`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection` …
    pub verb: String,
    /// Who asked.
    pub user: AuditUser,
    /// What for; absent for paths that are no resource.
    pub object_ref: Option<ObjectRef>,
    /// The path with its query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Program of the client.
    #[serde(default)]
    pub user_agent: String,
    /// How it ended.
    pub response_status: Option<ResponseStatus>,
    /// When it arrived.
    pub request_received_timestamp: Timestamp,
    /// When the answer was complete.
    pub stage_timestamp: Timestamp,
    /// What was sent, for writes.
    pub request_object: Option<Value>,
    /// What came back, for writes.
    pub response_object: Option<Value>,
}

/// The user of a request.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditUser {
    /// Such as `system:serviceaccount:netbaseline-system:netbaseline`.
    pub username: String,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What else its credential says.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl AuditUser {
    /// The token it came with: two replicas of one service account have two.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.extra.get("authentication.kubernetes.io/credential-id")?.first().map(String::as_str)
    }
}

/// The object of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// API group; empty for core.
    pub api_group: String,
    /// Plural, such as `networkpolicies`.
    pub resource: String,
    /// `status`, `token` …, or empty.
    pub subresource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// The precondition that the request carried, or empty.
    pub resource_version: String,
}

/// The answer of a request.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ResponseStatus {
    /// HTTP status.
    pub code: Option<u16>,
}

impl AuditEvent {
    /// Whether it changed the cluster: a write that succeeded and was no dry run.
    #[must_use]
    pub fn wrote(&self) -> bool {
        let write = matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        write && self.code().is_some_and(|code| code < 300) && !self.dry_run()
    }

    /// A delete says it in its body, every other verb in the query.
    fn dry_run(&self) -> bool {
        let options = self.request_object.as_ref().and_then(|body| body.get("dryRun")?.as_array());
        self.uri.contains("dryRun=All") || options.is_some_and(|stages| !stages.is_empty())
    }

    /// Whether it is about that resource (plural), subresources included.
    #[must_use]
    pub fn is_about(&self, resource: &str) -> bool {
        self.object_ref.as_ref().is_some_and(|object| object.resource == resource)
    }

    /// HTTP status of the answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.response_status.and_then(|status| status.code)
    }

    /// The resourceVersion that the object had afterwards.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.response_object.as_ref()?.pointer("/metadata/resourceVersion")?.as_str()
    }
}

/// The events of the log so far. A line that is being written is left for the next call.
pub(super) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let text = fs::read_to_string(path).at("reading", path)?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| Error::Audit { path: path.to_owned(), line: index + 1, source })
        })
        .collect()
}
