//! The servers under test. Each is started on a free port of this machine with its own directory,
//! and killed afterwards.

mod centrifugo;
mod earcon;
mod icecast;
mod raw;
mod victoriametrics;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::net::{self, http};

pub(crate) use icecast::{MOUNT, SOURCE_BASIC};

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Target {
    /// The server of this repository.
    Earcon,
    /// Realtime messaging server in Go.
    Centrifugo,
    /// Time series database in Go.
    #[value(name = "victoriametrics")]
    VictoriaMetrics,
    /// Streaming media server in C.
    Icecast,
    /// The minimum that a tokio program must do to move the same bytes.
    Raw,
}

impl Target {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Earcon => "earcon",
            Target::Centrifugo => "centrifugo",
            Target::VictoriaMetrics => "victoriametrics",
            Target::Icecast => "icecast",
            Target::Raw => "raw",
        }
    }
}

/// The paths of the programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// The `earcon` binary.
    pub(crate) earcon: PathBuf,
    /// The directory `scripts/peers.sh` installs into.
    pub(crate) peers: PathBuf,
}

/// A running server. Dropping it kills the process and removes its directory.
pub(crate) struct Server {
    child: Child,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Name and version, as the program reports them.
    pub(crate) version: String,
    data: TempDir,
}

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// If its program is missing, it ends, or it does not answer in time. The message contains the
    /// end of its log.
    pub(crate) async fn start(target: Target, programs: &Programs, settings: &Settings) -> anyhow::Result<Self> {
        let started = match target {
            Target::Earcon => earcon::start(&programs.earcon, settings).await,
            Target::Centrifugo => centrifugo::start(&programs.peers).await,
            Target::VictoriaMetrics => victoriametrics::start(&programs.peers).await,
            Target::Icecast => icecast::start(settings).await,
            Target::Raw => raw::start(settings).await,
        };
        started.with_context(|| format!("starting {}", target.name()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts `command`, which prints its address on its first line of output.
    fn launch_announcing(mut command: Command, version: String, data: TempDir) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file(data.path())?);
        let mut child = command.spawn().with_context(|| missing(&command))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("reading where the server listens")?;
        }
        let found = line.split_once("http://").map(|(_, rest)| rest.trim().trim_end_matches('/'));
        let Some(address) = found.and_then(|text| net::loopback(text).ok()) else {
            let _gone = child.kill().is_err() || child.wait().is_err();
            bail!("it does not print its address ({:?})\n{}", line.trim(), log_end(data.path()));
        };
        Ok(Self { child, address, version, data })
    }

    /// Starts `command`, which listens on `address`, and waits until it answers `path` with 200.
    async fn launch(
        mut command: Command,
        address: SocketAddr,
        path: &str,
        version: String,
        data: TempDir,
    ) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file(data.path())?);
        let child = command.spawn().with_context(|| missing(&command))?;
        let mut server = Self { child, address, version, data };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !answers(address, path).await {
            let ended = server.child.try_wait().context("checking whether the server runs")?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("it does not answer at http://{address}{path}\n{}", log_end(server.data.path()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _gone = self.child.kill().is_err() || self.child.wait().is_err();
    }
}

/// The settings of a scenario that differ from a server's defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Number of listeners, for servers with a configured limit.
    pub(crate) listeners: usize,
    /// Size of an audio packet, for servers without a synthesiser.
    pub(crate) packet_bytes: usize,
    /// Settings of Earcon for the scenario, as environment variables.
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

async fn answers(address: SocketAddr, path: &str) -> bool {
    let Ok(mut connection) = http::Connection::open(address).await else { return false };
    matches!(connection.send(&http::get(path)).await, Ok((200, _)))
}

/// A free port. If another process takes it in the meantime, the run fails.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("looking for a free port")
}

fn directory() -> anyhow::Result<TempDir> {
    tempfile::Builder::new().prefix("earcon-loadtest-").tempdir().context("making a temporary directory")
}

fn log_file(directory: &Path) -> anyhow::Result<File> {
    File::create(directory.join("log")).context("making a file for the server's log")
}

fn log_end(directory: &Path) -> String {
    let mut text = String::new();
    let read = File::open(directory.join("log")).and_then(|file| file.take(1024 * 1024).read_to_string(&mut text));
    if read.is_err() {
        return "(its log cannot be read)".to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

fn missing(command: &Command) -> String {
    format!("starting {} (`scripts/peers.sh` builds and installs what is missing)", command.get_program().display())
}

/// The first line of a program's version output.
fn version_of(program: &Path, argument: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null());
    let output = command.output().with_context(|| missing(&command))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
