//! The lab: a real Kubernetes control plane on one machine, without docker, a cloud or root.
//!
//! ```text
//! components ── finds or builds etcd, kube-apiserver, kube-controller-manager, kubectl
//! control_plane ── a lab = one folder (certificates, data, logs, audit log) + three processes on 127.0.0.1
//! nodes ── stand-ins for scheduler and kubelet
//! manifests, story ── objects to play with
//! operator, inside ── the operator as a process, and inside this one with faults between it and the API server
//! ```
//! Pods are objects here: no kubelet runs them and no packet flows. Tests use [`ControlPlane::shared`] or
//! [`ControlPlane::start`]; people use `cargo lab`.
#![allow(clippy::disallowed_methods, reason = "the lab is an edge: it reads the clock and the environment by trade")]

pub mod components;
pub mod control_plane;
mod error;
pub mod inside;
pub mod manifests;
pub mod nodes;
pub mod operator;
mod progress;
pub mod story;

pub use control_plane::listing::{Condition, Listed, ListedProcess, down, down_all, list};
pub use control_plane::{AuditEvent, ControlPlane, Lifetime, Options};
pub use error::Error;

/// What the lab's functions give.
pub type Result<T, E = Error> = std::result::Result<T, E>;
