//! `earcon organisations`: lists those of the caller, or creates one.

use std::process::ExitCode;

use clap::Subcommand;

use super::administrator::Administrator;
use super::output::say;
use super::server::failed_or_no;
use super::text::table;

#[derive(Subcommand)]
pub(super) enum OrganisationsCommand {
    /// List the organisations in which you may do something
    List {
        #[command(flatten)]
        administrator: Administrator,
    },
    /// Create an organisation, or rename one
    Create {
        /// Identifier, such as acme
        #[arg(value_name = "ID")]
        id: String,
        /// Displayed name [default: the identifier]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        administrator: Administrator,
    },
}

pub(super) fn run(command: &OrganisationsCommand) -> ExitCode {
    let (OrganisationsCommand::List { administrator } | OrganisationsCommand::Create { administrator, .. }) = command;
    administrator.run(async |client| {
        let done = match command {
            OrganisationsCommand::List { .. } => client.organisations().await.map(|all| {
                let rows: Vec<Vec<String>> = all.into_iter().map(|each| vec![each.id, each.name]).collect();
                table(&["ID", "NAME"], &rows)
            }),
            OrganisationsCommand::Create { id, name, .. } => {
                let name = name.as_deref().unwrap_or(id);
                let created = client.organisation(id).put(name).await;
                created.map(|created| {
                    format!("the organisation {id} {}: {name}", if created { "is created" } else { "is called" })
                })
            }
        };
        match done {
            Ok(text) => {
                say(text.trim_end());
                ExitCode::SUCCESS
            }
            Err(error) => failed_or_no(&error),
        }
    })
}
