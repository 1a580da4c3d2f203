//! A WebSocket client with a time limit.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn connect(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.expect("the server accepts a WebSocket");
        Self(socket)
    }

    /// Connects and sends a first message; `None` if the server ends before it has taken it.
    pub(crate) async fn try_connect(url: &str, first: Value) -> Option<Self> {
        let (mut socket, _) = connect_async(url).await.ok()?;
        socket.send(Message::text(first.to_string())).await.ok()?;
        Some(Self(socket))
    }

    /// Connects with a small receive buffer, so the server soon has to wait for a client that does
    /// not read.
    pub(crate) async fn connect_narrow(url: &str) -> Self {
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await.expect("the server listens");
        let (socket, _) =
            client_async(url, MaybeTlsStream::Plain(stream)).await.expect("the server accepts a WebSocket");
        Self(socket)
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the server takes a message");
    }

    /// The next message, text or binary. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server sends something in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(message)) => return Some(message),
            }
        }
    }

    /// Reads until the end. Returns code and reason of the close frame.
    pub(crate) async fn close_frame(&mut self) -> Option<(u16, String)> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server ends the connection in time")? {
                Ok(Message::Close(frame)) => return frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next text message as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        loop {
            match self.next().await.expect("the connection stays open") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                _ => continue,
            }
        }
    }

    /// The next text message as JSON; `None` at the end of the connection. Waits without a limit.
    pub(crate) async fn json_or_end(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until a message has this type.
    pub(crate) async fn until(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.json().await;
            if message["type"] == wanted {
                return message;
            }
        }
    }

    /// Asserts that no message arrives within `quiet`.
    pub(crate) async fn assert_silent_for(&mut self, quiet: Duration) {
        if let Ok(message) = timeout(quiet, self.next()).await {
            panic!("unexpected: {message:?}");
        }
    }
}
