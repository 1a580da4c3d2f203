//! The connection to NATS: subjects, answers, and the end of a subscription. `docs/nats.md` lists
//! the subjects. The messages themselves are handled in `ingest/nats.rs` and `audio/nats.rs`.
//!
//! A client that may publish on a subject is trusted with its workspace: the permissions of the
//! NATS accounts are the boundary. Events are published by a cursor consumer, in
//! `actors/consumer/fan_out.rs`.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use tokio::time::timeout;

use crate::gateway::http::problem::{Kind, PROBLEM_JSON, Problem};
use earcon_model::{OrganisationId, WorkspaceId};

/// The queue group in which the nodes of a cluster share messages.
pub(crate) const QUEUE: &str = "earcon";

/// How long a subscription that ends may take to deliver the messages it has received.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The workspace that a subject names: its third token is the organisation, its fourth the name.
///
/// # Errors
/// 400 when the tokens are no names.
pub(crate) fn workspace_of(message: &Message) -> Result<WorkspaceId, Problem> {
    let mut tokens = message.subject.split('.').skip(2);
    let (organisation, name) = (tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default());
    let workspace = OrganisationId::new(organisation).and_then(|organisation| WorkspaceId::of(&organisation, name));
    workspace.map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
}

/// Ends a subscription. Messages that were received can still be read if this returns true.
pub(crate) async fn drain(requests: &mut Subscriber) -> bool {
    matches!(timeout(DRAIN_TIME, requests.drain()).await, Ok(Ok(())))
}

/// Answers a request. A message without a reply subject gets no answer.
///
/// The status is not in the header `Status`, because client libraries take that header for the
/// NATS server's own (503: no responders).
pub(crate) async fn reply(client: &Client, message: &Message, answer: Result<String, Problem>) {
    let Some(to) = message.reply.clone() else { return };
    let (status, content_type, body) = match answer {
        Ok(body) => (200, "application/json", body),
        Err(problem) => {
            let (status, body) = problem.document();
            (status.as_u16(), PROBLEM_JSON, body)
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type);
    headers.insert("Earcon-Status", status.to_string());
    if let Err(error) = client.publish_with_headers(to, headers, Bytes::from(body)).await {
        tracing::warn!(%error, "an answer could not be sent over NATS");
    }
}
