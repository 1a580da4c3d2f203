//! The socket side of following: messages of the client in, frames out, one flush for all that is ready.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::follower::{Encoding, Follower, Frame, Payload, Wanted};
use crate::actors::directory::Workspace;
use crate::gateway::Gateway;
use crate::live::{Conflation, Filter, Since, wire};
use crate::tenancy::WorkspacePass;

/// A client that takes nothing for this long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps connections through proxies open, and finds dead ones.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Largest message a client may send.
const MAX_MESSAGE: usize = 256 * 1024;
/// The subprotocols, the one preferred first; no subprotocol is JSON.
const PROTOCOLS: [&str; 2] = [COMPACT, "earcon.v1.json"];
const COMPACT: &str = "earcon.v1.msgpack";
/// Frames gather up to this size before they are written out.
const WRITE_BUFFER: usize = 32 * 1024;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Subscribe {
        #[serde(default)]
        since: Position,
        epoch: Option<String>,
        #[serde(default)]
        filter: Lists,
        rate: Option<f64>,
    },
    Ping,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Position {
    Seq(u64),
    Name(Named),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Live,
    Snapshot,
}

impl Default for Position {
    fn default() -> Self {
        Position::Name(Named::Live)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    kpis: Vec<String>,
    types: Vec<String>,
}

pub(super) fn accept(
    upgrade: WebSocketUpgrade,
    gateway: Gateway,
    pass: WorkspacePass,
    workspace: Workspace,
) -> Response {
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .write_buffer_size(WRITE_BUFFER)
        .protocols(PROTOCOLS)
        .on_upgrade(move |socket| Connection::new(socket, gateway, pass, workspace).run())
}

struct Connection {
    incoming: SplitStream<WebSocket>,
    outgoing: SplitSink<WebSocket, Message>,
    gateway: Gateway,
    pass: WorkspacePass,
    workspace: Workspace,
    encoding: Encoding,
    follower: Option<Follower>,
}

/// Why a connection ends.
enum End {
    /// The client left, or takes nothing.
    Gone,
    /// The workspace restarts or the server shuts down: come back and resume.
    ComeBack,
}

impl Connection {
    fn new(socket: WebSocket, gateway: Gateway, pass: WorkspacePass, workspace: Workspace) -> Self {
        let compact = socket.protocol().is_some_and(|protocol| protocol.as_bytes() == COMPACT.as_bytes());
        let encoding = if compact { Encoding::Compact } else { Encoding::Json };
        let (outgoing, incoming) = socket.split();
        Self { incoming, outgoing, gateway, pass, workspace, encoding, follower: None }
    }

    async fn run(mut self) {
        if let End::ComeBack = self.serve().await {
            let reason = Utf8Bytes::from_static("restarting, resume with since and epoch");
            let frame = Message::Close(Some(CloseFrame { code: close_code::RESTART, reason }));
            let _gone = timeout(Duration::from_secs(1), self.outgoing.send(frame)).await.is_err();
        }
    }

    async fn serve(&mut self) -> End {
        let shutdown = self.gateway.clone();
        let shutdown = shutdown.shutting_down();
        tokio::pin!(shutdown);
        let mut ping_at = Instant::now() + PING_EVERY;
        loop {
            let frames = async {
                match &mut self.follower {
                    Some(follower) => follower.next().await,
                    None => std::future::pending().await,
                }
            };
            let sent = tokio::select! {
                frames = frames => match frames {
                    Some(frames) => self.send(frames.into_iter().map(message)).await,
                    None => return End::ComeBack,
                },
                incoming = self.incoming.next() => match incoming {
                    Some(Ok(Message::Text(text))) => self.request(&text).await,
                    Some(Ok(Message::Binary(_))) => self.complain("send text messages", "this one was binary").await,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                },
                () = tokio::time::sleep_until(ping_at) => {
                    ping_at = Instant::now() + PING_EVERY;
                    self.send([Message::Ping(Default::default())]).await
                }
                () = &mut shutdown => return End::ComeBack,
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    async fn request(&mut self, text: &str) -> Result<(), End> {
        match serde_json::from_str(text) {
            Ok(Request::Ping) => self.send([Message::Text(Utf8Bytes::from_static(r#"{"type":"pong"}"#))]).await,
            Ok(Request::Subscribe { since, epoch, filter, rate }) => {
                let filter = match Filter::new(&filter.kpis, &filter.types) {
                    Ok(filter) => filter,
                    Err(error) => return self.complain("The filter is not understood", &error.to_string()).await,
                };
                let rate = match rate.map(Conflation::new).transpose() {
                    Ok(rate) => rate,
                    Err(error) => return self.complain("The rate is not understood", &error.to_string()).await,
                };
                let (since, encoding) = (position(since, epoch), self.encoding);
                self.subscribe(Wanted { filter, since, encoding, rate }).await
            }
            Err(error) => self.complain("The message is not understood", &error.to_string()).await,
        }
    }

    async fn subscribe(&mut self, wanted: Wanted) -> Result<(), End> {
        let begun = Follower::begin(self.gateway.clone(), self.pass.clone(), &self.workspace, wanted).await;
        self.follower = Some(begun.ok_or(End::ComeBack)?);
        Ok(())
    }

    async fn complain(&mut self, title: &str, detail: &str) -> Result<(), End> {
        self.send([Message::Text(wire::error_json(title, detail).into())]).await
    }

    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), End> {
        let sending = async {
            for message in messages {
                self.outgoing.feed(message).await?;
            }
            self.outgoing.flush().await
        };
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn position(since: Position, epoch: Option<String>) -> Since {
    match since {
        Position::Seq(seq) => Since::Seq { seq, epoch },
        Position::Name(Named::Live) => Since::Live,
        Position::Name(Named::Snapshot) => Since::Snapshot,
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Event(_, Payload::Text(text)) | Frame::Control(_, text) => Message::Text(text),
        Frame::Event(_, Payload::Binary(bytes)) => Message::Binary(bytes),
    }
}
