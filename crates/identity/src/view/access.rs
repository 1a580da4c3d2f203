//! The principal of a request, and its rights in a place.

use earcon_model::{OrganisationId, WorkspaceId};

use super::AccountsView;
use crate::api_key::{ApiKey, KeyOwner, KeyRefused, Scope};
use crate::credential::Credential;
use crate::id::{KeyId, SessionId, UserId};
use crate::membership::Membership;
use crate::role::Permissions;
use crate::session::SessionRefused;
use crate::token::{AccessToken, Holder};

/// The sender of a request. Proof of a check at one moment: rights are asked for each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A person with a session.
    User {
        /// The person.
        user: UserId,
        /// Their session.
        session: SessionId,
    },
    /// A key.
    Key(KeyId),
}

impl From<Holder> for Principal {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Session(user, session) => Self::User { user, session },
            Holder::Key(key) => Self::Key(key),
        }
    }
}

impl From<Principal> for Holder {
    fn from(principal: Principal) -> Self {
        match principal {
            Principal::User { user, session } => Self::Session(user, session),
            Principal::Key(key) => Self::Key(key),
        }
    }
}

/// What a principal may do in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// The permissions. None at all: the place does not exist for the principal.
    pub permissions: Permissions,
    /// The further limits of a key.
    pub scope: Option<&'a Scope>,
}

impl Access<'_> {
    /// No access.
    pub const NONE: Access<'static> = Access { permissions: Permissions::NONE, scope: None };
}

impl AccountsView {
    /// Whose key this is.
    ///
    /// # Errors
    /// [`KeyRefused`].
    pub fn authenticate_key(&self, presented: &Credential<KeyId>, now_ms: i64) -> Result<Principal, KeyRefused> {
        let Some(key) = self.keys.get(&presented.id) else {
            // As much work as for a key that exists.
            std::hint::black_box(presented.hash());
            return Err(KeyRefused::Unknown);
        };
        key.check(presented, now_ms)?;
        if self.owner_may_act(key) { Ok(Principal::Key(key.id)) } else { Err(KeyRefused::OwnerDisabled) }
    }

    /// Whether the session of an access token is alive.
    ///
    /// # Errors
    /// [`SessionRefused`].
    pub fn authenticate_session(&self, token: &AccessToken, now_ms: i64) -> Result<Principal, SessionRefused> {
        self.live_session(token.user, token.session, now_ms)?;
        Ok(Principal::User { user: token.user, session: token.session })
    }

    /// What the principal may do in a workspace. Asked again while a stream is open, so that it
    /// ends soon after the session, the key or the right.
    pub fn authorise(&self, principal: &Principal, workspace: &WorkspaceId, now_ms: i64) -> Access<'_> {
        match principal {
            Principal::User { user, session } => {
                if self.live_session(*user, *session, now_ms).is_err() {
                    return Access::NONE;
                }
                Access { permissions: self.user_in_workspace(*user, workspace), scope: None }
            }
            Principal::Key(id) => {
                let Some(key) = self.usable_key(*id, now_ms) else { return Access::NONE };
                if !workspace.is_of(&key.organisation) || !key.reach.covers(workspace) {
                    return Access::NONE;
                }
                let owner = match key.owner {
                    KeyOwner::User(user) => self.user_in_workspace(user, workspace),
                    KeyOwner::Service(service) => self.services.get(&service).map_or(Permissions::NONE, |service| {
                        service.grant.in_workspace(&service.organisation, workspace)
                    }),
                };
                limited(key, owner)
            }
        }
    }

    /// What the principal may do to an organisation as a whole.
    pub fn authorise_organisation(
        &self,
        principal: &Principal,
        organisation: &OrganisationId,
        now_ms: i64,
    ) -> Access<'_> {
        match principal {
            Principal::User { user, session } => {
                if self.live_session(*user, *session, now_ms).is_err() {
                    return Access::NONE;
                }
                Access { permissions: self.user_in_organisation(*user, organisation), scope: None }
            }
            Principal::Key(id) => {
                let Some(key) = self.usable_key(*id, now_ms) else { return Access::NONE };
                // A key that is limited to workspaces says nothing about the organisation.
                if key.organisation != *organisation || key.reach != crate::membership::Reach::All {
                    return Access::NONE;
                }
                let owner = match key.owner {
                    KeyOwner::User(user) => self.user_in_organisation(user, organisation),
                    KeyOwner::Service(service) => self
                        .services
                        .get(&service)
                        .map_or(Permissions::NONE, |service| service.grant.in_organisation(&service.organisation)),
                };
                limited(key, owner.within(Permissions::ORGANISATION))
            }
        }
    }

    /// Whether the session or the key is alive, whatever it may do.
    pub fn is_alive(&self, principal: &Principal, now_ms: i64) -> bool {
        match principal {
            Principal::User { user, session } => self.live_session(*user, *session, now_ms).is_ok(),
            Principal::Key(id) => self.usable_key(*id, now_ms).is_some(),
        }
    }

    /// Whether the principal belongs to an organisation at all: it exists for them.
    pub fn knows_organisation(&self, principal: &Principal, organisation: &OrganisationId) -> bool {
        match principal {
            Principal::User { user, .. } => self.membership(organisation, *user).is_some(),
            Principal::Key(id) => self.keys.get(id).is_some_and(|key| key.organisation == *organisation),
        }
    }

    /// The rights of a user in a workspace.
    pub fn user_in_workspace(&self, user: UserId, workspace: &WorkspaceId) -> Permissions {
        let mut memberships = self.memberships_of(user);
        let member = memberships.find(|member| workspace.is_of(&member.organisation));
        member.map_or(Permissions::NONE, |member| member.in_workspace(workspace))
    }

    /// The rights of a user over an organisation.
    pub fn user_in_organisation(&self, user: UserId, organisation: &OrganisationId) -> Permissions {
        self.membership(organisation, user).map_or(Permissions::NONE, Membership::in_organisation)
    }

    fn live_session(&self, user: UserId, session: SessionId, now_ms: i64) -> Result<(), SessionRefused> {
        let session = self.sessions.get(&session).filter(|session| session.user == user);
        session.ok_or(SessionRefused::Unknown)?.valid(&self.policy, now_ms)?;
        match self.users.get(&user) {
            Some(user) if !user.disabled => Ok(()),
            _ => Err(SessionRefused::Ended),
        }
    }

    fn usable_key(&self, id: KeyId, now_ms: i64) -> Option<&ApiKey> {
        let key = self.keys.get(&id)?;
        (key.valid(now_ms).is_ok() && self.owner_may_act(key)).then_some(key)
    }

    fn owner_may_act(&self, key: &ApiKey) -> bool {
        match key.owner {
            KeyOwner::User(user) => self.users.get(&user).is_some_and(|user| !user.disabled),
            // A service account has one organisation; a record that says otherwise gives nothing.
            KeyOwner::Service(service) => self
                .services
                .get(&service)
                .is_some_and(|service| !service.disabled && service.organisation == key.organisation),
        }
    }
}

/// The rights of a key whose owner has these.
fn limited(key: &ApiKey, owner: Permissions) -> Access<'_> {
    Access { permissions: key.scope.permissions.within(owner), scope: Some(&key.scope) }
}
