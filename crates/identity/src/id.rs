//! Random identifiers. They name records and are no secrets.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base32;

/// A text is no identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnId(&'static str);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $characters:literal, $bytes:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $characters]);

        impl $name {
            /// The identifier of these random bytes.
            pub fn from_random(bytes: [u8; $bytes]) -> Self {
                Self(base32::characters(&bytes))
            }

            /// Reads an identifier.
            ///
            /// # Errors
            /// [`NotAnId`] with the rule.
            pub fn parse(text: &str) -> Result<Self, NotAnId> {
                let characters = text.strip_prefix($prefix).map(str::as_bytes);
                let characters = characters.and_then(|text| <[u8; $characters]>::try_from(text).ok());
                let id = characters.filter(|text| base32::is_base32(text)).map(Self);
                id.ok_or(NotAnId($rule))
            }

            /// The random characters, without the letters in front.
            pub fn characters(&self) -> &str {
                std::str::from_utf8(&self.0).expect("base32 is ASCII")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(self.characters())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

random_id!(
    /// A person, on all nodes and in all organisations.
    UserId,
    "u_",
    16,
    10,
    "a user's identifier is u_ and 16 characters of a-z and 2-7"
);
random_id!(
    /// A program that has keys of its own, in one organisation.
    ServiceAccountId,
    "sa_",
    16,
    10,
    "a service account's identifier is sa_ and 16 characters of a-z and 2-7"
);
random_id!(
    /// An API key. It is a part of the key's text and may be shown.
    KeyId,
    "",
    12,
    8,
    "a key's identifier is 12 characters of a-z and 2-7"
);
random_id!(
    /// A sign-in of a user, from its beginning to its end.
    SessionId,
    "",
    12,
    8,
    "a session's identifier is 12 characters of a-z and 2-7"
);
random_id!(
    /// An invitation into an organisation.
    InvitationId,
    "",
    12,
    8,
    "an invitation's identifier is 12 characters of a-z and 2-7"
);
random_id!(
    /// The link that makes the first owner.
    OwnerLinkId,
    "",
    12,
    8,
    "an owner link's identifier is 12 characters of a-z and 2-7"
);
random_id!(
    /// A key that signs tokens.
    SigningKeyId,
    "",
    12,
    8,
    "a signing key's identifier is 12 characters of a-z and 2-7"
);
random_id!(
    /// One use of a stream ticket.
    TicketId,
    "",
    16,
    10,
    "a ticket's identifier is 16 characters of a-z and 2-7"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_back_and_have_one_text() {
        let user = UserId::from_random([0xa5; 10]);
        assert_eq!(user.to_string().len(), 18);
        assert_eq!(user.to_string().parse(), Ok(user));
        assert_eq!(serde_json::to_string(&user).unwrap(), format!("\"{user}\""));
        assert_eq!(serde_json::from_str::<UserId>(&format!("\"{user}\"")).unwrap(), user);
        let text = user.to_string();
        for other in [&text[2..], &text.to_uppercase(), &text[..17], &format!("{text}a"), "u_aaaaaaaaaaaaaaa1", ""] {
            assert!(UserId::parse(other).is_err(), "{other}");
            assert!(serde_json::from_str::<UserId>(&format!("\"{other}\"")).is_err(), "{other}");
        }
        assert!(ServiceAccountId::parse(&text).is_err());
    }

    #[test]
    fn sixty_and_eighty_random_bits_are_kept() {
        let mut bytes = [0; 8];
        bytes[7] = 0x10;
        assert_ne!(KeyId::from_random(bytes), KeyId::from_random([0; 8]));
        let mut bytes = [0; 10];
        bytes[9] = 1;
        assert_ne!(UserId::from_random(bytes), UserId::from_random([0; 10]));
    }
}
