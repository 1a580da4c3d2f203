//! `GET …/kpis/ingest` as a WebSocket: documents as in POST, one a message, each answered after its commit, in order.
//!
//! Several may be on their way: they are scored in the order they came, and their commits are waited for together. How many
//! is bounded; beyond that the socket is not read. What is refused is answered and leaves the connection open.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code, rejection};
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, SplitSink};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use super::Gateway;
use super::authorized::Authorized;
use super::ingest::{IngestParams, parse, send};
use super::problem::Problem;
use super::query::{Params, bad};
use crate::model::Arrival;
use crate::tenancy::WorkspacePass;

/// A client that takes nothing for this long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Keeps connections through proxies open, and finds dead ones.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Largest message; whoever has more sends several.
const MAX_MESSAGE: usize = 1 << 20;
/// Messages of one connection that wait for their commits.
const UNDER_WAY: usize = 64;
/// Longest `id`, as JSON: it is held until the answer.
const MAX_ID: usize = 256;

/// Sends samples over a WebSocket.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis/ingest", tag = "ingest",
    params(("workspace" = String, Path), IngestParams),
    responses(
        (status = 101, description = "a WebSocket; see docs/protocol.md for its messages"),
        (status = 400, description = "not an upgrade to a WebSocket")))]
pub(crate) async fn connect(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Params(params): Params<IngestParams>,
    upgrade: Result<WebSocketUpgrade, rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| bad(&rejection.body_text()))?;
    let (pass, arrival) = (authorized.pass().clone(), params.arrival());
    let sized = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(sized.on_upgrade(move |socket| serve(socket, Desk { gateway, pass, arrival })))
}

struct Desk {
    gateway: Gateway,
    pass: WorkspacePass,
    arrival: Arrival,
}

type Answers = FuturesOrdered<BoxFuture<'static, String>>;

/// Why a connection ends.
enum End {
    /// The client left, or takes nothing.
    Gone,
    /// The server shuts down: come back.
    ComeBack,
}

async fn serve(socket: WebSocket, desk: Desk) {
    let (mut outgoing, mut incoming) = socket.split();
    let mut answers = Answers::new();
    let shutdown = desk.gateway.shutting_down();
    tokio::pin!(shutdown);
    let mut ping_at = Instant::now() + PING_EVERY;
    let end = loop {
        let sent = tokio::select! {
            Some(answer) = answers.next(), if !answers.is_empty() => {
                // Everything that is ready goes out with one flush.
                let mut ready = vec![Message::Text(answer.into())];
                while let Some(Some(answer)) = answers.next().now_or_never() {
                    ready.push(Message::Text(answer.into()));
                }
                put(&mut outgoing, ready).await
            }
            message = incoming.next(), if answers.len() < UNDER_WAY => match message {
                Some(Ok(Message::Text(text))) => {
                    answers.push_back(desk.take(text).await);
                    Ok(())
                }
                Some(Ok(Message::Binary(_))) => {
                    let answer = refusal("null", bad("send text messages; this one was binary"));
                    answers.push_back(std::future::ready(answer).boxed());
                    Ok(())
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
            },
            () = tokio::time::sleep_until(ping_at) => {
                ping_at = Instant::now() + PING_EVERY;
                put(&mut outgoing, vec![Message::Ping(Default::default())]).await
            }
            () = &mut shutdown => Err(End::ComeBack),
        };
        if let Err(end) = sent {
            break end;
        }
    };
    // What was sent is committed either way; whoever is still there is told so.
    while let Some(answer) = answers.next().await {
        if put(&mut outgoing, vec![Message::Text(answer.into())]).await.is_err() {
            return;
        }
    }
    if let End::ComeBack = end {
        let reason = Utf8Bytes::from_static("restarting; connect again");
        let frame = Message::Close(Some(CloseFrame { code: close_code::RESTART, reason }));
        let _gone = timeout(Duration::from_secs(1), outgoing.send(frame)).await.is_err();
    }
}

impl Desk {
    /// Sends the samples of a message on their way; what is returned answers after the commit.
    async fn take(&self, text: Utf8Bytes) -> BoxFuture<'static, String> {
        let id = id_of(&text);
        let sent = match parse(&self.gateway, "application/json", text.as_bytes()) {
            Ok(rows) => send(&self.gateway, &self.pass, rows, self.arrival).await,
            Err(problem) => Err(problem),
        };
        match sent {
            Ok(committing) => async move {
                match committing.answer().await {
                    Ok(answer) => with_id(&id, &answer),
                    Err(problem) => refusal(&id, problem),
                }
            }
            .boxed(),
            Err(problem) => std::future::ready(refusal(&id, problem)).boxed(),
        }
    }
}

/// The `id` of a message as JSON; `null` without one, or when the message cannot be read.
fn id_of(text: &str) -> String {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let named = serde_json::from_str::<Named<'_>>(text).ok();
    let id = named.and_then(|named| named.id).map(RawValue::get).filter(|id| id.len() <= MAX_ID);
    id.unwrap_or("null").to_owned()
}

/// Puts `id` in front of the members of an object.
fn with_id(id: &str, object: &str) -> String {
    match object.strip_prefix('{') {
        Some("}") | None => format!("{{\"id\":{id}}}"),
        Some(members) => format!("{{\"id\":{id},{members}"),
    }
}

fn refusal(id: &str, problem: Problem) -> String {
    let problem = match problem.retry_after() {
        Some(seconds) => problem.with("retry_after", seconds.into()),
        None => problem,
    };
    with_id(id, &problem.document().1)
}

async fn put(outgoing: &mut SplitSink<WebSocket, Message>, messages: Vec<Message>) -> Result<(), End> {
    let sending = async {
        for message in messages {
            outgoing.feed(message).await?;
        }
        outgoing.flush().await
    };
    match timeout(SEND_TIMEOUT, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_comes_back_as_it_was() {
        for (text, id) in [
            (r#"{"id": 7, "samples": []}"#, "7"),
            (r#"{"samples": [], "id": "a\"b"}"#, r#""a\"b""#),
            (r#"{"id": {"n": [1]}, "samples": []}"#, r#"{"n": [1]}"#),
            (r#"{"samples": []}"#, "null"),
            ("nonsense", "null"),
            (&format!(r#"{{"id": "{}"}}"#, "x".repeat(1_000)), "null"),
        ] {
            assert_eq!(id_of(text), id, "{text}");
        }
        assert_eq!(with_id("7", r#"{"accepted":1}"#), r#"{"id":7,"accepted":1}"#);
        assert_eq!(with_id("null", "{}"), r#"{"id":null}"#);
    }
}
