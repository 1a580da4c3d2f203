//! The program as run at a terminal: arguments in, lines out.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::KEEPS_FIXED_TIMES;

/// Time limit for a line or the end. Only guards against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    out: Option<Receiver<String>>,
    err: Receiver<String>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earcon"));
        command.args(arguments).envs([KEEPS_FIXED_TIMES]).envs(environment.iter().copied()).env("TZ", "UTC");
        // The contexts of the person who runs the tests are for other servers.
        command.env("XDG_CONFIG_HOME", "/nonexistent").env_remove("EARCON_KEY");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = Some(lines_of(child.stdout.take().expect("stdout is piped")));
        let err = lines_of(child.stderr.take().expect("stderr is piped"));
        Self { child, out, err }
    }

    /// The next line of stdout with `part`. Blocks: the server must run on other threads.
    pub(crate) fn line(&mut self, part: &str) -> String {
        let out = self.out.as_ref().expect("stdout was not closed");
        loop {
            match out.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => {
                    panic!("no line with {part:?}: {error}; stderr: {:?}", self.err.try_iter().collect::<Vec<_>>())
                }
            }
        }
    }

    /// The next line of stderr with `part`.
    pub(crate) fn complaint(&mut self, part: &str) -> String {
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!("no complaint with {part:?}: {error}"),
            }
        }
    }

    /// Sends SIGTERM. Ctrl-C sends SIGINT, which processes started in the background ignore.
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -TERM");
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let status = wait(&mut self.child);
        let rest = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect::<String>();
        Ended { status, out: self.out.as_ref().map(rest).unwrap_or_default(), err: rest(&self.err) }
    }
}

/// Waits for the end of a process, at most [`PATIENCE`].
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it can be asked") {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Most programs have ended by now.
        let _gone = self.child.kill().is_err();
        let _gone = self.child.wait().is_err();
    }
}
