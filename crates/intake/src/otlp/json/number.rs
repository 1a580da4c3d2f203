//! Numbers and enumerations as protobuf's JSON writes them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

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
        format!("{} is not {what}", self.float())
    }
}

/// `1.0` and `1e3` are integers too.
fn integer(number: f64) -> Option<i64> {
    const LARGEST: f64 = 9.007_199_254_740_992e15;
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text that contains one")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number::Signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number::Unsigned(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed));
        // "NaN", "Infinity" and "-Infinity" are numbers in protobuf's JSON, and to Rust.
        whole.or_else(|_| text.parse().map(Number::Float)).map_err(|_| E::custom(format!("{text:?} is not a number")))
    }
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
