//! Structured logs on stderr: for people on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    // A file or a pipe shows codes of colours as rubbish.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let writer = PlainLog(std::io::stderr);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    let started = if human { builder.compact().try_init() } else { builder.json().try_init() };
    started.map_err(|error| error.to_string())
}
