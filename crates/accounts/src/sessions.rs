//! Sessions: refreshing and ending them.

use earcon_identity::credential::Credential;
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::session::{Ended, Refreshed, Session, SessionRefused};
use earcon_identity::{Permission, Principal, SessionId, UserId};

use crate::accounts::Accounts;
use crate::caller::{By, Caller};
use crate::error::AccountsError;
use crate::ledger::Plan;
use crate::members::end_sessions;

/// New tokens of a session.
#[derive(Clone)]
pub struct Renewed {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The next refresh token.
    pub refresh_token: String,
    /// An access token.
    pub access_token: String,
    /// When the access token ends.
    pub access_expires_ms: i64,
}

/// What a use of a refresh token has led to.
enum Used {
    Renewed {
        next: Credential<SessionId>,
        /// Other nodes read the session again.
        publish: bool,
    },
    Reused(Box<Session>),
}

impl Accounts {
    /// Uses a refresh token. A token that was used before ends the session.
    ///
    /// # Errors
    /// `Malformed`, `Session`, and those of the store.
    pub async fn refresh_session(&self, text: &str, from: Option<String>) -> Result<Renewed, AccountsError> {
        let presented = Credential::<SessionId>::parse(text)?;
        let (key, salt, now_ms) = (RecordKey::Session(presented.id), self.draw(), self.now_ms());
        let policy = self.shared.settings.sessions;
        // Other nodes compute from the time of the last use when an idle session expires.
        let step_ms = (policy.idle_ms / 8).clamp(1, 3_600_000);
        let used = self.shared.ledger.touch(&key, |record| {
            let Record::Session(session) = record else { return Err(SessionRefused::Unknown.into()) };
            match session.refresh(&presented, salt, &policy, now_ms)? {
                Refreshed::Turned(turned, next) => {
                    let publish = session.refreshed_ms.div_euclid(step_ms) != now_ms.div_euclid(step_ms);
                    Ok((Some(Record::Session(turned)), Used::Renewed { next, publish }))
                }
                Refreshed::Again(next) => Ok((None, Used::Renewed { next, publish: false })),
                // It is committed with a version below: other nodes close its streams.
                Refreshed::Reused(ended) => Ok((None, Used::Reused(ended))),
            }
        });
        let (next, publish) = match used.await {
            Ok(Used::Renewed { next, publish }) => (next, publish),
            Ok(Used::Reused(ended)) => return self.end_reused(*ended, from).await,
            Err(AccountsError::NotFound(_)) => return Err(SessionRefused::Unknown.into()),
            Err(error) => return Err(error),
        };
        let user = {
            let view = self.view();
            let session = view.session(presented.id).ok_or(SessionRefused::Unknown)?;
            let user = view.user(session.user).filter(|user| !user.disabled);
            user.ok_or(SessionRefused::Ended)?.id
        };
        if publish {
            self.change(|_| Ok(Plan::nothing(()).touched(key.clone()))).await?;
        }
        let (access_token, access_expires_ms) = self.access_token(user, presented.id, now_ms);
        Ok(Renewed { user, session: presented.id, refresh_token: next.reveal(), access_token, access_expires_ms })
    }

    /// Ends the caller's own session.
    ///
    /// # Errors
    /// `NotAUser`, and those of the store.
    pub async fn sign_out(&self, by: &By) -> Result<(), AccountsError> {
        let Caller::Of(Principal::User { session, .. }) = by.caller else { return Err(AccountsError::NotAUser) };
        self.end_session(by, session, Ended::SignedOut).await
    }

    /// Ends a session: one of the caller, or with `manage-server` any.
    ///
    /// # Errors
    /// `NotFound` for a session that the caller must not know of, and those of the store.
    pub async fn revoke_session(&self, by: &By, session: SessionId) -> Result<(), AccountsError> {
        self.end_session(by, session, Ended::Revoked).await
    }

    /// Ends all sessions of a user but, if the user asks, the one of the caller.
    ///
    /// # Errors
    /// `NotFound` for another user without `manage-server`, and those of the store.
    pub async fn revoke_sessions(&self, by: &By, user: UserId) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        let own = match by.caller {
            Caller::Of(Principal::User { user: caller, session }) if caller == user => Some(session),
            _ => None,
        };
        self.change(|view| {
            let own_is_alive = own.is_some() && by.live_user(view, now_ms).is_ok();
            if !own_is_alive && by.need_server(view, Permission::ManageServer, now_ms).is_err() {
                return Err(AccountsError::NotFound("user"));
            }
            view.user(user).ok_or(AccountsError::NotFound("user"))?;
            let plan = end_sessions(Plan::nothing(()), view, user, own, (Ended::Revoked, now_ms));
            if plan.writes.is_empty() {
                return Ok(plan);
            }
            Ok(self.note_for_user(plan, view, user, ("sessions.revoked", by.from.clone(), None)))
        })
        .await
    }

    /// Ends the sessions that an issuer says are over: one of its sessions, or all of a user.
    /// Returns how many. For back-channel logout.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_issuer_sessions(
        &self,
        identity: Option<&earcon_identity::user::ExternalIdentity>,
        issuer_session: Option<(&str, &str)>,
    ) -> Result<usize, AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let of_user = identity.and_then(|identity| view.user_by_identity(identity)).map(|user| user.id);
            let matches = |session: &&Session| {
                let by_user = of_user.is_some_and(|user| session.user == user);
                let by_session = issuer_session.is_some_and(|(issuer, sid)| {
                    let of_issuer = view.user(session.user).is_some_and(|user| &*user.identity.issuer == issuer);
                    of_issuer && session.issuer_session.as_deref() == Some(sid)
                });
                // With both, the session must be of the user.
                session.ended.is_none()
                    && match (identity.is_some(), issuer_session.is_some()) {
                        (true, true) => by_user && by_session,
                        _ => by_user || by_session,
                    }
            };
            let over: Vec<Session> = view.sessions().filter(matches).cloned().collect();
            let mut plan = Plan::nothing(over.len());
            for session in &over {
                plan = plan.put(Record::Session(Box::new(session.end(Ended::Issuer, now_ms))));
                let detail = Some("by the issuer".to_owned());
                plan = self.note_for_user(plan, view, session.user, ("session.ended", None, detail));
            }
            Ok(plan)
        })
        .await
    }

    async fn end_session(&self, by: &By, id: SessionId, why: Ended) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            let session = view.session(id).ok_or(AccountsError::NotFound("session"))?;
            let own = by.live_user(view, now_ms).is_ok_and(|user| user == session.user);
            if !own && by.need_server(view, Permission::ManageServer, now_ms).is_err() {
                return Err(AccountsError::NotFound("session"));
            }
            if session.ended.is_some() {
                return Ok(Plan::nothing(()));
            }
            let plan = Plan::nothing(()).put(Record::Session(Box::new(session.end(why, now_ms))));
            let detail = (Some(id.to_string()), by.from.clone());
            Ok(self.note_for_user(plan, view, session.user, ("session.ended", detail.1, detail.0)))
        })
        .await
    }

    async fn end_reused<T>(&self, ended: Session, from: Option<String>) -> Result<T, AccountsError> {
        self.change(|view| {
            if view.session(ended.id).is_none_or(|session| session.ended.is_some()) {
                return Ok(Plan::nothing(()));
            }
            let plan = Plan::nothing(()).put(Record::Session(Box::new(ended.clone())));
            let detail = Some(format!("a refresh token of {} was used twice", ended.id));
            Ok(self.note_for_user(plan, view, ended.user, ("session.reused", from.clone(), detail)))
        })
        .await?;
        Err(SessionRefused::Reuse.into())
    }
}
