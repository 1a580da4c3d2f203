//! Keeps foreign web pages out.
//!
//! There are no credentials, so any page that makes a browser on this machine send a request could
//! read and write everything. So a request must name this machine as its host (against DNS
//! rebinding), and a page that sends it must come from this machine.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::gateway::http::problem::{Kind, Problem};

/// Refuses requests whose `Host` or `Origin` is not this machine.
pub(crate) async fn only_this_machine(request: Request, next: Next) -> Response {
    match foreign(request.headers()) {
        Some(name) => {
            let detail = format!("requests must come from and go to localhost or a loopback address, not {name:?}");
            Problem::new(Kind::Forbidden, detail).into_response()
        }
        None => next.run(request).await,
    }
}

fn foreign(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let host = text(header::HOST).filter(|host| !is_loopback(host));
    let origin = text(header::ORIGIN)
        .filter(|origin| !origin.split_once("://").is_some_and(|(_, authority)| is_loopback(authority)));
    host.or(origin)
}

/// Whether `authority` (`host` or `host:port`) is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_recognised() {
        for own in ["localhost", "localhost:7070", "127.0.0.1:80", "[::1]:7070", "127.8.9.1", "a.localhost:1"] {
            assert!(is_loopback(own), "{own}");
        }
        for foreign in ["example.org", "127.0.0.1.example.org:80", "localhost.example.org", "[2001:db8::1]:80", ""] {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_foreign_page_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:7070".parse().unwrap());
        assert_eq!(foreign(&headers), None);
        headers.insert(header::ORIGIN, "https://example.org".parse().unwrap());
        assert_eq!(foreign(&headers).as_deref(), Some("https://example.org"));
        headers.insert(header::ORIGIN, "null".parse().unwrap());
        assert!(foreign(&headers).is_some());
        headers.insert(header::ORIGIN, "http://localhost:5173".parse().unwrap());
        assert_eq!(foreign(&headers), None);
    }
}
