//! Refuses the keys of the `.proto` files, such as `time_unix_nano`.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The field of a key in snake case. It cannot be read: OTLP permits lower camel case only. Such a
/// key must not be ignored as an unknown one, because its value would be lost in silence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SnakeCase;

impl<'de> Deserialize<'de> for SnakeCase {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a key is in snake_case, but OTLP's JSON has lowerCamelCase keys such as resourceMetrics"))
    }
}
