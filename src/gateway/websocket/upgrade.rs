//! The handshake (RFC 6455 §4.2).

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::socket::{Socket, SocketLimits};
use crate::gateway::http::connection::Connection;
use crate::gateway::http::problem::{Kind, Problem};

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
            || !lists(&parts.headers, &header::CONNECTION, "upgrade")
            || !lists(&parts.headers, &header::UPGRADE, "websocket")
        {
            return refuse("this address is a WebSocket: connect with a WebSocket client");
        }
        if parts.headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return refuse("only version 13 of WebSocket is supported (Sec-WebSocket-Version)");
        }
        let Some(key) = parts.headers.get(header::SEC_WEBSOCKET_KEY) else {
            return refuse("the header Sec-WebSocket-Key is missing");
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
    pub(crate) fn accept<F>(self, limits: SocketLimits, serve: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let connection = self.connection;
        tokio::spawn(async move {
            let Ok(upgraded) = connection.await else { return };
            match downcast::<TokioIo<Connection>>(upgraded) {
                Ok(parts) => {
                    serve(Socket::new(parts.io.into_inner().into_outlet(), parts.read_buf, limits).await).await
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

/// The comma-separated items of all headers of that name.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}
