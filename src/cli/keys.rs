//! `earcon keys`: API keys of an organisation.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use earcon_client::{ApiKey, Error, KeyRequest, NewKey, Organisation};

use super::administrator::Administrator;
use super::output::{complain, say};
use super::server::failed_or_no;
use super::text::table;

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys, without their secrets
    List {
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
    /// Make a key. It is printed once, alone on stdout
    Create(CreateArgs),
    /// Give a key another secret, which is printed once. The old one stays valid for some hours
    Rotate {
        /// Identifier of the key, with or without ek_
        #[arg(value_name = "ID", value_parser = identifier)]
        id: String,
        /// Hours for which the old secret is accepted too
        #[arg(long, value_name = "N", default_value_t = 24)]
        overlap_hours: u32,
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
    /// Revoke a key: it is refused from now on
    Revoke {
        /// Identifier of the key, with or without ek_
        #[arg(value_name = "ID", value_parser = identifier)]
        id: String,
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
}

#[derive(Args)]
pub(super) struct CreateArgs {
    /// Name of the key, such as the program that will use it
    #[arg(value_name = "NAME")]
    name: String,
    /// What the key permits, such as `ingest` or `read,listen`
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    may: Vec<String>,
    /// The only workspaces [default: all that you may use]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    workspaces: Option<Vec<String>>,
    /// The only KPIs, as `host.*`
    #[arg(long, value_name = "PATTERN")]
    kpis: Option<String>,
    /// The only mix
    #[arg(long, value_name = "NAME")]
    mix: Option<String>,
    /// Days until the key ends [default: it has no end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    #[command(flatten)]
    organisation: OrganisationArgs,
}

/// The server, the caller and the organisation.
#[derive(Args)]
pub(super) struct OrganisationArgs {
    #[command(flatten)]
    administrator: Administrator,
    /// The organisation
    #[arg(long, value_name = "ID", default_value = "default")]
    organisation: String,
}

impl OrganisationArgs {
    /// Runs a command with the organisation.
    pub(super) fn run(&self, command: impl AsyncFnOnce(&Organisation) -> ExitCode) -> ExitCode {
        self.administrator.run(async |client| command(&client.organisation(&self.organisation)).await)
    }
}

/// The identifier in `ID`, `ek_ID` or a whole key, whose secret is for no URL.
fn identifier(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("ek_").unwrap_or(text).split('_').next().unwrap_or_default();
    let legal = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // The error of the argument shows its whole value, so a key must not get there.
    if legal { Ok(id.to_owned()) } else { Err("`earcon keys list` shows identifiers".to_owned()) }
}

pub(super) fn run(command: &KeysCommand) -> ExitCode {
    let args = match command {
        KeysCommand::Create(CreateArgs { organisation, .. })
        | KeysCommand::List { organisation }
        | KeysCommand::Rotate { organisation, .. }
        | KeysCommand::Revoke { organisation, .. } => organisation,
    };
    args.run(async |organisation| match done(command, organisation).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed_or_no(&error),
    })
}

async fn done(command: &KeysCommand, organisation: &Organisation) -> Result<(), Error> {
    match command {
        KeysCommand::List { .. } => say(listed(&organisation.keys().await?).trim_end()),
        KeysCommand::Create(args) => {
            let CreateArgs { name, may, workspaces, kpis, mix, days, .. } = args;
            let request = KeyRequest {
                name: name.clone(),
                permissions: may.clone(),
                workspaces: workspaces.clone(),
                kpis: kpis.clone(),
                mix: mix.clone(),
                days: *days,
            };
            show(&organisation.create_key(&request).await?);
        }
        KeysCommand::Rotate { id, overlap_hours, .. } => {
            let new = organisation.rotate_key(id, *overlap_hours).await?;
            show(&new);
            if let Some(until) = &new.about.previous_until {
                complain(&format!("the old secret is valid until {until}"));
            }
        }
        KeysCommand::Revoke { id, .. } => {
            organisation.revoke_key(id).await?;
            say(&format!("the key ek_{id} is revoked"));
        }
    }
    Ok(())
}

/// Prints the key alone on stdout, for programs, and the rest on stderr.
fn show(new: &NewKey) {
    say(&new.key);
    complain(&format!("this is the key {:?}; it is not shown again", new.about.name));
}

fn listed(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "There are no keys. `earcon keys create` makes one.".to_owned();
    }
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    table(&["ID", "NAME", "OWNER", "MAY", "WORKSPACES", "LAST USED", "END"], &rows)
}

fn row(key: &ApiKey) -> Vec<String> {
    let mut may = key.permissions.join(", ");
    for (what, limit) in [("kpis", &key.kpis), ("mix", &key.mix)] {
        if let Some(limit) = limit {
            may.push_str(&format!(" ({what} {limit})"));
        }
    }
    let end = match (&key.revoked_at, &key.expires_at) {
        (Some(revoked), _) => format!("revoked {revoked}"),
        (None, Some(end)) => end.clone(),
        (None, None) => "none".to_owned(),
    };
    vec![
        key.id.clone(),
        key.name.clone(),
        key.owner.name.clone(),
        may,
        key.workspaces.as_ref().map_or_else(|| "all".to_owned(), |all| all.join(", ")),
        key.last_used_at.clone().unwrap_or_else(|| "never".to_owned()),
        end,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_found_in_a_key_and_the_secret_is_left_out() {
        for text in ["abcdefghijkl", "ek_abcdefghijkl", "ek_abcdefghijkl_secret"] {
            assert_eq!(identifier(text).as_deref(), Ok("abcdefghijkl"), "{text}");
        }
        for text in ["", "ek_", "a/b", "ek_../members"] {
            assert!(identifier(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_list_shows_limits_and_ends() {
        let key = r#"{"id": "abc", "prefix": "ek_abc", "name": "agent", "owner": {"kind": "user", "id": "u", "name": "Anna"},
            "permissions": ["ingest"], "workspaces": ["local"], "kpis": "host.*", "mix": null, "created_at": "t",
            "expires_at": null, "last_used_at": null, "revoked_at": null, "previous_until": null}"#;
        let mut key: ApiKey = serde_json::from_str(key).unwrap();
        let text = listed(&[key.clone()]);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, "abc  agent  Anna   ingest (kpis host.*)  local       never      none");
        key.revoked_at = Some("2026-01-01T00:00:00Z".to_owned());
        assert!(listed(&[key]).contains("revoked 2026-01-01"));
        assert!(listed(&[]).contains("keys create"));
    }
}
