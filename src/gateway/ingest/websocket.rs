//! `GET …/kpis/ingest` as a WebSocket: documents as in POST, one a message, each answered after its commit, in order.
//!
//! Several may be on their way: they are scored in the order they came, and their commits are waited for together. How many
//! is bounded; beyond that the socket is not read. What is refused is answered and leaves the connection open.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::http::{IngestParams, parse, send};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use crate::gateway::http::state::Gateway;
use crate::gateway::websocket::{Frames, Gone, Incoming, Socket, SocketLimits, Upgrade};
use crate::live::MessageFrame;
use earcon_model::Arrival;

/// Whoever has more than this to say sends several messages; a client that takes nothing for so long is given up.
const LIMITS: SocketLimits = SocketLimits { max_message: 1 << 20, send_timeout: Duration::from_secs(30) };
/// Keeps connections through proxies open, and finds dead ones.
const PING_EVERY: Duration = Duration::from_secs(25);
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
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let arrival = params.arrival();
    Ok(upgrade.accept(LIMITS, move |socket| serve(socket, Connection { gateway, authorized, arrival })))
}

struct Connection {
    gateway: Gateway,
    authorized: Authorized,
    arrival: Arrival,
}

type Answers = FuturesOrdered<BoxFuture<'static, String>>;

async fn serve(mut socket: Socket, desk: Connection) {
    let mut answers = Answers::new();
    let mut frames = Frames::default();
    let (shutdown, silence) = (desk.gateway.shutting_down(), sleep(PING_EVERY));
    tokio::pin!(shutdown, silence);
    let come_back = loop {
        tokio::select! {
            Some(answer) = answers.next(), if !answers.is_empty() => {
                frames.push(MessageFrame::text(&answer).wire());
                // Everything that is ready goes out with one write.
                while let Some(Some(answer)) = answers.next().now_or_never() {
                    frames.push(MessageFrame::text(&answer).wire());
                }
            }
            message = socket.receive(), if answers.len() < UNDER_WAY => match message {
                Ok(Incoming::Text(text)) => answers.push_back(desk.take(text).await),
                Ok(Incoming::Binary(_)) => {
                    let answer = refusal("null", bad("send text messages; this one was binary"));
                    answers.push_back(std::future::ready(answer).boxed());
                }
                Ok(Incoming::Alive) => {}
                Err(Gone) => break false,
            },
            () = &mut silence => {
                silence.as_mut().reset(Instant::now() + PING_EVERY);
                if socket.ping().await.is_err() {
                    break false;
                }
            }
            () = &mut shutdown => break true,
        }
        if socket.send(&mut frames).await.is_err() {
            break false;
        }
    };
    // What was sent is committed either way; whoever is still there is told so.
    while let Some(answer) = answers.next().await {
        if socket.send_one(&MessageFrame::text(&answer)).await.is_err() {
            return;
        }
    }
    if come_back {
        socket.close(CloseCode::Restart, "restarting; connect again").await;
    }
}

impl Connection {
    /// Sends the samples of a message on their way; what is returned answers after the commit.
    async fn take(&self, text: String) -> BoxFuture<'static, String> {
        let id = id_of(&text);
        let sent = match parse(&self.gateway, &self.authorized, "application/json", text.as_bytes()).await {
            Ok(rows) => send(&self.gateway, self.authorized.pass(), rows, self.arrival).await,
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
