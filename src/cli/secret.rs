//! Reads a secret: from a terminal without echo, or the first line of a pipe.

use std::io::{self, BufRead, IsTerminal, Read, Stdin, Write};
use std::process::ExitCode;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 4_096;
/// The exit status of shells for a command that the interrupt signal ended.
const INTERRUPTED: i32 = 130;

/// Runs a command that reads secrets. Ctrl-C ends the program and restores the terminal.
pub(super) async fn until_interrupted(command: impl Future<Output = ExitCode>) -> ExitCode {
    let done = tokio::select! {
        code = command => Some(code),
        Ok(()) = tokio::signal::ctrl_c() => None,
    };
    // The thread that reads the terminal cannot be ended, and the runtime would wait for it.
    done.unwrap_or_else(|| {
        let _closed = writeln!(io::stderr()).is_err();
        std::process::exit(INTERRUPTED)
    })
}

/// Reads a line from stdin. A terminal shows `prompt`, and hides the line. Dropping the future
/// restores the terminal; the thread that reads stays until the program ends.
///
/// # Errors
/// A sentence, if stdin ends or fails before a line.
pub(super) async fn read(prompt: &str) -> Result<String, String> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let hidden = Hidden::new().map_err(|error| format!("the terminal cannot hide what is typed: {error}"))?;
    let _closed = write!(io::stderr(), "{prompt}").and_then(|()| io::stderr().flush()).is_err();
    let typed = tokio::task::spawn_blocking(line).await;
    drop(hidden);
    typed.unwrap_or_else(|error| Err(error.to_string()))
}

fn line() -> Result<String, String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut text);
    read.map_err(|error| format!("stdin cannot be read: {error}"))?;
    // A password may begin or end with a space.
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err("nothing was typed".to_owned()) } else { Ok(text.to_owned()) }
}

/// A terminal without echo. Dropping it restores the echo.
struct Hidden {
    stdin: Stdin,
    before: Termios,
}

impl Hidden {
    fn new() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line shows.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _gone = tcsetattr(&self.stdin, OptionalActions::Flush, &self.before).is_err();
    }
}
