//! How the components are started. Everything listens on 127.0.0.1 or on a socket inside the lab's folder.

use std::path::Path;
use std::process::Command;

use super::certificates::{Authority, Pair};
use super::folder::Folder;
use super::{audit, kubeconfig};
use crate::Result;
use crate::components::{Binaries, Component};
use crate::error::Doing;

const SERVICE_RANGE: &str = "10.96.0.0/16";
/// What the `kubernetes` Service points to. The API refuses loopback in EndpointSlices, and nothing connects to it
/// here, so it is an address of documentation (RFC 5737).
const ADVERTISED: &str = "192.0.2.1";

/// Writes what the components read: certificates, kubeconfigs, the audit policy.
pub(super) fn prepare(folder: &Folder, port: u16) -> Result<()> {
    for part in ["logs", "kubeconfigs", "home"] {
        let path = folder.join(part);
        std::fs::create_dir_all(&path).at("creating", &path)?;
    }
    let authority = Authority::create(&folder.join("pki"))?;
    authority.server(
        "kube-apiserver",
        &[
            "127.0.0.1",
            ADVERTISED,
            "10.96.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
        ],
    )?;
    authority.bare_pair("service-accounts")?;
    let admin = authority.client("admin", "admin", &["system:masters"])?;
    kubeconfig::write(folder, port, "kubeconfig", "admin", &kubeconfig::Credential::Certificate(admin))?;
    let controllers = authority.client("kube-controller-manager", "system:kube-controller-manager", &[])?;
    let credential = kubeconfig::Credential::Certificate(controllers);
    kubeconfig::write(folder, port, "kubeconfigs/kube-controller-manager", "kube-controller-manager", &credential)?;
    let policy = folder.join("audit-policy.yaml");
    std::fs::write(&policy, audit::POLICY).at("writing", &policy)
}

pub(super) fn etcd(binaries: &Binaries, folder: &Folder) -> Command {
    let mut command = bare(binaries, Component::Etcd, folder);
    // A socket in a folder that only its owner can enter needs no TLS and no port. etcd wants the advertised
    // addresses to be host:port; with a single member nobody uses them.
    let nobody = "http://127.0.0.1:1";
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg("--name=lab")
        .arg(format!("--listen-client-urls={}", socket(folder)))
        .arg(format!("--listen-peer-urls=unix://{}", folder.join("peer.sock").display()))
        .arg(format!("--advertise-client-urls={nobody}"))
        .arg(format!("--initial-advertise-peer-urls={nobody}"))
        .arg(format!("--initial-cluster=lab={nobody}"))
        .args(["--unsafe-no-fsync", "--log-level=warn"]);
    command
}

pub(super) fn api_server(binaries: &Binaries, folder: &Folder, port: u16) -> Command {
    let mut command = bare(binaries, Component::ApiServer, folder);
    let pki = folder.join("pki");
    let serving = Pair::at(&pki, "kube-apiserver");
    let tokens = Pair::at(&pki, "service-accounts");
    command
        .arg(format!("--etcd-servers={}", socket(folder)))
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={port}"))
        .arg(format!("--advertise-address={ADVERTISED}"))
        .arg(format!("--service-cluster-ip-range={SERVICE_RANGE}"))
        .arg(file("--client-ca-file", &Pair::at(&pki, "ca").certificate))
        .arg(file("--tls-cert-file", &serving.certificate))
        .arg(file("--tls-private-key-file", &serving.key))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(file("--service-account-key-file", &tokens.certificate))
        .arg(file("--service-account-signing-key-file", &tokens.key))
        .args(["--authorization-mode=RBAC", "--allow-privileged=true"])
        .arg(file("--audit-policy-file", &folder.join("audit-policy.yaml")))
        .arg(file("--audit-log-path", &folder.join("audit.log")))
        // MiB before the log is rotated away under a reader.
        .arg("--audit-log-maxsize=1024");
    command
}

pub(super) fn controller_manager(binaries: &Binaries, folder: &Folder) -> Command {
    let mut command = bare(binaries, Component::ControllerManager, folder);
    let pki = folder.join("pki");
    command
        .arg(file("--kubeconfig", &folder.join("kubeconfigs/kube-controller-manager")))
        .arg(file("--root-ca-file", &Pair::at(&pki, "ca").certificate))
        .arg(file("--service-account-private-key-file", &Pair::at(&pki, "service-accounts").key))
        .args(["--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"])
        // Without kubelets every Node would be dead in 50 s, and its pods deleted after that.
        .arg("--controllers=*,-node-lifecycle-controller,-taint-eviction-controller")
        // Its start is a few hundred requests; the default of 20 a second makes them the longest part of a lab's start.
        .args(["--kube-api-qps=500", "--kube-api-burst=1000"])
        // The default is below /usr.
        .arg(file("--flex-volume-plugin-dir", &folder.join("home/volume-plugins")));
    command
}

/// Nothing of the caller's environment: etcd takes its flags from there, and so do proxies.
fn bare(binaries: &Binaries, component: Component, folder: &Folder) -> Command {
    let program = binaries.path(component).expect("a control plane asks for all of its components");
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder.join("home")).env("PATH", "/usr/bin:/bin").current_dir(folder.path());
    command
}

fn socket(folder: &Folder) -> String {
    format!("unix://{}", folder.join("etcd.sock").display())
}

fn file(flag: &str, path: &Path) -> String {
    format!("{flag}={}", path.display())
}
