//! Permissions and roles. A role is a set of permissions, fixed in a table; there is no policy
//! language.
//!
//! | permission | viewer | listener | operator | editor | admin | owner |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | `read` KPIs, samples, anomalies, incidents, events, settings | x | | x | x | x | x |
//! | `listen` to mixes | x | x | x | x | x | x |
//! | `acknowledge` anomalies and incidents | | | x | x | x | x |
//! | `mute`: make, change and remove mutes | | | x | x | x | x |
//! | `feedback` on anomalies | | | x | x | x | x |
//! | `ingest` samples | | | | x | x | x |
//! | `upload` files | | | | x | x | x |
//! | `edit-mixes` | | | | x | x | x |
//! | `edit-rules` for samples that come in | | | | x | x | x |
//! | `edit-kpis`: units, descriptions, resume a parked KPI | | | | x | x | x |
//! | `edit-detectors`, experiments and training jobs | | | | x | x | x |
//! | `delete-data` of KPIs | | | | | x | x |
//! | `manage-workspaces`: make and delete them | | | | | x | x |
//! | `manage-members` and invitations | | | | | x | x |
//! | `manage-keys` and service accounts of others | | | | | x | x |
//! | `read-audit` log | | | | | x | x |
//! | `manage-organisation`: name, owners, group rules | | | | | | x |
//! | `read-server`: metrics, nodes | | | | | in `default` | in `default` |
//! | `manage-server`: organisations, users | | | | | | in `default` |
//!
//! `read-server` and `manage-server` concern all organisations of the installation, so only the
//! organisation `default` gives them.

use std::fmt;

use earcon_model::OrganisationId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// One thing that a principal may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Permission {
            $($(#[$doc])* $name,)+
        }

        impl Permission {
            /// Every permission, in the order of the table.
            pub const ALL: &[Permission] = &[$(Permission::$name,)+];

            /// The name in the API and in stored records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Permission::$name => $text,)+
                }
            }
        }
    };
}

permissions! {
    /// Read KPIs, samples, anomalies, incidents, events, settings.
    Read = "read",
    /// Hear mixes.
    Listen = "listen",
    /// Acknowledge anomalies and incidents.
    Acknowledge = "acknowledge",
    /// Make, change and remove mutes.
    Mute = "mute",
    /// Give feedback on anomalies.
    Feedback = "feedback",
    /// Send samples.
    Ingest = "ingest",
    /// Upload files.
    Upload = "upload",
    /// Change mixes.
    EditMixes = "edit-mixes",
    /// Change the rules for samples that come in.
    EditRules = "edit-rules",
    /// Change units and descriptions, resume a parked KPI.
    EditKpis = "edit-kpis",
    /// Change detectors, run experiments and training jobs.
    EditDetectors = "edit-detectors",
    /// Delete KPIs and samples.
    DeleteData = "delete-data",
    /// Make and delete workspaces.
    ManageWorkspaces = "manage-workspaces",
    /// Invite members, change and remove them.
    ManageMembers = "manage-members",
    /// Manage service accounts, and the keys of others.
    ManageKeys = "manage-keys",
    /// Read the audit log.
    ReadAudit = "read-audit",
    /// Change the organisation itself: its name, its group rules.
    ManageOrganisation = "manage-organisation",
    /// Read about the installation: metrics and nodes.
    ReadServer = "read-server",
    /// Manage the installation: organisations, users.
    ManageServer = "manage-server",
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// No permission. The answer for a workspace that a principal must not know of.
    pub const NONE: Self = Self(0);
    /// Every permission.
    pub const ALL: Self = Self::of(Permission::ALL);
    /// Those that concern an organisation as a whole. A grant that is limited to some workspaces
    /// gives none of them.
    pub const ORGANISATION: Self = Self::of(&[
        Permission::ManageWorkspaces,
        Permission::ManageMembers,
        Permission::ManageKeys,
        Permission::ReadAudit,
        Permission::ManageOrganisation,
    ])
    .and(Self::SERVER);
    /// Those that concern the whole installation. Only the organisation `default` gives them.
    pub const SERVER: Self = Self::of(&[Permission::ReadServer, Permission::ManageServer]);

    /// The set of these.
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= 1 << list[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Those in either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both sets.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the permission is in the set.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }

    /// Whether every permission of this set is in the other one.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether the set is empty.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The permissions in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Permission>::deserialize(deserializer).map(|list| Self::of(&list))
    }
}

/// What a member is in an organisation. The order is that of their rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Hears mixes.
    Listener,
    /// Reads and hears everything.
    Viewer,
    /// Also acknowledges, mutes and gives feedback.
    Operator,
    /// Also sends samples and changes mixes, rules and detectors.
    Editor,
    /// Also manages workspaces, members and keys, and reads the audit log.
    Admin,
    /// Also manages the organisation and its owners.
    Owner,
}

impl Role {
    /// Every role, from the least rights to the most.
    pub const ALL: [Role; 6] = [Role::Listener, Role::Viewer, Role::Operator, Role::Editor, Role::Admin, Role::Owner];

    /// The name in the API and in stored records.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Listener => "listener",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Editor => "editor",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    /// The permissions of the role, those for the installation included.
    pub const fn permissions(self) -> Permissions {
        use Permission::*;
        const LISTENER: Permissions = Permissions::of(&[Listen]);
        const VIEWER: Permissions = LISTENER.and(Permissions::of(&[Read]));
        const OPERATOR: Permissions = VIEWER.and(Permissions::of(&[Acknowledge, Mute, Feedback]));
        const EDITOR: Permissions =
            OPERATOR.and(Permissions::of(&[Ingest, Upload, EditMixes, EditRules, EditKpis, EditDetectors]));
        const ADMIN: Permissions = EDITOR.and(Permissions::of(&[
            DeleteData,
            ManageWorkspaces,
            ManageMembers,
            ManageKeys,
            ReadAudit,
            ReadServer,
        ]));
        match self {
            Role::Listener => LISTENER,
            Role::Viewer => VIEWER,
            Role::Operator => OPERATOR,
            Role::Editor => EDITOR,
            Role::Admin => ADMIN,
            Role::Owner => Permissions::ALL,
        }
    }

    /// The permissions of the role in an organisation.
    pub fn permissions_in(self, organisation: &OrganisationId) -> Permissions {
        let all = self.permissions();
        if organisation.is_default() { all } else { all.without(Permissions::SERVER) }
    }

    /// Whether a member of this role may give, change or take away the other role. No member hands
    /// out more than they have.
    pub fn may_grant(self, other: Role) -> bool {
        self.permissions().has(Permission::ManageMembers) && other <= self
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of listener, viewer, operator, editor, admin, owner")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests;
