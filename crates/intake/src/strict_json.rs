//! What JSON bodies of all protocols share: an object is an object, `null` is an absent value, and
//! a byte order mark is not part of the text. Line protocol shares the last.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::error::IntakeError;

/// A JSON object. A derived `Deserialize` also takes an array, whose elements are the fields in
/// their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// For `deserialize_with` beside `default`: `null` is the default too.
///
/// # Errors
/// The value is neither `null` nor a `T`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error>
where
    D::Error: de::Error,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The text behind a UTF-8 byte order mark.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The text of a body, behind its byte order mark.
///
/// # Errors
/// The body is UTF-16, as some tools write files by default, or compressed without saying so.
pub(crate) fn utf8(body: &[u8]) -> Result<&[u8], IntakeError> {
    let compressed = match body {
        [0x1f, 0x8b, ..] => Some("gzip; say so with the header content-encoding: gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd, which is not read; send gzip or plain text"),
        [b'P', b'K', 3, 4, ..] => Some("a zip archive; send its content"),
        _ => None,
    };
    if let Some(kind) = compressed {
        return Err(IntakeError::Malformed(format!("the body is {kind}")));
    }
    let utf16 = match body {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        // Without a mark, ASCII characters have every other byte 0.
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] => *a != 0 && *b != 0,
        _ => false,
    };
    if utf16 {
        return Err(IntakeError::Malformed("the body is UTF-16; send it as UTF-8".to_owned()));
    }
    Ok(without_bom(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        #[serde(default, deserialize_with = "nullable")]
        x: i32,
    }

    #[test]
    fn arrays_are_no_objects() {
        let read = |text: &str| serde_json::from_str::<Object<Point>>(text).map(|Object(point)| point.x);
        assert_eq!(read(r#"{"x": 5}"#).unwrap(), 5);
        assert_eq!(read(r#"{"x": null}"#).unwrap(), 0);
        assert_eq!(read("{}").unwrap(), 0);
        assert!(read("[5]").unwrap_err().to_string().contains("expected an object"));
        assert!(read("null").is_err());
    }

    #[test]
    fn byte_order_mark_is_skipped_once() {
        assert_eq!(without_bom("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(without_bom(b"{}"), b"{}");
    }

    #[test]
    fn compressed_bodies_are_named() {
        for (body, kind) in [
            (&[0x1f, 0x8b, 8, 0][..], "the body is gzip; say so"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 4], "the body is zstd"),
            (b"PK\x03\x04\x14", "the body is a zip archive"),
        ] {
            assert!(utf8(body).unwrap_err().to_string().contains(kind), "{kind}");
        }
    }

    #[test]
    fn utf_16_is_named() {
        for text in ["{}", "cpu value=1", "\u{feff}{}", "\u{feff}é"] {
            let units = text.encode_utf16();
            for bytes in [
                units.clone().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
                units.clone().flat_map(u16::to_be_bytes).collect(),
            ] {
                assert!(utf8(&bytes).unwrap_err().to_string().contains("UTF-16"), "{text}");
            }
            assert_eq!(utf8(text.as_bytes()), Ok(text.trim_start_matches('\u{feff}').as_bytes()));
        }
        for body in [&b""[..], b"\0", b"a\0", b"\0\0\0\0", b"a value=1\0\0"] {
            assert_eq!(utf8(body), Ok(body));
        }
    }
}
