//! The handshake (RFC 6455 §4.2).

use std::future::Future;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket::{Limits, Socket};
use crate::gateway::http::connection::Connection;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::SharedState;

/// A request to become a WebSocket.
pub(crate) struct Upgrade {
    accept: String,
    protocols: Vec<String>,
    chosen: Option<&'static str>,
    connection: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refuse = |detail: &str| Err(Problem::new(Kind::BadRequest, detail));
        if parts.method != Method::GET
            || parts.version != Version::HTTP_11
            || !lists(&parts.headers, &header::CONNECTION, "upgrade")
            || !is_asked_for(&parts.headers)
        {
            return refuse("this address is a WebSocket: connect with a WebSocket client");
        }
        if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            let detail = "only version 13 of WebSocket is supported (Sec-WebSocket-Version)";
            return Err(Problem::new(Kind::UpgradeRequired, detail));
        }
        let mut keys = parts.headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next().filter(|key| is_key(key.as_bytes())), keys.next()) else {
            return refuse("Sec-WebSocket-Key must be there once, with 16 bytes in base64");
        };
        let accept = derive_accept_key(key.as_bytes());
        let protocols = items(&parts.headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        match parts.extensions.remove::<OnUpgrade>() {
            Some(connection) => Ok(Self { accept, protocols, chosen: None, connection }),
            None => refuse("this connection cannot become a WebSocket"),
        }
    }
}

impl Upgrade {
    /// Chooses the first of `known` that the client offers as subprotocol, in the order of `known`.
    pub(crate) fn choose(&mut self, known: &[&'static str]) -> Option<&'static str> {
        self.chosen = known.iter().find(|known| self.protocols.iter().any(|offered| offered == *known)).copied();
        self.chosen
    }

    /// Answers the handshake and serves the connection in a task of its own.
    /// A message of the client may have `max_message` bytes. After a shutdown, a connection that
    /// does not end in time is dropped with all that it holds.
    pub(crate) fn accept<F>(
        self,
        max_message: usize,
        state: &SharedState,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (connection, limits) = (self.connection, Limits { max_message, room: state.requests.clone() });
        let state = state.clone();
        tokio::spawn(async move {
            let Ok(upgraded) = connection.await else { return };
            match upgraded.downcast::<TokioIo<Connection>>() {
                Ok(parts) => {
                    let connection = parts.io.into_inner();
                    let times = connection.times();
                    let outlet = connection.into_outlet();
                    let socket = Socket::new(outlet, parts.read_buf, limits, times).await;
                    // A task of its own: this one has grown by what the handshake needed.
                    tokio::spawn(serve_until_cut(Box::pin(serve(socket)), state, times.close));
                }
                Err(_) => tracing::error!("an unknown kind of connection cannot become a WebSocket"),
            }
        });
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
        ];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        // Base64 is always a header value.
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(chosen) = self.chosen {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
        }
        response
    }
}

/// Serves a connection until it ends. After a shutdown has begun, it has this long to end.
async fn serve_until_cut(serving: BoxFuture<'static, ()>, state: SharedState, most: Duration) {
    let cut = async {
        state.shutting_down().await;
        sleep(most).await;
    };
    tokio::select! {
        () = serving => {}
        () = cut => {}
    }
}

/// Whether a request asks for a WebSocket. Other protocols in `Upgrade` are offers that need no
/// answer (RFC 9110 §7.8).
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    lists(headers, &header::UPGRADE, "websocket")
}

/// Whether this is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let letters = key.strip_suffix(b"==").unwrap_or_default();
    letters.len() == 22 && letters.iter().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/'))
}

/// The comma-separated items of all headers of that name.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for bad in [
            "",
            "short",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25jZQA=",
            "!GhlIHNhbXBsZSBub25jZQ==",
        ] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
