//! Why a reconcile did not come to its end. Waiting, soaking and refused plans are no errors.

use std::time::Duration;

use crate::cluster::Failure;
use crate::model::PolicyKey;

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policies or quotas of the namespace could not be listed.
    #[error("the namespace could not be read")]
    Read(#[source] Failure),
    /// A policy could not be written.
    #[error("could not {verb} {key}")]
    Write {
        /// `apply`, `delete` or `dry-run`.
        verb: &'static str,
        /// Which policy.
        key: PolicyKey,
        /// Why.
        #[source]
        failure: Failure,
    },
    /// The status could not be written.
    #[error("the status could not be written")]
    Status(#[source] Failure),
    /// The finalizer could not be written.
    #[error("the finalizer could not be written")]
    Finalizer(#[source] Failure),
    /// Another replica leads.
    #[error("this replica does not lead")]
    NotLeading,
    /// A baseline as no API server would give it.
    #[error("the baseline has no {0}")]
    Malformed(&'static str),
}

impl Error {
    /// What to do about it, as a metric label.
    pub fn class(&self) -> &'static str {
        match self {
            Self::NotLeading => "not_leading",
            Self::Malformed(_) => "malformed",
            Self::Read(failure) | Self::Write { failure, .. } | Self::Status(failure) | Self::Finalizer(failure) => {
                match failure {
                    Failure::Conflict(_) => "conflict",
                    Failure::Refused(_) => "refused",
                    Failure::Unavailable(_) => "unavailable",
                }
            }
        }
    }

    /// How long to wait before the first new attempt.
    pub fn first_wait(&self) -> Duration {
        match self.class() {
            // Somebody wrote meanwhile: look again at once.
            "conflict" => Duration::from_millis(100),
            "refused" | "malformed" => Duration::from_secs(5),
            _ => Duration::from_secs(1),
        }
    }
}
