//! The records of accounts, and the keys under which a store keeps them.

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

use crate::api_key::ApiKey;
use crate::base32;
use crate::credential::digest;
use crate::id::{InvitationId, KeyId, ServiceAccountId, SessionId, UserId};
use crate::invitation::Invitation;
use crate::mapping::Mapping;
use crate::membership::Membership;
use crate::organisation::Organisation;
use crate::owner_link::OwnerLink;
use crate::service_account::ServiceAccount;
use crate::session::Session;
use crate::token::SigningKeys;
use crate::user::User;

/// The rules for the groups of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerMapping {
    /// The address of the issuer.
    pub issuer: Box<str>,
    /// Its rules.
    pub mapping: Mapping,
}

/// One record of any kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// An organisation.
    Organisation(Organisation),
    /// A user.
    User(Box<User>),
    /// The roles of a user in an organisation.
    Membership(Membership),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// A key.
    ApiKey(Box<ApiKey>),
    /// A session.
    Session(Box<Session>),
    /// An invitation.
    Invitation(Box<Invitation>),
    /// The rules for the groups of an issuer.
    Mapping(IssuerMapping),
    /// The link that makes the first owner.
    OwnerLink(OwnerLink),
    /// The keys that sign tokens.
    SigningKeys(Box<SigningKeys>),
}

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKey {
    /// An organisation.
    Organisation(OrganisationId),
    /// A user.
    User(UserId),
    /// The roles of a user in an organisation.
    Membership(OrganisationId, UserId),
    /// A service account.
    ServiceAccount(ServiceAccountId),
    /// A key.
    ApiKey(KeyId),
    /// A session.
    Session(SessionId),
    /// An invitation.
    Invitation(InvitationId),
    /// The rules of an issuer, by the hash of its address.
    Mapping(Box<str>),
    /// The one owner link.
    OwnerLink,
    /// The one record of signing keys.
    SigningKeys,
}

impl Record {
    /// The name of the record.
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Organisation(organisation) => RecordKey::Organisation(organisation.id.clone()),
            Self::User(user) => RecordKey::User(user.id),
            Self::Membership(member) => RecordKey::Membership(member.organisation.clone(), member.user),
            Self::ServiceAccount(service) => RecordKey::ServiceAccount(service.id),
            Self::ApiKey(key) => RecordKey::ApiKey(key.id),
            Self::Session(session) => RecordKey::Session(session.id),
            Self::Invitation(invitation) => RecordKey::Invitation(invitation.id),
            Self::Mapping(mapping) => RecordKey::of_issuer(&mapping.issuer),
            Self::OwnerLink(_) => RecordKey::OwnerLink,
            Self::SigningKeys(_) => RecordKey::SigningKeys,
        }
    }
}

impl RecordKey {
    /// The name of the rules of an issuer.
    pub fn of_issuer(issuer: &str) -> Self {
        Self::Mapping(base32::encode(&digest(b"earcon issuer", &[issuer.as_bytes()])).into())
    }

    /// Reads a key of the store. `None` for a text that no record has.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        let key = match kind {
            "organisation" => Self::Organisation(OrganisationId::new(name).ok()?),
            "user" => Self::User(UserId::parse(name).ok()?),
            "member" => {
                let (organisation, user) = name.split_once('/')?;
                Self::Membership(OrganisationId::new(organisation).ok()?, UserId::parse(user).ok()?)
            }
            "service" => Self::ServiceAccount(ServiceAccountId::parse(name).ok()?),
            "key" => Self::ApiKey(KeyId::parse(name).ok()?),
            "session" => Self::Session(SessionId::parse(name).ok()?),
            "invitation" => Self::Invitation(InvitationId::parse(name).ok()?),
            "mapping" => Self::Mapping(name.into()),
            "owner-link" => Self::OwnerLink,
            "signing-keys" => Self::SigningKeys,
            _ => return None,
        };
        (key.text() == text).then_some(key)
    }

    /// The key in the store. Different records have different keys.
    pub fn text(&self) -> String {
        match self {
            Self::Organisation(id) => format!("organisation/{id}"),
            Self::User(id) => format!("user/{id}"),
            Self::Membership(organisation, user) => format!("member/{organisation}/{user}"),
            Self::ServiceAccount(id) => format!("service/{id}"),
            Self::ApiKey(id) => format!("key/{id}"),
            Self::Session(id) => format!("session/{id}"),
            Self::Invitation(id) => format!("invitation/{id}"),
            Self::Mapping(hash) => format!("mapping/{hash}"),
            Self::OwnerLink => "owner-link".to_owned(),
            Self::SigningKeys => "signing-keys".to_owned(),
        }
    }
}
