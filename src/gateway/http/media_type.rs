//! Content types (RFC 9110 §8.3.1): without regard to case, with parameters that may be quoted.

use axum::http::{HeaderMap, HeaderValue, header};

/// A content type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// The content type of a request; `None` if it names none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes)?;
        Some(Self::parse(&String::from_utf8_lossy(value))).filter(|named| !named.essence.is_empty())
    }

    /// Reads a content type. What is not understood of its parameters is left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = split(text).into_iter();
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())))
        });
        Self { essence, parameters: parameters.collect() }
    }

    /// The type without its parameters, in small letters.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// A parameter, by its name in small letters.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The parts between semicolons that are not inside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut letters = inner.chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_no_case_and_parameters_may_be_quoted() {
        let named = MediaType::parse("Application/X-Protobuf ; Proto=\"prometheus.WriteRequest\";charset=UTF-8");
        assert_eq!(named.essence(), "application/x-protobuf");
        assert_eq!(named.parameter("proto"), Some("prometheus.WriteRequest"));
        assert_eq!(named.parameter("charset"), Some("UTF-8"));
        assert_eq!(MediaType::parse("a/b;c=\"x;\\\"y\"").parameter("c"), Some("x;\"y"));
        assert_eq!(MediaType::parse("a/b;;c").parameter("c"), None);
    }

    #[test]
    fn an_empty_header_names_no_type() {
        let mut headers = HeaderMap::new();
        assert_eq!(MediaType::of(&headers), None);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(" "));
        assert_eq!(MediaType::of(&headers), None);
    }
}
