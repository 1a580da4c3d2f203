//! Structured logs on stderr: for people on a terminal, JSON lines otherwise.
//!
//! A line that cannot be written is lost in silence. Stderr is often a file, its disk may be the
//! full one, and no print may end an actor.

use std::io::{self, ErrorKind, IsTerminal, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::plain::PlainLog;

/// Libraries that see requests before they are checked.
const QUIET: &str = "hyper=warn,hyper_util=warn,tungstenite=warn,tokio_tungstenite=warn,reqwest=warn";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` when stderr is a terminal, `Json` otherwise.
    Auto,
    /// Lines, coloured on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// If `filter` cannot be parsed, or logging was already started in this process.
pub fn start_logs(filter: &str, format: LogFormat) -> Result<(), String> {
    // The storage engine logs its housekeeping, and the database driver each attempt to connect.
    // Both are off unless the filter names them. Earcon logs their failures itself.
    // The libraries of HTTP log whole addresses and messages in detail, which may hold passwords.
    let filter = EnvFilter::try_new(format!("fjall=warn,lsm_tree=warn,scylla=off,{QUIET},{filter}"))
        .map_err(|error| format!("log filter {filter:?}: {error}"))?;
    let human = match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // A file or a pipe shows codes of colours as rubbish.
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = subscriber(filter, human, colours, || Lossy(io::stderr()));
    tracing::subscriber::set_global_default(logs).map_err(|error| error.to_string())
}

fn subscriber<W>(filter: EnvFilter, human: bool, colours: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(PlainLog(writer)).with_ansi(colours);
    let builder = builder.log_internal_errors(false);
    if human { Box::new(builder.compact().finish()) } else { Box::new(builder.json().finish()) }
}

/// A writer that drops what it cannot write.
struct Lossy<W>(W);

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Ok(0) | Err(_) => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let _dropped = self.0.flush().is_err();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn line_that_cannot_be_written_is_no_error() {
        for human in [false, true] {
            let logs = subscriber(EnvFilter::new("info"), human, false, || Lossy(Full));
            tracing::subscriber::with_default(logs, || tracing::error!("no space for this line"));
        }
        assert!(Lossy(Full).write_all(b"line").is_ok() && Lossy(Full).flush().is_ok());
    }
}
