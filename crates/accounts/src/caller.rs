//! The caller of a method, its rights, and its name in the audit log.

use earcon_identity::api_key::KeyOwner;
use earcon_identity::audit::Actor;
use earcon_identity::session::SessionRefused;
use earcon_identity::{AccountsView, Permission, Permissions, Principal, Role, UserId};
use earcon_model::OrganisationId;

use crate::error::AccountsError;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A person or a program that proved who it is.
    Of(Principal),
    /// A person on this machine, where no accounts are configured.
    Loopback,
    /// Earcon itself.
    System,
}

/// A caller, and from where the request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who asks.
    pub caller: Caller,
    /// The network address of the request.
    pub from: Option<String>,
}

impl By {
    /// Earcon itself.
    pub fn system() -> Self {
        Self { caller: Caller::System, from: None }
    }

    /// A principal at an address.
    pub fn principal(principal: Principal, from: Option<String>) -> Self {
        Self { caller: Caller::Of(principal), from }
    }

    /// The user behind the caller: of a session, not of a key.
    pub(crate) fn user(&self) -> Result<UserId, AccountsError> {
        match self.caller {
            Caller::Of(Principal::User { user, .. }) => Ok(user),
            _ => Err(AccountsError::NotAUser),
        }
    }

    /// The same, if their session is alive on this view: a caller may have been authenticated a
    /// while ago.
    pub(crate) fn live_user(&self, view: &AccountsView, now_ms: i64) -> Result<UserId, AccountsError> {
        match self.caller {
            Caller::Of(principal) if !view.is_alive(&principal, now_ms) => Err(SessionRefused::Ended.into()),
            _ => self.user(),
        }
    }

    /// The rights over an organisation.
    pub(crate) fn rights(&self, view: &AccountsView, organisation: &OrganisationId, now_ms: i64) -> Permissions {
        match self.caller {
            Caller::Of(principal) => view.authorise_organisation(&principal, organisation, now_ms).permissions,
            Caller::Loopback | Caller::System => Permissions::ALL,
        }
    }

    /// Checks a permission over an organisation.
    ///
    /// # Errors
    /// `NotFound` if the caller must not know of the organisation, `Forbidden` if they know of it.
    pub(crate) fn need(
        &self,
        view: &AccountsView,
        organisation: &OrganisationId,
        permission: Permission,
        now_ms: i64,
    ) -> Result<Permissions, AccountsError> {
        if view.organisation(organisation).is_none() {
            return Err(AccountsError::NotFound("organisation"));
        }
        let rights = self.rights(view, organisation, now_ms);
        if rights.has(permission) {
            return Ok(rights);
        }
        let knows = match self.caller {
            Caller::Of(principal) => view.knows_organisation(&principal, organisation),
            Caller::Loopback | Caller::System => true,
        };
        if knows { Err(AccountsError::Forbidden(permission)) } else { Err(AccountsError::NotFound("organisation")) }
    }

    /// Checks a permission over the whole installation.
    pub(crate) fn need_server(
        &self,
        view: &AccountsView,
        permission: Permission,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let rights = self.rights(view, &OrganisationId::default_organisation(), now_ms);
        if rights.has(permission) { Ok(()) } else { Err(AccountsError::Forbidden(permission)) }
    }

    /// The highest role that the caller may give in an organisation. A key never makes owners, and
    /// gives no role that permits more than the key.
    pub(crate) fn role(&self, view: &AccountsView, organisation: &OrganisationId) -> Option<Role> {
        let of_user = |user| view.membership(organisation, user).and_then(|member| member.role_over_all());
        match self.caller {
            Caller::Loopback | Caller::System => Some(Role::Owner),
            Caller::Of(Principal::User { user, .. }) => of_user(user),
            Caller::Of(Principal::Key(key)) => {
                let key = view.api_key(key)?;
                let role = match key.owner {
                    KeyOwner::User(user) => of_user(user),
                    KeyOwner::Service(service) => view.service_account(service).map(|service| service.grant.role),
                };
                // A role that permits more than the key does would outlive the key.
                let most = role?.min(Role::Admin);
                let is_within = |role: &Role| role.permissions_in(organisation).is_within(key.scope.permissions);
                Role::ALL.into_iter().rev().find(|role| *role <= most && is_within(role))
            }
        }
    }

    /// Checks that the caller may give or take a role.
    pub(crate) fn may_grant(
        &self,
        view: &AccountsView,
        organisation: &OrganisationId,
        role: Role,
    ) -> Result<(), AccountsError> {
        let own = self.role(view, organisation);
        if own.is_some_and(|own| own.may_grant(role)) { Ok(()) } else { Err(AccountsError::RoleTooHigh) }
    }

    /// The user that a record notes as its maker.
    pub(crate) fn maker(&self, view: &AccountsView) -> Option<UserId> {
        match self.caller {
            Caller::Of(Principal::User { user, .. }) => Some(user),
            Caller::Of(Principal::Key(key)) => match view.api_key(key)?.owner {
                KeyOwner::User(user) => Some(user),
                KeyOwner::Service(service) => view.service_account(service).map(|service| service.created_by),
            },
            Caller::Loopback | Caller::System => None,
        }
    }

    /// The caller in the audit log.
    pub(crate) fn actor(&self, view: &AccountsView) -> Actor {
        match self.caller {
            Caller::Loopback => Actor::Loopback,
            Caller::System => Actor::System,
            Caller::Of(Principal::User { user, .. }) => actor_of(view, user),
            Caller::Of(Principal::Key(id)) => match view.api_key(id) {
                Some(key) => {
                    let name = key.name.to_string();
                    match key.owner {
                        KeyOwner::User(user) => Actor::UserKey { id, user, name },
                        KeyOwner::Service(service) => Actor::ServiceKey { id, service, name },
                    }
                }
                None => Actor::Unknown { name: format!("ek_{id}") },
            },
        }
    }
}

/// A user in the audit log.
pub(crate) fn actor_of(view: &AccountsView, id: UserId) -> Actor {
    let name = view.user(id).map_or_else(String::new, |user| user.name.to_string());
    Actor::User { id, name }
}
