//! When a control plane is up.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use super::ControlPlane;
use super::processes::tail;
use crate::{Error, Result};

/// A busy machine with a cold disk cache needs a multiple of the usual three seconds.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// Whether something listens on the port.
pub(super) fn serves(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits until the API server has run its start-up hooks.
pub(super) async fn api_server(plane: &ControlPlane) -> Result<()> {
    wait(plane, "the API server", "kube-apiserver", async |client| {
        let request = http::Request::get("/readyz").body(Vec::new()).expect("the path is a constant");
        client.request_text(request).await.is_ok()
    })
    .await
}

/// Waits until the controllers have made the first service account, which pods need and which comes last.
pub(super) async fn controllers(plane: &ControlPlane) -> Result<()> {
    wait(plane, "the service account default/default", "kube-controller-manager", async |client| {
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        accounts.get_opt("default").await.is_ok_and(|account| account.is_some())
    })
    .await
}

async fn wait(
    plane: &ControlPlane,
    what: &'static str,
    process: &str,
    ready: impl AsyncFn(Client) -> bool,
) -> Result<()> {
    let client = plane.client().await?;
    let began = Instant::now();
    while !ready(client.clone()).await {
        for process in &mut plane.owned()?.processes {
            process.check()?;
        }
        if began.elapsed() > PATIENCE {
            let log = plane.folder.join(&format!("logs/{process}.log"));
            return Err(Error::NotReady { what, seconds: PATIENCE.as_secs(), tail: tail(&log), log });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
