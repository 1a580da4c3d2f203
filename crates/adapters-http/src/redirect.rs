//! The request that a redirect leads to (RFC 9110 §15.4), or why it is not followed.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

/// Headers that another server may get. Every other one may be a key: services have names of their
/// own for those.
const HARMLESS: [header::HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::USER_AGENT];

/// Headers that describe a body.
const OF_BODIES: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE];

/// One request of a chain of redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Whether the answer is a redirect.
pub(crate) fn is_redirect(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.contains_key(header::LOCATION)
}

impl Hop {
    /// The next request. The egress policy has not seen it.
    ///
    /// # Errors
    /// Why it is not sent. Without the address itself, which may contain secrets.
    pub(crate) fn follow(self, status: StatusCode, headers: &HeaderMap) -> Result<Self, &'static str> {
        let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| self.url.join(location).ok());
        let url = url.ok_or("a redirect leads to no address")?;
        if self.url.scheme() == "https" && url.scheme() == "http" {
            return Err("a redirect leads from https to http, which is not followed");
        }
        let mut next = Self { url, ..self.clone() };
        let becomes_get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            // As all browsers do.
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            OF_BODIES.iter().for_each(|name| drop(next.headers.remove(name)));
        }
        if next.url.origin() != self.url.origin() {
            if !next.body.is_empty() {
                return Err("a redirect leads to another server, which must not get the body");
            }
            next.headers = HARMLESS
                .into_iter()
                .filter_map(|name| next.headers.get(&name).cloned().map(|value| (name, value)))
                .collect();
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn hop(method: Method) -> Hop {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "cookie", "x-api-key", "accept", "content-type"] {
            headers.insert(name, HeaderValue::from_static("value"));
        }
        let url = Url::parse("https://a.example/one/two?x=1").unwrap();
        Hop { method, url, headers, body: Bytes::from_static(b"body") }
    }

    fn follow(method: Method, status: u16, to: &'static str) -> Result<Hop, &'static str> {
        let headers = [(header::LOCATION, HeaderValue::from_static(to))].into_iter().collect();
        hop(method).follow(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn the_method_follows_the_status() {
        for (method, status, expected) in [
            (Method::POST, 301, Method::GET),
            (Method::POST, 302, Method::GET),
            (Method::POST, 303, Method::GET),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
            (Method::PUT, 301, Method::PUT),
            (Method::POST, 307, Method::POST),
            (Method::POST, 308, Method::POST),
        ] {
            let next = follow(method.clone(), status, "/three").unwrap();
            assert_eq!((&next.method, next.url.as_str()), (&expected, "https://a.example/three"));
            let kept = expected == method;
            assert_eq!(!next.body.is_empty(), kept, "{method} {status}");
            assert_eq!(next.headers.contains_key("content-type"), kept, "{method} {status}");
            assert!(next.headers.contains_key("authorization"), "the same server gets the key");
        }
        assert_eq!(follow(Method::GET, 302, "three").unwrap().url.as_str(), "https://a.example/one/three");
    }

    #[test]
    fn another_server_gets_no_keys_and_no_body() {
        for to in ["https://b.example/", "https://a.example:8443/", "//b.example/", "https://sub.a.example/"] {
            let next = follow(Method::POST, 302, to).unwrap();
            let mut names: Vec<_> = next.headers.keys().map(header::HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["accept"], "{to}");
            assert!(follow(Method::POST, 307, to).is_err(), "{to}");
        }
    }

    #[test]
    fn a_redirect_to_plain_http_or_to_nothing_is_not_followed() {
        for to in ["http://a.example/", "https://", "http://[::1"] {
            let headers = [(header::LOCATION, HeaderValue::from_static(to))].into_iter().collect();
            let without_body = Hop { body: Bytes::new(), ..hop(Method::GET) };
            assert!(without_body.follow(StatusCode::FOUND, &headers).is_err(), "{to}");
        }
        let bytes = [(header::LOCATION, HeaderValue::from_bytes(b"/\xff").unwrap())].into_iter().collect();
        assert!(hop(Method::GET).follow(StatusCode::FOUND, &bytes).is_err());
    }
}
