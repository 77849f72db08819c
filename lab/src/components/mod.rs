//! The binaries of the control plane: found where others keep them, or built once from pinned modules.

mod build;
mod cache;
mod go;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::progress::say;

/// The Kubernetes minor version that the lab runs. The patch release is pinned in `control-plane/go.mod`.
pub const MINOR_VERSION: &str = "1.36";
/// The patch release that is built. It has to agree with `control-plane/go.mod`.
const VERSION: &str = "1.36.3";
/// Folder with ready binaries, as the tools of the controller-runtime world name it.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A binary that the lab runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers: namespaces, garbage, service accounts, EndpointSlices.
    ControllerManager,
    /// The client, for rendering `config/` and for people without one.
    Kubectl,
}

impl Component {
    /// What a control plane needs.
    pub const CONTROL_PLANE: [Self; 3] = [Self::Etcd, Self::ApiServer, Self::ControllerManager];
    /// Everything there is.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Kubectl];

    /// File name of the binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::ApiServer => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
        }
    }

    /// Whether the binary at `path` is of the version that the lab runs. etcd has its own numbers: any 3.x does.
    fn accepts(self, path: &Path) -> bool {
        let (arguments, wanted): (&[&str], String) = match self {
            Self::Etcd => (&["--version"], "etcd Version: 3.".to_owned()),
            Self::ApiServer | Self::ControllerManager => (&["--version"], format!("Kubernetes v{MINOR_VERSION}.")),
            Self::Kubectl => (&["version", "--client"], format!("Client Version: v{MINOR_VERSION}.")),
        };
        Command::new(path)
            .args(arguments)
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&wanted))
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the binaries lie.
#[derive(Clone, Debug)]
pub struct Binaries(BTreeMap<Component, PathBuf>);

impl Binaries {
    /// Path of a binary that was asked for.
    #[must_use]
    pub fn path(&self, component: Component) -> Option<&Path> {
        self.0.get(&component).map(PathBuf::as_path)
    }
}

/// Finds the wanted components in `KUBEBUILDER_ASSETS` or in the lab's cache, and builds those that are in neither
/// (about four minutes on two cores for a whole control plane, once). Blocks; says on standard error what it does.
///
/// # Errors
/// When something has to be built and there is no Go, or the build fails, or the cache cannot be written.
pub fn ensure(wanted: &[Component]) -> Result<Binaries> {
    let mut found = BTreeMap::new();
    if let Some(assets) = std::env::var_os(ASSETS).map(PathBuf::from) {
        for &component in wanted {
            let path = assets.join(component.name());
            if component.accepts(&path) {
                found.insert(component, path);
            } else if path.exists() {
                say(&format!("{ASSETS}: {component} there is not {MINOR_VERSION}.x, using the lab's own"));
            }
        }
    }
    let rest: Vec<_> = wanted.iter().copied().filter(|component| !found.contains_key(component)).collect();
    if !rest.is_empty() {
        found.extend(cache::Cache::open()?.ensure(&rest)?);
    }
    Ok(Binaries(found))
}
