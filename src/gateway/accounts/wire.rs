//! The JSON of accounts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gateway::http::problem::{Kind, Problem};
use earcon_identity::{AccountsView, Grant, KeyOwner, Permission, Permissions, Reach, User, UserId};
use earcon_model::{OrganisationId, WorkspaceId, rfc3339};

/// A user, as others see them.
#[derive(Serialize, ToSchema)]
pub(super) struct WireUser {
    id: String,
    /// The sign-in name, or the name that the issuer has for them.
    login: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    disabled: bool,
    /// Whether a code of an authenticator app is asked for.
    two_factor: bool,
}

impl WireUser {
    pub(super) fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            login: user.identity.subject.to_string(),
            name: user.name.to_string(),
            email: user.email.as_ref().map(|email| email.as_str().to_owned()),
            disabled: user.disabled,
            two_factor: user.local.as_ref().is_some_and(|local| local.totp.is_some()),
        }
    }
}

/// The owner of a key, or another one who did something.
#[derive(Serialize, ToSchema)]
pub(super) struct WireOwner {
    /// `user` or `service`.
    kind: &'static str,
    id: String,
    name: String,
}

impl WireOwner {
    pub(super) fn of(view: &AccountsView, owner: KeyOwner) -> Self {
        match owner {
            KeyOwner::User(id) => Self { kind: "user", id: id.to_string(), name: name_of(view, id) },
            KeyOwner::Service(id) => {
                let name = view.service_account(id).map(|service| service.name.to_string()).unwrap_or_default();
                Self { kind: "service", id: id.to_string(), name }
            }
        }
    }
}

/// The name of a user; empty for one who was removed.
pub(super) fn name_of(view: &AccountsView, id: UserId) -> String {
    view.user(id).map(|user| user.name.to_string()).unwrap_or_default()
}

/// A role, and where it holds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WireGrant {
    /// `listener`, `viewer`, `operator`, `editor`, `admin` or `owner`.
    pub(super) role: String,
    /// These workspaces; `null` for all.
    #[serde(default)]
    pub(super) workspaces: Option<Vec<String>>,
}

impl WireGrant {
    pub(super) fn of(grant: &Grant) -> Self {
        Self { role: grant.role.to_string(), workspaces: workspaces(&grant.reach) }
    }
}

/// The workspaces of a reach; `None` for all.
pub(super) fn workspaces(reach: &Reach) -> Option<Vec<String>> {
    match reach {
        Reach::All => None,
        Reach::Only(list) => Some(list.iter().map(ToString::to_string).collect()),
    }
}

/// The reach of these workspaces of an organisation.
pub(super) fn reach(organisation: &OrganisationId, workspaces: Option<&[String]>) -> Result<Reach, Problem> {
    let Some(list) = workspaces else { return Ok(Reach::All) };
    let list: Result<Vec<_>, _> = list.iter().map(|text| WorkspaceId::new(text)).collect();
    let list = list.map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
    Reach::only(organisation, list).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
}

/// The names of permissions.
pub(super) fn names(permissions: Permissions) -> Vec<&'static str> {
    permissions.iter().map(Permission::as_str).collect()
}

/// A time as text.
pub(super) fn at(ms: i64) -> String {
    rfc3339(ms)
}
