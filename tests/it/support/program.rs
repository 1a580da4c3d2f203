//! The real server in its own process, which tests may kill, pause and wake.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::KEEPS_FIXED_TIMES;

/// An account without privileges.
const OTHER_ACCOUNT: u32 = 65_534;

/// A running server.
pub(crate) struct Program {
    child: Child,
    url: String,
}

impl Program {
    /// Starts `earcon serve` on a free port. If `EARCON_TEST_LOGS` names a file, the log is
    /// appended to that file with `name` as extension.
    pub(crate) fn serve(name: &str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let log = std::env::var_os("EARCON_TEST_LOGS").map_or_else(Stdio::null, |path| {
            let path = std::path::PathBuf::from(path).with_extension(name);
            std::fs::OpenOptions::new().create(true).append(true).open(path).map_or_else(|_| Stdio::null(), Into::into)
        });
        Self::serve_with_log(name, arguments, environment, log)
    }

    /// Starts `earcon serve` on a free port, with its log in `log`.
    pub(crate) fn serve_with_log(
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        log: impl Into<Stdio>,
    ) -> Self {
        Self::start(name, Command::new(env!("CARGO_BIN_EXE_earcon")), arguments, environment, log)
    }

    /// Starts `earcon serve` on a free port as an account that may be denied access to files: the
    /// one of this process, or if that is root's, another one.
    pub(crate) fn serve_without_privileges(name: &str, arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_earcon"));
        if rustix::process::getuid().is_root() {
            program.uid(OTHER_ACCOUNT).gid(OTHER_ACCOUNT);
        }
        Self::start(name, program, arguments, &[], Stdio::null())
    }

    fn start(
        name: &str,
        mut program: Command,
        arguments: &[&str],
        environment: &[(String, String)],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut child = program
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .envs([KEEPS_FIXED_TIMES])
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.find("http://").unwrap_or_else(|| panic!("{name}: no address in {line:?}"));
        let url = line[at..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The address of a path of the workspace `local`.
    pub(crate) fn workspace_url(&self, path: &str) -> String {
        format!("{}/api/v1/workspaces/local{path}", self.url)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(self.workspace_url(path)).await.expect("the server answers");
        answer.json().await.expect("JSON")
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// SIGSTOP: the process stays but does nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: the process continues.
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    /// SIGTERM; waits for an orderly shutdown.
    pub(crate) fn terminate(self) {
        self.end_by("-TERM");
    }

    /// SIGHUP; waits for an orderly shutdown.
    pub(crate) fn hang_up(self) {
        self.end_by("-HUP");
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.url.trim_start_matches("http://").parse().expect("an address")
    }

    fn end_by(mut self, signal: &str) {
        self.signal(signal);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "a shutdown in order succeeds: {status}");
    }

    fn signal(&self, name: &str) {
        send_signal(name, &self.child);
    }

    fn end(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it is gone");
    }
}

/// Sends a signal, such as `-STOP`, to a process.
pub(crate) fn send_signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
}

impl Drop for Program {
    fn drop(&mut self) {
        // Most programs have ended by now.
        let _gone = self.child.kill().is_err();
        let _gone = self.child.wait().is_err();
    }
}
