//! A control plane: etcd, kube-apiserver and kube-controller-manager in one folder.

mod audit;
mod certificates;
mod commands;
pub(crate) mod folder;
mod kubeconfig;
pub(crate) mod listing;
pub(crate) mod processes;
mod ready;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

pub use self::audit::{AuditEvent, AuditUser, ObjectRef, ResponseStatus};
use self::certificates::Authority;
pub use self::folder::Lifetime;
use self::folder::{Claim, Folder, State};
use self::kubeconfig::Credential;
pub use self::processes::Process;
use self::processes::Watcher;
use crate::components::{self, Binaries, Component};
use crate::error::{Asking, Doing};
use crate::{Error, Result};

/// Attempts to find a port that nobody takes between its choice and its use.
const PORT_ATTEMPTS: u32 = 3;
/// Validity of a service account's token, in seconds.
const TOKEN_SECONDS: i64 = 24 * 3600;

/// What lab to start.
#[derive(Clone, Debug)]
pub struct Options {
    name: String,
    lifetime: Lifetime,
}

impl Options {
    /// A lab that ends with its value or with this process, under a name of its own.
    #[must_use]
    pub fn ephemeral() -> Self {
        // The process id is not enough: containers that share a folder have the same ones.
        let instant = Timestamp::now().subsec_nanosecond();
        Self { name: format!("test-{}-{instant:x}", std::process::id()), lifetime: Lifetime::Ephemeral }
    }

    /// A lab that stays until it is taken down.
    #[must_use]
    pub fn detached(name: impl Into<String>) -> Self {
        Self { name: name.into(), lifetime: Lifetime::Detached }
    }
}

/// A running control plane. Dropping an ephemeral one ends its processes and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    folder: Folder,
    state: State,
    /// Absent when it was started by another process.
    owned: Option<Mutex<Owned>>,
}

/// What only the process that started a lab has.
#[derive(Debug)]
struct Owned {
    binaries: Binaries,
    processes: Vec<Process>,
    watcher: Option<Watcher>,
    _claim: Claim,
}

impl ControlPlane {
    /// Starts a control plane (about 5 seconds) once its components are there, and waits until it serves and its
    /// controllers work. Clears labs that a killed process left behind.
    ///
    /// # Errors
    /// When components are missing and cannot be built, when a lab of that name is up, or when a component fails.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { name, lifetime } = options;
        let folder = Folder::named(&name)?;
        let ensured = tokio::task::spawn_blocking(|| components::ensure(&Component::CONTROL_PLANE)).await;
        let binaries = ensured.map_err(std::io::Error::other).doing(|| "preparing the components".to_owned())??;
        folder::sweep()?;

        let mut attempt = 1;
        loop {
            match Self::start_once(&folder, lifetime, binaries.clone()).await {
                Err(Error::Ended { tail, .. })
                    if attempt < PORT_ATTEMPTS && tail.contains("address already in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once(folder: &Folder, lifetime: Lifetime, binaries: Binaries) -> Result<Self> {
        let claim = folder.claim()?;
        if !processes::of_lab(folder.path()).is_empty() {
            if let Some(state) = folder.state()
                && state.lifetime == Lifetime::Detached
                && ready::serves(state.port)
            {
                return Err(Error::AlreadyUp { name: folder.name().to_owned() });
            }
            processes::kill_all(folder.path())?;
        }
        empty(folder.path())?;

        let state = State { lifetime, port: free_port()?, created: Timestamp::now() };
        folder.write_state(&state)?;
        let watcher = (lifetime == Lifetime::Ephemeral).then(|| Watcher::start(folder.path())).transpose()?;
        let owned = Owned { binaries, processes: Vec::new(), watcher, _claim: claim };
        // From here on a failure drops the value, which cleans up.
        let mut starting = Starting(Some(Self { folder: folder.clone(), state, owned: Some(Mutex::new(owned)) }));
        let plane = starting.0.as_ref().expect("it is taken out only below");
        commands::prepare(&plane.folder, plane.state.port)?;
        plane.launch().await?;
        Ok(starting.0.take().expect("it was there above"))
    }

    /// One control plane for the whole test binary, started by whoever asks first; it ends with the process. Tests
    /// keep apart by namespace, and take a [`client`](Self::client) each: a client belongs to the runtime it was made in.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: tokio::sync::OnceCell<ControlPlane> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Options::ephemeral())).await
    }

    /// A running lab that another command started.
    ///
    /// # Errors
    /// [`Error::NotUp`] when there is none of that name.
    pub fn attach(name: &str) -> Result<Self> {
        let folder = Folder::named(name)?;
        match folder.state() {
            Some(state) if ready::serves(state.port) && !processes::of_lab(folder.path()).is_empty() => {
                Ok(Self { folder, state, owned: None })
            }
            _ => Err(Error::NotUp { name: name.to_owned() }),
        }
    }

    /// Starts the three processes and waits for them.
    async fn launch(&self) -> Result<()> {
        self.launch_one("etcd", |binaries| commands::etcd(binaries, &self.folder))?;
        self.launch_one("kube-apiserver", |binaries| commands::api_server(binaries, &self.folder, self.state.port))?;
        ready::api_server(self).await?;
        self.launch_one("kube-controller-manager", |binaries| commands::controller_manager(binaries, &self.folder))?;
        ready::controllers(self).await
    }

    fn launch_one(&self, name: &str, command: impl FnOnce(&Binaries) -> Command) -> Result<()> {
        let mut owned = self.owned()?;
        let process = Process::start(self.folder.path(), name, command(&owned.binaries), owned.watcher.as_ref())?;
        owned.processes.push(process);
        Ok(())
    }

    /// Kills the three processes as a crash would, and starts them on the same data, port and certificates.
    ///
    /// # Errors
    /// When this process did not start the lab, or a component does not come back.
    pub async fn restart(&self) -> Result<()> {
        for mut process in std::mem::take(&mut self.owned()?.processes) {
            process.kill()?;
        }
        self.launch().await
    }

    /// Runs another program as a process of this lab: its output is in `logs/<name>.log`, and it ends with the lab at
    /// the latest.
    ///
    /// # Errors
    /// When this process did not start the lab, or the program cannot be started.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        Process::start(self.folder.path(), name, command, self.owned()?.watcher.as_ref())
    }

    /// The lab's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folder.name()
    }

    /// The lab's folder: `logs/`, `audit.log`, `pki/`, `kubeconfig`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Port of the API server on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.state.port
    }

    /// Kubeconfig of the administrator.
    #[must_use]
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client with the administrator's rights.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        client_of(&self.kubeconfig_path()).await
    }

    /// A client of a user in one group, with a certificate made for the purpose. RBAC gives such a user nothing yet.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub async fn client_as(&self, user: &str, group: Option<&str>) -> Result<Client> {
        client_of(&self.kubeconfig_as(user, group)?).await
    }

    /// The kubeconfig of [`client_as`](Self::client_as).
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn kubeconfig_as(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let file = format!("user-{}", user.replace([':', '/'], "_"));
        let groups: Vec<&str> = group.into_iter().collect();
        let pair = Authority::open(&self.folder.join("pki"))?.client(&file, user, &groups)?;
        let credential = Credential::Certificate(pair);
        kubeconfig::write(&self.folder, self.state.port, &format!("kubeconfigs/{file}"), user, &credential)
    }

    /// A kubeconfig with a real token of an existing service account, valid for a day.
    ///
    /// # Errors
    /// When the API server refuses the token, for example because there is no such account.
    pub async fn kubeconfig_for_service_account(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .asking(|| format!("asking for a token of service account {namespace}/{name}"))?;
        let credential = Credential::Token(answer.status.map(|status| status.token).unwrap_or_default());
        let file = format!("kubeconfigs/{namespace}-{name}");
        kubeconfig::write(&self.folder, self.state.port, &file, name, &credential)
    }

    /// The audit log so far: all writes with their bodies, and the reads of everybody but the administrator and the
    /// control plane itself.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit(&self) -> Result<Vec<AuditEvent>> {
        audit::read(&self.folder.join("audit.log"))
    }

    /// Runs the pinned kubectl as the administrator and gives what it printed. Blocks; builds kubectl at its first use.
    ///
    /// # Errors
    /// When kubectl cannot be had, or fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let binaries = components::ensure(&[Component::Kubectl])?;
        let program = binaries.path(Component::Kubectl).expect("it was asked for");
        let output = Command::new(program)
            .env("KUBECONFIG", self.kubeconfig_path())
            // Its cache would stay in the caller's home.
            .env("KUBECACHEDIR", self.folder.join("home"))
            .args(arguments)
            .output()
            .doing(|| format!("starting {}", program.display()))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Kubectl { arguments: arguments.join(" "), complaint });
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn owned(&self) -> Result<MutexGuard<'_, Owned>> {
        let owned = self.owned.as_ref().ok_or_else(|| Error::NotOurs { name: self.name().to_owned() })?;
        // What it guards is whole between any two statements, whatever a thread that panicked was doing.
        Ok(owned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&mut self) {
        if let Some(owned) = self.owned.take() {
            let mut owned = owned.into_inner().unwrap_or_else(PoisonError::into_inner);
            for process in &mut owned.processes {
                // Fails only for a process that is gone. The wait also keeps it from staying as a zombie.
                let _ = process.kill();
            }
            // A folder that resists is swept by the next start.
            let _ = self.folder.clear();
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.state.lifetime == Lifetime::Ephemeral {
            self.end();
        }
    }
}

/// A control plane that is not up yet: a failed start leaves nothing, not even of a detached one.
struct Starting(Option<ControlPlane>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(plane) = &mut self.0 {
            plane.end();
        }
    }
}

/// A client of whoever the kubeconfig names.
///
/// # Errors
/// When the file cannot be read or used.
pub async fn client_of(path: &Path) -> Result<Client> {
    let unusable = |source| Error::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unusable)?;
    Client::try_from(config).asking(|| format!("using kubeconfig {}", path.display()))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).doing(|| "looking for a free port".to_owned())?;
    Ok(listener.local_addr().doing(|| "looking for a free port".to_owned())?.port())
}

/// Removes what is in the folder, and not the folder: its lock is held.
fn empty(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).at("listing", folder)? {
        let path = entry.at("listing", folder)?.path();
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.at("removing", &path)?;
    }
    Ok(())
}
