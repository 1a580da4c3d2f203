//! The most records of each kind.

use super::AccountsView;
use crate::record::Record;

/// The most records of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Organisations of the installation.
    pub organisations: usize,
    /// Users of the installation.
    pub users: usize,
    /// Organisations of one user.
    pub memberships_of_user: usize,
    /// Service accounts of the installation.
    pub service_accounts: usize,
    /// Keys of the installation.
    pub keys: usize,
    /// Keys of one organisation.
    pub keys_of_organisation: usize,
    /// Sessions of the installation.
    pub sessions: usize,
    /// Sessions of one user.
    pub sessions_of_user: usize,
    /// Invitations of the installation.
    pub invitations: usize,
    /// Issuers with rules.
    pub mappings: usize,
}

impl Default for Limits {
    /// About 100 MB if every limit is reached.
    fn default() -> Self {
        Self {
            organisations: 2_000,
            users: 50_000,
            memberships_of_user: 200,
            service_accounts: 10_000,
            keys: 50_000,
            keys_of_organisation: 2_000,
            sessions: 50_000,
            sessions_of_user: 100,
            invitations: 10_000,
            mappings: 50,
        }
    }
}

/// There is no room for another record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {most} {of} are kept; remove some first")]
pub struct LimitReached {
    /// What there are too many of.
    pub of: &'static str,
    /// The limit.
    pub most: usize,
}

impl AccountsView {
    /// Whether a record may be added. A record that replaces one of its name always may.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub fn room_for(&self, record: &Record) -> Result<(), LimitReached> {
        let limits = &self.limits;
        let below = |count: usize, most: usize, of| if count < most { Ok(()) } else { Err(LimitReached { of, most }) };
        match record {
            Record::Organisation(new) if !self.organisations.contains_key(&new.id) => {
                below(self.organisations.len(), limits.organisations, "organisations")
            }
            Record::User(new) if !self.users.contains_key(&new.id) => below(self.users.len(), limits.users, "users"),
            Record::Membership(new) if self.membership(&new.organisation, new.user).is_none() => {
                let count = self.memberships_of(new.user).count();
                below(count, limits.memberships_of_user, "organisations of a user")
            }
            Record::ServiceAccount(new) if !self.services.contains_key(&new.id) => {
                below(self.services.len(), limits.service_accounts, "service accounts")
            }
            Record::ApiKey(new) if !self.keys.contains_key(&new.id) => {
                below(self.keys.len(), limits.keys, "keys")?;
                let count = self.api_keys_of(&new.organisation).count();
                below(count, limits.keys_of_organisation, "keys of an organisation")
            }
            Record::Session(new) if !self.sessions.contains_key(&new.id) => {
                below(self.sessions.len(), limits.sessions, "sessions")?;
                below(self.sessions_of(new.user).count(), limits.sessions_of_user, "sessions of a user")
            }
            Record::Invitation(new) if !self.invitations.contains_key(&new.id) => {
                below(self.invitations.len(), limits.invitations, "invitations")
            }
            Record::Mapping(new) if self.mapping(&new.issuer).is_none() => {
                below(self.mappings.len(), limits.mappings, "issuers with rules")
            }
            _ => Ok(()),
        }
    }
}
