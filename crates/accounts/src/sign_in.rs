//! Signing in with a name, a password and a second factor.

use std::net::IpAddr;

use earcon_identity::audit::{Actor, AuditEntry, Outcome};
use earcon_identity::credential::Credential;
use earcon_identity::name::{Email, Name};
use earcon_identity::password::{self, Verified};
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::session::Device;
use earcon_identity::token::Tokens;
use earcon_identity::totp::TotpRefused;
use earcon_identity::user::{ExternalIdentity, LocalCredentials, User};
use earcon_identity::{AccountsView, Session, SessionId, UserId};

use crate::accounts::{Accounts, organisations_of};
use crate::caller::actor_of;
use crate::error::{AccountsError, SignInRefused};
use crate::ledger::Plan;

/// The wish for a user with a password.
#[derive(Clone)]
pub struct NewUser {
    /// The sign-in name.
    pub sign_in_name: String,
    /// The name, as shown.
    pub name: Name,
    /// A label.
    pub email: Option<Email>,
    /// The password.
    pub password: String,
}

/// A user who has signed in, and what proves it.
#[derive(Clone)]
pub struct SignedIn {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The refresh token. Show it once.
    pub refresh_token: String,
    /// The first access token.
    pub access_token: String,
    /// When the access token ends.
    pub access_expires_ms: i64,
}

/// A session that is about to begin.
pub(crate) struct Start {
    pub(crate) session: Session,
    credential: Credential<SessionId>,
    access: (String, i64),
}

impl Start {
    pub(crate) fn signed_in(&self) -> SignedIn {
        SignedIn {
            user: self.session.user,
            session: self.session.id,
            refresh_token: self.credential.reveal(),
            access_token: self.access.0.clone(),
            access_expires_ms: self.access.1,
        }
    }
}

/// What a sign-in compares, from the view of the moment in which it began.
struct Known {
    user: UserId,
    local: LocalCredentials,
}

impl Accounts {
    /// Signs a user in. `code` is of the authenticator app, or a recovery code.
    ///
    /// # Errors
    /// `SignIn`, the same for an unknown name, a wrong password and a disabled user, after the same
    /// work; `TooManyAttempts` by account and by address; `Busy`; and those of the store.
    pub async fn sign_in(
        &self,
        sign_in_name: &str,
        password: &str,
        code: Option<&str>,
        (from, device): (IpAddr, Device),
    ) -> Result<SignedIn, AccountsError> {
        let identity = ExternalIdentity::local(sign_in_name).ok();
        let account = identity.as_ref().map_or("", |identity| &identity.subject).to_owned();
        self.with_throttle(|throttle| throttle.attempt(&account, from, self.now_ms()))?;
        let known = identity.as_ref().and_then(|identity| known(&self.view(), identity));
        let rehashed = match self.compare(password, known.as_ref()).await? {
            Some(rehashed) => rehashed,
            None => return self.refuse(&account, known.map(|known| known.user), (from, SignInRefused::Wrong)).await,
        };
        let Some(known) = known else {
            return self.refuse(&account, None, (from, SignInRefused::Wrong)).await;
        };
        if known.local.totp.is_some() && code.is_none() {
            // The password is right, and no code was tried.
            self.with_throttle(|throttle| throttle.succeeded(&account, from));
            return Err(SignInRefused::CodeNeeded.into());
        }
        match self.enter(&known, rehashed, code, device).await {
            Ok(signed_in) => {
                self.with_throttle(|throttle| throttle.succeeded(&account, from));
                Ok(signed_in)
            }
            Err(AccountsError::SignIn(refused)) => self.refuse(&account, Some(known.user), (from, refused)).await,
            Err(error) => Err(error),
        }
    }

    /// Compares the password with that of the user, or does the same work without a user. `None`
    /// for a wrong one; else another hash if the cost of hashes has changed.
    async fn compare(&self, password: &str, known: Option<&Known>) -> Result<Option<Option<String>>, AccountsError> {
        let (cost, password) = (self.shared.settings.password_cost, password.to_owned());
        let Some(stored) = known.map(|known| known.local.password.clone()) else {
            self.shared.hashing.run(move || password::verify_unknown(&password, cost)).await??;
            return Ok(None);
        };
        let salt = self.draw();
        let compared = self.shared.hashing.run(move || match password::verify(&password, &stored, cost)? {
            Verified::Wrong => Ok(None),
            Verified::Right { rehash: false } => Ok(Some(None)),
            Verified::Right { rehash: true } => password::hash(&password, salt, cost).map(|hash| Some(Some(hash))),
        });
        Ok(compared.await??)
    }

    /// Begins the session. Checks again, on the newest state, what may have changed meanwhile, and
    /// uses the code there: two sign-ins cannot use one code.
    async fn enter(
        &self,
        known: &Known,
        rehashed: Option<String>,
        code: Option<&str>,
        device: Device,
    ) -> Result<SignedIn, AccountsError> {
        let start = self.new_session(known.user, device, None);
        let now_ms = self.now_ms();
        self.change(|view| {
            let user = view.user(known.user).filter(|user| !user.disabled).ok_or(SignInRefused::Wrong)?;
            let mut local = user.local.clone().ok_or(SignInRefused::Wrong)?;
            if local.password != known.local.password {
                return Err(SignInRefused::Wrong.into());
            }
            use_code(&mut local, user.id, code, now_ms)?;
            if let Some(hash) = &rehashed {
                local.password = hash.clone().into();
            }
            let mut plan = self.begin_session(Plan::nothing(start.signed_in()), view, &start, now_ms);
            if user.local.as_ref() != Some(&local) {
                plan = plan.put(Record::User(Box::new(User { local: Some(local), ..user.clone() })));
            }
            let from = Some(start.session.device.address.to_string());
            Ok(self.note_for_user(plan, view, user.id, ("session.began", from, Some(start.session.id.to_string()))))
        })
        .await
    }

    /// A session that is not stored yet, with its first tokens.
    pub(crate) fn new_session(&self, user: UserId, device: Device, issuer_session: Option<Box<str>>) -> Start {
        let (id, now_ms) = (SessionId::from_random(self.draw()), self.now_ms());
        let (session, credential) = Session::begin(id, user, self.draw(), device, issuer_session, now_ms);
        Start { session, credential, access: self.access_token(user, id, now_ms) }
    }

    pub(crate) fn access_token(&self, user: UserId, session: SessionId, now_ms: i64) -> (String, i64) {
        let view = self.view();
        let keys = view.signing_keys().expect("made when the accounts were opened, and never removed");
        let (text, token) = Tokens::new(&self.shared.settings.issuer, keys).access(user, session, now_ms);
        (text, token.expires_ms)
    }

    /// The plan with a new session. If the user has too many, those that are over go, and then
    /// those that were used longest ago.
    pub(crate) fn begin_session<T>(
        &self,
        mut plan: Plan<T>,
        view: &AccountsView,
        start: &Start,
        now_ms: i64,
    ) -> Plan<T> {
        let policy = &self.shared.settings.sessions;
        let most = self.shared.settings.limits.sessions_of_user.saturating_sub(1);
        let mut sessions: Vec<&Session> = view.sessions_of(start.session.user).collect();
        if sessions.len() > most {
            sessions.sort_unstable_by_key(|session| (session.valid(policy, now_ms).is_ok(), session.refreshed_ms));
            for session in &sessions[..sessions.len() - most] {
                plan = plan.remove(RecordKey::Session(session.id));
            }
        }
        plan.put(Record::Session(Box::new(start.session.clone())))
    }

    /// A user with a password that was checked and hashed.
    pub(crate) async fn new_local_user(&self, wish: NewUser) -> Result<User, AccountsError> {
        let id = UserId::from_random(self.draw());
        let (name, email) = (wish.name, wish.email);
        let mut user = User::local(id, &wish.sign_in_name, String::new(), name, email, self.now_ms())?;
        let hash = self.hash_password(&user, wish.password).await?;
        if let Some(local) = &mut user.local {
            local.password = hash.into();
        }
        Ok(user)
    }

    /// Checks and hashes a new password of a user.
    pub(crate) async fn hash_password(&self, user: &User, password: String) -> Result<String, AccountsError> {
        password::check(&password, &user.own_words())?;
        let (salt, cost) = (self.draw(), self.shared.settings.password_cost);
        Ok(self.shared.hashing.run(move || password::hash(&password, salt, cost)).await??)
    }

    /// Writes the failed sign-in into the audit logs, and returns its error.
    async fn refuse<T>(
        &self,
        account: &str,
        user: Option<UserId>,
        (from, refused): (IpAddr, SignInRefused),
    ) -> Result<T, AccountsError> {
        let (organisations, actor) = {
            let view = self.view();
            match user {
                Some(user) => (organisations_of(&view, user), actor_of(&view, user)),
                // Names that no user has are many and of strangers: the log of the server, not of a
                // tenant. They are throttled, so their number is bounded.
                None => {
                    let name = account.to_owned();
                    (vec![earcon_model::OrganisationId::default_organisation()], Actor::Unknown { name })
                }
            }
        };
        for organisation in organisations {
            let entry = self.entry(
                actor.clone(),
                Some(from.to_canonical().to_string()),
                "session.refused",
                account.to_owned(),
                Some(refused.to_string()),
            );
            self.shared.trail.append(&organisation, AuditEntry { outcome: Outcome::Refused, ..entry }).await?;
        }
        Err(refused.into())
    }
}

fn known(view: &AccountsView, identity: &ExternalIdentity) -> Option<Known> {
    let user = view.user_by_identity(identity).filter(|user| !user.disabled)?;
    Some(Known { user: user.id, local: user.local.clone()? })
}

/// Uses the code of a sign-in, if the user has a second factor.
pub(crate) fn use_code(
    local: &mut LocalCredentials,
    user: UserId,
    code: Option<&str>,
    now_ms: i64,
) -> Result<(), SignInRefused> {
    let Some(totp) = &local.totp else { return Ok(()) };
    let code = code.ok_or(SignInRefused::CodeNeeded)?;
    match totp.check(code, now_ms) {
        Ok(used) => local.totp = Some(used),
        Err(TotpRefused::Used) => return Err(SignInRefused::Code(TotpRefused::Used)),
        Err(refused) => match local.recovery.after_use(user, code) {
            Some(left) => local.recovery = left,
            None => return Err(SignInRefused::Code(refused)),
        },
    }
    Ok(())
}
