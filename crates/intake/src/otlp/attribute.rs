//! Values of attributes, independent of their encoding, and their texts as labels.

use std::borrow::Cow;

use crate::raw_series::{LabelPairs, Typed, ValueKind};

/// An `AnyValue`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Any<'a> {
    Absent,
    Text(Cow<'a, str>),
    Truth(bool),
    Integer(i64),
    Float(f64),
    /// In base64.
    Bytes(String),
    List(Vec<Any<'a>>),
    Map(Vec<(Cow<'a, str>, Any<'a>)>),
}

/// The attributes of a point or a resource that have a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Attributes<'a> {
    /// As labels.
    pub(super) pairs: LabelPairs<'a>,
    /// Those whose value is no text.
    pub(super) typed: Typed<'a>,
}

impl<'a> Attributes<'a> {
    /// Adds an attribute if it has a value.
    pub(super) fn push(&mut self, key: Cow<'a, str>, value: Any<'a>) {
        let kind = value.kind();
        let Some(text) = value.into_label() else { return };
        if let Some(kind) = kind {
            self.typed.push((key.clone(), kind));
        }
        self.pairs.push((key, text));
    }

    pub(super) fn into_owned(self) -> Attributes<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Attributes {
            pairs: self.pairs.into_iter().map(|(key, value)| (owned(key), owned(value))).collect(),
            typed: self.typed.into_iter().map(|(key, kind)| (owned(key), kind)).collect(),
        }
    }

    /// Appends bytes that name them. Different attributes give different bytes.
    pub(super) fn write_key(&self, bytes: &mut Vec<u8>) {
        let mut add = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        self.pairs.iter().flat_map(|(key, value)| [key, value]).for_each(|text| add(text));
        // No text is that long.
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend(self.typed.iter().map(|(_, kind)| *kind as u8));
        let typed = self.typed.iter().map(|(key, _)| self.pairs.iter().position(|(pair, _)| pair == key).unwrap_or(0));
        bytes.extend(typed.flat_map(|at| (at as u32).to_le_bytes()));
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    }
}

impl<'a> Any<'a> {
    /// The kind of a value that is no text.
    fn kind(&self) -> Option<ValueKind> {
        match self {
            Any::Absent | Any::Text(_) => None,
            Any::Truth(_) => Some(ValueKind::Truth),
            Any::Integer(_) => Some(ValueKind::Integer),
            Any::Float(_) => Some(ValueKind::Float),
            Any::Bytes(_) => Some(ValueKind::Bytes),
            Any::List(_) => Some(ValueKind::List),
            Any::Map(_) => Some(ValueKind::Map),
        }
    }

    /// The text of a label. Lists and maps are compact JSON. `None` if there is no value.
    pub(super) fn into_label(self) -> Option<Cow<'a, str>> {
        Some(match self {
            Any::Absent => return None,
            Any::Text(text) => text,
            Any::Truth(truth) => if truth { "true" } else { "false" }.into(),
            Any::Integer(number) => number.to_string().into(),
            Any::Float(number) => number.to_string().into(),
            Any::Bytes(base64) => base64.into(),
            Any::List(_) | Any::Map(_) => self.into_json().to_string().into(),
        })
    }

    fn into_json(self) -> Json {
        match self {
            Any::Absent => Json::Plain("null".to_owned()),
            Any::Text(text) => Json::text(&text),
            Any::Truth(truth) => Json::Plain(truth.to_string()),
            Any::Integer(number) => Json::Plain(number.to_string()),
            // `1.0` differs from the integer `1`.
            Any::Float(number) if number.is_finite() => Json::Plain(format!("{number:?}")),
            Any::Float(number) if number.is_nan() => Json::text("NaN"),
            Any::Float(number) => Json::text(if number > 0.0 { "Infinity" } else { "-Infinity" }),
            Any::Bytes(base64) => Json::text(&base64),
            Any::List(values) => Json::List(values.into_iter().map(Any::into_json).collect()),
            Any::Map(mut pairs) => {
                // The order of a map's keys means nothing.
                pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
                Json::Map(pairs.into_iter().map(|(key, value)| (quoted(&key), value.into_json())).collect())
            }
        }
    }
}

/// Written JSON in its parts.
enum Json {
    Plain(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    fn text(text: &str) -> Self {
        Json::Plain(quoted(text))
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Json::Plain(text) => f.write_str(text),
            Json::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Json::Map(pairs) => {
                f.write_str("{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The alphabet of base64 (RFC 4648, section 4).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let sextet = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() { ALPHABET[sextet] as char } else { '=' });
        }
    }
    text
}

/// The usual form of base64 as JSON may have it: with the URL alphabet, or without padding. `None`
/// if the text is not base64.
pub(super) fn usual_base64(text: &str) -> Option<String> {
    let digits = text.trim_end_matches('=').chars();
    let digit = |c: char| match c {
        '-' => Some('+'),
        '_' => Some('/'),
        c => (c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).then_some(c),
    };
    let mut usual = digits.map(digit).collect::<Option<String>>()?;
    if usual.len() % 4 == 1 {
        return None;
    }
    while !usual.len().is_multiple_of(4) {
        usual.push('=');
    }
    Some(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_as_the_standard_shows() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(usual_base64(text.trim_end_matches('=')).as_deref(), Some(text));
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(usual_base64("-_8").as_deref(), Some("+/8="));
        assert_eq!((usual_base64("a b="), usual_base64("A")), (None, None));
    }

    #[test]
    fn lists_and_maps_are_compact_json() {
        let map = |pairs: Vec<(&'static str, Any<'static>)>| {
            Any::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
        };
        let list = Any::List(vec![
            Any::Text("a\"b".into()),
            Any::Integer(1),
            Any::Float(1.0),
            Any::Float(f64::NEG_INFINITY),
            Any::Truth(true),
            Any::Absent,
            map(vec![("z", Any::Bytes("Zg==".to_owned())), ("b", Any::List(Vec::new()))]),
        ]);
        let expected = r#"["a\"b",1,1.0,"-Infinity",true,null,{"b":[],"z":"Zg=="}]"#;
        assert_eq!(list.into_label().as_deref(), Some(expected));
        assert_eq!(map(Vec::new()).into_label().as_deref(), Some("{}"));
        assert_eq!(Any::Absent.into_label(), None);
        assert_eq!(Any::Bytes("Zg==".to_owned()).into_label().as_deref(), Some("Zg=="));
    }
}
