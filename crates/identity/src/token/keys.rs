//! The keys that sign tokens. Two are valid at once, so that a rotation ends no token.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ACCESS_LIFE_MS, LEEWAY_MS};
use crate::base32;
use crate::id::SigningKeyId;

/// A key of HMAC SHA-256.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// Names the key in the header of a token.
    pub id: SigningKeyId,
    /// When it began to sign.
    pub since_ms: i64,
    #[serde(serialize_with = "write", deserialize_with = "read")]
    secret: [u8; 32],
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).field("since_ms", &self.since_ms).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A key of random bytes.
    pub fn from_random(id: [u8; 8], secret: [u8; 32], now_ms: i64) -> Self {
        Self { id: SigningKeyId::from_random(id), since_ms: now_ms, secret }
    }

    pub(super) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_secret(&self.secret).expect("32 bytes are a key")
    }

    pub(super) fn sign<T: Serialize>(&self, claims: &T) -> String {
        let header = Header { kid: Some(self.id.to_string()), ..Header::new(Algorithm::HS256) };
        let key = EncodingKey::from_secret(&self.secret).expect("32 bytes are a key");
        jsonwebtoken::encode(&header, claims, &key).expect("claims are JSON")
    }
}

/// The key that signs, and the one before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeys {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl SigningKeys {
    /// The first key of an installation.
    pub fn new(first: SigningKey) -> Self {
        Self { current: first, previous: None }
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The keys with another one that signs. The present one still proves tokens; the one before it
    /// no longer does.
    #[must_use]
    pub fn rotate(&self, next: SigningKey) -> Self {
        Self { current: next, previous: Some(self.current.clone()) }
    }

    /// Whether a rotation would end tokens that are still valid: the previous key signed until a
    /// moment ago.
    pub fn may_rotate(&self, now_ms: i64) -> bool {
        self.previous.is_none() || now_ms >= self.current.since_ms.saturating_add(ACCESS_LIFE_MS + 2 * LEEWAY_MS)
    }

    pub(super) fn find(&self, id: &str) -> Option<&SigningKey> {
        let id = SigningKeyId::parse(id).ok()?;
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|key| key.id == id)
    }

    pub(super) fn sign<T: Serialize>(&self, claims: &T) -> String {
        self.current.sign(claims)
    }
}

fn write<S: Serializer>(secret: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base32::encode(secret))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    base32::decode(&text).ok_or_else(|| serde::de::Error::custom("a signing key has 52 characters"))
}
