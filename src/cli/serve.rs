//! `earcon serve` and `earcon demo`: run the server until a signal.

use std::process::ExitCode;

use super::output::{IO, SOFTWARE, UNAVAILABLE, USAGE, complain, say};
use crate::app::{App, Overrides, StartError};
use crate::config::Config;
use crate::sources::host_feed;
use crate::telemetry::start_logs;
use earcon_model::WorkspaceId;

/// The workspace of the demo, and the one the dashboard shows first.
const DEMO_WORKSPACE: &str = "local";

/// File descriptors for everything but connections.
const SPARE_FILES: u64 = 1_024;

pub(super) fn run(config: &Config, demo: bool) -> ExitCode {
    if let Err(error) = start_logs(&config.log.level, config.log.format) {
        complain(&format!("log.level: {error}"));
        return ExitCode::from(USAGE);
    }
    own_files_only();
    more_open_files(config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    let (code, complaint) = outcome(runtime.block_on(serve(config, demo)));
    if let Some(complaint) = complaint {
        complain(&complaint);
    }
    ExitCode::from(code)
}

/// Exit code and last line of a server that has ended.
fn outcome(ended: Result<End, StartError>) -> (u8, Option<String>) {
    match ended {
        Ok(End::Signal) => (0, None),
        Ok(End::Fault) => {
            let text = "the root of all workspaces has ended because of a fault; start the server again";
            (SOFTWARE, Some(text.to_owned()))
        }
        Err(error) if error.is_configuration() => (USAGE, Some(error.to_string())),
        Err(error) => (if error.is_io() { IO } else { UNAVAILABLE }, Some(error.to_string())),
    }
}

/// Files of the data directory hold the data of every workspace: only their owner reads them.
pub(super) fn own_files_only() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Why a running server ended.
enum End {
    Signal,
    Fault,
}

async fn serve(config: &Config, demo: bool) -> Result<End, StartError> {
    let signal = Signals::listen().map_err(|error| StartError::Settings(format!("signals: {error}")))?;
    let app = App::start(config, Overrides::default()).await?;
    let feed = if demo { Some(start_feed(&app).await?) } else { None };
    announce(&app, demo);
    let end = tokio::select! {
        () = signal.received() => End::Signal,
        () = app.failed() => End::Fault,
    };
    tracing::info!("shutting down");
    if let Some(feed) = feed {
        feed.abort();
    }
    app.shut_down().await;
    Ok(end)
}

async fn start_feed(app: &App) -> Result<tokio::task::JoinHandle<()>, StartError> {
    let workspace = WorkspaceId::new(DEMO_WORKSPACE).map_err(|error| StartError::Settings(error.to_string()))?;
    let directory = app.directory().clone();
    directory.ensure(&workspace).await.map_err(|error| StartError::Settings(error.to_string()))?;
    Ok(tokio::spawn(host_feed::run(directory, app.system_pass(&workspace), app.meanings(), app.clock())))
}

fn announce(app: &App, demo: bool) {
    let url = app.url();
    if demo {
        say(&format!("Earcon monitors this machine. Open {url} and press Listen to hear it. Ctrl-C stops."));
    } else {
        say(&format!("Earcon is ready at {url}"));
    }
    tracing::info!(url, demo, version = env!("CARGO_PKG_VERSION"), "ready");
}

/// Connections, files and other sockets need file descriptors: the soft limit, which is often 1024,
/// becomes what this process may have, as far as it needs it.
fn more_open_files(config: &Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = config.connections.most as u64 + SPARE_FILES;
    let most = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit { current: Some(most), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
}

/// Ctrl-C and, on Unix, SIGTERM and SIGHUP. A configuration is read at a start only, so SIGHUP
/// means that the terminal is gone.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // nohup has this process ignore it, and that must stay so.
        let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminate: signal(SignalKind::terminate())?, hangup })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    async fn received(mut self) {
        #[cfg(unix)]
        {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = self.terminate.recv() => {}
                _ = hangup => tracing::info!("the terminal is gone (SIGHUP)"),
            }
        }
        #[cfg(not(unix))]
        let _interrupted = tokio::signal::ctrl_c().await;
    }
}

/// Whether this process was started with SIGHUP ignored, as Linux tells (proc(5), `SigIgn`).
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_exit_code() {
        assert_eq!(outcome(Ok(End::Signal)), (0, None));
        let (code, complaint) = outcome(Ok(End::Fault));
        assert_eq!(code, 70);
        assert!(complaint.is_some_and(|text| text.contains("start the server again")));
        assert_eq!(outcome(Err(StartError::Settings("wrong".into()))), (69, Some("wrong".into())));
    }
}
