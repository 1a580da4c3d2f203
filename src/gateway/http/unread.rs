//! Answers to requests that hyper could not read.
//!
//! hyper answers them itself, without a body and without the headers that every other answer has.
//! The connection replaces what hyper writes. An answer that hyper writes together with one before
//! it, to a client that sent several requests at once, stays as it is.

use axum::http::{HeaderValue, header};

use super::policy::POLICY;
use super::problem::{Kind, PROBLEM_JSON};

const ADDRESS: &str =
    "the address and the headers may have 64 KiB in all; shorten the address, or send its parameters in a body";

/// The headers that every answer has, for answers that are written past axum.
pub(crate) fn secured(status: &str, more: &str, hsts: Option<&HeaderValue>, body: &str) -> String {
    let hsts = hsts.and_then(|value| value.to_str().ok());
    let hsts = hsts.map(|value| format!("{}: {value}\r\n", header::STRICT_TRANSPORT_SECURITY)).unwrap_or_default();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{more}{hsts}content-type: {PROBLEM_JSON}\r\n\
         content-security-policy: {POLICY}\r\nx-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The answer in place of the one that hyper has begun to write. `None` if these bytes are no
/// answer of hyper: those of routes have the header that hyper's lack. `has_line`: the first line
/// of the request has arrived whole. If not, its address alone is larger than a head may be.
pub(crate) fn replacement(bytes: &[u8], has_line: bool, hsts: Option<&HeaderValue>) -> Option<String> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ")?;
    let head = &rest[..rest.windows(4).position(|part| part == b"\r\n\r\n")?];
    let head = std::str::from_utf8(head).ok()?;
    if head.to_ascii_lowercase().contains("\r\nx-content-type-options:") {
        return None;
    }
    let status = match head.lines().next()? {
        status if status.starts_with("431") && !has_line => "414 URI Too Long",
        status => status,
    };
    let (kind, title, detail) = match status.split(' ').next()? {
        "400" => (Kind::BadRequest, "The request is not understood", "this is no request of HTTP/1.1"),
        "414" => (Kind::TooLarge, "The address is too long", ADDRESS),
        "431" => (
            Kind::HeadTooLarge,
            "The head is too large",
            "the address and the headers may have 64 KiB in all, in 100 headers",
        ),
        _ => return None,
    };
    let code: u16 = status.split(' ').next()?.parse().ok()?;
    let body = serde_json::json!({"type": kind.uri(), "title": title, "status": code, "detail": detail});
    Some(secured(status, "", hsts, &body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_hyper_are_replaced() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let hsts = HeaderValue::from_static("max-age=1");
        let answer = replacement(own, true, Some(&hsts)).unwrap();
        assert!(answer.contains("\r\nstrict-transport-security: max-age=1\r\n"), "{answer}");
        assert!(
            answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n") && answer.ends_with('}'), "{answer}");
        let of_route = b"HTTP/1.1 400 Bad Request\r\nX-Content-Type-Options: nosniff\r\ncontent-length: 0\r\n\r\n";
        for other in [&of_route[..], b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 400 Bad", b"{\"a\": 1}", b""] {
            assert_eq!(replacement(other, true, None), None);
        }
        let answer = replacement(own, false, None).unwrap();
        assert!(answer.starts_with("HTTP/1.1 414 URI Too Long\r\n") && answer.contains("64 KiB"), "{answer}");
    }
}
