//! The processes of a lab: started, found again, ended, without ever trusting a process id from a file.
//!
//! Every process carries the lab's folder in its environment ([`MARK`]), and so do its children. That mark is how
//! they are found after a crash; a process handle taken before the mark is read is how they are killed, so that a
//! recycled id cannot hit a stranger.
//!
//! An ephemeral lab has a watcher besides: a shell that waits for the end of a pipe whose other end only its starter
//! holds. The kernel closes it however the starter ends, SIGKILL included. (A parent-death signal would not do: it
//! fires when the starting *thread* ends, and the threads of a test harness come and go.)

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::Doing;
use crate::{Error, Result};

const MARK: &str = "NETBASELINE_LAB";
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of a log that an error shows.
const TAIL: usize = 12;

/// SIGHUP ends the whole group but the watcher, which ignores it; SIGKILL then takes what ignored it too, and the
/// watcher. Signalling the own group needs no process id that could have been recycled.
const WATCH: &str = r#"trap '' HUP INT TERM QUIT; read -r _; kill -HUP 0; sleep 1; rm -rf -- "$1"; kill -KILL 0"#;

/// Ends a lab when the process that started it ends.
#[derive(Debug)]
pub(crate) struct Watcher(Child);

impl Watcher {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", WATCH, "netbaseline-lab-watcher"])
            .arg(folder)
            .env(MARK, folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(|| "starting the watcher /bin/sh".to_owned())?;
        Ok(Self(child))
    }

    /// The process group that dies with it.
    fn group(&self) -> i32 {
        i32::try_from(self.0.id()).expect("process ids are below 2^22 (proc(5))")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running process of the lab. Dropping it leaves it running.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command` as a process of the lab in `folder`, its output in `logs/<name>.log`.
    pub(crate) fn start(folder: &Path, name: &str, mut command: Command, watcher: Option<&Watcher>) -> Result<Self> {
        let log = folder.join("logs").join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).at("opening", &log)?;
        let errors = output.try_clone().at("opening", &log)?;
        let child = command
            .env(MARK, folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A group of its own keeps the terminal's Ctrl-C and hang-up away from a detached lab.
            .process_group(watcher.map_or(0, Watcher::group))
            .spawn()
            .doing(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// The file with its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its output.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&self.log)
    }

    /// Fails when the process has ended.
    ///
    /// # Errors
    /// [`Error::Ended`], with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().doing(|| format!("looking after {}", self.name))? {
            None => Ok(()),
            Some(status) => Err(Error::Ended {
                process: self.name.clone(),
                status: status.to_string(),
                log: self.log.clone(),
                tail: self.tail(),
            }),
        }
    }

    /// Asks it to end (SIGTERM) and waits; kills it after `patience`. `true` when it ended by itself.
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub fn stop(&mut self, patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // An ended child is a zombie until it is waited for, so the id is still its own.
            rustix::process::kill_process(pid, Signal::TERM).doing(|| format!("ending {}", self.name))?;
        }
        while Instant::now() < deadline {
            if self.child.try_wait().doing(|| format!("ending {}", self.name))?.is_some() {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill()?;
        Ok(false)
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When the process cannot be signalled or waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).doing(|| format!("killing {}", self.name))?;
        Ok(())
    }
}

pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// A process found by its mark.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: i32,
    /// File name of the program.
    pub(crate) program: String,
    /// Resident memory in KiB.
    pub(crate) resident: u64,
    handle: OwnedFd,
}

/// The processes that carry the folder's mark, but for the caller itself. Those of other users are not seen.
pub(crate) fn of_lab(folder: &Path) -> Vec<Found> {
    let mark = format!("{MARK}={}", folder.display());
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|&id| id.cast_unsigned() != own)
        .filter_map(|id| {
            let handle = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
            let environment = fs::read(format!("/proc/{id}/environ")).ok()?;
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()).then_some(())?;
            let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let program = String::from_utf8_lossy(command.split(|&byte| byte == 0).next()?).into_owned();
            let program = program.rsplit('/').next().unwrap_or_default().to_owned();
            Some(Found { id, program, resident: resident(id), handle })
        })
        .collect()
}

fn resident(id: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Kills the lab's processes, and those they start meanwhile, until none is left.
pub(crate) fn kill_all(folder: &Path) -> Result<()> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        let found = of_lab(folder);
        if found.is_empty() {
            return Ok(());
        }
        for process in &found {
            match pidfd_send_signal(&process.handle, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).doing(|| format!("killing {} ({})", process.program, process.id)),
            }
        }
        if Instant::now() > deadline {
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(error).doing(|| format!("killing {} processes of {}", found.len(), folder.display()));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
