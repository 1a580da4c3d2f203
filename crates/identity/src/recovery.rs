//! Recovery codes: they replace a lost second factor, each once.
//!
//! A code is 80 random bits. As with keys, SHA-256 is enough for what cannot be guessed.

use serde::{Deserialize, Serialize};

use crate::base32;
use crate::credential::HashedSecret;
use crate::id::UserId;

/// How many codes a user gets.
pub const COUNT: usize = 10;

/// The codes that are left, as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecoveryCodes(Vec<HashedSecret>);

impl RecoveryCodes {
    /// New codes of a user, and their texts to show once: `abcd-efgh-ijkl-mnop`.
    pub fn new(user: UserId, random: [[u8; 10]; COUNT]) -> (Self, Vec<String>) {
        let codes = random.map(|bytes| base32::encode(&bytes));
        let hashes = codes.iter().map(|code| hash(user, code)).collect();
        let shown = codes.iter().map(|code| [&code[..4], &code[4..8], &code[8..12], &code[12..]].join("-"));
        (Self(hashes), shown.collect())
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// The codes after the use of one, or `None` if it is not one of them. Capital letters, spaces
    /// and hyphens do not matter.
    pub fn after_use(&self, user: UserId, typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let code: String = typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
        let used = hash(user, &code);
        // Every hash is compared: the time must not tell which one it was.
        let left: Vec<HashedSecret> = self.0.iter().filter(|known| !known.is(&used)).copied().collect();
        (left.len() < self.0.len()).then_some(Self(left))
    }
}

fn hash(user: UserId, code: &str) -> HashedSecret {
    HashedSecret::of(&[b"recovery", user.to_string().as_bytes(), code.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_works_once_for_its_user() {
        let user = UserId::from_random([1; 10]);
        let random = std::array::from_fn(|at| [at as u8; 10]);
        let (codes, shown) = RecoveryCodes::new(user, random);
        assert_eq!((codes.left(), shown.len(), shown[3].len()), (COUNT, COUNT, 19));
        let left = codes.after_use(user, &shown[3]).unwrap();
        assert_eq!(left.left(), COUNT - 1);
        assert_eq!(left.after_use(user, &shown[3]), None);
        assert!(left.after_use(user, &shown[4].to_uppercase().replace('-', " ")).is_some());
        assert_eq!(codes.after_use(UserId::from_random([2; 10]), &shown[3]), None);
        for wrong in ["", "aaaa", &shown[3][1..], &"a".repeat(1_000)] {
            assert_eq!(codes.after_use(user, wrong), None, "{wrong}");
        }
    }
}
