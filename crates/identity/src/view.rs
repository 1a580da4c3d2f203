//! All accounts in memory, indexed for the questions of each request: whose key is this, is the
//! session alive, what may they do here.
//!
//! A question costs a few look-ups in hash tables and no allocation. The number of records of each
//! kind is bounded, and so is the memory.

mod access;
mod limits;
mod members;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use earcon_model::OrganisationId;

pub use access::{Access, Principal};
pub use limits::{LimitReached, Limits};

use crate::api_key::ApiKey;
use crate::id::{InvitationId, KeyId, ServiceAccountId, SessionId, UserId};
use crate::invitation::Invitation;
use crate::mapping::Mapping;
use crate::membership::Membership;
use crate::organisation::Organisation;
use crate::owner_link::OwnerLink;
use crate::record::{Record, RecordKey};
use crate::service_account::ServiceAccount;
use crate::session::{Session, SessionPolicy};
use crate::token::SigningKeys;
use crate::user::{ExternalIdentity, User};

/// All accounts.
#[derive(Debug, Clone)]
pub struct AccountsView {
    limits: Limits,
    policy: SessionPolicy,
    organisations: BTreeMap<OrganisationId, Organisation>,
    users: HashMap<UserId, User>,
    identities: HashMap<ExternalIdentity, UserId>,
    memberships: HashMap<UserId, Vec<Membership>>,
    members: HashMap<OrganisationId, BTreeSet<UserId>>,
    services: HashMap<ServiceAccountId, ServiceAccount>,
    keys: HashMap<KeyId, ApiKey>,
    sessions: HashMap<SessionId, Session>,
    sessions_of: HashMap<UserId, BTreeSet<SessionId>>,
    invitations: HashMap<InvitationId, Invitation>,
    mappings: HashMap<Box<str>, (Box<str>, Mapping)>,
    owner_link: Option<OwnerLink>,
    signing_keys: Option<SigningKeys>,
}

impl AccountsView {
    /// No accounts.
    pub fn new(limits: Limits, policy: SessionPolicy) -> Self {
        Self {
            limits,
            policy,
            organisations: BTreeMap::new(),
            users: HashMap::new(),
            identities: HashMap::new(),
            memberships: HashMap::new(),
            members: HashMap::new(),
            services: HashMap::new(),
            keys: HashMap::new(),
            sessions: HashMap::new(),
            sessions_of: HashMap::new(),
            invitations: HashMap::new(),
            mappings: HashMap::new(),
            owner_link: None,
            signing_keys: None,
        }
    }

    /// How long sessions live.
    pub fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// Adds a record or replaces the one of its name. A record that was read from a store is taken
    /// whatever the limits say: see [`room_for`](Self::room_for).
    pub fn put(&mut self, record: Record) {
        match record {
            Record::Organisation(organisation) => {
                self.organisations.insert(organisation.id.clone(), organisation);
            }
            Record::User(user) => self.put_user(*user),
            Record::Membership(membership) => self.put_membership(membership),
            Record::ServiceAccount(service) => {
                self.services.insert(service.id, service);
            }
            Record::ApiKey(key) => {
                self.keys.insert(key.id, *key);
            }
            Record::Session(session) => {
                self.sessions_of.entry(session.user).or_default().insert(session.id);
                self.sessions.insert(session.id, *session);
            }
            Record::Invitation(invitation) => {
                self.invitations.insert(invitation.id, *invitation);
            }
            Record::Mapping(mapping) => {
                let RecordKey::Mapping(key) = RecordKey::of_issuer(&mapping.issuer) else { return };
                self.mappings.insert(key, (mapping.issuer, mapping.mapping));
            }
            Record::OwnerLink(link) => self.owner_link = Some(link),
            Record::SigningKeys(keys) => self.signing_keys = Some(*keys),
        }
    }

    /// Removes a record, if it is there.
    pub fn remove(&mut self, key: &RecordKey) {
        match key {
            RecordKey::Organisation(id) => drop(self.organisations.remove(id)),
            RecordKey::User(id) => self.remove_user(*id),
            RecordKey::Membership(organisation, user) => self.remove_membership(organisation, *user),
            RecordKey::ServiceAccount(id) => drop(self.services.remove(id)),
            RecordKey::ApiKey(id) => drop(self.keys.remove(id)),
            RecordKey::Session(id) => self.remove_session(*id),
            RecordKey::Invitation(id) => drop(self.invitations.remove(id)),
            RecordKey::Mapping(hash) => drop(self.mappings.remove(hash)),
            RecordKey::OwnerLink => self.owner_link = None,
            RecordKey::SigningKeys => self.signing_keys = None,
        }
    }

    /// An organisation.
    pub fn organisation(&self, id: &OrganisationId) -> Option<&Organisation> {
        self.organisations.get(id)
    }

    /// All organisations in the order of their identifiers.
    pub fn organisations(&self) -> impl Iterator<Item = &Organisation> {
        self.organisations.values()
    }

    /// A user.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// All users, in no order.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// The user whom an issuer knows by this name.
    pub fn user_by_identity(&self, identity: &ExternalIdentity) -> Option<&User> {
        self.identities.get(identity).and_then(|id| self.users.get(id))
    }

    /// A service account.
    pub fn service_account(&self, id: ServiceAccountId) -> Option<&ServiceAccount> {
        self.services.get(&id)
    }

    /// The service accounts of an organisation, in no order.
    pub fn service_accounts_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = &ServiceAccount> {
        self.services.values().filter(move |service| service.organisation == *organisation)
    }

    /// A key.
    pub fn api_key(&self, id: KeyId) -> Option<&ApiKey> {
        self.keys.get(&id)
    }

    /// The keys of an organisation, in no order.
    pub fn api_keys_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = &ApiKey> {
        self.keys.values().filter(move |key| key.organisation == *organisation)
    }

    /// A session.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// The sessions of a user, in the order of their identifiers.
    pub fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Session> {
        self.sessions_of.get(&user).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// All sessions, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// An invitation.
    pub fn invitation(&self, id: InvitationId) -> Option<&Invitation> {
        self.invitations.get(&id)
    }

    /// The invitations into an organisation, in no order.
    pub fn invitations_of(&self, organisation: &OrganisationId) -> impl Iterator<Item = &Invitation> {
        self.invitations.values().filter(move |invitation| invitation.organisation == *organisation)
    }

    /// The rules for the groups of an issuer.
    pub fn mapping(&self, issuer: &str) -> Option<&Mapping> {
        let RecordKey::Mapping(key) = RecordKey::of_issuer(issuer) else { return None };
        self.mappings.get(&key).map(|(_, mapping)| mapping)
    }

    /// The link that makes the first owner.
    pub fn owner_link(&self) -> Option<&OwnerLink> {
        self.owner_link.as_ref()
    }

    /// The keys that sign tokens.
    pub fn signing_keys(&self) -> Option<&SigningKeys> {
        self.signing_keys.as_ref()
    }

    fn put_user(&mut self, user: User) {
        if let Some(old) = self.users.get(&user.id).filter(|old| old.identity != user.identity) {
            self.identities.remove(&old.identity);
        }
        self.identities.insert(user.identity.clone(), user.id);
        self.users.insert(user.id, user);
    }

    fn remove_user(&mut self, id: UserId) {
        if let Some(user) = self.users.remove(&id) {
            self.identities.remove(&user.identity);
        }
    }

    fn remove_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(ids) = self.sessions_of.get_mut(&session.user) {
            ids.remove(&id);
            if ids.is_empty() {
                self.sessions_of.remove(&session.user);
            }
        }
    }
}

#[cfg(test)]
mod tests;
