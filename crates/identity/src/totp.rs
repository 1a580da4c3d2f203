//! Time-based one-time codes (RFC 6238): six digits, 30 seconds, SHA-1, which is what apps know.
//!
//! A code is accepted once: the record keeps the last accepted step, and earlier steps are refused
//! too.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use totp_rs::{Algorithm, Builder};

use crate::base32;
use crate::name::Name;

/// Steps before and after the present one whose code is accepted: clocks differ.
const SKEW: u16 = 1;
/// Seconds of a step.
const STEP_S: u64 = 30;

/// The secret that app and server share, 160 bits. It cannot be a hash: the server computes codes
/// from it.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; 20]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for TotpSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base32::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for TotpSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // People and apps write it in capitals.
        base32::decode(&text.to_ascii_lowercase())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a TOTP secret has 32 characters"))
    }
}

impl TotpSecret {
    /// The secret of these random bytes.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The text for people who cannot scan a picture.
    pub fn reveal(&self) -> String {
        base32::encode(&self.0).to_ascii_uppercase()
    }

    /// The `otpauth://` address for an app. `account` is the sign-in name. A colon, which separates
    /// the two in the address, becomes a space.
    ///
    /// # Errors
    /// If a text cannot be a part of an address.
    pub fn address(&self, issuer: &Name, account: &str) -> Result<String, TotpRefused> {
        let plain = |text: &str| text.replace(':', " ");
        let builder = Builder::new().with_issuer(Some(plain(issuer.as_str()))).with_account_name(plain(account));
        let totp = configured(builder, self).build().map_err(|_| TotpRefused::Address)?;
        totp.to_url().map_err(|_| TotpRefused::Address)
    }

    /// The code at a time, for tests and for clients.
    pub fn code_at(&self, now_ms: i64) -> String {
        self.codes().generate(seconds(now_ms)).to_string()
    }

    fn codes(&self) -> totp_rs::Totp {
        configured(Builder::new(), self).build_noncompliant()
    }
}

fn configured(builder: Builder, secret: &TotpSecret) -> Builder {
    builder
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW)
        .with_step_duration(STEP_S)
        .with_secret(secret.0.to_vec())
}

fn seconds(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1_000).unwrap_or(0)
}

/// Why a code is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpRefused {
    /// It is not the code of this time.
    #[error("the code is wrong or too old")]
    Wrong,
    /// It was used, or a newer one was.
    #[error("the code was used already; wait for the next one")]
    Used,
    /// A name cannot be written into an address.
    #[error("the names cannot be written into an otpauth address")]
    Address,
}

/// The second factor of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totp {
    secret: TotpSecret,
    /// The step of the last accepted code; its earliest next one is after it.
    last_step: u64,
}

impl Totp {
    /// The second factor, confirmed by a first code: the app has the secret.
    ///
    /// # Errors
    /// [`TotpRefused::Wrong`].
    pub fn confirm(secret: TotpSecret, code: &str, now_ms: i64) -> Result<Self, TotpRefused> {
        Self { secret, last_step: 0 }.check(code, now_ms)
    }

    /// The second factor after a code. Store it before the sign-in succeeds.
    ///
    /// # Errors
    /// [`TotpRefused::Wrong`] and [`TotpRefused::Used`].
    pub fn check(&self, code: &str, now_ms: i64) -> Result<Self, TotpRefused> {
        let digits: String = code.chars().filter(|c| *c != ' ').take(7).collect();
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TotpRefused::Wrong);
        }
        let step = self.secret.codes().check(&digits, seconds(now_ms)).ok_or(TotpRefused::Wrong)?;
        if step <= self.last_step { Err(TotpRefused::Used) } else { Ok(Self { last_step: step, ..self.clone() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_MS: i64 = 30_000;

    fn secret() -> TotpSecret {
        TotpSecret::from_random(*b"12345678901234567890")
    }

    #[test]
    fn shown_secret_is_read_back() {
        let secret = TotpSecret::from_random([7; 20]);
        let read: TotpSecret = serde_json::from_str(&format!("\"{}\"", secret.reveal())).unwrap();
        assert_eq!(read.code_at(59_000), secret.code_at(59_000));
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(secret().code_at(seconds * 1_000), code);
        }
    }

    #[test]
    fn code_is_accepted_once_and_with_clocks_that_differ_by_a_step() {
        let now_ms = 100 * STEP_MS;
        let code = secret().code_at(now_ms);
        let totp = Totp::confirm(secret(), &secret().code_at(now_ms - STEP_MS), now_ms).unwrap();
        let used = totp.check(&code, now_ms).unwrap();
        assert_eq!(used.check(&code, now_ms), Err(TotpRefused::Used));
        assert_eq!(used.check(&secret().code_at(now_ms - STEP_MS), now_ms), Err(TotpRefused::Used), "an earlier one");
        assert!(used.check(&secret().code_at(now_ms + STEP_MS), now_ms).is_ok());
        assert_eq!(totp.check(&secret().code_at(now_ms + 2 * STEP_MS), now_ms), Err(TotpRefused::Wrong));
        assert_eq!(totp.check(&secret().code_at(now_ms - 2 * STEP_MS), now_ms), Err(TotpRefused::Wrong));
    }

    #[test]
    fn other_texts_are_wrong_codes() {
        let totp = Totp { secret: secret(), last_step: 0 };
        let code = secret().code_at(3_000_000);
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        assert!(totp.check(&spaced, 3_000_000).is_ok());
        for wrong in ["", &code[1..], &format!("{code}0"), "abcdef", "１２３４５６", &"1".repeat(10_000)] {
            assert_eq!(totp.check(wrong, 3_000_000), Err(TotpRefused::Wrong), "{wrong}");
        }
        assert_eq!(totp.check(&code, -5), Err(TotpRefused::Wrong), "a time before 1970");
    }

    #[test]
    fn address_names_issuer_and_account() {
        let url = secret().address(&Name::new("Ear: con").unwrap(), "ada@example.org").unwrap();
        assert!(url.starts_with("otpauth://totp/Ear%20%20con:ada%40example.org?"), "{url}");
        assert!(url.contains(&secret().reveal()) && url.contains("issuer=Ear%20%20con"), "{url}");
        assert!(!format!("{:?}", secret()).contains("123"));
        let text = serde_json::to_string(&secret()).unwrap();
        assert_eq!(serde_json::from_str::<TotpSecret>(&text).unwrap(), secret());
    }
}
