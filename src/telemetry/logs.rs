//! Structured logs on stderr: for people on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` when stderr is a terminal, `Json` otherwise.
    Auto,
    /// Coloured lines.
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// When `filter` cannot be parsed, or logging was already started in this process.
pub fn start_logs(filter: &str, format: LogFormat) -> Result<(), String> {
    // What the storage engine tells of its housekeeping, and the database driver of every attempt to connect, is for those who ask
    // for it by name; what fails is told by our own lines.
    let filter = EnvFilter::try_new(format!("fjall=warn,lsm_tree=warn,scylla=off,{filter}"))
        .map_err(|error| format!("log filter {filter:?}: {error}"))?;
    let human = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if human { builder.compact().try_init() } else { builder.json().try_init() };
    started.map_err(|error| error.to_string())
}
