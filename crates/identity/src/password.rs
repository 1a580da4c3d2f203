//! Passwords: which are accepted, and how they are kept.
//!
//! [`hash`] and [`verify`] take tens of milliseconds and some megabytes by design. Call them on a
//! bounded pool of threads that may block.

mod guessable;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;

/// Fewest characters of a password.
pub const FEWEST_CHARACTERS: usize = 12;
/// Longest password, in bytes. A limit for the work of the server, far above what people type.
pub const MAX_BYTES: usize = 256;
/// Most memory that a stored hash may ask for, KiB. A damaged record must not take all of it.
const MOST_MEMORY_KIB: u32 = 256 << 10;

/// Why a password is not accepted. Fit to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password has at least {FEWEST_CHARACTERS} characters")]
    TooShort,
    /// Too long. Nothing is cut.
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    /// It is little more than the user's name.
    #[error("a password must not be made of the user's name or address")]
    OwnName,
    /// It is one of those that are tried first.
    #[error("this password is one of the most common ones")]
    Common,
    /// It repeats few characters, or runs along the alphabet or the keyboard.
    #[error("a password has at least five different characters and is no plain row of them")]
    Simple,
}

/// How much work a guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes. More than one only helps an attacker if the server computes them in turn.
    pub lanes: u32,
}

impl Default for Cost {
    /// 19 MiB, two passes, one lane: the OWASP recommendation for argon2id.
    fn default() -> Self {
        Self { memory_kib: 19 << 10, passes: 2, lanes: 1 }
    }
}

/// The password could not be hashed or compared. Not the same as a wrong password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The stored hash cannot be read, or asks for too much memory.
    #[error("the stored password hash cannot be used")]
    Stored,
    /// The cost is outside of what argon2 allows.
    #[error("the cost of password hashes is outside of what argon2 allows")]
    Cost,
    /// The password is longer than [`MAX_BYTES`].
    #[error("{0}")]
    Password(PasswordError),
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Another password.
    Wrong,
    /// The right password.
    Right {
        /// Whether the stored hash has another cost than the wanted one. Hash it again.
        rehash: bool,
    },
}

/// Checks a new password. `own_words` are the names of the user.
///
/// # Errors
/// [`PasswordError`].
pub fn check(password: &str, own_words: &[&str]) -> Result<(), PasswordError> {
    let password = normalised(password)?;
    if password.chars().count() < FEWEST_CHARACTERS {
        return Err(PasswordError::TooShort);
    }
    let plain = password.to_lowercase();
    let words = own_words.iter().flat_map(|name| name.split(|c: char| !c.is_alphanumeric()).chain([*name]));
    for word in words.map(str::to_lowercase).filter(|word| word.chars().count() >= 3) {
        // With the name taken out, too little is left.
        if plain.contains(&word) && plain.replace(&word, "").chars().count() < FEWEST_CHARACTERS / 2 {
            return Err(PasswordError::OwnName);
        }
    }
    if guessable::is_common(&plain) {
        return Err(PasswordError::Common);
    }
    if guessable::is_simple(&plain) { Err(PasswordError::Simple) } else { Ok(()) }
}

/// The PHC string of a password, for its record. `salt` is random.
///
/// # Errors
/// [`HashError`] if the password is too long or the cost is impossible.
pub fn hash(password: &str, salt: [u8; 16], cost: Cost) -> Result<String, HashError> {
    let password = normalised(password).map_err(HashError::Password)?;
    let hash: PasswordHash =
        hasher(cost)?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| HashError::Cost)?;
    Ok(hash.to_string())
}

/// Compares a password with a PHC string.
///
/// # Errors
/// [`HashError`] if the comparison is impossible.
pub fn verify(password: &str, stored: &str, wanted: Cost) -> Result<Verified, HashError> {
    // A password that is too long was never accepted.
    let Ok(password) = normalised(password) else { return Ok(Verified::Wrong) };
    let hash = PasswordHash::new(stored).map_err(|_| HashError::Stored)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Stored)?;
    if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > 100 || hash.algorithm != argon2::ARGON2ID_IDENT {
        return Err(HashError::Stored);
    }
    let found = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    match hasher(found)?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(Verified::Right { rehash: found != wanted }),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verified::Wrong),
        Err(_) => Err(HashError::Stored),
    }
}

/// Does the work of [`verify`] for a user who does not exist, so that the time of an answer does
/// not tell who does.
///
/// # Errors
/// [`HashError::Cost`].
pub fn verify_unknown(password: &str, wanted: Cost) -> Result<(), HashError> {
    let password = normalised(password).unwrap_or_default();
    let mut out = [0; 32];
    let hashed = hasher(wanted)?.hash_password_into(password.as_bytes(), b"earcon-no-record", &mut out);
    hashed.map_err(|_| HashError::Cost)
}

fn hasher(cost: Cost) -> Result<Argon2<'static>, HashError> {
    if cost.memory_kib > MOST_MEMORY_KIB {
        return Err(HashError::Cost);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(|_| HashError::Cost)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The password in Unicode's composed form: keyboards differ in how they type an accent.
fn normalised(password: &str) -> Result<String, PasswordError> {
    if password.len() > MAX_BYTES { Err(PasswordError::TooLong) } else { Ok(password.nfc().collect()) }
}

#[cfg(test)]
mod tests;
