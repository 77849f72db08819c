//! `netbaseline run`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use netbaseline::operator::{self, Options};
use netbaseline::telemetry::{LogFormat, start_logging};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Options of `run`.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Kubeconfig file. Absent: the service account of this pod, else the usual kubeconfig.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the Lease by which replicas agree who leads.
    #[arg(long, env = "POD_NAMESPACE", default_value = "netbaseline-system")]
    namespace: String,
    /// This replica's name.
    #[arg(long, env = "POD_NAME", default_value = "netbaseline")]
    identity: String,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How long a leader may be silent before another takes over.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// How long one request to the API server may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    request_timeout: Duration,
    /// How long a policy takes to be in force on every node. Absent: as known of the network engine.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    settle: Option<Duration>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: a level, or levels by module.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|error| format!("{error}: write a duration such as 10s, 500ms or 1m30s"))?;
    Duration::try_from(parsed).map_err(|_| "a duration is not negative".to_owned())
}

/// Runs the operator until a signal.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    start_logging(arguments.log_format, &arguments.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client(arguments.kubeconfig.as_deref()).await?;
        info!(version = env!("CARGO_PKG_VERSION"), "starting");
        let options = Options {
            namespace: arguments.namespace,
            // A restarted container keeps its pod's name, and must not be taken for the one before.
            identity: format!("{}_{:08x}", arguments.identity, fastrand::u32(..)),
            listen: arguments.listen,
            lease_duration: arguments.lease_duration,
            request_timeout: arguments.request_timeout,
            settle: arguments.settle,
            nameservers: nameservers(),
        };
        operator::run(client, options, first_signal()?).await
    })
}

async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        None => Config::infer().await.context("no cluster: neither a service account nor a kubeconfig was found")?,
        Some(file) => {
            let read = Kubeconfig::read_from(file)
                .with_context(|| format!("cannot read kubeconfig {} (--kubeconfig)", file.display()))?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("kubeconfig {} names no usable cluster", file.display()))?
        }
    };
    Ok(Client::try_from(config)?)
}

#[expect(clippy::disallowed_methods, reason = "the kubelet tells by it that this is a pod; no setting")]
/// The resolvers this pod asks: those of every pod with the usual DNS policy. Outside a cluster they say nothing.
fn nameservers() -> Vec<IpAddr> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Vec::new();
    }
    let text = std::fs::read_to_string("/etc/resolv.conf")
        .inspect_err(|error| warn!(%error, "/etc/resolv.conf cannot be read"))
        .unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().parse().ok())
        .collect()
}

/// Resolves at the first signal; the second ends the process as it is.
fn first_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        // The receiver is gone only when the operator has ended already.
        let _ = tell.send(());
        next().await;
        warn!("second signal: not waiting any longer");
        #[expect(clippy::disallowed_methods, reason = "somebody asked twice: not even the Lease is waited for")]
        std::process::exit(1);
    });
    Ok(async move { drop(told.await) })
}
