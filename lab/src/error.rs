//! What can go wrong in the lab, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::components::Component;

/// A failure of the lab.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, folder or process operation failed.
    #[error("{doing}")]
    Io {
        /// What was tried, with the path or program.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// No Go tool chain to build the components with.
    #[error("no usable Go was found to build {missing} with ({found}); {remedy}, or put the binaries of Kubernetes {version}.x into a folder that KUBEBUILDER_ASSETS names", version = crate::components::MINOR_VERSION)]
    NoGo {
        /// The components that would have to be built.
        missing: String,
        /// What was found instead.
        found: String,
        /// The command that helps.
        remedy: String,
    },
    /// `go build` failed.
    #[error("building {component} failed; the last lines of go:\n{output}")]
    Build {
        /// Which one.
        component: Component,
        /// The end of the compiler's output.
        output: String,
    },
    /// A process of the lab ended when it should have run.
    #[error("{process} ended early ({status}); the end of {log}:\n{tail}", log = log.display())]
    Ended {
        /// The process.
        process: String,
        /// Its exit status.
        status: String,
        /// Where its output is (gone with the lab's folder when the lab is ephemeral).
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Something did not become ready in time.
    #[error("{what} was not ready after {seconds} s; the end of {log}:\n{tail}", log = log.display())]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// The log that most likely tells why.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A program that the lab runs failed.
    #[error("{doing} failed:\n{output}")]
    Program {
        /// What it was run for.
        doing: String,
        /// What it printed as its errors.
        output: String,
    },
    /// The name cannot be a lab's name.
    #[error("lab name {name:?}: found something else than 1 to 40 of a-z, 0-9 and '-'; choose such a name")]
    Name {
        /// The name.
        name: String,
    },
    /// A lab of that name runs.
    #[error("lab {name:?} is up already; `cargo lab down --name {name}` ends it")]
    AlreadyUp {
        /// Its name.
        name: String,
    },
    /// Another command holds the lab's folder.
    #[error("lab {name:?} is being used by another command or test ({path}); wait for it or choose another name", path = path.display())]
    Busy {
        /// Its name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// No lab of that name runs.
    #[error("lab {name:?} is not up; `cargo lab up --name {name}` starts it, `cargo lab status` lists those that are")]
    NotUp {
        /// Its name.
        name: String,
    },
    /// Only the process that started a lab may do this.
    #[error("lab {name:?} was started by another process; only that one can restart it or add processes")]
    NotOurs {
        /// Its name.
        name: String,
    },
    /// A certificate could not be made.
    #[error("making the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A call of the API server failed.
    #[error("{doing}")]
    Kube {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// A kubeconfig of the lab could not be used.
    #[error("reading kubeconfig {path}", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// kubectl ended with a failure.
    #[error("`kubectl {arguments}` failed: {complaint}")]
    Kubectl {
        /// What it was asked.
        arguments: String,
        /// What it wrote to standard error.
        complaint: String,
    },
    /// A manifest is not what the API server takes.
    #[error("manifest: {problem}")]
    Manifest {
        /// What is wrong, with the place if it is known.
        problem: String,
    },
    /// A line of the audit log is not an audit event.
    #[error("audit log {path}, line {line}: not an audit event", path = path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// Names the operation in an I/O error.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
    fn at(self, verb: &str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: what(), source: source.into() })
    }

    fn at(self, verb: &str, path: &Path) -> Result<T, Error> {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

/// Names the operation in a client error.
pub(crate) trait Asking<T> {
    fn asking(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Asking<T> for Result<T, kube::Error> {
    fn asking(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Kube { doing: what(), source: Box::new(source) })
    }
}
