//! Questions between nodes as NATS requests.
//!
//! Subjects: `earcon.cluster.<workspace>.ask` (one queue group, so that of two nodes that both believe to own a workspace one is
//! asked) and `earcon.cluster.<workspace>.call`. A workspace's identifier needs no encoding: its rule leaves nothing a subject
//! minds.

use std::time::Duration;

use async_nats::{Client, RequestErrorKind, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::ports::{Courier, ErrorKind, PortError, Question, Unanswered};
use crate::tenancy::WorkspacePass;

/// How long an answer may take: longer than a commit that waits for a server to come back.
const PATIENCE: Duration = Duration::from_secs(40);
const QUEUE: &str = "owner";
/// What a message needs besides its body.
const MARGIN: usize = 4_096;

/// A courier over a NATS connection.
pub struct NatsCourier {
    client: Client,
}

impl NatsCourier {
    /// Uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Courier for NatsCourier {
    fn max_bytes(&self) -> usize {
        self.client.server_info().max_payload.saturating_sub(MARGIN)
    }

    async fn ask(&self, pass: &WorkspacePass, question: Bytes) -> Result<Bytes, Unanswered> {
        if question.len() > self.max_bytes() {
            return Err(Unanswered::TooLarge(question.len()));
        }
        let request = async_nats::Request::new().payload(question).timeout(Some(PATIENCE));
        match self.client.send_request(subject(pass, "ask"), request).await {
            Ok(message) => Ok(message.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(Unanswered::Nobody),
            Err(error) => Err(Unanswered::Lost(error.to_string())),
        }
    }

    async fn answer(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Question>, PortError> {
        let subject = subject(pass, "ask");
        let subscription = self.client.queue_subscribe(subject, QUEUE.to_owned()).await.map_err(unavailable)?;
        self.heard(&subscription).await?;
        let client = self.client.clone();
        let questions = subscription.filter_map(move |message| {
            let client = client.clone();
            async move {
                let reply = message.reply?;
                let answer = move |body: Bytes| {
                    tokio::spawn(async move {
                        // The asker gives up by itself when no answer comes.
                        if let Err(error) = client.publish(reply, body).await {
                            tracing::warn!(%error, "an answer to another node could not be sent");
                        }
                    });
                };
                Some(Question { body: message.payload, answer: Box::new(answer) })
            }
        });
        Ok(questions.boxed())
    }

    async fn call(&self, pass: &WorkspacePass, message: Bytes) -> Result<(), PortError> {
        self.client.publish(subject(pass, "call"), message).await.map_err(unavailable)
    }

    async fn hear(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError> {
        let subscription = self.client.subscribe(subject(pass, "call")).await.map_err(unavailable)?;
        self.heard(&subscription).await?;
        Ok(subscription.map(|message| message.payload).boxed())
    }
}

impl NatsCourier {
    /// Waits until the server knows of the subscription, so that whoever is told of it can be sure to be heard.
    async fn heard(&self, _subscription: &Subscriber) -> Result<(), PortError> {
        self.client.flush().await.map_err(unavailable)
    }
}

fn subject(pass: &WorkspacePass, what: &str) -> String {
    format!("earcon.cluster.{}.{what}", pass.workspace())
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::caused(ErrorKind::Unavailable, "NATS", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::nats::test_server;
    use crate::model::WorkspaceId;
    use crate::tenancy::Access;

    fn pass() -> WorkspacePass {
        let name = format!("courier-{}", uuid::Uuid::new_v4());
        Access.system(&WorkspaceId::new(&name).unwrap())
    }

    #[tokio::test]
    async fn questions_reach_whoever_answers() {
        let Some(client) = test_server::client("questions_reach_whoever_answers").await else { return };
        let courier = NatsCourier::new(client);
        let pass = pass();
        assert_eq!(courier.ask(&pass, Bytes::from_static(b"?")).await, Err(Unanswered::Nobody));
        let mut questions = courier.answer(&pass).await.unwrap();
        let serving = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let body = [b"heard ", &question.body[..]].concat();
                (question.answer)(body.into());
            }
        });
        assert_eq!(courier.ask(&pass, Bytes::from_static(b"you")).await.unwrap(), "heard you");
        let too_large = Bytes::from(vec![0; courier.max_bytes() + 1]);
        assert!(matches!(courier.ask(&pass, too_large).await, Err(Unanswered::TooLarge(_))));
        serving.abort();
        let _aborted = serving.await.is_err();
        courier.client.flush().await.unwrap();
        assert_eq!(courier.ask(&pass, Bytes::from_static(b"?")).await, Err(Unanswered::Nobody));
    }

    #[tokio::test]
    async fn calls_reach_all_who_hear_and_no_other_workspace() {
        let Some(client) = test_server::client("calls_reach_all_who_hear").await else { return };
        let courier = NatsCourier::new(client);
        let (here, there) = (pass(), pass());
        courier.call(&here, Bytes::from_static(b"nobody hears this")).await.unwrap();
        let (mut one, mut two) = (courier.hear(&here).await.unwrap(), courier.hear(&here).await.unwrap());
        let mut other = courier.hear(&there).await.unwrap();
        courier.call(&here, Bytes::from_static(b"a")).await.unwrap();
        courier.call(&there, Bytes::from_static(b"b")).await.unwrap();
        assert_eq!(one.next().await.unwrap(), "a");
        assert_eq!(two.next().await.unwrap(), "a");
        assert_eq!(other.next().await.unwrap(), "b");
    }
}
