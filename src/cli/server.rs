//! Arguments and errors of the commands that are clients of a running server.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use earcon_client::{Client, Error, Trust, Workspace};

use super::output::{UNAVAILABLE, USAGE, complain};
use earcon_model::WorkspaceId;

/// Whose certificates are trusted.
#[derive(Args)]
pub(super) struct TrustArgs {
    /// File with certificate authorities to trust besides the public ones, PEM, for https URLs
    #[arg(long, value_name = "FILE", env = "EARCON_CA_FILE")]
    ca_file: Option<PathBuf>,
}

impl TrustArgs {
    /// # Errors
    /// The exit code, after a complaint.
    pub(super) fn trust(&self) -> Result<Trust, ExitCode> {
        let Some(file) = &self.ca_file else { return Trust::public().map_err(|error| failed(&error)) };
        let refused = |reason: String| {
            complain(&format!("--ca-file {}: {reason}", file.display()));
            ExitCode::from(USAGE)
        };
        let pem = std::fs::read(file).map_err(|error| refused(format!("cannot be read: {error}")))?;
        Trust::with_pem(&pem).map_err(|error| refused(error.to_string()))
    }
}

/// The server and its workspace.
#[derive(Args)]
pub(super) struct ServerArgs {
    /// URL of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    #[command(flatten)]
    trust: TrustArgs,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = |text: &str| WorkspaceId::new(text))]
    workspace: WorkspaceId,
}

impl ServerArgs {
    pub(super) fn workspace(&self) -> Result<Workspace, ExitCode> {
        Ok(Client::trusting(&self.url, self.trust.trust()?)
            .map_err(|error| failed(&error))?
            .workspace(self.workspace.as_str()))
    }
}

/// Prints an error with a hint, if there is one. Returns the exit code.
pub(super) fn failed(error: &Error) -> ExitCode {
    let hint = match error {
        Error::Unreachable { .. } => "; is earcon running there? Start it with `earcon serve`, or give --url",
        Error::Untrusted { .. } => "; --ca-file names a file of authorities to trust",
        Error::NotEarcon { .. } => "; is another program listening on that port?",
        _ => "",
    };
    complain(&format!("{error}{hint}"));
    match error {
        Error::Url { .. } | Error::Trust { .. } | Error::Refused { status: 0 | 400, .. } => ExitCode::from(USAGE),
        _ => ExitCode::from(UNAVAILABLE),
    }
}

/// Runs a command to completion on its own runtime.
pub(super) fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            ExitCode::from(UNAVAILABLE)
        }
    }
}
