//! Keeps foreign web pages out.
//!
//! There are no credentials, so any page that makes a browser on this machine send a request could
//! read and write everything. So a request must name this server as its host (against DNS
//! rebinding), and a page that sends it must be the server's own. Browsers also say from which site
//! a request comes (`Sec-Fetch-Site`); a request of another site changes nothing.

use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

use super::hosts::{Admitted, Hosts, Named};
use super::problem::{Kind, Problem};
use super::serve::MOST_HEAD;
use crate::telemetry::{Metric, count};

/// Checks who sends a request, and to whom.
///
/// # Errors 400 without exactly one host or with two of another header, 431 for a long head, 403
/// for a foreign host, origin or site, 405 for `CONNECT` and `TRACE`.
pub(crate) fn check(
    hosts: &Hosts,
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if method == Method::CONNECT || method == Method::TRACE {
        let problem = Problem::new(Kind::MethodNotAllowed, format!("{method} is not supported at any address"));
        return Err(problem.allowing("GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    check_head(method, uri, headers)?;
    let named = host(version, headers)?;
    let target = uri.authority().map(|authority| authority.as_str());
    let target = target.map(|text| (text, Named::parse(text)));
    for (text, parsed) in
        named.iter().map(|(text, parsed)| (*text, parsed)).chain(target.iter().map(|(text, parsed)| (*text, parsed)))
    {
        if !parsed.as_ref().is_some_and(|named| hosts.admit(named)) {
            return Err(foreign(&format!("this server is not {text:?}; see server.hosts in its configuration")));
        }
    }
    let named = target.or(named).and_then(|(_, named)| named);
    check_origin(hosts, method, named.as_ref(), headers)
}

/// Headers that mean one thing. Of two, a proxy in front and this server may each read another one.
const SINGLE: [&str; 8] = [
    "authorization",
    "content-type",
    "if-match",
    "last-event-id",
    "sec-fetch-site",
    "sec-websocket-key",
    "sec-websocket-version",
    "x-earcon-workspace",
];

/// Checks the size of the head, and that no header is repeated that may come once.
fn check_head(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    // hyper alone does not refuse what arrives with the last piece that it reads.
    let line = method.as_str().len() + uri.to_string().len() + " HTTP/1.1\r\n\r\n".len() + 1;
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len());
    if line + lines.sum::<usize>() > MOST_HEAD {
        return Err(Problem::new(Kind::HeadTooLarge, "the address and the headers may have 64 KiB in all"));
    }
    let repeated = SINGLE.iter().find(|name| headers.get_all(**name).iter().nth(1).is_some());
    repeated.map_or(Ok(()), |name| {
        Err(Problem::new(Kind::BadRequest, format!("a request may have one header {name}, not several")))
    })
}

/// The host of a request as it is written, and parsed.
fn host(version: Version, headers: &HeaderMap) -> Result<Option<(&str, Option<Named>)>, Problem> {
    let mut values = headers.get_all(header::HOST).iter();
    let (first, second) = (values.next(), values.next());
    let bad = |detail: &str| Err(Problem::new(Kind::BadRequest, detail));
    match first {
        _ if second.is_some() => bad("a request must have one Host header, not several"),
        None if version >= Version::HTTP_11 => bad("a request must have a Host header"),
        None => Ok(None),
        Some(value) if value.is_empty() => bad("the Host header must name this server"),
        Some(value) => {
            let text = value.to_str().unwrap_or("?");
            Ok(Some((text, Named::parse(text))))
        }
    }
}

fn check_origin(hosts: &Hosts, method: &Method, named: Option<&Named>, headers: &HeaderMap) -> Result<(), Problem> {
    let mut listed = false;
    for origin in headers.get_all(header::ORIGIN) {
        let text = String::from_utf8_lossy(origin.as_bytes());
        match hosts.admit_origin(&text, named) {
            Admitted::Own => {}
            Admitted::Listed => listed = true,
            Admitted::No => {
                let detail =
                    format!("pages of {text:?} may not call this server; see server.origins in its configuration");
                return Err(foreign(&detail));
            }
        }
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let foreign_site = site.is_some_and(|site| !matches!(site, b"same-origin" | b"none"));
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if foreign_site && changes && !listed {
        return Err(foreign("pages of other sites may not change anything here"));
    }
    Ok(())
}

fn foreign(detail: &str) -> Problem {
    count(Metric::RequestsForeign, 1);
    Problem::new(Kind::Forbidden, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    fn status(method: Method, uri: &str, version: Version, headers: &[(&'static str, &'static str)]) -> u16 {
        let names = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = Hosts::new(&names, &["http://dev.example.org".to_owned()]).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let checked = check(&hosts, &method, &uri.parse().unwrap(), version, &map);
        checked.map_or_else(|problem| problem.status(), |()| StatusCode::OK).as_u16()
    }

    #[test]
    fn exactly_one_own_host_is_needed() {
        let get = |headers: &[(&'static str, &'static str)]| status(Method::GET, "/", Version::HTTP_11, headers);
        assert_eq!(get(&[("host", "127.0.0.1:7070")]), 200);
        assert_eq!(get(&[("host", "example.org")]), 403);
        assert_eq!(get(&[]), 400);
        assert_eq!(get(&[("host", "")]), 400);
        assert_eq!(get(&[("host", "localhost"), ("host", "localhost")]), 400);
        assert_eq!(status(Method::GET, "/", Version::HTTP_10, &[]), 200, "the standard of 1996 knows no Host");
    }

    #[test]
    fn a_header_that_means_one_thing_comes_once() {
        for name in super::SINGLE {
            let twice = [("host", "localhost"), (name, "a"), (name, "a")];
            assert_eq!(status(Method::GET, "/", Version::HTTP_11, &twice), 400, "{name}");
            assert_ne!(status(Method::GET, "/", Version::HTTP_11, &twice[..2]), 400, "{name}");
        }
        let lists = [("host", "localhost"), ("accept", "a/b"), ("accept", "c/d"), ("content-encoding", "gzip")];
        assert_eq!(status(Method::GET, "/", Version::HTTP_11, &lists), 200);
    }

    #[test]
    fn the_bound_of_the_head_is_exact() {
        let head = |more: usize| {
            let own = "GET / HTTP/1.1\r\nhost: localhost\r\nx: \r\n\r\n".len();
            let filling: &'static str = "a".repeat(MOST_HEAD - own + more).leak();
            status(Method::GET, "/", Version::HTTP_11, &[("host", "localhost"), ("x", filling)])
        };
        assert_eq!((head(0), head(1)), (200, 431));
    }

    #[test]
    fn the_target_is_checked_like_the_host() {
        let host = [("host", "localhost:7070")];
        assert_eq!(status(Method::GET, "http://127.0.0.1:7070/", Version::HTTP_11, &host), 200);
        assert_eq!(status(Method::GET, "http://example.org/", Version::HTTP_11, &host), 403);
        assert_eq!(status(Method::GET, "http://localhost@example.org/", Version::HTTP_11, &host), 403);
        assert_eq!(status(Method::GET, "http://user:pass@localhost/", Version::HTTP_11, &host), 403);
        assert_eq!(status(Method::CONNECT, "localhost:7070", Version::HTTP_11, &host), 405);
        assert_eq!(status(Method::TRACE, "/", Version::HTTP_11, &host), 405);
    }

    #[test]
    fn foreign_pages_are_refused() {
        let post = |more: &[(&'static str, &'static str)]| {
            status(Method::POST, "/write", Version::HTTP_11, &[&[("host", "localhost:7070")], more].concat())
        };
        assert_eq!(post(&[]), 200, "a program, not a browser");
        assert_eq!(post(&[("origin", "http://localhost:7070"), ("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(post(&[("origin", "http://localhost:3000")]), 403);
        assert_eq!(post(&[("origin", "null")]), 403);
        assert_eq!(post(&[("origin", "http://localhost:7070"), ("origin", "https://example.org")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), 403);
        assert_eq!(post(&[("origin", "http://dev.example.org"), ("sec-fetch-site", "cross-site")]), 200);
        let link = [("host", "localhost:7070"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(Method::GET, "/", Version::HTTP_11, &link), 200, "a link on another site leads here");
    }
}
