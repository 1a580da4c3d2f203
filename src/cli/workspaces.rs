//! `earcon workspaces`: creates a workspace of a running server, or lists all.

use std::process::ExitCode;

use clap::Subcommand;
use earcon_client::Client;

use super::output::say;
use super::server::{TrustArgs, block_on, failed};
use earcon_model::WorkspaceId;

#[derive(Subcommand)]
pub(super) enum WorkspacesCommand {
    /// Create a workspace. One that exists stays as it is
    Create {
        /// Name of the workspace
        #[arg(value_name = "NAME", value_parser = |text: &str| WorkspaceId::new(text))]
        name: WorkspaceId,
        /// URL of the server
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
        url: String,
        #[command(flatten)]
        trust: TrustArgs,
    },
    /// List the names of all workspaces, one a line
    List {
        /// URL of the server
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
        url: String,
        #[command(flatten)]
        trust: TrustArgs,
    },
}

pub(super) fn run(command: &WorkspacesCommand) -> ExitCode {
    let (WorkspacesCommand::Create { url, trust, .. } | WorkspacesCommand::List { url, trust }) = command;
    let trust = match trust.trust() {
        Ok(trust) => trust,
        Err(code) => return code,
    };
    let client = match Client::trusting(url, trust) {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    block_on(async {
        let done = match command {
            WorkspacesCommand::Create { name, .. } => {
                let created = client.workspace(name.as_str()).create().await;
                created.map(|created| say(&format!("{name} {}", if created { "is created" } else { "exists" })))
            }
            WorkspacesCommand::List { .. } => {
                client.workspaces().await.map(|names| names.iter().for_each(|name| say(name)))
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        }
    })
}
