//! The controller: reconcile as a list of named steps, status, Events, leader election.

mod conditions;
mod context;
mod error;
mod events;
mod execute;
mod finalizer;
mod lease;
mod reconcile;
mod status;
#[cfg(test)]
mod tests;
mod triggers;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{FutureExt, Stream, StreamExt, future};
use kube::Client;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, WatchStreamExt, controller, predicates, reflector, watcher};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::api::{NetworkBaseline, names};
use crate::cluster::{Cluster, Store, follow_cluster};
use crate::discovery::Hints;
use crate::model::{Availability, Snapshot};
use crate::telemetry::{Board, Health, Metrics, serve};

use context::{Attempts, Context, LastWrites};
use lease::{Candidate, Leadership};
use triggers::Trigger;

/// How the operator is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of the Lease.
    pub namespace: String,
    /// This replica's name.
    pub identity: String,
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// How long a leader may be silent before another takes over.
    pub lease_duration: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long a policy takes to be in force; `None`: as the engine's record says.
    pub settle: Option<Duration>,
    /// Resolvers that pods of this cluster ask, as far as known.
    pub nameservers: Vec<IpAddr>,
}

/// Runs until a signal ends it, or until leadership is lost.
pub async fn run(client: Client, options: Options, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    let shutdown = shutdown.shared();
    let cluster = Cluster { client: client.clone(), request_timeout: options.request_timeout };
    let (store, board) = (Arc::new(Store::default()), Arc::new(Board::default()));
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, board.clone());

    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {} (--listen)", options.listen))?;
    info!(address = %listener.local_addr()?, "serving health and metrics");
    let health = Health { registry, missing: missing(store.clone()) };
    tokio::spawn(serve(listener, health, future::pending()));
    tokio::spawn(follow_cluster(cluster.clone(), store.clone()));

    let mut candidate =
        Candidate::new(cluster.clone(), &options.namespace, options.identity.clone(), options.lease_duration);
    tokio::select! {
        () = candidate.win() => {}
        () = shutdown.clone() => return Ok(()),
    }
    let lead = lead(cluster, options, store, (metrics, board), candidate.leadership(), shutdown);
    tokio::pin!(lead);
    tokio::select! {
        done = &mut lead => {
            candidate.release().await;
            done
        }
        () = candidate.hold() => {
            error!("the Lease is lost: this process ends, another replica leads");
            anyhow::bail!("lost the Lease")
        }
    }
}

/// Reconciles as the leader, until `shutdown`; what is under way then is finished.
async fn lead(
    cluster: Cluster,
    options: Options,
    store: Arc<Store>,
    (metrics, board): (Metrics, Arc<Board>),
    leadership: Leadership,
    shutdown: impl Future<Output = ()> + Clone + Send,
) -> anyhow::Result<()> {
    let changes = store.changes();
    tokio::select! {
        () = first_lists(&store) => {}
        () = shutdown.clone() => return Ok(()),
    }
    let hints = Hints { nameservers: options.nameservers };
    let (moments_in, moments) = watch::channel(triggers::observe(&store, &hints));
    let (triggers_in, triggers) = mpsc::channel(1024);
    tokio::spawn(triggers::follow_changes(store, hints, changes, moments_in, triggers_in));

    let reporter = Reporter { controller: "netbaseline".to_owned(), instance: Some(options.identity) };
    let context = Arc::new(Context {
        cluster: cluster.clone(),
        moments,
        leadership,
        recorder: Recorder::new(cluster.client.clone(), reporter),
        metrics,
        board,
        settle: options.settle,
        last_writes: LastWrites::since_now(),
        attempts: Attempts::default(),
        refusals: Attempts::default(),
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let controller = controller(cluster.client, triggers, async { drop(stopped.await) }).run(
        reconcile::reconcile,
        |baseline, error, ctx| reconcile::after_failure(&baseline, error, &ctx),
        context,
    );
    tokio::pin!(controller);
    let mut stop = Some(stop);
    let mut shutdown = Box::pin(shutdown.fuse());
    loop {
        tokio::select! {
            () = &mut shutdown, if stop.is_some() => {
                info!("shutting down: what is under way is finished");
                drop(stop.take());
            }
            next = controller.next() => match next {
                None => return Ok(()),
                Some(Err(controller::Error::QueueError(error))) => warn!(%error, "the watch of baselines failed"),
                Some(_) => {}
            }
        }
    }
}

/// The controller of baselines: woken by their own changes and by the triggers.
fn controller(
    client: Client,
    triggers: mpsc::Receiver<Trigger>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> Controller<NetworkBaseline> {
    let (reader, writer) = reflector::store::<NetworkBaseline>();
    let predicate = {
        use kube::runtime::Predicate;
        predicates::generation.combine(predicates::finalizers).combine(predicates::annotations).combine(is_told)
    };
    let baselines = readable(client)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicate, kube::runtime::PredicateConfig::default());
    let woken = {
        let reader = reader.clone();
        tokio_stream(triggers).flat_map(move |trigger| {
            let woken: Vec<ObjectRef<NetworkBaseline>> = match trigger {
                Trigger::Namespace(namespace) => {
                    vec![ObjectRef::new(names::BASELINE_NAME).within(&namespace)]
                }
                Trigger::All => reader.state().iter().map(|baseline| ObjectRef::from_obj(&**baseline)).collect(),
            };
            futures::stream::iter(woken)
        })
    };
    Controller::for_stream(baselines, reader)
        .with_config(controller::Config::default().concurrency(8))
        .reconcile_on(woken)
        .graceful_shutdown_on(stop)
}

/// Changes when somebody clears a status, which is told again; every other change of a status is our own.
fn is_told(baseline: &NetworkBaseline) -> Option<u64> {
    Some(u64::from(baseline.status.as_ref().is_some_and(|status| !status.conditions.is_empty())))
}

fn tokio_stream<T>(mut receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

/// Baselines as far as they can be read: one that cannot must not stop the others.
fn readable(client: Client) -> impl Stream<Item = watcher::Result<watcher::Event<NetworkBaseline>>> {
    let api: Api<DeserializeGuard<NetworkBaseline>> = Api::all(client);
    watcher(api, watcher::Config::default()).default_backoff().filter_map(async |event| {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let read = |guarded: DeserializeGuard<NetworkBaseline>| match guarded.0 {
            Ok(baseline) => Some(baseline),
            Err(error) => {
                warn!(error = %error.error, name = ?error.metadata.name, namespace = ?error.metadata.namespace,
                    "a baseline cannot be read: its policies stay as they are");
                None
            }
        };
        match event {
            Ok(Apply(guarded)) => read(guarded).map(|baseline| Ok(Apply(baseline))),
            Ok(InitApply(guarded)) => read(guarded).map(|baseline| Ok(InitApply(baseline))),
            Ok(Delete(guarded)) => read(guarded).map(|baseline| Ok(Delete(baseline))),
            Ok(Init) => Some(Ok(Init)),
            Ok(InitDone) => Some(Ok(InitDone)),
            Err(error) => Some(Err(error)),
        }
    })
}

/// Whether a source has answered, if only with a refusal.
fn has_answered(snapshot: &Snapshot) -> bool {
    let all = snapshot.sources.values().all(|availability| *availability != Availability::Syncing);
    all && reconcile::NEEDED.iter().all(|source| snapshot.sources.contains_key(source))
}

async fn first_lists(store: &Store) {
    let mut changes = store.changes();
    while !has_answered(&store.snapshot()) {
        let _ = changes.recv().await;
    }
}

const DEFINITION: &str = "networkbaselines.netbaseline.dev";

/// What is missing before this replica is ready, leader or not.
fn missing(store: Arc<Store>) -> Box<dyn Fn() -> Vec<String> + Send + Sync> {
    Box::new(move || {
        let snapshot = store.snapshot();
        let mut missing: Vec<String> = reconcile::NEEDED
            .iter()
            .filter(|source| !snapshot.is_conclusive(**source))
            .map(|source| format!("{} are not complete", source.name()))
            .collect();
        if !snapshot.definitions.contains(DEFINITION) {
            missing.push(format!("the custom resource definition {DEFINITION} is not installed"));
        }
        missing
    })
}
