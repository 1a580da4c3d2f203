//! A refused request: its target, the rule, and the setting that would allow it.

use std::fmt;
use std::net::IpAddr;

use crate::address::Special;

/// The rule that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The URL has a scheme other than `https` and `http`.
    Scheme,
    /// The URL has no host.
    NoHost,
    /// The URL contains a user or a password.
    UserInfo,
    /// The connection would not be encrypted.
    PlainHttp,
    /// The port is none of those that are allowed everywhere.
    Port,
    /// The address is not public.
    Address(IpAddr, Special),
}

/// A refused request. Its text is for the operator: it names addresses of the own network. It
/// contains neither path nor query of the URL, because they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Scheme, host and port of the URL.
    pub origin: String,
    /// The rule.
    pub rule: Rule,
    /// An entry of `outbound.allow` that would allow the request, if there is one.
    pub entry: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        match &self.rule {
            Rule::Scheme => write!(f, "requests to {origin} are refused: the scheme is neither https nor http")?,
            Rule::NoHost => write!(f, "requests to {origin} are refused: the URL has no host")?,
            Rule::UserInfo => {
                write!(f, "requests to {origin} are refused: the URL contains a user or a password; use a header")?;
            }
            Rule::PlainHttp => write!(f, "requests to {origin} are refused: plain HTTP is not encrypted")?,
            Rule::Port => {
                write!(f, "requests to {origin} are refused: the port is not in outbound.ports")?;
            }
            Rule::Address(address, special) => {
                write!(f, "requests to {origin} are refused: {address} is {special}")?;
            }
        }
        match &self.entry {
            Some(entry) => write!(f, "; the entry {entry:?} in outbound.allow allows it"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
