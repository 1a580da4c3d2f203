//! The server under attack, which ends by SIGTERM and starts again on the same data.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::time::sleep;

use crate::net;

/// Bombs of new names must not decide how much memory is used: series have a budget, as an operator
/// sets it on a small machine.
const SETTINGS: [(&str, &str); 2] = [("EARCON_LOG__LEVEL", "error"), ("EARCON_LIMITS__MEMORY", "256 MB")];
/// Longest wait for the end of the process.
const LONGEST: Duration = Duration::from_secs(60);

/// A running server. Dropping it kills the process.
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Program {
    pub(super) fn start(path: &Path, data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(path);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.join("data")).envs(SETTINGS);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", path.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server's output")?;
        BufReader::new(stdout).read_line(&mut line).context("reading where the server listens")?;
        let address =
            line.split_once("http://").and_then(|(_, rest)| net::loopback(rest.trim().trim_end_matches('/')).ok());
        let address = address.with_context(|| format!("the server does not print its address: {line:?}"))?;
        Ok(Self { child, address })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM. Returns how long the server took to end.
    pub(super) async fn terminate(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let sent = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status().context("sending SIGTERM")?;
        ensure!(sent.success(), "SIGTERM could not be sent");
        loop {
            if let Some(status) = self.child.try_wait().context("waiting for the server")? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(began.elapsed());
            }
            ensure!(began.elapsed() < LONGEST, "the server did not end within {LONGEST:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, unless the run failed.
        let _gone = self.child.kill().is_err() || self.child.wait().is_err();
    }
}
