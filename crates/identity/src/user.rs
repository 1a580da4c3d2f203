//! Users: people, known by the issuer that signed them in and its name for them.

use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::name::{Email, Name};
use crate::recovery::RecoveryCodes;
use crate::totp::Totp;

/// The issuer of users who sign in with a password of this installation.
pub const LOCAL_ISSUER: &str = "local";
/// Longest issuer and longest subject, in bytes.
pub const MAX_IDENTITY_BYTES: usize = 512;

/// How an issuer knows a user: the only thing that identifies one. An e-mail address does not: an
/// issuer may give it to another person, and two issuers may give it to two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalIdentity {
    /// The address of the issuer, byte for byte as it calls itself, or [`LOCAL_ISSUER`].
    pub issuer: Box<str>,
    /// Its name for the user. For [`LOCAL_ISSUER`], the sign-in name.
    pub subject: Box<str>,
}

/// Why an identity or a sign-in name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The issuer or the subject is empty or too long, or has control characters.
    #[error("issuer and subject have 1 to {MAX_IDENTITY_BYTES} bytes without control characters")]
    Form,
    /// The sign-in name breaks its rule.
    #[error(
        "a sign-in name has 1 to 64 characters of a-z, 0-9, '.', '_', '-', '+' and '@', starting with a letter or digit"
    )]
    SignInName,
}

impl ExternalIdentity {
    /// The identity of a user of an issuer.
    ///
    /// # Errors
    /// [`IdentityError::Form`]. The texts are compared byte for byte and never cut.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, IdentityError> {
        let legal = |text: &str| (1..=MAX_IDENTITY_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        // A foreign issuer cannot call itself `local`: its subjects would be sign-in names.
        if legal(issuer) && legal(subject) && issuer != LOCAL_ISSUER {
            Ok(Self { issuer: issuer.into(), subject: subject.into() })
        } else {
            Err(IdentityError::Form)
        }
    }

    /// The identity of a user with a password. Capital letters count as small ones.
    ///
    /// # Errors
    /// [`IdentityError::SignInName`].
    pub fn local(sign_in_name: &str) -> Result<Self, IdentityError> {
        let name = sign_in_name.trim().to_ascii_lowercase();
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-+@".contains(&b);
        if starts_well && name.len() <= 64 && name.bytes().all(legal) {
            Ok(Self { issuer: LOCAL_ISSUER.into(), subject: name.into() })
        } else {
            Err(IdentityError::SignInName)
        }
    }

    /// Whether the user signs in with a password.
    pub fn is_local(&self) -> bool {
        &*self.issuer == LOCAL_ISSUER
    }
}

/// How a user with a password proves who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalCredentials {
    /// The argon2id hash as a PHC string, see [`password`](crate::password).
    pub password: Box<str>,
    /// The second factor, if it is confirmed.
    pub totp: Option<Totp>,
    /// One-time codes for a lost second factor.
    pub recovery: RecoveryCodes,
    /// When the password was set. Sessions that began earlier have ended.
    pub password_set_ms: i64,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name of the record. Never reused.
    pub id: UserId,
    /// How the issuer knows them.
    pub identity: ExternalIdentity,
    /// The name, as shown.
    pub name: Name,
    /// A label. Nothing is looked up by it.
    pub email: Option<Email>,
    /// A disabled user cannot sign in, and their sessions and keys do nothing.
    pub disabled: bool,
    /// Present if and only if the issuer is [`LOCAL_ISSUER`].
    pub local: Option<LocalCredentials>,
    /// When the record was made.
    pub created_ms: i64,
}

impl User {
    /// A user of an issuer.
    pub fn external(id: UserId, identity: ExternalIdentity, name: Name, email: Option<Email>, now_ms: i64) -> Self {
        Self { id, identity, name, email, disabled: false, local: None, created_ms: now_ms }
    }

    /// A user with a password. `password` is its PHC string.
    ///
    /// # Errors
    /// [`IdentityError::SignInName`].
    pub fn local(
        id: UserId,
        sign_in_name: &str,
        password: String,
        name: Name,
        email: Option<Email>,
        now_ms: i64,
    ) -> Result<Self, IdentityError> {
        let identity = ExternalIdentity::local(sign_in_name)?;
        let local = LocalCredentials {
            password: password.into(),
            totp: None,
            recovery: RecoveryCodes::default(),
            password_set_ms: now_ms,
        };
        Ok(Self { id, identity, name, email, disabled: false, local: Some(local), created_ms: now_ms })
    }

    /// The texts that a password must not contain.
    pub fn own_words(&self) -> Vec<&str> {
        let local = self.identity.is_local().then_some(&*self.identity.subject);
        let email = self.email.as_ref().map(Email::local_part);
        [Some(self.name.as_str()), local, email].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_issuer_and_subject_byte_for_byte() {
        let one = ExternalIdentity::new("https://id.example", "Ada").unwrap();
        assert_ne!(one, ExternalIdentity::new("https://id.example", "ada").unwrap());
        assert_ne!(one, ExternalIdentity::new("https://id.example/", "Ada").unwrap());
        for (issuer, subject) in [("", "a"), ("i", ""), ("i\n", "a"), ("i", "a\0"), ("local", "ada")] {
            assert_eq!(ExternalIdentity::new(issuer, subject), Err(IdentityError::Form), "{issuer:?} {subject:?}");
        }
        let long = "a".repeat(MAX_IDENTITY_BYTES + 1);
        assert_eq!(ExternalIdentity::new("i", &long), Err(IdentityError::Form), "never cut");
    }

    #[test]
    fn sign_in_names_have_one_spelling() {
        let name = |text| ExternalIdentity::local(text).map(|identity| identity.subject);
        assert_eq!(name(" Ada@Example.org "), Ok("ada@example.org".into()));
        assert!(ExternalIdentity::local("ada").unwrap().is_local());
        for illegal in ["", "-a", "a b", "adá", "a\nb", &"a".repeat(65)] {
            assert_eq!(name(illegal), Err(IdentityError::SignInName), "{illegal:?}");
        }
    }

    #[test]
    fn words_of_a_user_are_those_a_password_must_not_have() {
        let (id, name, email) = (UserId::from_random([1; 10]), Name::new("Ada L"), Email::new("a.l@example.org"));
        let user = User::local(id, "ada", "phc".to_owned(), name.unwrap(), email.ok(), 1).unwrap();
        assert_eq!(user.own_words(), ["Ada L", "ada", "a.l"]);
        let text = serde_json::to_string(&user).unwrap();
        assert_eq!(serde_json::from_str::<User>(&text).unwrap(), user);
    }
}
