//! Numbers and enumerations as protobuf's JSON writes them.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A number, or a text that contains one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl Default for Number {
    fn default() -> Self {
        Number::Unsigned(0)
    }
}

impl Number {
    /// As a float, the nearest one.
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Signed(number) => number as f64,
            Number::Unsigned(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    /// As a 64-bit integer.
    pub(super) fn signed(self) -> Result<i64, String> {
        let found = match self {
            Number::Signed(number) => Some(number),
            Number::Unsigned(number) => i64::try_from(number).ok(),
            Number::Float(number) => integer(number),
        };
        found.ok_or_else(|| self.problem("a signed 64-bit integer"))
    }

    /// As an unsigned 64-bit integer.
    pub(super) fn whole(self) -> Result<u64, String> {
        let found = match self {
            Number::Signed(number) => u64::try_from(number).ok(),
            Number::Unsigned(number) => Some(number),
            Number::Float(number) => integer(number).and_then(|number| u64::try_from(number).ok()),
        };
        found.ok_or_else(|| self.problem("an unsigned 64-bit integer"))
    }

    /// As a 32-bit integer.
    pub(super) fn small(self) -> Result<i32, String> {
        let found = self.signed().ok().and_then(|number| i32::try_from(number).ok());
        found.ok_or_else(|| self.problem("a 32-bit integer"))
    }

    fn problem(self, what: &str) -> String {
        let number = self.float();
        let looks_whole = matches!(self, Number::Float(_)) && number.fract() == 0.0 && number.abs() < 1.8e19;
        // The nearest float of a large number has no fraction.
        let near = if looks_whole { "a number near " } else { "" };
        format!("{near}{number} is not {what}")
    }
}

/// `1.0` and `1e3` are integers too.
fn integer(number: f64) -> Option<i64> {
    const LARGEST: f64 = 9.007_199_254_740_992e15;
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A float would round `1.79604073427e+18`, which is a whole number.
        let token = <&RawValue>::deserialize(deserializer)?.get();
        if token.starts_with('"') {
            let text: Cow<'_, str> = serde_json::from_str(token).map_err(D::Error::custom)?;
            return parsed(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a number")));
        }
        let number = parsed(token).filter(|number| number.float().is_finite());
        number
            .ok_or_else(|| D::Error::custom(format!("expected a number or a text that contains one, not {token:.40}")))
    }
}

/// Reads a number. "NaN", "Infinity" and "-Infinity" are numbers in protobuf's JSON, and to Rust.
fn parsed(text: &str) -> Option<Number> {
    let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed)).ok();
    whole.or_else(|| exact(text)).or_else(|| text.parse().map(Number::Float).ok())
}

/// The whole number that a text with a point or an exponent is, if it has at most 64 bits.
fn exact(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (minus, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let zeros = usize::try_from(exponent.checked_sub(i32::try_from(after.len()).ok()?)?).ok()?;
    let digits = format!("{before}{after}");
    let digits = digits.trim_start_matches('0');
    if before.is_empty() || digits.len() + zeros > 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Zero keeps its sign as a float.
    let number = format!("{}{digits}{}", if minus { "-" } else { "" }, "0".repeat(zeros));
    number.parse().map(Number::Unsigned).or_else(|_| number.parse().map(Number::Signed)).ok()
}

/// A value of an enumeration or a set of flags: a number, a text with one, or a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Enumeration {
    Number(u64),
    Name(String),
}

impl Default for Enumeration {
    fn default() -> Self {
        Enumeration::Number(0)
    }
}

impl<'de> Deserialize<'de> for Enumeration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber;

        impl Visitor<'_> for NameOrNumber {
            type Value = Enumeration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Enumeration, E> {
                Ok(Enumeration::Number(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Enumeration, E> {
                Number::Signed(number).whole().map(Enumeration::Number).map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Enumeration, E> {
                Number::Float(number).whole().map(Enumeration::Number).map_err(E::custom)
            }

            fn visit_str<E>(self, text: &str) -> Result<Enumeration, E> {
                Ok(text.parse().map_or_else(|_| Enumeration::Name(text.to_owned()), Enumeration::Number))
            }
        }

        deserializer.deserialize_any(NameOrNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn whole_numbers_are_exact_in_every_spelling() {
        for (text, whole) in [
            ("1.79604073427e+18", 1_796_040_734_270_000_000),
            ("\"1.79604073427e+18\"", 1_796_040_734_270_000_000),
            ("1796040734270000001.0", 1_796_040_734_270_000_001),
            ("1.8446744073709551615E19", u64::MAX),
            ("1e3", 1_000),
            ("12.50e1", 125),
            ("0.001e3", 1),
            ("0.0", 0),
            ("-0.0", 0),
            ("\"7\"", 7),
        ] {
            assert_eq!(read(text).whole(), Ok(whole), "{text}");
        }
        assert_eq!(read("-9.223372036854775808e18").signed(), Ok(i64::MIN));
        assert_eq!(read("-0.0").float().to_bits(), (-0.0f64).to_bits());
        assert_eq!((read("1.5").float(), read("2.5e-3").float(), read("1e300").float()), (1.5, 2.5e-3, 1e300));
        assert!(read("\"NaN\"").float().is_nan());
    }

    #[test]
    fn other_numbers_are_named_truly() {
        let problem = |text: &str| read(text).whole().unwrap_err();
        assert_eq!(problem("1.5"), "1.5 is not an unsigned 64-bit integer");
        assert_eq!(problem("-1"), "-1 is not an unsigned 64-bit integer");
        assert!(problem("1796040734270000000.5").starts_with("a number near 17960407342700"));
        assert!(problem("1e20").starts_with("100000000000000000000 is not"));
        for text in ["true", "[1]", "{}", "null", "\"soon\"", "\"\"", "1e999"] {
            assert!(serde_json::from_str::<Number>(text).is_err(), "{text}");
        }
    }
}
