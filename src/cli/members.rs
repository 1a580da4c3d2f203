//! `earcon members`: who belongs to an organisation, and with which roles.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use earcon_client::{Error, Grant, Organisation, OrganisationMember};

use super::keys::OrganisationArgs;
use super::output::{complain, say};
use super::server::failed_or_no;
use super::text::table;

#[derive(Subcommand)]
pub(super) enum MembersCommand {
    /// List the members and their roles
    List {
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
    /// Print a link with which one person becomes a member
    Invite {
        #[command(flatten)]
        grant: GrantArgs,
        /// Days for which the link is valid
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
    /// Give a member a role, in place of all present ones
    Grant {
        /// Login or identifier of the member
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        grant: GrantArgs,
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
    /// Take all roles from a member
    Remove {
        /// Login or identifier of the member
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        organisation: OrganisationArgs,
    },
}

/// A role and where it is valid.
#[derive(Args)]
pub(super) struct GrantArgs {
    /// viewer, listener, operator, editor, admin or owner
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// The workspaces that the role is valid in [default: all of the organisation]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    workspaces: Option<Vec<String>>,
}

impl GrantArgs {
    fn grant(&self) -> Grant {
        Grant { role: self.role.clone(), workspaces: self.workspaces.clone() }
    }
}

/// Why a command about a member did not succeed.
enum Failure {
    Server(Error),
    /// No member, or more than one, is meant.
    Name(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

pub(super) fn run(command: &MembersCommand) -> ExitCode {
    let (MembersCommand::List { organisation }
    | MembersCommand::Invite { organisation, .. }
    | MembersCommand::Grant { organisation, .. }
    | MembersCommand::Remove { organisation, .. }) = command;
    organisation.run(async |organisation| match done(command, organisation).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Server(error)) => failed_or_no(&error),
        Err(Failure::Name(problem)) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    })
}

async fn done(command: &MembersCommand, organisation: &Organisation) -> Result<(), Failure> {
    match command {
        MembersCommand::List { .. } => say(listed(&organisation.members().await?).trim_end()),
        MembersCommand::Invite { grant, days, .. } => {
            let invitation = organisation.invite(&grant.grant(), *days).await?;
            say(&invitation.link);
            complain("one person can use this link, once; it is not shown again");
        }
        MembersCommand::Grant { user, grant, .. } => {
            let members = organisation.members().await?;
            let member = find(&members, user).map_err(Failure::Name)?;
            organisation.set_member(&member.user.id, &[grant.grant()]).await?;
            say(&format!("{} is {} now", member.user.name, granted(&[grant.grant()])));
        }
        MembersCommand::Remove { user, .. } => {
            let members = organisation.members().await?;
            let member = find(&members, user).map_err(Failure::Name)?;
            organisation.remove_member(&member.user.id).await?;
            say(&format!("{} is no member of {} any more", member.user.name, organisation.id()));
        }
    }
    Ok(())
}

/// The member with this identifier, else with this login. Logins are compared exactly.
fn find<'a>(members: &'a [OrganisationMember], name: &str) -> Result<&'a OrganisationMember, String> {
    if let Some(member) = members.iter().find(|member| member.user.id == name) {
        return Ok(member);
    }
    let mut found = members.iter().filter(|member| member.user.login.as_deref() == Some(name));
    match (found.next(), found.next()) {
        (Some(member), None) => Ok(member),
        (Some(_), Some(_)) => Err(format!("several members have the login {name}: give the identifier")),
        (None, _) => Err(format!("there is no member {name}: `earcon members list` shows them")),
    }
}

fn listed(members: &[OrganisationMember]) -> String {
    let row = |member: &OrganisationMember| {
        let user = &member.user;
        let state = if user.disabled { " (shut)" } else { "" };
        vec![
            user.id.clone(),
            user.login.clone().unwrap_or_default(),
            format!("{}{state}", user.name),
            granted(&member.grants),
        ]
    };
    table(&["ID", "LOGIN", "NAME", "ROLES"], &members.iter().map(row).collect::<Vec<_>>())
}

/// `operator (local, shop), viewer`
fn granted(grants: &[Grant]) -> String {
    let one = |grant: &Grant| match &grant.workspaces {
        Some(workspaces) => format!("{} ({})", grant.role, workspaces.join(", ")),
        None => grant.role.clone(),
    };
    grants.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<OrganisationMember> {
        let text = r#"[
            {"user": {"id": "u_1", "login": "anna", "name": "Anna", "disabled": false},
             "grants": [{"role": "operator", "workspaces": ["local", "shop"]}, {"role": "viewer", "workspaces": null}]},
            {"user": {"id": "u_2", "login": "u_1", "name": "Imposter", "disabled": true}, "grants": []},
            {"user": {"id": "u_3", "login": "bert", "name": "Bert", "disabled": false}, "grants": []},
            {"user": {"id": "u_4", "login": "bert", "name": "Bert", "disabled": false}, "grants": []}]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_member_is_found_by_identifier_before_login_and_never_by_guess() {
        let members = members();
        let name = |text: &str| find(&members, text).map(|member| member.user.name.as_str());
        assert_eq!(name("anna"), Ok("Anna"));
        assert_eq!(name("u_1"), Ok("Anna"), "a login that looks like an identifier takes nobody's place");
        assert!(name("bert").unwrap_err().contains("several"));
        assert!(name("Anna").unwrap_err().contains("no member"));
    }

    #[test]
    fn the_list_shows_roles_with_their_workspaces() {
        let text = listed(&members());
        assert!(text.lines().nth(1).unwrap().ends_with("operator (local, shop), viewer"), "{text}");
        assert!(text.lines().nth(2).unwrap().contains("Imposter (shut)"), "{text}");
    }
}
