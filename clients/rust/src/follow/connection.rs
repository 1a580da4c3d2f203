//! The task behind [`Following`](super::Following). It opens one connection after the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::cursor::{Cursor, Step};
use super::{Follow, Since, Update};
use crate::client::Workspace;
use crate::error::{Error, root_cause};
use crate::event::Event;
use crate::message::{DecodeError, Message};

/// Timeout for opening a connection, and for sending one message.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The WebSocket subprotocol of the compact encoding.
const COMPACT: &str = "earcon.v1.msgpack";
/// The maximum message size in bytes. The largest message is a snapshot of a large workspace.
const MAX_MESSAGE: usize = 512 * 1024 * 1024;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Updates = Sender<Result<Update, Error>>;

/// Why a connection ended.
enum End {
    /// The consumer dropped the stream.
    Dropped,
    /// A temporary failure: a retry may succeed.
    Temporary(Error),
    /// A permanent failure: a retry would fail in the same way.
    Permanent(Error),
}

pub(super) async fn run(mut follow: Follow, updates: Updates) {
    let mut cursor = Cursor::new(follow.since.clone());
    let mut connected = false;
    loop {
        let mut connection = Connection { follow: &mut follow, cursor: &mut cursor, updates: &updates };
        match connection.serve(&mut connected).await {
            End::Dropped => return,
            End::Permanent(error) => {
                let _dropped = updates.send(Err(error)).await.is_err();
                return;
            }
            End::Temporary(error) => {
                let retry_in = follow.backoff.failed();
                if updates.send(Ok(Update::Disconnected { error, retry_in })).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(retry_in) => {}
                    () = updates.closed() => return,
                }
            }
        }
    }
}

struct Connection<'a> {
    follow: &'a mut Follow,
    cursor: &'a mut Cursor,
    updates: &'a Updates,
}

impl Connection<'_> {
    /// Serves one connection until it ends. Sets `connected` after the first answer.
    async fn serve(&mut self, connected: &mut bool) -> End {
        let workspace = self.follow.workspace.clone();
        let protocol = self.follow.compact.then_some(COMPACT);
        let made = tokio::select! {
            made = connect(&workspace, &["events"], protocol) => made,
            () = self.updates.closed() => return End::Dropped,
        };
        let mut socket = match made {
            Ok(socket) => socket,
            Err(error) if error.is_denied() => return End::Permanent(error),
            // A known workspace may be in transfer between two nodes.
            Err(error) if *connected || error.is_temporary() => return End::Temporary(error),
            Err(error) => return End::Permanent(error),
        };
        if let Err(end) = self.subscribe(&mut socket).await {
            return end;
        }
        let mut pinged = false;
        // The compact encoding omits the workspace, and the epoch as long as it stays the same.
        let (name, mut epoch): (Arc<str>, Arc<str>) = (workspace.name().into(), "".into());
        loop {
            let frame = tokio::select! {
                frame = timeout(self.follow.silence / 2, socket.next()) => frame,
                () = self.updates.closed() => return End::Dropped,
            };
            let message = match frame {
                Ok(Some(Ok(Frame::Text(text)))) => Message::from_json(&text),
                Ok(Some(Ok(Frame::Binary(bytes)))) => {
                    Event::from_msgpack(&bytes, &name, &epoch).map(|event| Message::Event(Box::new(event)))
                }
                Ok(Some(Ok(Frame::Close(frame)))) => {
                    let reason = frame.map_or_else(|| "no reason given".to_owned(), |frame| frame.reason.to_string());
                    return End::Temporary(
                        workspace.client.unreachable(format!("the server closed the connection: {reason}")),
                    );
                }
                Ok(Some(Ok(_))) => {
                    pinged = false;
                    continue;
                }
                Ok(Some(Err(error))) => return End::Temporary(workspace.client.unreachable(root_cause(&error))),
                Ok(None) => return End::Temporary(workspace.client.unreachable("the connection ended".to_owned())),
                // Half of the idle timeout has passed: ping the server.
                Err(_) if !pinged => {
                    pinged = true;
                    if let Err(end) = self.send(&mut socket, Frame::Ping(Bytes::new())).await {
                        return end;
                    }
                    continue;
                }
                Err(_) => {
                    return End::Temporary(
                        workspace.client.unreachable("the connection was silent for too long".to_owned()),
                    );
                }
            };
            pinged = false;
            match &message {
                Ok(Message::Subscribed(subscribed)) => epoch = subscribed.epoch.clone(),
                Ok(Message::Epoch(later)) => epoch = later.clone(),
                _ => {}
            }
            if let Err(end) = self.handle(message, &mut socket, connected).await {
                return end;
            }
        }
    }

    async fn handle(
        &mut self,
        message: Result<Message, DecodeError>,
        socket: &mut Socket,
        connected: &mut bool,
    ) -> Result<(), End> {
        // An unreadable message is not skipped: the client reconnects and requests it again.
        let message = message.map_err(|error| {
            End::Temporary(Error::Decode { url: self.follow.workspace.client.url().to_owned(), error })
        })?;
        let step = self.cursor.handle(&message);
        match step {
            Step::Drop => return Ok(()),
            Step::Restart => return self.subscribe(socket).await,
            Step::Deliver | Step::Resubscribe => {}
        }
        let update = match message {
            Message::Subscribed(subscribed) => {
                *connected = true;
                self.follow.backoff.succeeded();
                Update::Connected(subscribed)
            }
            Message::Snapshot(snapshot) => Update::Snapshot(snapshot),
            Message::Event(event) => Update::Event(event),
            Message::Gap(gap) => Update::Gap(gap),
            Message::Pong | Message::Epoch(_) | Message::Other(_) => return Ok(()),
            Message::Error { title, detail } => {
                if *connected || !self.cursor.is_awaiting() {
                    return Ok(());
                }
                let (url, detail) = (self.follow.workspace.client.url().to_owned(), format!("{title}: {detail}"));
                return Err(End::Permanent(Error::Refused { url, status: 0, detail, retry_after: None }));
            }
        };
        self.updates.send(Ok(update)).await.map_err(|_| End::Dropped)?;
        if step == Step::Resubscribe { self.subscribe(socket).await } else { Ok(()) }
    }

    async fn subscribe(&mut self, socket: &mut Socket) -> Result<(), End> {
        let text = request(self.cursor.subscribe(), &self.follow.kpis, &self.follow.types, self.follow.rate);
        self.send(socket, Frame::text(text)).await
    }

    async fn send(&self, socket: &mut Socket, frame: Frame) -> Result<(), End> {
        let workspace = &self.follow.workspace;
        match timeout(CONNECT_TIMEOUT, socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Temporary(workspace.client.unreachable(root_cause(&error)))),
            Err(_) => {
                Err(End::Temporary(workspace.client.unreachable("it did not accept a message in time".to_owned())))
            }
        }
    }
}

/// Opens a WebSocket of the workspace. It offers the subprotocol `protocol`, and connects without
/// a subprotocol if the server does not support it.
pub(crate) async fn connect(
    workspace: &Workspace,
    path: &[&str],
    protocol: Option<&'static str>,
) -> Result<Socket, Error> {
    let not_earcon = |reason: String| Error::NotEarcon { url: workspace.client.url().to_owned(), reason };
    let mut offered = protocol;
    loop {
        let mut request =
            workspace.socket_endpoint(path).into_client_request().map_err(|error| not_earcon(root_cause(&error)))?;
        if let Some(key) = &workspace.client.key {
            request.headers_mut().insert("authorization", key.authorization());
        }
        if let Some(protocol) = offered {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        // It is used for wss:// addresses only.
        let tls = Connector::Rustls(workspace.client.trust.config());
        let connecting = connect_async_tls_with_config(request, Some(config), true, Some(tls));
        let made = timeout(CONNECT_TIMEOUT, connecting).await;
        return match made {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))))
                if offered.is_some() =>
            {
                // The server does not support the subprotocol: connect without it.
                offered = None;
                continue;
            }
            Ok(Err(tungstenite::Error::Http(answer))) => Err(refusal(workspace, &answer).await),
            // A handshake that is interrupted otherwise is a broken connection.
            Ok(Err(
                error @ (tungstenite::Error::Io(_)
                | tungstenite::Error::ConnectionClosed
                | tungstenite::Error::Protocol(_)),
            )) => Err(workspace.client.broken(&error)),
            Ok(Err(error)) => Err(not_earcon(root_cause(&error))),
            Err(_) => Err(workspace.client.unreachable("it did not answer in time".to_owned())),
        };
    }
}

/// The error for a refused handshake. The body is often incomplete, because only the part that
/// arrived with the head is available. In that case an HTTP request reads the full error.
async fn refusal(workspace: &Workspace, answer: &Response<Option<Vec<u8>>>) -> Error {
    let body = answer.body().as_deref().unwrap_or_default();
    let status = answer.status().as_u16();
    let Ok(code) = reqwest::StatusCode::from_u16(status) else {
        return workspace.client.unreachable(format!("it answered with status {status}"));
    };
    let error = workspace.client.refused(code, None, body);
    // A failing server gets no additional request.
    if !error.is_temporary()
        && serde_json::from_slice::<IgnoredAny>(body).is_err()
        && let Err(explained @ Error::Refused { status: again, .. }) = workspace.kpis().await
        && again == status
    {
        return explained;
    }
    error
}

/// The JSON of a `subscribe` message.
fn request(since: &Since, kpis: &[String], types: &[String], rate: Option<f64>) -> String {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Position<'a> {
        Name(&'static str),
        Seq(&'a u64),
    }
    #[derive(Serialize)]
    struct Filter<'a> {
        kpis: &'a [String],
        types: &'a [String],
    }
    #[derive(Serialize)]
    struct Subscribe<'a> {
        r#type: &'static str,
        since: Position<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epoch: Option<&'a str>,
        filter: Filter<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
    }
    let (since, epoch) = match since {
        Since::Live => (Position::Name("live"), None),
        Since::Snapshot => (Position::Name("snapshot"), None),
        Since::Seq { seq, epoch } => (Position::Seq(seq), epoch.as_deref()),
    };
    let subscribe = Subscribe { r#type: "subscribe", since, epoch, filter: Filter { kpis, types }, rate };
    // Strings and numbers always serialise.
    serde_json::to_string(&subscribe).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribe_message_contains_position_filter_and_rate() {
        let since = Since::Seq { seq: 7, epoch: Some("e".into()) };
        assert_eq!(
            request(&since, &["a*".to_owned()], &[], Some(2.0)),
            r#"{"type":"subscribe","since":7,"epoch":"e","filter":{"kpis":["a*"],"types":[]},"rate":2.0}"#
        );
        assert!(
            request(&Since::Snapshot, &[], &[], None)
                .ends_with(r#""since":"snapshot","filter":{"kpis":[],"types":[]}}"#)
        );
    }
}
