//! API keys of an organisation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::organisation::Organisation;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Immutable identifier. The key begins with `ek_` and it.
    pub id: String,
    /// The name that a person gave.
    pub name: String,
    /// Whose key it is.
    pub owner: KeyOwner,
    /// The permissions, such as `ingest`.
    pub permissions: Vec<String>,
    /// The workspaces. `None`: all that the owner may use.
    pub workspaces: Option<Vec<String>>,
    /// The only KPIs, as a pattern.
    #[serde(default)]
    pub kpis: Option<String>,
    /// The only mix.
    #[serde(default)]
    pub mix: Option<String>,
    /// RFC 3339, like all times here.
    pub created_at: String,
    /// `None`: it has no end.
    pub expires_at: Option<String>,
    /// The last use, to some minutes.
    pub last_used_at: Option<String>,
    /// The time from which it is refused.
    pub revoked_at: Option<String>,
    /// The time until which the secret before the last rotation is accepted too.
    pub previous_until: Option<String>,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOwner {
    /// `user` or `service`.
    pub kind: String,
    /// Immutable identifier.
    pub id: String,
    /// The displayed name.
    pub name: String,
}

/// The limits of a new key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyRequest {
    /// The name.
    pub name: String,
    /// The permissions, such as `ingest`.
    pub permissions: Vec<String>,
    /// The workspaces. `None`: all that the owner may use.
    pub workspaces: Option<Vec<String>>,
    /// The only KPIs, as a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kpis: Option<String>,
    /// The only mix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<String>,
    /// Days until it ends. `None`: it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// A new key with its secret, which the server shows this once.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct NewKey {
    /// The whole key: `ek_…`.
    pub key: String,
    /// The key without its secret.
    #[serde(flatten)]
    pub about: ApiKey,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Organisation {
    /// Returns the keys, also those that are revoked or have ended.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not permit it.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        #[derive(Deserialize)]
        struct All {
            keys: Vec<ApiKey>,
        }
        let all: All = self.client.ask(self.client.http.get(self.endpoint(&["keys"]))).await?;
        Ok(all.keys)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// If the server cannot be reached, does not permit it, or refuses the request.
    pub async fn create_key(&self, request: &KeyRequest) -> Result<NewKey, Error> {
        self.client.ask(self.client.http.post(self.endpoint(&["keys"])).json(request)).await
    }

    /// Gives a key another secret. The old one is accepted for `overlap_hours` more.
    ///
    /// # Errors
    /// If the server cannot be reached, does not permit it, or has no such key.
    pub async fn rotate_key(&self, id: &str, overlap_hours: u32) -> Result<NewKey, Error> {
        let body = serde_json::json!({ "overlap_hours": overlap_hours });
        self.client.ask(self.client.http.post(self.endpoint(&["keys", id, "rotate"])).json(&body)).await
    }

    /// Revokes a key: from now on it is refused.
    ///
    /// # Errors
    /// If the server cannot be reached, does not permit it, or has no such key.
    pub async fn revoke_key(&self, id: &str) -> Result<(), Error> {
        self.client.tell(self.client.http.delete(self.endpoint(&["keys", id]))).await
    }
}
