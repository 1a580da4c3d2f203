//! The policy: a list of ports, and exceptions.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address::{Special, reached, special};
use crate::entry::Entry;
use crate::refusal::{Refusal, Rule};

/// The egress policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    ports: Vec<u16>,
    allow: Vec<Entry>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    https: bool,
    host: Host,
    port: u16,
}

impl Target {
    /// The host: a name, or an address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        let (scheme, usual) = if self.https { ("https", 443) } else { ("http", 80) };
        match self.port {
            port if port == usual => format!("{scheme}://{}", self.host),
            port => format!("{scheme}://{}:{port}", self.host),
        }
    }

    /// The name as entries have it. Empty if the host is an address.
    fn name(&self) -> &str {
        if let Host::Domain(name) = &self.host { name.trim_end_matches('.') } else { "" }
    }

    fn literal(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    fn refused(&self, rule: Rule) -> Refusal {
        let plain = if self.https { "" } else { "http://" };
        let usual = self.port == if self.https { 443 } else { 80 };
        // A name that has the address of a metadata service is not allowed by its name.
        let whom = match rule {
            Rule::Address(address, Special::Metadata) => reached(address).to_string(),
            _ => self.literal().map_or_else(|| self.name().to_owned(), |address| reached(address).to_string()),
        };
        let entry = match (usual, whom.contains(':')) {
            (true, _) => format!("{plain}{whom}"),
            (false, false) => format!("{plain}{whom}:{}", self.port),
            (false, true) => format!("{plain}[{whom}]:{}", self.port),
        };
        Refusal { origin: self.origin(), rule, entry: Some(entry) }
    }
}

impl Egress {
    /// A policy that allows public addresses with https on these ports, and what the entries allow.
    pub fn new(ports: Vec<u16>, allow: Vec<Entry>) -> Self {
        Self { ports, allow }
    }

    /// Where a URL leads. The addresses of its name are still to be checked with
    /// [`check_address`](Self::check_address). An address in the URL has been checked.
    ///
    /// # Errors
    /// When no address could make the request one that is allowed.
    pub fn check_url(&self, url: &Url) -> Result<Target, Refusal> {
        let never = |rule| {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Err(Refusal { origin: format!("{}://{host}{port}", url.scheme()), rule, entry: None })
        };
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return never(Rule::Scheme),
        };
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return never(Rule::NoHost) };
        if !url.username().is_empty() || url.password().is_some() {
            return never(Rule::UserInfo);
        }
        let target = Target { https, host: host.to_owned(), port };
        if target.name().is_empty() && target.literal().is_none() {
            return never(Rule::NoHost);
        }
        match target.literal() {
            Some(address) => self.check_address(&target, address)?,
            None => {
                // Names that cannot be allowed are not looked up.
                let may = |entry: &Entry| {
                    entry.covers_name(https, port, target.name()) || entry.may_cover_address(https, port)
                };
                if !self.allow.iter().any(may) {
                    self.check_general(&target)?;
                }
            }
        }
        Ok(target)
    }

    /// Checks an address of the target.
    ///
    /// # Errors
    /// When no connection may be made to it.
    pub fn check_address(&self, target: &Target, address: IpAddr) -> Result<(), Refusal> {
        let &Target { https, port, .. } = target;
        let special = special(address);
        let covers = |entry: &Entry| match special {
            // No range and no name opens a metadata service by the way.
            Some(Special::Metadata) => entry.is_one_address() && entry.covers_address(https, port, address),
            _ => entry.covers_name(https, port, target.name()) || entry.covers_address(https, port, address),
        };
        if self.allow.iter().any(covers) {
            return Ok(());
        }
        // The address first: an entry for it is needed in any case.
        match special {
            Some(special) => Err(target.refused(Rule::Address(reached(address), special))),
            None => self.check_general(target),
        }
    }

    fn check_general(&self, target: &Target) -> Result<(), Refusal> {
        if !target.https {
            return Err(target.refused(Rule::PlainHttp));
        }
        if !self.ports.contains(&target.port) {
            return Err(target.refused(Rule::Port));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
