//! What requests prove with: API keys, access tokens, and tickets for streams.

use std::sync::PoisonError;
use std::time::Duration;

use earcon_identity::api_key::KeyRefused;
use earcon_identity::credential::Credential;
use earcon_identity::id::TicketId;
use earcon_identity::session::SessionRefused;
use earcon_identity::token::{Purpose, TokenRefused, Tokens};
use earcon_identity::{KeyId, Principal};
use earcon_model::WorkspaceId;
use tokio::time::Instant;

use crate::accounts::Accounts;
use crate::error::AccountsError;

/// Shortest time between two reads for requests with unknown sessions and keys.
const REFRESH_EVERY: Duration = Duration::from_millis(200);
/// Most keys whose use is not written down yet.
const MOST_USED_KEYS: usize = 10_000;

/// A text that proves something, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'a> {
    /// An API key.
    Key(&'a str),
    /// An access token.
    Token(&'a str),
}

/// A text has the form of no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is neither an API key nor an access token")]
pub struct UnknownProof;

impl<'a> Proof<'a> {
    /// The kind of proof that a text, such as that of `Authorization: Bearer`, has the form of.
    ///
    /// # Errors
    /// [`UnknownProof`].
    pub fn of(text: &'a str) -> Result<Self, UnknownProof> {
        if text.starts_with("ek_") {
            Ok(Self::Key(text))
        } else if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            Ok(Self::Token(text))
        } else {
            Err(UnknownProof)
        }
    }
}

impl Accounts {
    /// Who sent a proof. Reads only memory.
    ///
    /// # Errors
    /// `Malformed`, `Key`, `Token`, `Session`.
    pub fn authenticate(&self, proof: Proof<'_>) -> Result<Principal, AccountsError> {
        let now_ms = self.now_ms();
        match proof {
            Proof::Key(text) => {
                let presented = Credential::<KeyId>::parse(text)?;
                let view = self.view();
                let principal = view.authenticate_key(&presented, now_ms)?;
                let is_news = view.api_key(presented.id).is_some_and(|key| key.is_use_news(now_ms));
                drop(view);
                if is_news {
                    let mut used = self.shared.used_keys.lock().unwrap_or_else(PoisonError::into_inner);
                    if used.len() < MOST_USED_KEYS {
                        used.insert(presented.id);
                    }
                }
                Ok(principal)
            }
            Proof::Token(text) => {
                let view = self.view();
                let keys = view.signing_keys().ok_or(TokenRefused::Key)?;
                let token = Tokens::new(&self.shared.settings.issuer, keys).read_access(text, now_ms)?;
                Ok(view.authenticate_session(&token, now_ms)?)
            }
        }
    }

    /// The same. A session or a key that this node does not know may be a moment old: the accounts
    /// are read again before it is refused. At most one such read runs in 200 ms, and the number of
    /// requests that wait for it is bounded; the others are refused at once.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), and those of the store.
    pub async fn authenticate_fresh(&self, proof: Proof<'_>) -> Result<Principal, AccountsError> {
        match self.authenticate(proof) {
            Err(
                AccountsError::Session(SessionRefused::Unknown)
                | AccountsError::Key(KeyRefused::Unknown)
                | AccountsError::Token(TokenRefused::Key),
            ) => {
                self.refresh_soon().await?;
                self.authenticate(proof)
            }
            known => known,
        }
    }

    /// Reads the accounts again, unless another request has begun to after this one came.
    async fn refresh_soon(&self) -> Result<(), AccountsError> {
        let came = Instant::now();
        let Ok(_place) = self.shared.waiting_for_refresh.try_acquire() else { return Ok(()) };
        let mut last = self.shared.last_refresh.lock().await;
        if last.is_some_and(|begun| begun >= came) {
            return Ok(());
        }
        if let Some(begun) = *last {
            tokio::time::sleep_until(begun + REFRESH_EVERY).await;
        }
        *last = Some(Instant::now());
        self.refresh().await?;
        Ok(())
    }

    /// A ticket for one stream of a workspace, to be used within a minute.
    ///
    /// # Errors
    /// `NotFound` if the principal has no rights in the workspace.
    pub fn ticket(
        &self,
        principal: Principal,
        workspace: &WorkspaceId,
        purpose: Purpose,
    ) -> Result<(String, i64), AccountsError> {
        let now_ms = self.now_ms();
        let view = self.view();
        if view.authorise(&principal, workspace, now_ms).permissions.is_none() {
            return Err(AccountsError::NotFound("workspace"));
        }
        let keys = view.signing_keys().ok_or(TokenRefused::Key)?;
        let (id, tokens) = (TicketId::from_random(self.draw()), Tokens::new(&self.shared.settings.issuer, keys));
        let (text, ticket) = tokens.ticket(id, principal.into(), (workspace.clone(), purpose), now_ms);
        Ok((text, ticket.expires_ms))
    }

    /// Uses a ticket. Another use on this node is refused; what the principal may do is asked of
    /// the view, as for every request.
    ///
    /// # Errors
    /// `Token` for another workspace or purpose too, `Ticket` for a second use.
    pub fn use_ticket(
        &self,
        text: &str,
        workspace: &WorkspaceId,
        purpose: Purpose,
    ) -> Result<Principal, AccountsError> {
        let now_ms = self.now_ms();
        let ticket = {
            let view = self.view();
            let keys = view.signing_keys().ok_or(TokenRefused::Key)?;
            Tokens::new(&self.shared.settings.issuer, keys).read_ticket(text, (workspace, purpose), now_ms)?
        };
        let mut used = self.shared.used_tickets.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(ticket.id, ticket.expires_ms, now_ms)?;
        Ok(ticket.holder.into())
    }
}
