//! The operator inside this process, with somebody between it and the API server who decides about every request.
//!
//! It runs in a runtime of its own, so that it can die as a process does: from one moment on nothing of it moves.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tower::retry::RetryLayer;
use tower::{BoxError, Service};

use crate::error::Doing;
use crate::operator::{NAMESPACE, Options};
use crate::{Error, Result};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is sent, and its answer arrives.
    Pass,
    /// It is not sent; this is the answer.
    Answer {
        /// Status code.
        status: StatusCode,
        /// Headers, such as Retry-After.
        headers: HeaderMap,
        /// Body: a Status object, or the lines of a watch.
        body: Vec<u8>,
    },
    /// It is not sent, and no answer comes.
    Hang,
    /// It is sent, and the connection ends before its answer.
    DropAfter,
    /// The operator dies before it is sent.
    Crash,
    /// The operator dies after the API server has done it.
    CrashAfter,
}

/// Decides about every request, retries of the client included.
pub type Hook = dyn Fn(&Request<Body>) -> Verdict + Send + Sync;

/// Whether a request would change or delete a policy. A dry run would not.
#[must_use]
pub fn is_policy_write(request: &Request<Body>) -> bool {
    let uri = request.uri();
    request.method() != Method::GET
        && uri.path().contains("networkpolicies/")
        && !uri.query().is_some_and(|query| query.contains("dryRun"))
}

/// An operator inside this process. Dropping it kills it.
#[derive(Debug)]
pub struct Inside {
    runtime: Option<Runtime>,
    run: JoinHandle<std::result::Result<(), String>>,
    stop: Option<oneshot::Sender<()>>,
    dead: watch::Sender<bool>,
}

impl Inside {
    /// Starts one as whoever the kubeconfig names. Its identity is exactly `options.name`: the next one of that name takes the
    /// Lease of a dead one at once.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used or no thread can be had.
    pub async fn start(kubeconfig: &Path, options: &Options, hook: Arc<Hook>) -> Result<Self> {
        let unusable = |source| Error::Kubeconfig { path: kubeconfig.to_owned(), source };
        let read = Kubeconfig::read_from(kubeconfig).map_err(unusable)?;
        let choice = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(read, &choice).await.map_err(unusable)?;
        // The hook stands where the network is, below the client's own retries.
        config.default_retry = false;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(&options.name)
            .enable_all()
            .build()
            .doing(|| "starting threads".to_owned())?;
        let run_options = netbaseline::operator::Options {
            namespace: NAMESPACE.to_owned(),
            identity: options.name.clone(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            lease_duration: options.lease_duration,
            request_timeout: options.request_timeout,
            settle: Some(options.settle),
            nameservers: Vec::new(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let dead = watch::Sender::new(false);
        let between = dead.clone();
        let run = runtime.spawn(async move {
            // Clients belong to the runtime that they are made in.
            let namespace = config.default_namespace.clone();
            let inner = Client::try_from(config).map_err(|error| error.to_string())?;
            let retries = RetryLayer::new(RetryPolicy::server_retry());
            let between = Between { inner, hook, dead: between };
            let client = ClientBuilder::new(between, namespace).with_layer(&retries).build();
            let stopped = async { drop(stopped.await) };
            netbaseline::operator::run(client, run_options, stopped).await.map_err(|error| format!("{error:#}"))
        });
        Ok(Self { runtime: Some(runtime), run, stop: Some(stop), dead })
    }

    /// Resolves when a verdict has killed it.
    pub async fn crashed(&self) {
        // It fails only without a sender, and this is one.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// Kills it: no request of it is sent from now on.
    pub fn kill(self) {
        drop(self);
    }

    /// Ends it as a signal does, and gives how it ended.
    ///
    /// # Errors
    /// What the operator ended with.
    pub async fn stop(mut self) -> std::result::Result<(), String> {
        drop(self.stop.take());
        (&mut self.run).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Waits until it ends by itself, and gives how.
    ///
    /// # Errors
    /// What the operator ended with, such as a lost Lease.
    pub async fn ended(mut self) -> std::result::Result<(), String> {
        (&mut self.run).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.dead.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Between the operator and the API server.
#[derive(Clone)]
struct Between {
    inner: Client,
    hook: Arc<Hook>,
    dead: watch::Sender<bool>,
}

impl Between {
    async fn judge(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        if *self.dead.borrow() {
            return std::future::pending().await;
        }
        match (self.hook)(&request) {
            Verdict::Pass => Ok(self.inner.send(request).await?),
            Verdict::Answer { status, headers, body } => {
                let mut answer = Response::new(Body::from(body));
                *answer.status_mut() = status;
                *answer.headers_mut() = headers;
                Ok(answer)
            }
            Verdict::Hang => std::future::pending().await,
            Verdict::DropAfter => {
                self.inner.send(request).await?;
                Err("the connection ended before the answer".into())
            }
            Verdict::Crash => self.die().await,
            Verdict::CrashAfter => {
                // Should it not have been done, the operator died before it.
                let _ = self.inner.send(request).await;
                self.die().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.dead.send_replace(true);
        std::future::pending().await
    }
}

impl Service<Request<Body>> for Between {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().judge(request))
    }
}
