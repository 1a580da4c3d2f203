//! Who a request comes from.

use std::sync::Arc;

use earcon_identity::token::Purpose;
use earcon_identity::{self as identity, HashedSecret, Permission, Scope};
use earcon_model::WorkspaceId;

/// The principal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person or a program on this machine, where accounts are not required.
    Loopback,
    /// Earcon itself, working on behalf of the workspace it owns.
    System,
    /// A user or a key.
    Account(Arc<Account>),
}

/// A user or a key that has proved to be it.
#[derive(Debug, Clone)]
pub struct Account {
    who: identity::Principal,
    name: Box<str>,
    scope: Scope,
    /// The hash of the secret that a key was shown with.
    pub(crate) shown: Option<HashedSecret>,
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        (self.who, &self.name, &self.scope) == (other.who, &other.name, &other.scope)
    }
}

impl Eq for Account {}

impl Account {
    pub(crate) fn new(who: identity::Principal, name: &str, scope: Scope) -> Self {
        Self { who, name: name.into(), scope, shown: None }
    }

    /// The user or the key.
    pub fn who(&self) -> &identity::Principal {
        &self.who
    }

    /// The limits of a key. Those of a user exclude nothing.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Principal {
    /// The user or the key, if it is one.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Principal::Account(account) => Some(account),
            Principal::Loopback | Principal::System => None,
        }
    }
}

/// The name that records and people see, such as `anna`.
impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Principal::Loopback => "local",
            Principal::System => "system",
            Principal::Account(account) => &account.name,
        })
    }
}

/// What a request shows to be known. The texts are secrets.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// Nothing.
    Nothing,
    /// An API key.
    Key(&'a str),
    /// An access token in a header.
    Token(&'a str),
    /// An access token in a cookie.
    Cookie(&'a str),
    /// A ticket, and the workspace and the kind of the stream that is asked for.
    Ticket(&'a str, &'a WorkspaceId, Purpose),
}

/// The known caller of a request. Only the authoriser makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) principal: Principal,
    /// A ticket is for one right in one workspace.
    pub(crate) only: Option<(WorkspaceId, Permission)>,
}

impl Caller {
    /// The principal.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

/// Why a caller is not known, or gets no pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The request shows nothing.
    #[error("this server needs a key or a sign-in; `earcon login`, or the header Authorization: Bearer with a key")]
    NoCredentials,
    /// What the request shows proves nothing.
    #[error("{0}")]
    Unknown(String),
    /// The request comes from another machine, and accounts are not required.
    #[error("without accounts only requests from this machine are accepted, this one came from {0}")]
    Elsewhere(std::net::IpAddr),
    /// The caller has other rights there.
    #[error("this needs the right {0}, which the caller does not have there")]
    Lacks(Permission),
    /// The caller has no right there, and must not learn that it exists.
    #[error("there is no such workspace or organisation")]
    Hidden,
}
