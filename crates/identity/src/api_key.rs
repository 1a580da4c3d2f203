//! API keys, `ek_<id>_<secret>`: what programs send.
//!
//! A key may do at most as much as its owner may do now. A user who gets a lower role, or is
//! disabled, takes the rights of their keys along, although the records of the keys list more.

mod scope;

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

pub use scope::{KpiPattern, Scope, ScopeError};

use crate::credential::{Credential, HashedSecret};
use crate::id::{KeyId, ServiceAccountId, UserId};
use crate::membership::Reach;
use crate::name::Name;

/// Steps in which the time of the last use is kept, milliseconds: an hour. A key is used thousands
/// of times a second and stored once an hour.
pub const LAST_USED_STEP_MS: i64 = 3_600_000;
/// Longest time in which the secret before a rotation stays valid, milliseconds: 30 days.
pub const LONGEST_OVERLAP_MS: i64 = 30 * 86_400_000;

/// Who answers for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyOwner {
    /// A person, with their rights.
    User(UserId),
    /// A program, with rights of its own.
    Service(ServiceAccountId),
}

/// A key. It has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The name of the record, a part of the key's text.
    pub id: KeyId,
    /// The name that a person gave it.
    pub name: Name,
    /// Who answers for it.
    pub owner: KeyOwner,
    /// The organisation.
    pub organisation: OrganisationId,
    /// The workspaces.
    pub reach: Reach,
    /// What it may do there.
    pub scope: Scope,
    /// The hash of the secret.
    pub secret: HashedSecret,
    /// The secret before the last rotation.
    pub previous: Option<PreviousSecret>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was last used, in steps of [`LAST_USED_STEP_MS`].
    pub last_used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

/// A secret that is valid for a while next to the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousSecret {
    /// Its hash.
    pub secret: HashedSecret,
    /// Until when it is valid.
    pub until_ms: i64,
}

/// Why a key proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// No key has this identifier and this secret.
    #[error("the key is unknown")]
    Unknown,
    /// It was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// It is too old.
    #[error("the key has expired")]
    Expired,
    /// The secret was replaced, and its time is over.
    #[error("the key was rotated, and its old secret is no longer valid")]
    Rotated,
    /// Its owner is disabled or gone.
    #[error("the owner of the key may not sign in")]
    OwnerDisabled,
}

impl ApiKey {
    /// The part of the key that may be shown.
    pub fn prefix(&self) -> String {
        format!("ek_{}", self.id)
    }

    /// Checks a credential against the record alone; its owner is checked by the view.
    ///
    /// # Errors
    /// [`KeyRefused`]. Only the right secret learns that the key was revoked or has expired.
    pub fn check(&self, presented: &Credential<KeyId>, now_ms: i64) -> Result<(), KeyRefused> {
        let hash = presented.hash();
        // Both comparisons are made, whatever the first one says.
        let current = self.secret.is(&hash);
        let previous = self.previous.as_ref().filter(|previous| previous.secret.is(&hash));
        match (current, previous) {
            (false, None) => return Err(KeyRefused::Unknown),
            (false, Some(previous)) if now_ms >= previous.until_ms => return Err(KeyRefused::Rotated),
            _ => {}
        }
        self.valid(now_ms)
    }

    /// Whether a secret that was checked before is still one of the key: the current one, or the
    /// one before until its end.
    pub fn admits(&self, hash: &HashedSecret, now_ms: i64) -> bool {
        let previous = self.previous.as_ref().is_some_and(|old| old.secret.is(hash) && now_ms < old.until_ms);
        self.secret.is(hash) || previous
    }

    /// Whether the key may be used now, for a credential that was checked before.
    ///
    /// # Errors
    /// [`KeyRefused::Revoked`] and [`KeyRefused::Expired`].
    pub fn valid(&self, now_ms: i64) -> Result<(), KeyRefused> {
        if self.revoked_ms.is_some() {
            return Err(KeyRefused::Revoked);
        }
        if self.expires_ms.is_some_and(|expires_ms| now_ms >= expires_ms) { Err(KeyRefused::Expired) } else { Ok(()) }
    }

    /// The key with another secret. The present one stays valid for `overlap_ms`, at most
    /// [`LONGEST_OVERLAP_MS`]; 0 ends it now. An earlier one ends.
    #[must_use]
    pub fn rotate(&self, credential: &Credential<KeyId>, overlap_ms: i64, now_ms: i64) -> Self {
        let until_ms = now_ms.saturating_add(overlap_ms.clamp(0, LONGEST_OVERLAP_MS));
        let previous = PreviousSecret { secret: self.secret, until_ms };
        Self { secret: credential.hash(), previous: Some(previous), ..self.clone() }
    }

    /// The revoked key. A key that was revoked before stays as it is.
    #[must_use]
    pub fn revoke(&self, now_ms: i64) -> Self {
        Self { revoked_ms: self.revoked_ms.or(Some(now_ms)), ..self.clone() }
    }

    /// Whether the record has to change for a use now.
    pub fn is_use_news(&self, now_ms: i64) -> bool {
        self.last_used_ms.is_none_or(|last_ms| step(now_ms) > last_ms)
    }

    /// The key after a use, if the record has to change for it.
    pub fn used(&self, now_ms: i64) -> Option<Self> {
        self.is_use_news(now_ms).then(|| Self { last_used_ms: Some(step(now_ms)), ..self.clone() })
    }
}

/// The beginning of the step of a time.
fn step(now_ms: i64) -> i64 {
    now_ms - now_ms.rem_euclid(LAST_USED_STEP_MS)
}

#[cfg(test)]
mod tests;
