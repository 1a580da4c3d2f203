//! The credentials of a request: a key, a token, the cookie of a session or a ticket.
//!
//! Agents can carry a key where their protocol has room for a password or a token, so each of these
//! places is read. A request shows one thing: two in different places are refused, because two
//! readers of the request could believe two callers.

use axum::http::{HeaderMap, Method, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::gateway::http::problem::{Kind, Problem};
use earcon_ports::Secret;

/// The cookie of a session. With TLS browsers only take it from this server and over TLS.
pub(crate) const COOKIE: &str = "earcon_session";
/// The same cookie with TLS.
pub(crate) const SECURE_COOKIE: &str = "__Host-earcon_session";
/// The query parameter of a ticket.
const TICKET: &str = "ticket";
/// The beginning of a key's text.
const KEY: &str = "ek_";

/// The credentials of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// An API key.
    Key(Secret),
    /// An access token.
    Token(Secret),
    /// The access token in the cookie of a browser.
    Cookie(Secret),
    /// A ticket for one stream.
    Ticket(Secret),
}

impl Credentials {
    /// Reads the credentials of a request.
    ///
    /// # Errors
    /// 400 for an `Authorization` header in a form that is not known, or for two credentials.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let header = headers.get(header::AUTHORIZATION).map(authorization).transpose()?;
        let query = from_query(method, uri);
        match (header, query) {
            (Some(one), Some(other)) if one == other => Ok(one),
            (Some(_), Some(_)) => Err(bad("a request shows one credential: in a header, or in its address")),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(cookie_named(headers, &[SECURE_COOKIE, COOKIE])
                .map_or(Self::None, |text| Self::Cookie(Secret::new(text)))),
        }
    }
}

/// A key or a token, by the form of the text.
fn key_or_token(text: &str) -> Credentials {
    if text.starts_with(KEY) { Credentials::Key(Secret::new(text)) } else { Credentials::Token(Secret::new(text)) }
}

/// Reads an `Authorization` header: `Bearer` as in RFC 6750, `Token` as in InfluxDB 2, `Basic` as
/// in RFC 7617 with a key as the password, or as the user of an empty password.
fn authorization(value: &header::HeaderValue) -> Result<Credentials, Problem> {
    let text = value.to_str().map_err(|_| bad("the header Authorization is not ASCII"))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Ok(key_or_token(rest));
    }
    if scheme.eq_ignore_ascii_case("token") && !rest.is_empty() {
        // Clients of InfluxDB 1 write `user:password` behind a server of version 2.
        return Ok(key_or_token(rest.rsplit_once(':').map_or(rest, |(_, password)| password)));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| bad("the header Authorization: Basic is not base64 of user:password"))?;
        let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
        return Ok(key_or_token(if password.is_empty() { user } else { password }));
    }
    Err(bad("the header Authorization must be `Bearer KEY`, `Token KEY`, or `Basic` with the key as the password"))
}

/// A ticket, or the password of InfluxDB 1 (`?u=…&p=…`).
fn from_query(method: &Method, uri: &Uri) -> Option<Credentials> {
    let query = uri.query()?;
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
    };
    if *method == Method::GET {
        return value(TICKET).map(|text| Credentials::Ticket(Secret::new(text)));
    }
    // Other paths have parameters of their own with short names.
    let is_influx = uri.path().ends_with("/write") || uri.path() == "/query";
    is_influx.then(|| value("p")).flatten().map(|text| key_or_token(&text))
}

/// The value of the first of these cookies that a request has. Those for TLS go first, because only
/// this server can have set them.
pub(crate) fn cookie_named<'h>(headers: &'h HeaderMap, names: &[&str]) -> Option<&'h str> {
    names.iter().find_map(|name| {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value).next()
    })
}

fn bad(detail: &str) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, uri: &str, headers: &[(&'static str, &str)]) -> Result<Credentials, u16> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Credentials::of(&method, &uri.parse().unwrap(), &headers).map_err(|problem| problem.status().as_u16())
    }

    fn key() -> Result<Credentials, u16> {
        Ok(Credentials::Key(Secret::new("ek_a_b")))
    }

    #[test]
    fn agents_carry_a_key_where_their_protocol_has_room() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for value in [
            "Bearer ek_a_b",
            "bearer  ek_a_b",
            "Token ek_a_b",
            "Token telegraf:ek_a_b",
            &basic("anybody:ek_a_b"),
            &basic("ek_a_b:"),
            &basic("ek_a_b"),
        ] {
            assert_eq!(of(Method::POST, "/write", &[("authorization", value)]), key(), "{value}");
        }
        for uri in ["/write?db=x&u=telegraf&p=ek_a_b", "/query?p=ek_a_b", "/api/v1/workspaces/w/write?p=ek_a_b"] {
            assert_eq!(of(Method::POST, uri, &[]), key(), "{uri}");
        }
    }

    #[test]
    fn a_request_without_credentials_shows_none() {
        for (method, uri) in [
            (Method::GET, "/api/v1/workspaces"),
            (Method::GET, "/x?ticket="),
            (Method::POST, "/api/v1/workspaces/w/kpis/ingest?p=1"),
            (Method::POST, "/x?ticket=t"),
        ] {
            assert_eq!(of(method, uri, &[]), Ok(Credentials::None), "{uri}");
        }
        assert_eq!(of(Method::GET, "/", &[("cookie", "other=1; xearcon_session=2")]), Ok(Credentials::None));
    }

    #[test]
    fn tokens_cookies_and_tickets_are_told_apart() {
        let token = Ok(Credentials::Token(Secret::new("a.b.c")));
        assert_eq!(of(Method::GET, "/x", &[("authorization", "Bearer a.b.c")]), token);
        let ticket = Ok(Credentials::Ticket(Secret::new("t.u.v")));
        assert_eq!(of(Method::GET, "/x?since=live&ticket=t.u.v", &[]), ticket);
        let cookie = |text: &str| of(Method::GET, "/x", &[("cookie", text)]);
        assert_eq!(cookie("a=b; earcon_session=s"), Ok(Credentials::Cookie(Secret::new("s"))));
        let both = "earcon_session=from-elsewhere; __Host-earcon_session=s";
        assert_eq!(cookie(both), Ok(Credentials::Cookie(Secret::new("s"))), "other hosts cannot set this name");
    }

    #[test]
    fn what_is_not_understood_or_doubled_is_refused() {
        for value in ["Bearer", "Bearer ", "Digest x", "ek_a_b", "Basic %%", "Basic /w=="] {
            assert_eq!(of(Method::GET, "/x", &[("authorization", value)]), Err(400), "{value}");
        }
        let header = ("authorization", "Bearer ek_a_b");
        assert_eq!(of(Method::GET, "/x?ticket=t", &[header]), Err(400));
        assert_eq!(of(Method::POST, "/write?p=x", &[header]), Err(400));
    }
}
