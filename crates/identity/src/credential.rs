//! Secrets that Earcon hands out: `TAG_ID_SECRET`. API keys, refresh tokens, invitations and the
//! owner link share this form.
//!
//! `ID` names the record. `SECRET` is 32 random bytes and a checksum of three bytes as base32. The
//! checksum tells a typing error from a secret that is unknown, without a look into the store.
//!
//! A record keeps the SHA-256 of a secret. A slow hash such as argon2 protects passwords because
//! they can be guessed. 256 random bits cannot, and a key is checked on every request.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base32;
use crate::id::{InvitationId, KeyId, OwnerLinkId, SessionId};

/// Bytes of the checksum.
const CHECKSUM: usize = 3;
/// Characters of a secret with its checksum: 35 bytes.
const SECRET_CHARACTERS: usize = 56;

/// Identifiers that are a part of a credential.
pub trait CredentialId: Copy + fmt::Display {
    /// The letters in front.
    const TAG: &'static str;

    /// Reads the identifier.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! credential_id {
    ($($id:ident $tag:literal)+) => {
        $(impl CredentialId for $id {
            const TAG: &'static str = $tag;
            fn read(text: &str) -> Option<Self> {
                Self::parse(text).ok()
            }
        })+
    };
}
credential_id!(KeyId "ek" SessionId "er" InvitationId "ei" OwnerLinkId "eo");

/// Why a text is no credential. Says nothing about whether the record exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text does not have the form, for example because another kind of credential was sent.
    #[error("it does not have the form {tag}_<12 characters>_<56 characters>")]
    Form {
        /// The letters in front of the wanted kind.
        tag: &'static str,
    },
    /// The form is right and the checksum is wrong: a character was mistyped or lost.
    #[error("its checksum is wrong: a character was mistyped or is missing")]
    Checksum,
}

/// 32 secret bytes. Neither logs nor debug output show them.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret of these random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the code that must hash or encode them.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An identifier with its secret.
#[derive(Debug, Clone, Copy)]
pub struct Credential<I> {
    /// The record.
    pub id: I,
    /// The proof.
    pub secret: Secret,
}

impl<I: CredentialId> Credential<I> {
    /// The credential with this secret.
    pub fn new(id: I, secret: Secret) -> Self {
        Self { id, secret }
    }

    /// Reads a credential of this kind.
    ///
    /// # Errors
    /// [`Malformed`], which tells a typing error from a text of another form.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let form = Malformed::Form { tag: I::TAG };
        let rest = text.strip_prefix(I::TAG).and_then(|rest| rest.strip_prefix('_')).ok_or(form)?;
        let (id, secret) = rest.split_once('_').ok_or(form)?;
        let id = I::read(id).ok_or(form)?;
        if secret.len() != SECRET_CHARACTERS || !base32::is_base32(secret.as_bytes()) {
            return Err(form);
        }
        let bytes: [u8; 32 + CHECKSUM] = base32::decode(secret).ok_or(form)?;
        let (secret, checksum) = bytes.split_first_chunk().ok_or(form)?;
        let credential = Self { id, secret: Secret(*secret) };
        if credential.checksum() == *checksum { Ok(credential) } else { Err(Malformed::Checksum) }
    }

    /// The text that its owner keeps. Show it once.
    pub fn reveal(&self) -> String {
        let bytes = [&self.secret.0[..], &self.checksum()].concat();
        format!("{}_{}_{}", I::TAG, self.id, base32::encode(&bytes))
    }

    /// The hash that the record keeps.
    pub fn hash(&self) -> HashedSecret {
        HashedSecret::of(&[I::TAG.as_bytes(), self.id.to_string().as_bytes(), &self.secret.0])
    }

    fn checksum(&self) -> [u8; CHECKSUM] {
        let hash = digest(b"earcon checksum", &[I::TAG.as_bytes(), self.id.to_string().as_bytes(), &self.secret.0]);
        [hash[0], hash[1], hash[2]]
    }
}

/// The SHA-256 of a secret, bound to the kind and the identifier of its record: a hash that is
/// copied into another record proves nothing there.
#[derive(Clone, Copy)]
pub struct HashedSecret([u8; 32]);

impl HashedSecret {
    /// The hash of parts. Each part is hashed with its length.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self(digest(b"earcon secret", parts))
    }

    /// Whether both are equal, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for HashedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for HashedSecret {}

impl fmt::Debug for HashedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

impl Serialize for HashedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base32::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for HashedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base32::decode(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a hash has 52 characters of base32"))
    }
}

/// SHA-256 over a purpose and parts, each with its length in front, so that no two lists of parts
/// have the same bytes.
pub(crate) fn digest(purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&purpose).chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(id: [u8; 8], secret: [u8; 32]) -> Credential<KeyId> {
        Credential::new(KeyId::from_random(id), Secret::from_random(secret))
    }

    #[test]
    fn credential_is_read_back_and_hides_its_secret() {
        let key = key([7; 8], [9; 32]);
        let text = key.reveal();
        assert_eq!(text.len(), 72);
        assert!(text.starts_with(&format!("ek_{}_", key.id)), "{text}");
        let read = Credential::<KeyId>::parse(&text).unwrap();
        assert_eq!((read.id, read.secret.reveal()), (key.id, key.secret.reveal()));
        assert_eq!(read.hash(), key.hash());
        assert!(format!("{read:?}{:?}", read.hash()).contains("(secret)") && !format!("{read:?}").contains("9, 9"));
    }

    #[test]
    fn other_forms_are_told_from_typing_errors() {
        let text = key([7; 8], [9; 32]).reveal();
        let parse = |text: &str| Credential::<KeyId>::parse(text).unwrap_err();
        for odd in ["", "ek_", &text[1..], &text[..71], &text.to_uppercase(), &text.replace("ek_", "er_"), "Bearer x"] {
            assert_eq!(parse(odd), Malformed::Form { tag: "ek" }, "{odd}");
        }
        assert!(Credential::<SessionId>::parse(&text).is_err());
        let other_kind = text.replace("ek_", "er_");
        assert_eq!(Credential::<SessionId>::parse(&other_kind).unwrap_err(), Malformed::Checksum, "a changed kind");
    }

    #[test]
    fn hash_belongs_to_one_record() {
        assert_ne!(key([7; 8], [9; 32]).hash(), key([8; 8], [9; 32]).hash());
        assert_ne!(key([7; 8], [9; 32]).hash(), key([7; 8], [8; 32]).hash());
        assert_ne!(digest(b"p", &[b"a", b"bc"]), digest(b"p", &[b"ab", b"c"]));
        let hash = key([7; 8], [9; 32]).hash();
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<HashedSecret>(&text).unwrap(), hash);
        assert!(serde_json::from_str::<HashedSecret>("\"abc\"").is_err());
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_a_typing_error(id: [u8; 8], secret: [u8; 32], at in 3_usize..72, to in "[a-z2-7]") {
            let text = key(id, secret).reveal();
            let mut typed = text.clone();
            typed.replace_range(at..=at, &to);
            let read = Credential::<KeyId>::parse(&typed);
            if typed == text {
                prop_assert!(read.is_ok());
            } else {
                let form = Malformed::Form { tag: "ek" };
                prop_assert!(matches!(read, Err(error) if error == form || error == Malformed::Checksum));
                prop_assert!(at == 15 || matches!(read, Err(Malformed::Checksum)));
            }
        }
    }
}
