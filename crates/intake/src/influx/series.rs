//! Parses measurement, tags and field of a new series.

use std::borrow::Cow;

use crate::naming;
use crate::raw_series::{LabelPairs, Protocol, RawSeries, Stated};

/// The series of the field `name` of a point with this key.
pub(super) fn raw_series<'b>(key: &'b [u8], name: &'b [u8]) -> Result<RawSeries<'b>, String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "measurement, tags and fields must be UTF-8".to_owned());
    let (key, field) = (text(key)?, unescape(text(name)?));
    let mut parts = Pieces { rest: Some(key), separator: b',' };
    let measurement = unescape(parts.next().unwrap_or_default());
    let mut labels = LabelPairs::new();
    let mut stated = Stated::default();
    for tag in parts {
        let mut sides = Pieces { rest: Some(tag), separator: b'=' };
        match (sides.next(), sides.rest) {
            (Some(key), Some(value)) if !key.is_empty() && !value.is_empty() => {
                // These tags stay labels, because series may differ in them.
                match key {
                    "unit" => stated.unit = unescape(value),
                    "description" => stated.description = unescape(value),
                    _ => {}
                }
                labels.push((unescape(key), unescape(value)));
            }
            _ => return Err(format!("a tag is key=value, not {tag:?}")),
        }
    }
    let (name, hashed, joint) = if field == "value" {
        (measurement, false, 0)
    } else {
        let joint = naming::composed(&measurement).len() as u64;
        let (name, hashed) = naming::joined(&[&measurement, &field], 1);
        (Cow::Owned(name), hashed, joint)
    };
    Ok(RawSeries { hashed, labels, joint, stated, ..RawSeries::new(Protocol::Influx, name) })
}

/// Splits at separators that are not escaped.
struct Pieces<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let bytes = rest.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' => at += 2,
                byte if byte == self.separator => {
                    self.rest = Some(&rest[at + 1..]);
                    return Some(&rest[..at]);
                }
                _ => at += 1,
            }
        }
        self.rest = None;
        Some(rest)
    }
}

/// A backslash escapes a space, comma or equals sign. Any other backslash is literal.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && matches!(next, ' ' | ',' | '=') => {
                plain.push(*next);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}
