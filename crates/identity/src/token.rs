//! Tokens that need no look into a store: access tokens of at most five minutes, and stream tickets
//! of at most a minute, as JWT (RFC 7519) signed with HMAC SHA-256.
//!
//! A token names its holder and no rights: the view decides on each use, so a change of rights
//! holds at once. Algorithm, key, issuer, audience and times are all named and checked.

mod keys;
mod ticket;

use earcon_model::WorkspaceId;
use jsonwebtoken::{Algorithm, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use keys::{SigningKey, SigningKeys};
pub use ticket::{Purpose, TicketRefused, UsedTickets};

use crate::id::{KeyId, NotAnId, SessionId, TicketId, UserId};

/// Life of an access token, milliseconds: five minutes.
pub const ACCESS_LIFE_MS: i64 = 5 * 60_000;
/// Time in which a stream ticket must be used, milliseconds: a minute.
pub const TICKET_LIFE_MS: i64 = 60_000;
/// Difference between the clocks of nodes that is forgiven, milliseconds.
pub const LEEWAY_MS: i64 = 5_000;
/// Longest token that is looked at, bytes.
pub const MAX_TOKEN_BYTES: usize = 2_048;

const ACCESS_AUDIENCE: &str = "earcon:access";
const TICKET_AUDIENCE: &str = "earcon:ticket";

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// The text is no token, or has claims that no token of this server has.
    #[error("the token has not the form of one")]
    Form,
    /// Another algorithm than the one of this server, or none.
    #[error("the token has another algorithm")]
    Algorithm,
    /// The key that it names does not exist, or no longer.
    #[error("the token was signed with another key; get a new one")]
    Key,
    /// The signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// It was made for another server.
    #[error("the token was issued by another server")]
    Issuer,
    /// It was made for another use.
    #[error("the token is for another use")]
    Audience,
    /// It is too old.
    #[error("the token has expired; get a new one")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet; compare the clocks of the servers")]
    NotYet,
    /// It lives longer than tokens of this server do.
    #[error("the token lives longer than tokens of its kind may")]
    LivesTooLong,
}

/// Who holds an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken {
    /// The user.
    pub user: UserId,
    /// Their session.
    pub session: SessionId,
    /// When the token ends.
    pub expires_ms: i64,
}

/// Who holds a ticket. As the subject of a token: `u_….SESSION` or `ek_KEY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Holder {
    /// A user with a session.
    Session(UserId, SessionId),
    /// A key.
    Key(KeyId),
}

impl TryFrom<String> for Holder {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        if let Some(key) = text.strip_prefix("ek_") {
            return KeyId::parse(key).map(Self::Key);
        }
        let (user, session) = text.split_once('.').unwrap_or((&text, ""));
        Ok(Self::Session(UserId::parse(user)?, SessionId::parse(session)?))
    }
}

impl From<Holder> for String {
    fn from(holder: Holder) -> String {
        match holder {
            Holder::Session(user, session) => format!("{user}.{session}"),
            Holder::Key(key) => format!("ek_{key}"),
        }
    }
}

/// Admits its holder to one stream of one workspace, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Names this one use.
    pub id: TicketId,
    /// Who asked for it.
    pub holder: Holder,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The kind of stream.
    pub purpose: Purpose,
    /// When it ends.
    pub expires_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    nbf: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketClaims {
    iss: String,
    aud: String,
    sub: Holder,
    jti: TicketId,
    wsp: WorkspaceId,
    use_for: Purpose,
    nbf: i64,
    exp: i64,
}

/// Makes and reads the tokens of one installation.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    issuer: &'a str,
    keys: &'a SigningKeys,
}

impl<'a> Tokens<'a> {
    /// The tokens of the installation that calls itself `issuer`.
    pub fn new(issuer: &'a str, keys: &'a SigningKeys) -> Self {
        Self { issuer, keys }
    }

    /// An access token of a session, valid for [`ACCESS_LIFE_MS`].
    pub fn access(&self, user: UserId, session: SessionId, now_ms: i64) -> (String, AccessToken) {
        let (nbf, exp) = span(now_ms, ACCESS_LIFE_MS);
        let claims = AccessClaims {
            iss: self.issuer.to_owned(),
            aud: ACCESS_AUDIENCE.to_owned(),
            sub: user,
            sid: session,
            nbf,
            exp,
        };
        (self.keys.sign(&claims), AccessToken { user, session, expires_ms: exp * 1_000 })
    }

    /// Reads an access token.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn read_access(&self, token: &str, now_ms: i64) -> Result<AccessToken, TokenRefused> {
        let claims: AccessClaims = self.read(token, ACCESS_AUDIENCE)?;
        in_time((claims.nbf, claims.exp), ACCESS_LIFE_MS, now_ms)?;
        Ok(AccessToken { user: claims.sub, session: claims.sid, expires_ms: claims.exp * 1_000 })
    }

    /// A ticket, to be used within [`TICKET_LIFE_MS`].
    pub fn ticket(
        &self,
        id: TicketId,
        holder: Holder,
        (workspace, purpose): (WorkspaceId, Purpose),
        now_ms: i64,
    ) -> (String, Ticket) {
        let (nbf, exp) = span(now_ms, TICKET_LIFE_MS);
        let ticket = Ticket { id, holder, workspace, purpose, expires_ms: exp * 1_000 };
        let claims = TicketClaims {
            iss: self.issuer.to_owned(),
            aud: TICKET_AUDIENCE.to_owned(),
            sub: holder,
            jti: id,
            wsp: ticket.workspace.clone(),
            use_for: purpose,
            nbf,
            exp,
        };
        (self.keys.sign(&claims), ticket)
    }

    /// Reads a ticket for one workspace and purpose. The caller takes it from [`UsedTickets`],
    /// which makes it good for one use.
    ///
    /// # Errors
    /// [`TokenRefused::Audience`] for another workspace or purpose; [`TokenRefused`].
    pub fn read_ticket(
        &self,
        token: &str,
        (workspace, purpose): (&WorkspaceId, Purpose),
        now_ms: i64,
    ) -> Result<Ticket, TokenRefused> {
        let claims: TicketClaims = self.read(token, TICKET_AUDIENCE)?;
        in_time((claims.nbf, claims.exp), TICKET_LIFE_MS, now_ms)?;
        if claims.wsp != *workspace || claims.use_for != purpose {
            return Err(TokenRefused::Audience);
        }
        let (id, holder, workspace) = (claims.jti, claims.sub, claims.wsp);
        Ok(Ticket { id, holder, workspace, purpose, expires_ms: claims.exp * 1_000 })
    }

    /// Checks everything but the times: `jsonwebtoken` would read a clock for them.
    fn read<T: DeserializeOwned>(&self, token: &str, audience: &str) -> Result<T, TokenRefused> {
        use jsonwebtoken::errors::ErrorKind;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefused::Form);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            // `none` and unknown algorithms have no place in its enumeration.
            ErrorKind::Json(_) | ErrorKind::InvalidAlgorithmName => TokenRefused::Algorithm,
            _ => TokenRefused::Form,
        })?;
        if header.alg != Algorithm::HS256 {
            return Err(TokenRefused::Algorithm);
        }
        // A header that says more than ours asks for something that would not be done.
        if header.crit.is_some() || header.jwk.is_some() || header.jku.is_some() || header.zip.is_some() {
            return Err(TokenRefused::Form);
        }
        let key = self.keys.find(header.kid.as_deref().unwrap_or_default()).ok_or(TokenRefused::Key)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[self.issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let decoded = jsonwebtoken::decode::<T>(token, &key.decoding(), &validation);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenRefused::Signature,
            ErrorKind::InvalidIssuer => TokenRefused::Issuer,
            ErrorKind::InvalidAudience => TokenRefused::Audience,
            ErrorKind::InvalidAlgorithm => TokenRefused::Algorithm,
            _ => TokenRefused::Form,
        })
    }
}

/// Beginning and end of a token in seconds, as JWT has them. The end is never later than allowed.
fn span(now_ms: i64, life_ms: i64) -> (i64, i64) {
    (now_ms.div_euclid(1_000), (now_ms + life_ms).div_euclid(1_000))
}

fn in_time((nbf, exp): (i64, i64), longest_ms: i64, now_ms: i64) -> Result<(), TokenRefused> {
    let to_ms = |seconds: i64| seconds.checked_mul(1_000).ok_or(TokenRefused::Form);
    let (from_ms, until_ms) = (to_ms(nbf)?, to_ms(exp)?);
    if until_ms.saturating_sub(from_ms) > longest_ms + 1_000 || until_ms <= from_ms {
        return Err(TokenRefused::LivesTooLong);
    }
    if now_ms.saturating_add(LEEWAY_MS) < from_ms {
        return Err(TokenRefused::NotYet);
    }
    if now_ms >= until_ms { Err(TokenRefused::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
