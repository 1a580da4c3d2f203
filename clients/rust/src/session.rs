//! Who the client is to the server.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;

/// Who the client is, with its permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `key`, `user`, or `local` for a program on the server's own machine without an account.
    pub kind: String,
    /// The person. `None` for a key of a service, and for `local`.
    pub user: Option<User>,
    /// The end of the key or the session, RFC 3339. `None`: it has none.
    pub expires_at: Option<String>,
    /// The organisations in which the client may do something.
    #[serde(default)]
    pub organisations: Vec<Rights>,
}

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Immutable identifier.
    pub id: String,
    /// The name to sign in with. `None` for a person that only an identity provider knows.
    pub login: Option<String>,
    /// The displayed name.
    pub name: String,
    /// The e-mail address, which is a label only.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the account is shut.
    #[serde(default)]
    pub disabled: bool,
}

/// What the client may do in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The organisation.
    pub id: String,
    /// Its displayed name.
    pub name: String,
    /// The role, such as `operator`. `None` for a key.
    pub role: Option<String>,
    /// The permissions, such as `read` or `ingest`.
    pub permissions: Vec<String>,
    /// The workspaces. `None`: all of the organisation.
    pub workspaces: Option<Vec<String>>,
}

impl Client {
    /// Returns who the client is to the server.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not accept the key: [`Error::is_denied`].
    pub async fn session(&self) -> Result<Session, Error> {
        self.ask(self.http.get(self.endpoint(&["api", "v1", "session"]))).await
    }
}
