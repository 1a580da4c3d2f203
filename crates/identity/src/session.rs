//! Sessions: sign-ins of users, kept by refresh tokens that change with each use.
//!
//! A refresh token is used once and gives its successor. Who uses an older one shows that two hold
//! the session, and one of them stole it: the session ends.
//!
//! The first half of the secret is the same for the life of the session and proves that a token
//! belonged to it; the second half changes. So a token from weeks ago is still recognised, and
//! the identifier of a session is not enough to end it with a guess.
//!
//! Two tabs of a browser may send the same token at the same moment, and an answer may be lost. For
//! a short grace the previous token gives the same successor again. The successor is computed from
//! the previous token and a salt in the record, so it is the same on every node.

use serde::{Deserialize, Serialize};

use crate::credential::{Credential, HashedSecret, Secret, digest};
use crate::id::{SessionId, UserId};

/// How long sessions live. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// A session ends after this time without a refresh.
    pub idle_ms: i64,
    /// A session ends after this time in any case.
    pub absolute_ms: i64,
    /// How long a previous token gives its successor again.
    pub grace_ms: i64,
}

impl Default for SessionPolicy {
    /// Seven days, thirty days, ten seconds.
    fn default() -> Self {
        Self { idle_ms: 7 * 86_400_000, absolute_ms: 30 * 86_400_000, grace_ms: 10_000 }
    }
}

/// From where a session was begun or used last, as the request said. Labels for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The network address.
    pub address: Box<str>,
    /// The program, cut to [`MAX_AGENT_CHARACTERS`](Self::MAX_AGENT_CHARACTERS).
    pub agent: Box<str>,
}

impl Device {
    /// Most characters of a program's description.
    pub const MAX_AGENT_CHARACTERS: usize = 200;

    /// A device. Control characters of the description become spaces.
    pub fn new(address: &str, agent: &str) -> Self {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let cut = |text: &str| text.chars().take(Self::MAX_AGENT_CHARACTERS).map(plain).collect::<String>().into();
        Self { address: cut(address), agent: cut(agent) }
    }
}

/// Why a session has ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The user signed out.
    SignedOut,
    /// The user or an administrator revoked it.
    Revoked,
    /// A token was used a second time.
    Reuse,
    /// The user was disabled.
    Disabled,
    /// The user's password or second factor changed.
    CredentialsChanged,
    /// The issuer ended it, or no longer knows the user.
    Issuer,
}

/// A sign-in from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The name of the record.
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// The session at the issuer, for its back-channel logout.
    pub issuer_session: Option<Box<str>>,
    /// From where it was begun.
    pub device: Device,
    /// When it began.
    pub created_ms: i64,
    /// When its token changed last.
    pub refreshed_ms: i64,
    /// How often its token has changed.
    pub turns: u64,
    /// When and why it ended, if before its time.
    pub ended: Option<(i64, Ended)>,
    /// The hash of the half that never changes.
    family: HashedSecret,
    /// The hash of the current token.
    current: HashedSecret,
    /// The token before it.
    previous: Option<Previous>,
}

/// The token that was used last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Previous {
    hash: HashedSecret,
    /// Makes the successor, together with the token.
    salt: [u8; 16],
    replaced_ms: i64,
}

/// Why a refresh token gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefused {
    /// No session has this token.
    #[error("the session is unknown; sign in again")]
    Unknown,
    /// It was ended.
    #[error("the session has ended; sign in again")]
    Ended,
    /// It was idle for too long, or it is too old.
    #[error("the session has expired; sign in again")]
    Expired,
    /// The token was used before. Store the session that comes with this, which has ended.
    #[error("the token was used before, so the session was ended; sign in again")]
    Reuse,
}

/// The result of a refresh.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// The token has changed. Store the session, then give the credential to the user.
    Turned(Box<Session>, Credential<SessionId>),
    /// The same successor again. The record stays as it is.
    Again(Credential<SessionId>),
    /// The token is old: the session ends. Store it.
    Reused(Box<Session>),
}

impl Session {
    /// A new session of a user, and the first token to give them.
    pub fn begin(
        id: SessionId,
        user: UserId,
        random: [u8; 32],
        device: Device,
        issuer_session: Option<Box<str>>,
        now_ms: i64,
    ) -> (Self, Credential<SessionId>) {
        let credential = Credential::new(id, Secret::from_random(random));
        let session = Self {
            id,
            user,
            issuer_session,
            device,
            created_ms: now_ms,
            refreshed_ms: now_ms,
            turns: 0,
            ended: None,
            family: family(&credential),
            current: credential.hash(),
            previous: None,
        };
        (session, credential)
    }

    /// Uses a refresh token. `salt` is random.
    ///
    /// # Errors
    /// [`SessionRefused`]. A token that is not of this session changes nothing.
    pub fn refresh(
        &self,
        presented: &Credential<SessionId>,
        salt: [u8; 16],
        policy: &SessionPolicy,
        now_ms: i64,
    ) -> Result<Refreshed, SessionRefused> {
        if !self.family.is(&family(presented)) {
            return Err(SessionRefused::Unknown);
        }
        self.valid(policy, now_ms)?;
        let hash = presented.hash();
        if self.current.is(&hash) {
            let next = successor(presented, &salt);
            let session = Self {
                refreshed_ms: now_ms,
                turns: self.turns + 1,
                current: next.hash(),
                previous: Some(Previous { hash, salt, replaced_ms: now_ms }),
                ..self.clone()
            };
            return Ok(Refreshed::Turned(Box::new(session), next));
        }
        let previous = self.previous.as_ref().filter(|previous| previous.hash.is(&hash));
        match previous {
            Some(previous) if now_ms.saturating_sub(previous.replaced_ms) <= policy.grace_ms => {
                Ok(Refreshed::Again(successor(presented, &previous.salt)))
            }
            _ => Ok(Refreshed::Reused(Box::new(self.end(Ended::Reuse, now_ms)))),
        }
    }

    /// Whether the session is alive.
    ///
    /// # Errors
    /// [`SessionRefused::Ended`] and [`SessionRefused::Expired`].
    pub fn valid(&self, policy: &SessionPolicy, now_ms: i64) -> Result<(), SessionRefused> {
        if self.ended.is_some() {
            return Err(SessionRefused::Ended);
        }
        if now_ms >= self.expires_ms(policy) { Err(SessionRefused::Expired) } else { Ok(()) }
    }

    /// When the session expires if nothing happens.
    pub fn expires_ms(&self, policy: &SessionPolicy) -> i64 {
        let idle_ms = self.refreshed_ms.saturating_add(policy.idle_ms);
        idle_ms.min(self.created_ms.saturating_add(policy.absolute_ms))
    }

    /// The session after its end. One that has ended stays as it is.
    #[must_use]
    pub fn end(&self, why: Ended, now_ms: i64) -> Self {
        Self { ended: self.ended.or(Some((now_ms, why))), ..self.clone() }
    }
}

/// The hash of the half of a token that stays the same.
fn family(credential: &Credential<SessionId>) -> HashedSecret {
    HashedSecret::of(&[b"family", credential.id.to_string().as_bytes(), &credential.secret.reveal()[..16]])
}

/// The token after this one.
fn successor(credential: &Credential<SessionId>, salt: &[u8; 16]) -> Credential<SessionId> {
    let secret = credential.secret.reveal();
    let turned = digest(b"earcon refresh token", &[salt, secret]);
    let mut next = *secret;
    next[16..].copy_from_slice(&turned[..16]);
    Credential::new(credential.id, Secret::from_random(next))
}

#[cfg(test)]
mod tests;
