//! Splits one line into its key, fields and timestamp.

use std::ops::Range;

use memchr::{memchr, memchr3};

use super::number;
use crate::naming;

/// A number of a point.
pub(super) struct Field<'b> {
    /// As sent, with escapes.
    pub(super) name: &'b [u8],
    pub(super) value: f64,
}

/// The fields of a point; reused from line to line to save allocations.
#[derive(Default)]
pub(super) struct Fields<'b> {
    pub(super) numbers: Vec<Field<'b>>,
    /// Names of all fields, as sent.
    names: Vec<&'b [u8]>,
    /// Number of text fields.
    pub(super) texts: usize,
    pub(super) had_text: bool,
}

/// Up to this many names are compared each with each, which is faster than sorting them.
const FEW: usize = 16;

impl Fields<'_> {
    /// Fails if two fields have one name. Names are compared as they are composed.
    fn check_names(&self) -> Result<(), String> {
        let names = &self.names;
        let twice = if names.iter().any(|name| !name.is_ascii()) {
            let texts = names.iter().filter_map(|name| std::str::from_utf8(name).ok()).map(naming::composed);
            let mut texts: Vec<_> = texts.collect();
            texts.sort_unstable();
            let found = texts.array_windows().find(|[one, next]| one == next);
            found.map(|[one, _]| shown(one.as_bytes()))
        } else if names.len() <= FEW {
            let found = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
            found.map(|(_, name)| shown(name))
        } else {
            let mut names = names.clone();
            names.sort_unstable();
            names.array_windows().find(|[one, next]| one == next).map(|[one, _]| shown(one))
        };
        twice.map_or(Ok(()), |name| Err(format!("field {name:?} is given twice")))
    }
}

/// A valid line.
pub(super) struct Line {
    /// Measurement and tags.
    pub(super) key: Range<usize>,
    pub(super) timestamp: Option<i64>,
    /// Position of the line break after it, or the end of the body.
    pub(super) end: usize,
}

/// An invalid line.
pub(super) struct BadLine {
    pub(super) message: String,
    /// Position to resume at: a line break, or the end of the body.
    pub(super) resume: usize,
}

/// Position of the next line break, or the end of the body.
pub(super) fn end_of_line(body: &[u8], at: usize) -> usize {
    memchr(b'\n', &body[at..]).map_or(body.len(), |found| at + found)
}

/// Parses the line that begins at `start`.
pub(super) fn parse<'b>(body: &'b [u8], start: usize, fields: &mut Fields<'b>) -> Result<Line, BadLine> {
    fields.numbers.clear();
    fields.names.clear();
    fields.texts = 0;
    fields.had_text = false;
    // The position to resume at after an error. A terminated text may contain line breaks that do
    // not end the line.
    let mut anchor = start;
    parse_from(body, start, fields, &mut anchor)
        .and_then(|line| fields.check_names().map(|()| line))
        .map_err(|message| BadLine { message, resume: end_of_line(body, anchor) })
}

fn parse_from<'b>(body: &'b [u8], start: usize, fields: &mut Fields<'b>, anchor: &mut usize) -> Result<Line, String> {
    let key = start..end_of_key(body, start)?;
    if body[start] == b',' || key.is_empty() {
        return Err("a line must begin with a measurement".to_owned());
    }
    let mut at = skip_spaces(body, key.end);
    loop {
        let name_end = end_of_name(body, at)?;
        let name = &body[at..name_end];
        fields.names.push(name);
        at = name_end + 1;
        if body.get(at) == Some(&b'"') {
            at = end_of_text(body, at)
                .ok_or_else(|| format!("the text of field {:?} has no closing quote", shown(name)))?;
            *anchor = at;
            fields.texts += 1;
            fields.had_text = true;
        } else {
            let end = end_of_value(body, at);
            let text = &body[at..end];
            let value = number::value(text)
                .ok_or_else(|| format!("field {:?} has no valid value: {:?}", shown(name), shown(text)))?;
            fields.numbers.push(Field { name, value });
            at = end;
        }
        match body.get(at) {
            Some(b',') => at += 1,
            Some(b' ' | b'\t') => break,
            // No timestamp: the line ends here.
            _ => return Ok(Line { key, timestamp: None, end: line_end(body, at)? }),
        }
    }
    at = skip_spaces(body, at);
    let end = end_of_value(body, at);
    if end == at {
        return Ok(Line { key, timestamp: None, end: line_end(body, at)? });
    }
    let text = &body[at..end];
    let timestamp = number::integer(text).ok_or_else(|| format!("{:?} is not a timestamp", shown(text)))?;
    Ok(Line { key, timestamp: Some(timestamp), end: line_end(body, skip_spaces(body, end))? })
}

/// Position of the first space that is not escaped.
fn end_of_key(body: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start;
    loop {
        let found = memchr3(b' ', b'\\', b'\n', body.get(at..).unwrap_or_default()).map(|found| at + found);
        match found.map(|found| (found, body[found])) {
            Some((found, b' ')) => return Ok(found),
            Some((found, b'\\')) if body.get(found + 1).is_some_and(|next| *next != b'\n') => at = found + 2,
            _ => return Err("a line must have a measurement, a space and fields".to_owned()),
        }
    }
}

/// Position of the `=` after a field's name.
fn end_of_name(body: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start;
    loop {
        match body.get(at) {
            Some(b'=') if at > start => return Ok(at),
            Some(b'\\') if body.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            None | Some(b'=' | b',' | b' ' | b'\n') => {
                return Err(format!("a field is name=value, not {:?}", shown(&body[start..at.min(body.len())])));
            }
            Some(_) => at += 1,
        }
    }
}

/// Position after the closing quote of the text that begins at `start`. `None` if the quote is
/// missing or followed by something else.
fn end_of_text(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[at] == b'"' {
            let follows = body.get(at + 1);
            return matches!(follows, None | Some(b',' | b' ' | b'\n' | b'\r' | b'\t')).then_some(at + 1);
        }
        at += 2;
    }
}

/// Position after a value or timestamp.
#[inline]
fn end_of_value(body: &[u8], start: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b',' | b' ' | b'\n' | b'\r' | b'\t');
    body[start..].iter().position(is_end).map_or(body.len(), |found| start + found)
}

fn skip_spaces(body: &[u8], start: usize) -> usize {
    let is_space = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    start + body[start..].iter().take_while(is_space).count()
}

/// The line must end here.
fn line_end(body: &[u8], at: usize) -> Result<usize, String> {
    let at = at + usize::from(body.get(at) == Some(&b'\r'));
    match body.get(at) {
        None | Some(b'\n') => Ok(at),
        Some(_) => Err(format!("unexpected {:?} after the point", shown(&body[at..end_of_line(body, at)]))),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).into_owned()
}
