//! The operator as its users run it: the real binary, with the service account and rights of `config/`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::control_plane::Process;
use crate::error::Doing;
use crate::{ControlPlane, Error, Result};

/// Namespace that `config/default` installs into.
pub const NAMESPACE: &str = "netbaseline-system";
/// Service account that `config/default` makes for the operator.
pub const SERVICE_ACCOUNT: &str = "netbaseline";
/// How long a replica may take until it is ready.
const READY_PATIENCE: Duration = Duration::from_secs(30);

/// How a replica is run. The times are short: no network engine has to follow.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, and that of its log.
    pub name: String,
    /// How long a policy takes to be in force.
    pub settle: Duration,
    /// How long a leader may be silent.
    pub lease_duration: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "operator".to_owned(),
            settle: Duration::from_millis(100),
            lease_duration: Duration::from_secs(2),
            request_timeout: Duration::from_secs(2),
        }
    }
}

/// A running replica. It ends with the lab at the latest.
#[derive(Debug)]
pub struct Operator {
    /// The process, for signals and logs.
    pub process: Process,
    address: SocketAddr,
}

impl Operator {
    /// Starts a replica and waits until it is ready. Needs [`install`] first.
    ///
    /// # Errors
    /// When the binary cannot be built or started, or is not ready in time.
    pub async fn start(plane: &ControlPlane, options: &Options) -> Result<Self> {
        let mut operator = Self::launch(plane, options).await?;
        let began = Instant::now();
        while !operator.get("/readyz").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            operator.process.check()?;
            if began.elapsed() > READY_PATIENCE {
                return Err(Error::NotReady {
                    what: "the operator",
                    seconds: READY_PATIENCE.as_secs(),
                    log: operator.process.log().to_owned(),
                    tail: operator.process.tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(operator)
    }

    /// Starts a replica and does not wait.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub async fn launch(plane: &ControlPlane, options: &Options) -> Result<Self> {
        let program = binary().await?;
        let kubeconfig = plane.kubeconfig_for_service_account(NAMESPACE, SERVICE_ACCOUNT).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "choosing a port".to_owned())?;
        let address = listener.local_addr().doing(|| "choosing a port".to_owned())?;
        drop(listener);
        let milliseconds = |duration: Duration| format!("{}ms", duration.as_millis());
        let mut command = Command::new(program);
        command
            .args(["run", "--identity", &options.name, "--namespace", NAMESPACE, "--log", "info,netbaseline=debug"])
            .args(["--listen", &address.to_string()])
            .args(["--settle", &milliseconds(options.settle)])
            .args(["--lease-duration", &milliseconds(options.lease_duration)])
            .args(["--request-timeout", &milliseconds(options.request_timeout)])
            .arg("--kubeconfig")
            .arg(kubeconfig);
        Ok(Self { process: plane.spawn(&options.name, command)?, address })
    }

    /// The whole answer of an endpoint, status line and headers included.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn get(&self, path: &str) -> Result<String> {
        let asking = || format!("asking http://{}{path}", self.address);
        let mut stream = TcpStream::connect(self.address).await.doing(asking)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.doing(asking)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.doing(asking)?;
        Ok(answer)
    }
}

/// Installs `config/default` but for its Deployment's pods, and waits until the API server serves NetworkBaselines.
///
/// # Errors
/// When kubectl cannot be built, or something of `config/default` is refused.
pub fn install(plane: &ControlPlane) -> Result<()> {
    let folder = repository().join("config/default");
    plane.kubectl(&["apply", "--server-side", "-k", &folder.to_string_lossy()])?;
    // The lab runs the binary itself: pods of the Deployment would only seem to.
    plane.kubectl(&["scale", "deployment/netbaseline", "--namespace", NAMESPACE, "--replicas=0"])?;
    let definition = "crd/networkbaselines.netbaseline.dev";
    plane.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", definition])?;
    Ok(())
}

/// The operator's binary, built if it is not up to date.
///
/// # Errors
/// When it does not compile.
pub async fn binary() -> Result<&'static Path> {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    let build = || -> Result<PathBuf> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(repository()).args([
            "build",
            "--quiet",
            "--package",
            "netbaseline",
            "--bin",
            "netbaseline",
        ]);
        let output = command.output().doing(|| "building the operator".to_owned())?;
        if !output.status.success() {
            return Err(not_built(String::from_utf8_lossy(&output.stderr)));
        }
        // Tests lie in `<target>/debug/deps`, `cargo lab` in `<target>/debug`.
        let own = std::env::current_exe().doing(|| "looking for the target folder".to_owned())?;
        let program = own.ancestors().map(|folder| folder.join("netbaseline")).find(|program| program.is_file());
        program.ok_or_else(|| Error::Program {
            doing: "building the operator".to_owned(),
            output: "no binary beside this one".to_owned(),
        })
    };
    BINARY
        .get_or_try_init(|| async {
            tokio::task::spawn_blocking(build)
                .await
                .map_err(std::io::Error::other)
                .doing(|| "cargo build".to_owned())?
        })
        .await
        .map(PathBuf::as_path)
}

fn not_built(output: impl Into<String>) -> Error {
    Error::Program { doing: "building the operator".to_owned(), output: output.into() }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
