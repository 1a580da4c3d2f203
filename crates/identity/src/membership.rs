//! Memberships: the roles of a user in an organisation, and the rule that an owner remains.

use earcon_model::{OrganisationId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::role::{Permissions, Role};

/// Most workspaces that one grant lists.
pub const MOST_WORKSPACES: usize = 200;
/// Most grants of one membership.
pub const MOST_GRANTS: usize = 64;

/// Which workspaces of an organisation a grant concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// All, also those that are made later.
    All,
    /// These. Sorted, without repetition, of the same organisation.
    Only(Vec<WorkspaceId>),
}

impl Reach {
    /// These workspaces of an organisation.
    ///
    /// # Errors
    /// [`MembershipError`] for an empty list, one that is too long, or a workspace of another
    /// organisation.
    pub fn only(organisation: &OrganisationId, mut workspaces: Vec<WorkspaceId>) -> Result<Self, MembershipError> {
        if let Some(foreign) = workspaces.iter().find(|workspace| !workspace.is_of(organisation)) {
            return Err(MembershipError::ForeignWorkspace(foreign.clone()));
        }
        workspaces.sort_unstable();
        workspaces.dedup();
        match workspaces.len() {
            0 => Err(MembershipError::NoWorkspace),
            count if count > MOST_WORKSPACES => Err(MembershipError::TooManyWorkspaces(count)),
            _ => Ok(Self::Only(workspaces)),
        }
    }

    /// Whether the grant concerns the workspace, which is of the organisation.
    pub fn covers(&self, workspace: &WorkspaceId) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => list.binary_search(workspace).is_ok(),
        }
    }

    /// Whether every workspace of this reach is in the other one.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(list), other) => list.iter().all(|workspace| other.covers(workspace)),
        }
    }

    /// Checks a reach that was read from a store or a request.
    ///
    /// # Errors
    /// Those of [`only`](Self::only).
    pub fn checked(self, organisation: &OrganisationId) -> Result<Self, MembershipError> {
        match self {
            Self::All => Ok(Self::All),
            Self::Only(list) => Self::only(organisation, list),
        }
    }
}

/// Who gave a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A person, here. Only a person takes it away.
    Local,
    /// A rule for the groups of an issuer. Each sign-in replaces all of these.
    Groups,
}

/// One role with its workspaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub reach: Reach,
    /// Who gave it.
    pub source: Source,
}

/// Why a grant or a change of members is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// A workspace belongs to another organisation.
    #[error("the workspace {0} belongs to another organisation")]
    ForeignWorkspace(WorkspaceId),
    /// The list of workspaces is empty.
    #[error("a grant that is limited to workspaces names at least one")]
    NoWorkspace,
    /// The list of workspaces is too long.
    #[error("a grant names at most {MOST_WORKSPACES} workspaces, not {0}; grant all")]
    TooManyWorkspaces(usize),
    /// An owner owns the whole organisation.
    #[error("an owner has all workspaces of the organisation")]
    LimitedOwner,
    /// Too many grants.
    #[error("a member has at most {MOST_GRANTS} grants in an organisation, not {0}")]
    TooManyGrants(usize),
    /// There would be no owner.
    #[error("{0} would have no owner; make another member an owner first")]
    LastOwner(OrganisationId),
}

impl Grant {
    /// A grant by a person.
    ///
    /// # Errors
    /// [`MembershipError`] if the reach breaks its rule or limits an owner.
    pub fn local(organisation: &OrganisationId, role: Role, reach: Reach) -> Result<Self, MembershipError> {
        Self { role, reach, source: Source::Local }.checked(organisation)
    }

    /// Checks a grant that was read from a store or a request.
    ///
    /// # Errors
    /// [`MembershipError`] if the reach breaks its rule or limits an owner.
    pub fn checked(self, organisation: &OrganisationId) -> Result<Self, MembershipError> {
        let reach = self.reach.checked(organisation)?;
        if self.role == Role::Owner && reach != Reach::All {
            return Err(MembershipError::LimitedOwner);
        }
        Ok(Self { reach, ..self })
    }

    /// The permissions of the grant in a workspace of the organisation.
    pub fn in_workspace(&self, organisation: &OrganisationId, workspace: &WorkspaceId) -> Permissions {
        if self.reach.covers(workspace) { self.anywhere(organisation) } else { Permissions::NONE }
    }

    /// The permissions of the grant for the organisation as a whole.
    pub fn in_organisation(&self, organisation: &OrganisationId) -> Permissions {
        self.anywhere(organisation).within(Permissions::ORGANISATION)
    }

    fn anywhere(&self, organisation: &OrganisationId) -> Permissions {
        let all = self.role.permissions_in(organisation);
        if self.reach == Reach::All { all } else { all.without(Permissions::ORGANISATION) }
    }
}

/// A user's roles in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The user.
    pub user: UserId,
    /// The organisation.
    pub organisation: OrganisationId,
    /// What they may do. At most one grant is by a person; rules for groups may give several.
    pub grants: Vec<Grant>,
    /// Since when.
    pub since_ms: i64,
}

impl Membership {
    /// A membership by a person's decision.
    pub fn new(user: UserId, organisation: OrganisationId, grant: Grant, now_ms: i64) -> Self {
        Self { user, organisation, grants: vec![grant], since_ms: now_ms }
    }

    /// The permissions in a workspace. None for a workspace of another organisation.
    pub fn in_workspace(&self, workspace: &WorkspaceId) -> Permissions {
        if !workspace.is_of(&self.organisation) {
            return Permissions::NONE;
        }
        let sets = self.grants.iter().map(|grant| grant.in_workspace(&self.organisation, workspace));
        sets.fold(Permissions::NONE, Permissions::and)
    }

    /// The permissions for the organisation as a whole.
    pub fn in_organisation(&self) -> Permissions {
        let sets = self.grants.iter().map(|grant| grant.in_organisation(&self.organisation));
        sets.fold(Permissions::NONE, Permissions::and)
    }

    /// The highest role anywhere in the organisation.
    pub fn highest(&self) -> Option<Role> {
        self.grants.iter().map(|grant| grant.role).max()
    }

    /// The highest role that holds in all workspaces: the one that decides over other members.
    pub fn role_over_all(&self) -> Option<Role> {
        self.grants.iter().filter(|grant| grant.reach == Reach::All).map(|grant| grant.role).max()
    }

    /// Whether a person made this member an owner. An owner by a group rule does not count where an
    /// owner must remain: the issuer may take the group away at any time.
    pub fn is_owner(&self) -> bool {
        self.grants.iter().any(|grant| grant.role == Role::Owner && grant.source == Source::Local)
    }

    /// The same with another grant by a person, or without one. `None` if no grant is left.
    #[must_use]
    pub fn with_local(&self, grant: Option<Grant>) -> Option<Self> {
        let mapped = self.grants.iter().filter(|grant| grant.source == Source::Groups).cloned();
        let grants: Vec<Grant> = grant.into_iter().chain(mapped).collect();
        (!grants.is_empty()).then(|| Self { grants, ..self.clone() })
    }

    /// The same with other grants by group rules. `None` if no grant is left.
    ///
    /// # Errors
    /// [`MembershipError::TooManyGrants`].
    pub fn with_groups(&self, mapped: Vec<Grant>) -> Result<Option<Self>, MembershipError> {
        let local = self.grants.iter().filter(|grant| grant.source == Source::Local).cloned();
        let grants: Vec<Grant> = local.chain(mapped).collect();
        if grants.len() > MOST_GRANTS {
            return Err(MembershipError::TooManyGrants(grants.len()));
        }
        Ok((!grants.is_empty()).then(|| Self { grants, ..self.clone() }))
    }
}

/// Checks that an organisation has an owner who can act after a change.
///
/// `members` are its memberships as they would be, each with whether the user may sign in.
///
/// # Errors
/// [`MembershipError::LastOwner`].
pub fn keeps_an_owner<'a>(
    organisation: &OrganisationId,
    members: impl IntoIterator<Item = (&'a Membership, bool)>,
) -> Result<(), MembershipError> {
    let mut members = members.into_iter();
    if members.any(|(member, enabled)| enabled && member.is_owner() && member.organisation == *organisation) {
        Ok(())
    } else {
        Err(MembershipError::LastOwner(organisation.clone()))
    }
}

#[cfg(test)]
mod tests;
