//! Why a text is not the JSON that is expected, in words for the person who wrote it.

use serde_json::error::Category;

/// Characters of the text that a message shows.
const SHOWN: usize = 40;

/// What the parser says, and how a person says it. Longer beginnings come first.
const WORDS: [(&str, &str); 14] = [
    ("expected value", "a value is expected: an object, a list, a text in quotes, a number, true, false or null"),
    ("expected ident", "a word is cut off; JSON knows true, false and null"),
    ("key must be a string", "a key must be in quotes (\")"),
    ("trailing comma", "no comma may stand before the end of an object or a list"),
    ("trailing characters", "more follows behind the end of the value"),
    ("expected `,` or `}`", "a comma or the end of the object (}) is expected"),
    ("expected `,` or `]`", "a comma or the end of the list (]) is expected"),
    ("expected `:`", "a colon is expected between a key and its value"),
    ("control character", "a text holds a line break or another control character; write \\n for it"),
    ("invalid escape", "a backslash in a text must be written \\\\"),
    ("invalid number", "a number is not written as JSON writes it; digits stand on both sides of its point"),
    ("number out of range", "a number is too large; it must be finite"),
    ("invalid unicode code point", "a text is not UTF-8"),
    ("recursion limit exceeded", "its objects and lists are nested too deeply"),
];

/// What the parser calls a type, and what a person calls it.
const TYPES: [(&str, &str); 14] = [
    ("a borrowed string", "a text"),
    ("a string", "a text"),
    ("a boolean", "true or false"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("boolean ", ""),
    ("floating point ", ""),
    ("integer ", ""),
    ("string ", ""),
    ("unit value", "null"),
    ("sequence", "a list"),
    ("map", "an object"),
    ("null", "null"),
    ("f64", "a number"),
];

/// Says why `text` is not the expected JSON: the place, the finding, and the text to write. The
/// error must be one of parsing this text.
pub fn json_problem(error: &serde_json::Error, text: &[u8]) -> String {
    let full = error.to_string();
    let plain = full.rsplit_once(" at line ").map_or(full.as_str(), |(plain, _)| plain);
    let before = before(text, error.line(), error.column());
    match error.classify() {
        _ if text.trim_ascii().is_empty() => "it is empty".to_owned(),
        Category::Eof if before.is_empty() => "it ends before it is complete".to_owned(),
        Category::Eof => format!("it ends before it is complete, behind `{before}`"),
        Category::Syntax => {
            let words = WORDS.iter().find(|(theirs, _)| plain.starts_with(theirs)).map_or(plain, |(_, ours)| ours);
            // A row is one line, and the line that the parser counts in it is not that of the body.
            let is_long = text.trim_ascii_end().contains(&b'\n');
            let line = if is_long { format!("line {}, ", error.line()) } else { String::new() };
            format!("it is no JSON at {line}column {} (`{before}`): {words}", error.column())
        }
        Category::Data | Category::Io => match before.is_empty() {
            true => data(plain),
            false => format!("{} (behind `{before}`)", data(plain)),
        },
    }
}

/// Says in plain words what a parser that names no place says: of query parameters, for example.
pub fn plain_problem(text: &str) -> String {
    data(text)
}

/// The words for a value that is no such value, or a field that is missing, unknown or given twice.
fn data(plain: &str) -> String {
    if let Some((found, wanted)) = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|begin| plain.strip_prefix(begin))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        return format!("{} is expected, not {}", named(wanted), named(found));
    }
    match plain.split_once(" field ") {
        Some(("missing", field)) => format!("the field {field} is missing"),
        Some(("duplicate", field)) => format!("the field {field} is given twice"),
        Some(("unknown", rest)) => match rest.split_once(", expected ") {
            Some((field, known)) => format!("there is no field {field}; the fields are {}", listed(known)),
            None => format!("there is no field {rest}"),
        },
        _ => match plain.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected ")) {
            Some((found, known)) => format!("{found} is not one of {}", listed(known)),
            None => plain.to_owned(),
        },
    }
}

fn listed(known: &str) -> &str {
    known.strip_prefix("one of ").unwrap_or(known)
}

fn named(kind: &str) -> String {
    if ["usize", "u8", "u16", "u32", "u64"].contains(&kind) {
        return "a whole number from 0".to_owned();
    }
    if ["isize", "i8", "i16", "i32", "i64"].contains(&kind) {
        return "a whole number".to_owned();
    }
    let found = TYPES.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", kind.strip_prefix(theirs)?)));
    found.unwrap_or_else(|| kind.to_owned())
}

/// The end of the text before a place. Lines and columns count from 1, columns in bytes.
fn before(text: &[u8], line: usize, column: usize) -> String {
    let Some(line) = text.split(|byte| *byte == b'\n').nth(line.saturating_sub(1)) else { return String::new() };
    let mut end = column.min(line.len());
    while line.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end += 1;
    }
    let line = String::from_utf8_lossy(&line[..end]);
    let shown: Vec<char> = line.trim().chars().rev().take(SHOWN).collect();
    shown.into_iter().rev().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "lowercase")]
    enum Kind {
        One,
        Two,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "count")]
        _count: u64,
        #[serde(rename = "value")]
        _value: f64,
        #[serde(default, rename = "is")]
        _is: bool,
        #[serde(default, rename = "kind")]
        _kind: Option<Kind>,
    }

    fn problem_of<T: DeserializeOwned>(text: &str) -> String {
        let error = serde_json::from_str::<T>(text).err().unwrap_or_else(|| panic!("{text} is read"));
        json_problem(&error, text.as_bytes())
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_place_and_what_to_write() {
        for (text, expected) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("{\"a\": ", "it ends before it is complete, behind `{\"a\":`"),
            ("nonsense", "it is no JSON at column 2 (`no`): a word is cut off; JSON knows true, false and null"),
            (
                "{\n\"a\" 1}",
                "it is no JSON at line 2, column 5 (`\"a\" 1`): a colon is expected between a key and its value",
            ),
            (
                "\u{201c}a\u{201d}",
                "it is no JSON at column 1 (`\u{201c}`): a value is expected: an object, a list, a text in quotes, a number, true, false or null",
            ),
            ("{a: 1}", "it is no JSON at column 2 (`{a`): a key must be in quotes (\")"),
        ] {
            assert_eq!(problem_of::<serde_json::Value>(text), expected, "{text:?}");
        }
        for (text, word) in [
            ("kpi=1", "a value is expected: an object"),
            ("[1,]", "no comma may stand"),
            ("{} x", "more follows"),
            ("[1 2]", "the end of the list"),
            ("{\"a\":1 \"b\":2}", "the end of the object"),
            ("\"a\tb\"", "control character; write \\n"),
            ("\"C:\\temp\\x\"", "a backslash"),
            ("[.5]", "a value is expected"),
            ("[1.]", "digits stand on both sides"),
            ("1e999", "a number is too large"),
        ] {
            let problem = problem_of::<serde_json::Value>(text);
            assert!(problem.contains(word), "{text}: {problem}");
        }
        let deep = "[".repeat(200);
        assert!(problem_of::<serde_json::Value>(&deep).contains("nested too deeply"));
    }

    #[test]
    fn values_and_fields_are_named_in_plain_words() {
        for (text, expected) in [
            (r#"{"name": 5}"#, "a text is expected, not `5` (behind `{\"name\": 5`)"),
            (r#"{"name": null}"#, "a text is expected, not null (behind `{\"name\": null`)"),
            (r#"{"count": -1}"#, "a whole number from 0 is expected, not `-1` (behind `{\"count\": -1`)"),
            (r#"{"value": "x"}"#, "a number is expected, not \"x\" (behind `{\"value\": \"x\"`)"),
            (r#"{"is": 1}"#, "true or false is expected, not `1` (behind `{\"is\": 1`)"),
            (r#"{"value": [1]}"#, "a number is expected, not a list (behind `{\"value\":`)"),
            (r#"{"name": "a"}"#, "the field `count` is missing (behind `{\"name\": \"a\"}`)"),
            (r#"{"name": "a", "name": "b"}"#, "the field `name` is given twice (behind `{\"name\": \"a\", \"name\"`)"),
        ] {
            assert_eq!(problem_of::<Row>(text), expected, "{text}");
        }
        let unknown = problem_of::<Row>(r#"{"nmae": "a"}"#);
        assert!(unknown.starts_with("there is no field `nmae`; the fields are `name`, `count`"), "{unknown}");
        let variant = problem_of::<Row>(r#"{"kind": "three"}"#);
        assert!(variant.starts_with("`three` is not one of `one`"), "{variant}");
    }

    #[test]
    fn only_the_end_of_what_precedes_is_shown() {
        let text = format!("{{\"name\": \"{}\u{7}\", \"count\": true}}", "ü".repeat(500)).replace('\u{7}', "\\u0007");
        let problem = problem_of::<Row>(&text);
        assert!(problem.len() < 160 && problem.contains("\"count\": true"), "{problem}");
    }
}
