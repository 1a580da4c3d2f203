//! Followers over every channel, and the positions they would resume from.

use std::sync::Arc;
use std::time::Duration;

use earcon_client::Event;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Only guards against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to receive events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Json,
    Compact,
    ServerSent,
}

pub(crate) const CHANNELS: [Channel; 3] = [Channel::Json, Channel::Compact, Channel::ServerSent];

/// An event, and the epoch that wrote it.
pub(crate) type Position = (String, u64);

/// The answer to a resume.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// All missed events.
    Events(Vec<Position>),
    /// A snapshot of the state after this event.
    Snapshot(u64),
}

/// Resumes at `url` (a workspace's `/events`) after `since`, and reads up to event `to`.
pub(crate) async fn resume(channel: Channel, url: &str, since: &Position, to: u64) -> Resumed {
    match channel {
        Channel::ServerSent => server_sent(url, since, to).await,
        _ => over_a_socket(channel, url, since, to).await,
    }
}

async fn over_a_socket(channel: Channel, url: &str, (epoch, seq): &Position, to: u64) -> Resumed {
    let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
    if channel == Channel::Compact {
        request.headers_mut().insert("sec-websocket-protocol", "earcon.v1.msgpack".parse().unwrap());
    }
    let (mut socket, _) = connect_async(request).await.expect("the server accepts a WebSocket");
    let subscribe = json!({"type": "subscribe", "since": seq, "epoch": epoch});
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let (mut named, mut events): (Arc<str>, _) = ("".into(), Vec::new());
    loop {
        let message = timeout(PATIENCE, socket.next()).await.expect("a message in time").unwrap().unwrap();
        match message {
            Message::Binary(bytes) => {
                let event = Event::from_msgpack(&bytes, &"local".into(), &named).unwrap();
                events.push((event.epoch.to_string(), event.seq));
            }
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                match message["type"].as_str().unwrap() {
                    "subscribed" | "epoch" => named = message["epoch"].as_str().unwrap().into(),
                    "snapshot" => return Resumed::Snapshot(message["seq"].as_u64().unwrap()),
                    _ => events.push(position(&message)),
                }
            }
            _ => {}
        }
        if events.last().is_some_and(|(_, seq)| *seq >= to) {
            return Resumed::Events(events);
        }
    }
}

/// The position of an event in JSON.
pub(crate) fn position(event: &Value) -> Position {
    (event["epoch"].as_str().expect("an event").to_owned(), event["seq"].as_u64().expect("an event"))
}

async fn server_sent(url: &str, (epoch, seq): &Position, to: u64) -> Resumed {
    let request = reqwest::Client::new().get(url).header("accept", "text/event-stream");
    let response = request.header("last-event-id", format!("{epoch}:{seq}")).send().await.unwrap();
    let mut stream = response.bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    loop {
        let piece = timeout(PATIENCE, stream.next()).await.expect("the stream goes on").unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&piece));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let data: Value = serde_json::from_str(field("data:").unwrap_or("null")).unwrap();
            if let Some((epoch, seq)) = field("id:").and_then(|id| id.rsplit_once(':')) {
                let named = (epoch.to_owned(), seq.parse().unwrap());
                assert_eq!(named, position(&data), "the id is the position");
                events.push(named);
            } else if field("event:") == Some("snapshot") {
                return Resumed::Snapshot(data["seq"].as_u64().unwrap());
            }
            text = rest.to_owned();
        }
        if events.last().is_some_and(|(_, seq)| *seq >= to) {
            return Resumed::Events(events);
        }
    }
}
