//! `GET …/kpis/ingest` as a WebSocket: each message is a document as in POST.
//!
//! Messages are scored in the order they came, and answered in that order after their commits.
//! A bounded number of messages waits for commits; beyond it the socket is not read. A refused
//! message gets an answer and leaves the connection open.

use axum::extract::State;
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::answer::accepted_json;
use super::commit::{Committing, begin};
use super::parse::{check_workspace, parse_native};
use super::state::IngestState;
use super::target::{IngestParams, OwnParams};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use crate::gateway::http::state::{Ending, SharedState, WITHDRAWN};
use crate::gateway::websocket::{Ended, Incoming, Socket, Upgrade};
use crate::live::MessageFrame;
use earcon_intake::without_bom;
use earcon_model::Arrival;

/// Largest message.
const MAX_MESSAGE: usize = 1 << 20;
/// Messages of one connection that wait for their commits.
const MAX_PENDING: usize = 64;
/// Longest `id`, as JSON. It is kept until the answer.
const MAX_ID: usize = 256;

/// Sends samples over a WebSocket.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis/ingest", tag = "ingest",
    params(("workspace" = String, Path), IngestParams),
    responses(
        (status = 101, description = "a WebSocket; see docs/protocol.md for its messages"),
        (status = 400, description = "not an upgrade to a WebSocket"),
        (status = 426, description = "another version of WebSocket")))]
pub(crate) async fn connect(
    State(state): State<IngestState>,
    authorized: Authorized,
    Params(params): Params<OwnParams>,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    check_workspace(&state, authorized.pass()).await?;
    let arrival = params.arrival();
    let shared = SharedState::clone(&state);
    Ok(upgrade.accept(MAX_MESSAGE, &shared, move |socket| serve(socket, Connection { state, authorized, arrival })))
}

struct Connection {
    state: IngestState,
    authorized: Authorized,
    arrival: Arrival,
}

type Answers = FuturesOrdered<BoxFuture<'static, String>>;

/// Why nothing more is read.
enum End {
    /// The client ended it.
    Client(Ended),
    /// The server shuts down.
    Restart,
    /// The client may no longer send.
    Withdrawn,
}

async fn serve(mut socket: Socket, connection: Connection) {
    let mut answers = Answers::new();
    let mut frames = Vec::new();
    let (state, pass) = (connection.state.clone(), connection.authorized.pass().clone());
    let ending = state.ending(&pass);
    tokio::pin!(ending);
    let end = loop {
        tokio::select! {
            Some(answer) = answers.next(), if !answers.is_empty() => {
                frames.push(MessageFrame::text(&answer).wire());
                // Everything that is ready goes out with one write.
                while let Some(Some(answer)) = answers.next().now_or_never() {
                    frames.push(MessageFrame::text(&answer).wire());
                }
            }
            message = socket.receive(), if answers.len() < MAX_PENDING => match message {
                Ok(Incoming::Text(text)) => answers.push_back(connection.submit(text).await),
                Ok(Incoming::Binary(_)) => {
                    let answer = refusal("null", bad("send text messages; this one was binary"));
                    answers.push_back(std::future::ready(answer).boxed());
                }
                Err(ended) => break End::Client(ended),
            },
            ending = &mut ending => break match ending {
                Ending::Shutdown => End::Restart,
                Ending::Withdrawn => End::Withdrawn,
            },
        }
        if socket.send(&frames).await.is_err() {
            break End::Client(Ended::Gone);
        }
        frames.clear();
    };
    // Messages that were read are committed either way; a client that is still connected gets their
    // answers, and then the close frame.
    while let Some(answer) = answers.next().await {
        if socket.send_one(&MessageFrame::text(&answer)).await.is_err() {
            return;
        }
    }
    match end {
        End::Client(ended) => socket.end(ended).await,
        End::Withdrawn => socket.close(CloseCode::Policy, WITHDRAWN).await,
        End::Restart => socket.close(CloseCode::Restart, "restarting; connect again").await,
    }
}

impl Connection {
    /// Submits the samples of a message. The returned future answers after the commit.
    async fn submit(&self, text: String) -> BoxFuture<'static, String> {
        let id = id_of(&text);
        match self.begin(&text).await {
            Ok(committing) => async move {
                match accepted_json(&committing.committed().await) {
                    Ok(answer) => with_id(&id, &answer),
                    Err(problem) => refusal(&id, problem),
                }
            }
            .boxed(),
            Err(problem) => std::future::ready(refusal(&id, problem)).boxed(),
        }
    }

    async fn begin(&self, text: &str) -> Result<Committing, Problem> {
        let pass = self.authorized.pass();
        let parsed = parse_native(&self.state, pass, "application/json", text.as_bytes()).await?;
        Ok(begin(&self.state, pass, parsed, self.arrival).await?)
    }
}

/// The `id` of a message as JSON; `null` without one, or when the message cannot be read.
fn id_of(text: &str) -> String {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let named = serde_json::from_slice::<Named<'_>>(without_bom(text.as_bytes())).ok();
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
    fn an_answer_repeats_the_id_of_its_message() {
        for (text, id) in [
            (r#"{"id": 7, "samples": []}"#, "7"),
            (r#"{"samples": [], "id": "a\"b"}"#, r#""a\"b""#),
            (r#"{"id": {"n": [1]}, "samples": []}"#, r#"{"n": [1]}"#),
            (r#"{"samples": []}"#, "null"),
            ("\u{feff}{\"id\": 7}", "7"),
            ("nonsense", "null"),
            (&format!(r#"{{"id": "{}"}}"#, "x".repeat(1_000)), "null"),
        ] {
            assert_eq!(id_of(text), id, "{text}");
        }
        assert_eq!(with_id("7", r#"{"accepted":1}"#), r#"{"id":7,"accepted":1}"#);
        assert_eq!(with_id("null", "{}"), r#"{"id":null}"#);
    }
}
