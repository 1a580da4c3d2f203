//! Refuses the keys of the `.proto` files, such as `time_unix_nano`.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// What the sender of such a key reads.
pub(super) const SNAKE_CASE: &str =
    "a key is in snake_case, but OTLP's JSON has lowerCamelCase keys such as resourceMetrics";

/// The field of a key in snake case. It cannot be read: OTLP permits lower camel case only. Such a
/// key must not be ignored as an unknown one, because its value would be lost in silence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SnakeCase;

impl<'de> Deserialize<'de> for SnakeCase {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(SNAKE_CASE))
    }
}
