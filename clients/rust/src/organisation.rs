//! [`Organisation`]: its members, invitations and keys.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;
use crate::session::User;

/// An organisation of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Organisation {
    pub(crate) client: Client,
    id: String,
}

/// An organisation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationName {
    /// Immutable identifier, such as `acme`.
    pub id: String,
    /// The displayed name.
    pub name: String,
}

/// A member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationMember {
    /// The person.
    pub user: User,
    /// The person's roles.
    pub grants: Vec<Grant>,
}

/// A role in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `viewer`, `listener`, `operator`, `editor`, `admin` or `owner`.
    pub role: String,
    /// The workspaces it is valid in. `None`: all of the organisation.
    pub workspaces: Option<Vec<String>>,
}

/// A new invitation. Its link is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInvitation {
    /// Immutable identifier.
    pub id: String,
    /// The address to open in a browser. It contains the secret.
    pub link: String,
}

impl std::fmt::Debug for NewInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewInvitation").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Client {
    /// An organisation of the server, which may not exist.
    pub fn organisation(&self, id: &str) -> Organisation {
        Organisation { client: self.clone(), id: id.to_owned() }
    }

    /// Returns the organisations in which the client may do something.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not accept the key.
    pub async fn organisations(&self) -> Result<Vec<OrganisationName>, Error> {
        #[derive(Deserialize)]
        struct All {
            organisations: Vec<OrganisationName>,
        }
        let all: All = self.ask(self.http.get(self.endpoint(&["api", "v1", "organisations"]))).await?;
        Ok(all.organisations)
    }
}

impl Organisation {
    /// The organisation's identifier.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The URL of a path in the organisation.
    pub(crate) fn endpoint(&self, segments: &[&str]) -> reqwest::Url {
        let all: Vec<&str> = ["api", "v1", "organisations", &self.id].iter().chain(segments).copied().collect();
        self.client.endpoint(&all)
    }

    /// Creates the organisation with a displayed name, or renames it. Returns whether it is new.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not permit it.
    pub async fn put(&self, name: &str) -> Result<bool, Error> {
        let body = serde_json::json!({ "name": name });
        let request = self.client.http.put(self.endpoint(&[])).json(&body).timeout(self.client.timeout);
        let response = self.client.open(request).await?;
        if response.status().is_success() {
            Ok(response.status() == 201)
        } else {
            Err(self.client.refusal(response).await)
        }
    }

    /// Returns the members with their roles.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not permit it.
    pub async fn members(&self) -> Result<Vec<OrganisationMember>, Error> {
        #[derive(Deserialize)]
        struct All {
            members: Vec<OrganisationMember>,
        }
        let all: All = self.client.ask(self.client.http.get(self.endpoint(&["members"]))).await?;
        Ok(all.members)
    }

    /// Replaces the roles of a member. `user` is an identifier.
    ///
    /// # Errors
    /// If the server cannot be reached, does not permit it, or no owner would be left (409).
    pub async fn set_member(&self, user: &str, grants: &[Grant]) -> Result<(), Error> {
        let body = serde_json::json!({ "grants": grants });
        self.client.tell(self.client.http.put(self.endpoint(&["members", user])).json(&body)).await
    }

    /// Takes all roles from a member. `user` is an identifier.
    ///
    /// # Errors
    /// If the server cannot be reached, does not permit it, or no owner would be left (409).
    pub async fn remove_member(&self, user: &str) -> Result<(), Error> {
        self.client.tell(self.client.http.delete(self.endpoint(&["members", user]))).await
    }

    /// Makes a link with which one person becomes a member. It is valid for `days`.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not permit it.
    pub async fn invite(&self, grant: &Grant, days: u32) -> Result<NewInvitation, Error> {
        let body = serde_json::json!({ "role": grant.role, "workspaces": grant.workspaces, "days": days });
        self.client.ask(self.client.http.post(self.endpoint(&["invitations"])).json(&body)).await
    }
}
