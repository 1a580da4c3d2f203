//! `earcon workspaces`: creates a workspace of a running server, or lists all.

use std::process::ExitCode;

use clap::Subcommand;

use super::output::say;
use super::server::{Connection, block_on, failed};
use earcon_model::WorkspaceId;

#[derive(Subcommand)]
pub(super) enum WorkspacesCommand {
    /// Create a workspace. One that exists stays as it is
    Create {
        /// Name of the workspace
        #[arg(value_name = "NAME", value_parser = |text: &str| WorkspaceId::new(text))]
        name: WorkspaceId,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the names of all workspaces, one a line
    List {
        #[command(flatten)]
        connection: Connection,
    },
}

pub(super) fn run(command: &WorkspacesCommand) -> ExitCode {
    let (WorkspacesCommand::Create { connection, .. } | WorkspacesCommand::List { connection }) = command;
    let client = match connection.client() {
        Ok(client) => client,
        Err(code) => return code,
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
