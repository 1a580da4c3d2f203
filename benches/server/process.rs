//! The server as a separate process, to measure its CPU time and memory apart from the client's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Earcon {
    child: Child,
    data: Option<TempDir>,
    /// `host:port`
    pub(crate) address: String,
}

impl Earcon {
    pub(crate) fn start() -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"))
    }

    /// As [`Self::start`], with additional environment variables.
    pub(crate) fn start_with(environment: &[(String, String)]) -> Self {
        Self::launch(TempDir::new().expect("a temporary directory"), environment)
    }

    /// Returns when the server reports that it is ready.
    pub(crate) fn start_in(data: TempDir) -> Self {
        Self::launch(data, &[])
    }

    fn launch(data: TempDir, environment: &[(String, String)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_earcon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .env("EARCON_LOG__LEVEL", "error")
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it is");
        let at = line.find("http://").expect("an address") + "http://".len();
        let address = line[at..].trim().trim_end_matches('/').to_owned();
        Self { child, data: Some(data), address }
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Fields 14 and 15, counted after the name, which may contain spaces.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<f64>().ok()).sum();
        ticks / 100.0
    }

    pub(crate) fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
    }

    /// Stops the server and keeps the data.
    pub(crate) fn stop(mut self) -> TempDir {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        self.child.wait().expect("the server ends");
        self.data.take().expect("the data directory is here until stop")
    }
}

impl Drop for Earcon {
    fn drop(&mut self) {
        // After `stop` there is no process to kill, and both calls fail without consequence.
        let _gone = self.child.kill().is_err();
        let _gone = self.child.wait().is_err();
    }
}
