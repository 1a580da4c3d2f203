//! What a user changes about their own sign-in: the password, and the second factor.

use earcon_identity::password::{self, Verified};
use earcon_identity::record::Record;
use earcon_identity::recovery::RecoveryCodes;
use earcon_identity::session::Ended;
use earcon_identity::totp::{Totp, TotpSecret};
use earcon_identity::user::{LocalCredentials, User};
use earcon_identity::{AccountsView, Principal, SessionId, UserId};

use crate::accounts::Accounts;
use crate::caller::{By, Caller};
use crate::error::{AccountsError, SignInRefused};
use crate::ledger::Plan;
use crate::members::end_sessions;
use crate::sign_in::use_code;

/// The secret of a second factor that is not confirmed yet.
#[derive(Debug, Clone)]
pub struct NewTotp {
    /// The secret. The caller keeps it until a first code confirms it.
    pub secret: TotpSecret,
    /// The `otpauth://` address, as a text or a picture for the app.
    pub address: String,
}

impl Accounts {
    /// Changes the caller's password. Their other sessions end.
    ///
    /// # Errors
    /// `NotAUser`, `SignIn` for a wrong old password, `Password` for one that is not accepted,
    /// `State` for a user of another issuer, `Busy`, and those of the store.
    pub async fn change_password(&self, by: &By, old: &str, new: String) -> Result<(), AccountsError> {
        let (user, session) = session_of(by)?;
        let present = local_user(&self.view(), user)?;
        let known = self.prove(&present, old).await?;
        let hash = self.hash_password(&present, new).await?;
        let now_ms = self.now_ms();
        self.change_local(by, user, ("password.changed", Some(session)), |local| {
            if local.password != known {
                return Err(SignInRefused::Wrong.into());
            }
            Ok(LocalCredentials { password: hash.clone().into(), password_set_ms: now_ms, ..local.clone() })
        })
        .await
    }

    /// A new secret for the caller's second factor. Nothing is stored.
    ///
    /// # Errors
    /// `NotAUser`, `State` for a user of another issuer.
    pub fn begin_totp(&self, by: &By) -> Result<NewTotp, AccountsError> {
        let user = local_user(&self.view(), by.user()?)?;
        let secret = TotpSecret::from_random(self.draw());
        let address = secret.address(&self.shared.settings.display_name, &user.identity.subject)?;
        Ok(NewTotp { secret, address })
    }

    /// Makes a secret the caller's second factor. The password and a first code are needed. Returns
    /// recovery codes, once. The caller's other sessions end.
    ///
    /// # Errors
    /// `SignIn` for a wrong password, `Totp` for a wrong code, `State` if there is a second factor
    /// already, `Busy`, and those of the store.
    pub async fn confirm_totp(
        &self,
        by: &By,
        password: &str,
        secret: TotpSecret,
        code: &str,
    ) -> Result<Vec<String>, AccountsError> {
        let (user, session) = session_of(by)?;
        let present = local_user(&self.view(), user)?;
        let known = self.prove(&present, password).await?;
        let totp = Totp::confirm(secret, code, self.now_ms())?;
        let (recovery, shown) = RecoveryCodes::new(user, std::array::from_fn(|_| self.draw()));
        self.change_local(by, user, ("totp.added", Some(session)), |local| {
            if local.totp.is_some() {
                return Err(AccountsError::State("there is a second factor already; remove it first"));
            }
            unchanged(local, &known)?;
            Ok(LocalCredentials { totp: Some(totp.clone()), recovery: recovery.clone(), ..local.clone() })
        })
        .await?;
        Ok(shown)
    }

    /// Removes the caller's second factor. The password and a code are needed.
    ///
    /// # Errors
    /// `SignIn`, `State` without a second factor, `Busy`, and those of the store.
    pub async fn remove_totp(&self, by: &By, password: &str, code: &str) -> Result<(), AccountsError> {
        let (user, session) = session_of(by)?;
        let present = local_user(&self.view(), user)?;
        let known = self.prove(&present, password).await?;
        let now_ms = self.now_ms();
        self.change_local(by, user, ("totp.removed", Some(session)), |local| {
            if local.totp.is_none() {
                return Err(AccountsError::State("there is no second factor"));
            }
            unchanged(local, &known)?;
            let mut local = local.clone();
            use_code(&mut local, user, Some(code), now_ms)?;
            Ok(LocalCredentials { totp: None, recovery: RecoveryCodes::default(), ..local })
        })
        .await
    }

    /// Compares the password of a user who has signed in. It is throttled like a sign-in: a stolen
    /// session must not become a place to guess passwords. Returns the stored hash.
    async fn prove(&self, user: &User, password: &str) -> Result<Box<str>, AccountsError> {
        let account = user.identity.subject.clone();
        self.with_throttle(|throttle| throttle.attempt_for_account(&account, self.now_ms()))?;
        let local = user.local.as_ref().ok_or(AccountsError::State("the password is with another issuer"))?;
        let (cost, stored, password) =
            (self.shared.settings.password_cost, local.password.clone(), password.to_owned());
        let stored_too = stored.clone();
        let verified = self.shared.hashing.run(move || password::verify(&password, &stored_too, cost)).await??;
        if verified == Verified::Wrong {
            return Err(SignInRefused::Wrong.into());
        }
        self.with_throttle(|throttle| throttle.account_succeeded(&account));
        Ok(stored)
    }

    async fn change_local(
        &self,
        by: &By,
        user: UserId,
        (action, keep): (&str, Option<SessionId>),
        mut change: impl FnMut(&LocalCredentials) -> Result<LocalCredentials, AccountsError>,
    ) -> Result<(), AccountsError> {
        let now_ms = self.now_ms();
        self.change(|view| {
            by.live_user(view, now_ms)?;
            let present = local_user(view, user)?;
            let local = present.local.as_ref().ok_or(AccountsError::NotAUser)?;
            let changed = User { local: Some(change(local)?), ..present.clone() };
            let plan = Plan::nothing(()).put(Record::User(Box::new(changed)));
            let plan = end_sessions(plan, view, user, keep, (Ended::CredentialsChanged, now_ms));
            Ok(self.note_for_user(plan, view, user, (action, by.from.clone(), None)))
        })
        .await
    }
}

fn unchanged(local: &LocalCredentials, known: &str) -> Result<(), AccountsError> {
    if &*local.password == known { Ok(()) } else { Err(SignInRefused::Wrong.into()) }
}

fn session_of(by: &By) -> Result<(UserId, SessionId), AccountsError> {
    match by.caller {
        Caller::Of(Principal::User { user, session }) => Ok((user, session)),
        _ => Err(AccountsError::NotAUser),
    }
}

fn local_user(view: &AccountsView, user: UserId) -> Result<User, AccountsError> {
    let user = view.user(user).filter(|user| !user.disabled).ok_or(AccountsError::NotAUser)?;
    if user.local.is_some() {
        Ok(user.clone())
    } else {
        Err(AccountsError::State("the password is with another issuer"))
    }
}
