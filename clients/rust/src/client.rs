//! [`Client`]: a server. [`Workspace`]: one workspace of a server.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap};

use crate::error::{Error, root_cause};
use crate::follow::Follow;
use crate::key::Key;
use crate::sound::{Listen, Ogg};
use crate::trust::Trust;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    base: Url,
    pub(crate) trust: Trust,
    pub(crate) key: Option<Key>,
    pub(crate) timeout: Duration,
}

impl Client {
    /// Creates a client of the server at `url`, such as `http://127.0.0.1:7070`.
    /// The scheme `http://` is optional. Of an `https://` address, the certificate must be from a
    /// public authority; see [`Self::trusting`]. No request is sent yet.
    ///
    /// # Errors
    /// If the URL is invalid, or its scheme is neither `http` nor `https`.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::trusting(url, Trust::public()?)
    }

    /// The same with these certificate authorities.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn trusting(url: &str, trust: Trust) -> Result<Self, Error> {
        let base = base_of(url)?;
        let http = http_of(&base, &trust, None)?;
        Ok(Self { http, base, trust, key: None, timeout: Duration::from_secs(30) })
    }

    /// Sends an API key (`ek_…`) or an access token with each request and each WebSocket handshake,
    /// as `Authorization: Bearer`.
    ///
    /// # Errors
    /// If no header can carry the text. The error does not contain it.
    pub fn with_key(self, key: &str) -> Result<Self, Error> {
        let key = Key::new(key)?;
        Ok(Self { http: http_of(&self.base, &self.trust, Some(&key))?, key: Some(key), ..self })
    }

    /// Sets the timeout of one request. The default is 30 seconds. Streams have no timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A workspace of the server, which may not exist. [`Workspace::create`] creates it.
    pub fn workspace(&self, name: &str) -> Workspace {
        Workspace { client: self.clone(), name: name.to_owned() }
    }

    /// The server's URL, as error messages contain it.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) fn endpoint(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

/// One workspace of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workspace {
    pub(crate) client: Client,
    name: String,
}

impl Workspace {
    /// The workspace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client that this workspace belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Prepares a subscription to the events. [`Follow`] has the options.
    pub fn follow(&self) -> Follow {
        Follow::new(self.clone())
    }

    /// Prepares a stream of the Opus packets of a mix. Each workspace has the mix `default`.
    pub fn listen(&self, mix: &str) -> Listen {
        Listen::new(self.clone(), mix)
    }

    /// Opens the endless Ogg Opus stream of a mix, for audio players.
    ///
    /// # Errors
    /// If the server cannot be reached, or has no such workspace or mix.
    pub async fn ogg(&self, mix: &str) -> Result<Ogg, Error> {
        Ogg::open(self, mix).await
    }

    /// The HTTP URL of a path in the workspace.
    pub(crate) fn endpoint(&self, segments: &[&str]) -> Url {
        let all: Vec<&str> = ["api", "v1", "workspaces", &self.name].iter().chain(segments).copied().collect();
        self.client.endpoint(&all)
    }

    /// The WebSocket URL of a path in the workspace.
    pub(crate) fn socket_endpoint(&self, segments: &[&str]) -> String {
        let url = self.endpoint(segments);
        url.as_str().replacen("http", "ws", 1)
    }
}

fn http_of(base: &Url, trust: &Trust, key: Option<&Key>) -> Result<reqwest::Client, Error> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert(AUTHORIZATION, key.authorization());
    }
    // Proxies from the environment are ignored: the server is usually on the local network.
    let builder = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .default_headers(headers)
        .tls_backend_preconfigured((*trust.config()).clone());
    builder.build().map_err(|error| Error::Url { url: base.to_string(), reason: root_cause(&error) })
}

/// Parses a server's URL. The scheme is optional; query and fragment are removed.
fn base_of(text: &str) -> Result<Url, Error> {
    let refuse = |reason: &str| Error::Url { url: text.to_owned(), reason: reason.to_owned() };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&full).map_err(|error| refuse(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => {
            url.set_query(None);
            url.set_fragment(None);
            Ok(url)
        }
        _ => Err(refuse("its scheme is neither http nor https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_escapes_workspace_names() {
        let local = Client::new("127.0.0.1:7070").unwrap().workspace("local");
        assert_eq!(local.endpoint(&["kpis", "a"]).as_str(), "http://127.0.0.1:7070/api/v1/workspaces/local/kpis/a");
        let behind = Client::new("http://host/earcon/?x=1").unwrap().workspace("a/../b");
        let encrypted = Client::new("https://host:8443").unwrap().workspace("local");
        assert_eq!(encrypted.socket_endpoint(&["events"]), "wss://host:8443/api/v1/workspaces/local/events");
        assert_eq!(behind.socket_endpoint(&["events"]), "ws://host/earcon/api/v1/workspaces/a%2F..%2Fb/events");
    }

    #[test]
    fn unsupported_urls_are_refused() {
        for url in ["ftp://host", "http://", ""] {
            assert!(matches!(Client::new(url), Err(Error::Url { .. })), "{url}");
        }
    }
}
