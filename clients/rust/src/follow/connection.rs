//! The task behind [`Following`](super::Following): one connection after the other.

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
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::place::{Place, Step};
use super::{Follow, Since, Update};
use crate::client::Workspace;
use crate::error::{Error, root_cause};
use crate::event::Event;
use crate::message::{DecodeError, Message};

/// How long a connection may take to be made, and a request to be sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The subprotocol of the compact form.
const COMPACT: &str = "earcon.v1.msgpack";
/// The largest message taken: the snapshot of a very large workspace.
const MAX_MESSAGE: usize = 512 * 1024 * 1024;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Updates = Sender<Result<Update, Error>>;

/// Why a connection ended.
enum End {
    /// Nobody wants updates any more.
    Unwanted,
    /// It broke; the next one may hold.
    Broken(Error),
    /// The next one would end the same way.
    Hopeless(Error),
}

pub(super) async fn run(mut follow: Follow, updates: Updates) {
    let mut place = Place::new(follow.since.clone());
    let mut connected = false;
    loop {
        let mut connection = Connection { follow: &mut follow, place: &mut place, updates: &updates };
        match connection.serve(&mut connected).await {
            End::Unwanted => return,
            End::Hopeless(error) => {
                let _unwanted = updates.send(Err(error)).await.is_err();
                return;
            }
            End::Broken(error) => {
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
    place: &'a mut Place,
    updates: &'a Updates,
}

impl Connection<'_> {
    /// Serves one connection to its end; sets `connected` once the server has answered a subscription.
    async fn serve(&mut self, connected: &mut bool) -> End {
        let workspace = self.follow.workspace.clone();
        let protocol = self.follow.compact.then_some(COMPACT);
        let made = tokio::select! {
            made = connect(&workspace, &["events"], protocol) => made,
            () = self.updates.closed() => return End::Unwanted,
        };
        let mut socket = match made {
            Ok(socket) => socket,
            // A workspace that was there a moment ago may be moving between nodes.
            Err(error) if *connected || error.is_temporary() => return End::Broken(error),
            Err(error) => return End::Hopeless(error),
        };
        if let Err(end) = self.subscribe(&mut socket).await {
            return end;
        }
        let mut asked = false;
        // The compact form leaves out what is the same for all events of a connection.
        let (name, mut epoch): (Arc<str>, Arc<str>) = (workspace.name().into(), "".into());
        loop {
            let frame = tokio::select! {
                frame = timeout(self.follow.silence / 2, socket.next()) => frame,
                () = self.updates.closed() => return End::Unwanted,
            };
            let message = match frame {
                Ok(Some(Ok(Frame::Text(text)))) => Message::from_json(&text),
                Ok(Some(Ok(Frame::Binary(bytes)))) => {
                    Event::from_msgpack(&bytes, &name, &epoch).map(|event| Message::Event(Box::new(event)))
                }
                Ok(Some(Ok(Frame::Close(frame)))) => {
                    let reason = frame.map_or_else(|| "no reason given".to_owned(), |frame| frame.reason.to_string());
                    return End::Broken(workspace.unreachable(format!("the server closed the connection: {reason}")));
                }
                Ok(Some(Ok(_))) => {
                    asked = false;
                    continue;
                }
                Ok(Some(Err(error))) => return End::Broken(workspace.unreachable(root_cause(&error))),
                Ok(None) => return End::Broken(workspace.unreachable("the connection ended".to_owned())),
                // Quiet for half of the time allowed: is anybody there?
                Err(_) if !asked => {
                    asked = true;
                    if let Err(end) = self.send(&mut socket, Frame::Ping(Bytes::new())).await {
                        return end;
                    }
                    continue;
                }
                Err(_) => return End::Broken(workspace.unreachable("the connection is dead silent".to_owned())),
            };
            asked = false;
            if let Ok(Message::Subscribed(subscribed)) = &message {
                epoch = subscribed.epoch.clone();
            }
            if let Err(end) = self.take(message, &mut socket, connected).await {
                return end;
            }
        }
    }

    async fn take(
        &mut self,
        message: Result<Message, DecodeError>,
        socket: &mut Socket,
        connected: &mut bool,
    ) -> Result<(), End> {
        // Nothing is passed over in silence: what was not understood is asked for again.
        let message =
            message.map_err(|error| End::Broken(Error::Decode { url: self.follow.workspace.url(), error }))?;
        let step = self.place.take(&message);
        match step {
            Step::Drop => return Ok(()),
            Step::Renew => return self.subscribe(socket).await,
            Step::Deliver | Step::Repair => {}
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
            Message::Pong | Message::Other(_) => return Ok(()),
            Message::Error { title, detail } => {
                if *connected || !self.place.is_awaiting() {
                    return Ok(());
                }
                let (url, detail) = (self.follow.workspace.url(), format!("{title}: {detail}"));
                return Err(End::Hopeless(Error::Refused { url, status: 0, detail, retry_after: None }));
            }
        };
        self.updates.send(Ok(update)).await.map_err(|_| End::Unwanted)?;
        if step == Step::Repair { self.subscribe(socket).await } else { Ok(()) }
    }

    async fn subscribe(&mut self, socket: &mut Socket) -> Result<(), End> {
        let text = request(self.place.subscribe(), &self.follow.kpis, &self.follow.types, self.follow.rate);
        self.send(socket, Frame::text(text)).await
    }

    async fn send(&self, socket: &mut Socket, frame: Frame) -> Result<(), End> {
        let workspace = &self.follow.workspace;
        match timeout(CONNECT_TIMEOUT, socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::Broken(workspace.unreachable(root_cause(&error)))),
            Err(_) => Err(End::Broken(workspace.unreachable("it takes no messages".to_owned()))),
        }
    }
}

/// Opens a WebSocket of the workspace, in this subprotocol if any is named and the server knows it.
pub(crate) async fn connect(
    workspace: &Workspace,
    path: &[&str],
    protocol: Option<&'static str>,
) -> Result<Socket, Error> {
    let odd = |reason: String| Error::NotEarcon { url: workspace.url(), reason };
    let mut offered = protocol;
    loop {
        let mut request =
            workspace.socket_endpoint(path).into_client_request().map_err(|error| odd(root_cause(&error)))?;
        if let Some(protocol) = offered {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let made = timeout(CONNECT_TIMEOUT, connect_async_with_config(request, Some(config), true)).await;
        return match made {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))))
                if offered.is_some() =>
            {
                // An older server: it takes the connection without.
                offered = None;
                continue;
            }
            Ok(Err(tungstenite::Error::Http(answer))) => Err(refusal(workspace, &answer).await),
            // What else interrupts a handshake is the end of the connection.
            Ok(Err(
                error @ (tungstenite::Error::Io(_)
                | tungstenite::Error::ConnectionClosed
                | tungstenite::Error::Protocol(_)),
            )) => Err(workspace.unreachable(root_cause(&error))),
            Ok(Err(error)) => Err(odd(root_cause(&error))),
            Err(_) => Err(workspace.unreachable("it does not answer in time".to_owned())),
        };
    }
}

/// What a handshake that was answered otherwise stands for. Of the body there is only as much as came along with the
/// head; when that says nothing, a plain request gets all of it.
async fn refusal(workspace: &Workspace, answer: &Response<Option<Vec<u8>>>) -> Error {
    let body = answer.body().as_deref().unwrap_or_default();
    let status = answer.status().as_u16();
    let Ok(code) = reqwest::StatusCode::from_u16(status) else {
        return workspace.unreachable(format!("it answers with status {status}"));
    };
    let error = workspace.refused(code, None, body);
    // A server that is in trouble is not asked more than it has to be.
    if !error.is_temporary()
        && serde_json::from_slice::<IgnoredAny>(body).is_err()
        && let Err(explained @ Error::Refused { status: again, .. }) = workspace.kpis().await
        && again == status
    {
        return explained;
    }
    error
}

/// The message that subscribes.
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
    // Texts and numbers always serialise.
    serde_json::to_string(&subscribe).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_says_where_and_what() {
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
