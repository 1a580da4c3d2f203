//! Arguments and errors of the commands that are clients of a running server.

use std::process::ExitCode;

use clap::Args;
use earcon_client::{Client, Error, Workspace};

use super::output::{UNAVAILABLE, USAGE, complain};
use earcon_model::WorkspaceId;

/// The server and its workspace.
#[derive(Args)]
pub(super) struct ServerArgs {
    /// URL of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = |text: &str| WorkspaceId::new(text))]
    workspace: WorkspaceId,
}

impl ServerArgs {
    pub(super) fn workspace(&self) -> Result<Workspace, ExitCode> {
        Ok(Client::new(&self.url).map_err(|error| failed(&error))?.workspace(self.workspace.as_str()))
    }
}

/// Prints an error with a hint, if there is one. Returns the exit code.
pub(super) fn failed(error: &Error) -> ExitCode {
    let hint = match error {
        Error::Unreachable { .. } => "; is earcon running there? Start it with `earcon serve`, or give --url",
        Error::NotEarcon { .. } => "; is another program listening on that port?",
        _ => "",
    };
    complain(&format!("{error}{hint}"));
    match error {
        Error::Url { .. } | Error::Refused { status: 0 | 400, .. } => ExitCode::from(USAGE),
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
