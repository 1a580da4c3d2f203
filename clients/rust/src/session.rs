//! Who the client is to the server.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, SET_COOKIE};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::{Error, root_cause};
use crate::http::retry_after;

/// The names of the cookie with the access token, with TLS and without.
const COOKIES: [&str; 2] = ["__Host-earcon_session", "earcon_session"];

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

/// How a sign-in went that the server did not refuse.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// A client with the access token of a new session, which is valid for some minutes.
    Done(Client),
    /// The login and the password need the code of an authenticator app too.
    CodeNeeded,
}

impl Client {
    /// Signs in as a person with a password, and with the code of an authenticator app if there is
    /// one. [`Client::sign_out`] of the new client ends the session.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses the person, or has seen too many attempts (429).
    pub async fn sign_in(&self, login: &str, password: &str, code: Option<&str>) -> Result<SignIn, Error> {
        #[derive(Deserialize)]
        struct Refusal {
            #[serde(default)]
            code_required: bool,
        }
        let mut body = serde_json::json!({ "login": login, "password": password });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        let request = self.http.post(self.endpoint(&["api", "v1", "session"])).json(&body).timeout(self.timeout);
        let response = self.open(request).await?;
        let (status, pause) = (response.status(), retry_after(&response));
        if status.is_success() {
            let reason = "it gives no access token".to_owned();
            let token = token(response.headers()).ok_or(Error::NotEarcon { url: self.url().to_owned(), reason })?;
            return Ok(SignIn::Done(self.clone().with_key(&token)?));
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(root_cause(&error)))?;
        let refusal = serde_json::from_slice::<Refusal>(&body).ok();
        if status == StatusCode::UNAUTHORIZED && code.is_none() && refusal.is_some_and(|refusal| refusal.code_required)
        {
            return Ok(SignIn::CodeNeeded);
        }
        Err(self.refused(status, pause, &body))
    }

    /// Ends the session of a client that [`Client::sign_in`] returned.
    ///
    /// # Errors
    /// If the server cannot be reached, or the session has ended already.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.tell(self.http.delete(self.endpoint(&["api", "v1", "session"]))).await
    }

    /// Returns who the client is to the server.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not accept the key: [`Error::is_denied`].
    pub async fn session(&self) -> Result<Session, Error> {
        self.ask(self.http.get(self.endpoint(&["api", "v1", "session"]))).await
    }
}

/// The access token in the cookies of an answer.
fn token(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    pairs.find(|(name, _)| COOKIES.contains(name)).map(|(_, token)| token.to_owned())
}
