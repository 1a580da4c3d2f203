//! Names of this server, and of pages that may call it.
//!
//! Names are parsed as browsers parse them (the URL standard) and then compared. A text that would
//! be written otherwise after parsing is refused: two readers of it could see two hosts.

use axum::http::uri::Authority;
use url::{Host, Url};

/// A host and its port, as a request names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    host: Host,
    port: Option<u16>,
}

impl Named {
    /// Reads `host`, or `host:port`. `None` for everything else, such as a host with a user.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let port = authority.port();
        let whole = match &port {
            Some(port) => format!("{}:{}", authority.host(), port.as_str()),
            None => authority.host().to_owned(),
        };
        // Neither a user nor letters between the host and its port.
        if whole != text && text.strip_suffix(':') != Some(&whole) {
            return None;
        }
        Some(Self { host: host(authority.host())?, port: authority.port_u16() })
    }

    /// Whether a page of this origin comes from here.
    fn is_origin(&self, origin: &Url) -> bool {
        let default = match origin.scheme() {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let ports = (origin.port().unwrap_or(default), self.port.unwrap_or(default));
        origin.host_str().and_then(host) == Some(self.host.clone()) && ports.0 == ports.1
    }
}

/// A host in the form of the URL standard, without the dot of the root.
fn host(text: &str) -> Option<Host> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    let host = Host::parse(text).ok()?;
    let labels = |name: &String| name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_letter));
    let named = !matches!(&host, Host::Domain(name) if !labels(name));
    // 0x7f000001 and 127.1 are addresses for some readers and names for others.
    (named && host.to_string() == text).then_some(host)
}

/// Whether a byte may be part of a label of a name.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Reads an origin as a browser writes it: a scheme, a host and a port that is not the usual one.
fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (url.origin().ascii_serialization().eq_ignore_ascii_case(text)).then_some(url)
}

/// A pattern of [`Hosts`].
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Is(Host),
    /// Every name below this one.
    Below(String),
}

/// The names that requests may use for this server, and the origins of others that may call it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    patterns: Vec<Pattern>,
    origins: Vec<Url>,
}

impl Hosts {
    /// Reads names such as `localhost`, `*.localhost`, `127.0.0.1` or `[::1]`, and origins such as
    /// `http://localhost:5173`. A port is not part of a name.
    ///
    /// # Errors
    /// The first text that is no name or no origin.
    pub fn new(names: &[String], origins: &[String]) -> Result<Self, String> {
        let pattern = |name: &String| match name.strip_prefix("*.") {
            Some(parent) => match host(parent) {
                Some(Host::Domain(parent)) => Ok(Pattern::Below(format!(".{parent}"))),
                _ => Err(name.clone()),
            },
            None => host(name).map(Pattern::Is).ok_or_else(|| name.clone()),
        };
        let patterns = names.iter().map(pattern).collect::<Result<_, _>>()?;
        let origins = origins.iter().map(|text| origin(text).ok_or_else(|| text.clone())).collect::<Result<_, _>>()?;
        Ok(Self { patterns, origins })
    }

    /// Whether a request may name this server so.
    pub(crate) fn admit(&self, named: &Named) -> bool {
        self.patterns.iter().any(|pattern| match (pattern, &named.host) {
            (Pattern::Is(own), host) => own == host,
            (Pattern::Below(parent), Host::Domain(name)) => name.ends_with(parent.as_str()),
            (Pattern::Below(_), _) => false,
        })
    }

    /// Whether a page of this origin may call the server that it names so.
    pub(crate) fn admit_origin(&self, text: &str, named: Option<&Named>) -> Admitted {
        match origin(text) {
            Some(url) if self.origins.contains(&url) => Admitted::Listed,
            Some(url) if named.is_some_and(|named| named.is_origin(&url)) => Admitted::Own,
            _ => Admitted::No,
        }
    }
}

/// Whose page an origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// The server's own.
    Own,
    /// One that the settings list.
    Listed,
    /// Another one.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let names = ["localhost", "*.localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Hosts::new(&names, &["http://dev.example.org:5173".to_owned()]).unwrap()
    }

    fn admits(text: &str) -> bool {
        Named::parse(text).is_some_and(|named| hosts().admit(&named))
    }

    #[test]
    fn own_names_are_recognised_with_any_port() {
        for own in [
            "localhost",
            "LOCALHOST:7070",
            "localhost.",
            "localhost.:80",
            "127.0.0.1:80",
            "127.0.0.1",
            "[::1]:7070",
            "[::1]",
            "a.localhost:1",
            "localhost:",
        ] {
            assert!(admits(own), "{own}");
        }
    }

    #[test]
    fn other_names_and_texts_between_names_are_refused() {
        for foreign in [
            "example.org",
            "127.0.0.1.example.org:80",
            "127.0.0.1:80.evil.test",
            "[::1]x:80",
            "[::1]x.evil.test",
            "[::1",
            "localhost.example.org",
            "xlocalhost",
            ".localhost.",
            "localhost..",
            "[2001:db8::1]:80",
            "user@localhost",
            "localhost:80@evil.test",
            "localhost:99999",
            "localhost:8x",
            "127.1",
            "0x7f.1",
            "2130706433",
            "[::ffff:127.0.0.1]",
            "127.0.0.2",
            "",
            ":80",
            "localhost/",
            "localhost evil.test",
            "localhost,evil.test",
        ] {
            assert!(!admits(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_origin_is_the_own_one_if_host_and_port_are_those_of_the_request() {
        let admit = |origin: &str, named: &str| hosts().admit_origin(origin, Named::parse(named).as_ref());
        for (origin, named) in [
            ("http://localhost:7070", "localhost:7070"),
            ("http://localhost", "localhost"),
            ("http://localhost", "localhost:80"),
            ("https://localhost", "localhost"),
            ("https://localhost", "localhost:443"),
            ("http://[::1]:7070", "[::1]:7070"),
            ("http://localhost.:7070", "localhost:7070"),
        ] {
            assert_eq!(admit(origin, named), Admitted::Own, "{origin} {named}");
        }
        for (origin, named) in [
            ("http://localhost:3000", "localhost:7070"),
            ("http://127.0.0.1:7070", "localhost:7070"),
            ("http://127.0.0.1:80.evil.test", "127.0.0.1:80"),
            ("http://[::1]x.evil.test", "[::1]"),
            ("http://127.1:7070", "127.0.0.1:7070"),
            ("http://user@localhost:7070", "localhost:7070"),
            ("http://localhost:7070/", "localhost:7070"),
            ("ftp://localhost:7070", "localhost:7070"),
            ("null", "localhost:7070"),
            ("", "localhost:7070"),
        ] {
            assert_eq!(admit(origin, named), Admitted::No, "{origin} {named}");
        }
        assert_eq!(admit("http://dev.example.org:5173", "localhost"), Admitted::Listed);
        assert_eq!(admit("http://dev.example.org:5174", "localhost"), Admitted::No);
    }

    #[test]
    fn settings_that_are_no_names_are_named() {
        let refused = |name: &str, origin: &str| {
            let texts = |text: &str| (!text.is_empty()).then(|| text.to_owned()).into_iter().collect::<Vec<_>>();
            Hosts::new(&texts(name), &texts(origin)).unwrap_err()
        };
        for name in ["localhost:7070", "a b", "*", "*.127.0.0.1", "http://localhost"] {
            assert_eq!(refused(name, ""), name);
        }
        assert_eq!(refused("", "localhost:5173"), "localhost:5173");
    }
}
