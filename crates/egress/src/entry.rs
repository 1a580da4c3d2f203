//! Entries of the list of exceptions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

use crate::address::reached;

/// An exception: `10.0.0.0/8`, `10.0.0.5`, `[fd00::1]:8443`, `idp.example.org:8443`,
/// `*.example.org`. Without a port, it is for every port. With `http://` before it, plain HTTP is
/// allowed too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    plain: bool,
    whom: Whom,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    Net(IpNet),
    Name(String),
    /// Every name that ends with this one, after a dot.
    Below(String),
}

/// Why a text is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {reason}")]
pub struct EntryError {
    text: String,
    reason: &'static str,
}

impl Entry {
    /// Whether the entry is for this scheme, port and name, whatever its addresses are.
    pub(crate) fn covers_name(&self, https: bool, port: u16, name: &str) -> bool {
        self.covers_port(https, port)
            && match &self.whom {
                Whom::Net(_) => false,
                Whom::Name(own) => own == name,
                Whom::Below(parent) => {
                    name.strip_suffix(parent.as_str()).and_then(|rest| rest.strip_suffix('.')).is_some()
                }
            }
    }

    /// Whether the entry is for this scheme, port and address.
    pub(crate) fn covers_address(&self, https: bool, port: u16, address: IpAddr) -> bool {
        self.covers_port(https, port) && self.net().is_some_and(|net| net.contains(&reached(address)))
    }

    /// Whether the entry is for this one address only.
    pub(crate) fn is_one_address(&self) -> bool {
        self.net().is_some_and(|net| net.prefix_len() == net.max_prefix_len())
    }

    /// Whether an address could be covered with this scheme and port.
    pub(crate) fn may_cover_address(&self, https: bool, port: u16) -> bool {
        self.covers_port(https, port) && self.net().is_some()
    }

    fn net(&self) -> Option<&IpNet> {
        if let Whom::Net(net) = &self.whom { Some(net) } else { None }
    }

    fn covers_port(&self, https: bool, port: u16) -> bool {
        (https || self.plain) && self.port.is_none_or(|own| own == port)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plain {
            f.write_str("http://")?;
        }
        match (&self.whom, self.port) {
            (Whom::Net(net), _) if !self.is_one_address() => write!(f, "{net}")?,
            (Whom::Net(IpNet::V6(net)), Some(_)) => write!(f, "[{}]", net.addr())?,
            (Whom::Net(net), _) => write!(f, "{}", net.addr())?,
            (Whom::Name(name), _) => f.write_str(name)?,
            (Whom::Below(name), _) => write!(f, "*.{name}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let wrong = |reason| EntryError { text: text.to_owned(), reason };
        let (plain, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("http", rest)) => (true, rest),
            Some(("https", rest)) => (false, rest),
            Some(_) => return Err(wrong("has a scheme other than http:// and https://")),
        };
        if rest.contains(['@', '?', '#']) || rest.ends_with('/') {
            return Err(wrong("is no address, range or name, with a port if need be"));
        }
        if let Ok(net) = rest.parse::<IpNet>() {
            return Self::of_net(plain, net, None).map_err(wrong);
        }
        if let Ok(address) = rest.parse::<IpAddr>() {
            return Self::of_net(plain, reached(address).into(), None).map_err(wrong);
        }
        let (whom, port) = match rest.rsplit_once(':').filter(|_| !rest.ends_with(']')) {
            Some((whom, port)) => match port.parse() {
                Ok(port) if port > 0 => (whom, Some(port)),
                _ => return Err(wrong("has a port that is no number from 1 to 65535")),
            },
            None => (rest, None),
        };
        if let Ok(net) = whom.parse::<IpNet>() {
            return Self::of_net(plain, net, port).map_err(wrong);
        }
        let (below, name) = whom.strip_prefix("*.").map_or((false, whom), |name| (true, name));
        match Host::parse(name) {
            Ok(Host::Ipv4(address)) if !below && name.parse() == Ok(address) => {
                Self::of_net(plain, IpAddr::from(address).into(), port).map_err(wrong)
            }
            Ok(Host::Ipv6(address)) if !below => {
                Self::of_net(plain, reached(address.into()).into(), port).map_err(wrong)
            }
            Ok(Host::Domain(name)) if !name.contains('*') => {
                let name = name.trim_end_matches('.').to_owned();
                Ok(Self { plain, whom: if below { Whom::Below(name) } else { Whom::Name(name) }, port })
            }
            _ => Err(wrong("is no address, range or name")),
        }
    }
}

impl Entry {
    fn of_net(plain: bool, net: IpNet, port: Option<u16>) -> Result<Self, &'static str> {
        if net.trunc() != net {
            return Err("has an address that is not the first of its range");
        }
        match net {
            // A connection to such an address is one to an IPv4 address.
            IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
                Err("is an IPv4-mapped range; write it as an IPv4 range")
            }
            _ => Ok(Self { plain, whom: Whom::Net(net), port }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_shown_alike() {
        for text in [
            "10.0.0.0/8",
            "10.0.0.5",
            "10.0.0.5:9200",
            "10.0.0.0/8:9200",
            "fd00::/8",
            "fd00::1",
            "[fd00::1]:8443",
            "idp.example.org",
            "idp.example.org:8443",
            "*.example.org",
            "http://qdrant.example.org:6333",
            "http://127.0.0.1:6333",
        ] {
            assert_eq!(text.parse::<Entry>().map(|entry| entry.to_string()).as_deref(), Ok(text));
        }
        for (text, shown) in [
            ("https://idp.example.org", "idp.example.org"),
            ("IDP.Example.org.", "idp.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("::ffff:10.0.0.5", "10.0.0.5"),
            ("[fd00::1]", "fd00::1"),
        ] {
            assert_eq!(text.parse::<Entry>().map(|entry| entry.to_string()).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "*",
            "*.",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "ftp://a.example",
            "a.example:0",
            "a.example:70000",
            "a.example:x",
            "a.example/path",
            "user@a.example",
            "*.10.0.0.1",
            "a.*.example",
            "10.1",
            "0x7f.1",
            "::ffff:10.0.0.0/104",
            "a b",
        ] {
            assert!(text.parse::<Entry>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_wildcard_is_for_names_below() {
        let entry: Entry = "*.example.org".parse().unwrap();
        assert!(entry.covers_name(true, 443, "a.b.example.org"));
        for name in ["example.org", "badexample.org", "example.org.evil.example"] {
            assert!(!entry.covers_name(true, 443, name), "{name}");
        }
    }
}
