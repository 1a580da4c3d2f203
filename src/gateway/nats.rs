//! NATS: samples in, and sound for those who ask. The subjects are those of `docs/nats.md`.
//!
//! Whoever may publish on a subject is trusted with its workspace: the permissions of the NATS accounts are the fence.
//! Events go out elsewhere, as a cursor consumer (`actors/consumer/fan_out.rs`).

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::http::problem::{Kind, PROBLEM_JSON, Problem};
use crate::gateway::http::state::Gateway;
use crate::gateway::{audio, ingest};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, PortError, Publisher};

/// The nodes of a cluster share these messages among them.
const QUEUE: &str = "earcon";

/// How long a subscription that ends may take to hand over what it has received.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// What is served over NATS.
pub struct NatsServices {
    /// Take samples in.
    pub ingest: bool,
    /// Render for listeners, with this to publish packets.
    pub sound: Option<Arc<dyn Publisher>>,
}

/// The running services.
pub struct NatsGateway(Vec<JoinHandle<()>>);

impl NatsGateway {
    /// Subscribes. While the connection is away nothing comes in; it goes on when it is back.
    ///
    /// # Errors
    /// `Unavailable` when the client is closed.
    pub async fn start(gateway: Gateway, client: Client, services: NatsServices) -> Result<Self, PortError> {
        let closed = |error: async_nats::SubscribeError| {
            PortError::caused(ErrorKind::Unavailable, "NATS cannot be subscribed to", error)
        };
        let mut tasks = Vec::new();
        if services.ingest {
            let requests = client.queue_subscribe(ingest::nats::SUBJECT, QUEUE.to_owned()).await.map_err(closed)?;
            tasks.push(tokio::spawn(ingest::nats::serve(gateway.clone(), client.clone(), requests)));
        }
        if let Some(publisher) = services.sound {
            // Every node hears of a listener; the one that runs the workspace answers.
            let requests = client.subscribe(audio::nats::SUBJECT).await.map_err(closed)?;
            tasks.push(tokio::spawn(audio::nats::serve(gateway, client, publisher, requests)));
        }
        Ok(Self(tasks))
    }

    /// Waits until everything that had come in before the gateway's shutdown is answered.
    pub async fn finish(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a NATS service failed");
            }
        }
    }
}

/// The workspace a subject speaks of, which is its third token.
pub(crate) fn workspace_of(message: &Message) -> Result<WorkspaceId, Problem> {
    let token = message.subject.split('.').nth(2).unwrap_or_default();
    WorkspaceId::new(token).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
}

/// Ends a subscription; what has already been received can still be read.
pub(crate) async fn end(requests: &mut Subscriber) -> bool {
    matches!(timeout(DRAIN, requests.drain()).await, Ok(Ok(())))
}

/// Answers a request; a message without a reply subject wants no answer.
///
/// The status is not in the header `Status`: client libraries take that for the server's own word (503: nobody there).
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
