//! Questions between nodes as NATS requests.
//!
//! Subjects: `earcon.cluster.<workspace>.ask` (one queue group, so that of two nodes that both believe to own a workspace one is
//! asked) and `earcon.cluster.<workspace>.call`. A workspace's identifier needs no encoding: its rule leaves nothing a subject
//! minds.

use std::time::Duration;

use async_nats::{Client, Message, RequestErrorKind, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

use earcon_ports::{ErrorKind, NodeTransport, PortError, Question, TransportError};
use earcon_tenancy::WorkspacePass;

/// How long an answer may take: longer than a commit that waits for a server to come back.
const PATIENCE: Duration = Duration::from_secs(40);
const QUEUE: &str = "owner";
/// What a message needs besides its body.
const MARGIN: usize = 4_096;

/// A courier over a NATS connection.
pub struct NatsTransport {
    client: Client,
}

impl NatsTransport {
    /// Uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl NodeTransport for NatsTransport {
    fn max_bytes(&self) -> usize {
        self.client.server_info().max_payload.saturating_sub(MARGIN)
    }

    async fn ask(&self, pass: &WorkspacePass, question: Bytes) -> Result<Bytes, TransportError> {
        if question.len() > self.max_bytes() {
            return Err(TransportError::TooLarge(question.len()));
        }
        let request = async_nats::Request::new().payload(question).timeout(Some(PATIENCE));
        match self.client.send_request(subject(pass, "ask"), request).await {
            Ok(message) => Ok(message.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(TransportError::Nobody),
            Err(error) => Err(TransportError::Lost(error.to_string())),
        }
    }

    async fn answer(
        &self,
        pass: &WorkspacePass,
        until: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, Question>, PortError> {
        let subject = subject(pass, "ask");
        let subscription = self.client.queue_subscribe(subject, QUEUE.to_owned()).await.map_err(unavailable)?;
        self.settled().await?;
        let state = Answering { client: self.client.clone(), subscription, until: Some(until) };
        Ok(stream::unfold(state, |mut state| async move { state.next().await.map(|question| (question, state)) })
            .boxed())
    }

    async fn call(&self, pass: &WorkspacePass, message: Bytes) -> Result<(), PortError> {
        self.client.publish(subject(pass, "call"), message).await.map_err(unavailable)
    }

    async fn hear(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError> {
        let subscription = self.client.subscribe(subject(pass, "call")).await.map_err(unavailable)?;
        self.settled().await?;
        Ok(subscription.map(|message| message.payload).boxed())
    }
}

impl NatsTransport {
    /// Waits until the server knows of a subscription, so that whoever is told of it can be sure to be heard.
    async fn settled(&self) -> Result<(), PortError> {
        self.client.flush().await.map_err(unavailable)
    }
}

struct Answering {
    client: Client,
    subscription: Subscriber,
    /// `None` once it has completed.
    until: Option<BoxFuture<'static, ()>>,
}

impl Answering {
    async fn next(&mut self) -> Option<Question> {
        loop {
            let message = match &mut self.until {
                None => self.subscription.next().await,
                Some(until) => tokio::select! {
                    message = self.subscription.next() => message,
                    () = until => {
                        self.until = None;
                        // An error means that the connection is closed, and with it the subscription.
                        let _closed = self.subscription.drain().await.is_err();
                        continue;
                    }
                },
            }?;
            if let Some(question) = self.question(message) {
                return Some(question);
            }
        }
    }

    /// A message that nobody waits for the answer of is no question.
    fn question(&self, message: Message) -> Option<Question> {
        let (client, reply) = (self.client.clone(), message.reply?);
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
}

fn subject(pass: &WorkspacePass, what: &str) -> String {
    format!("earcon.cluster.{}.{what}", pass.workspace())
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    PortError::caused(ErrorKind::Unavailable, "NATS", error)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::test_server;
    use earcon_model::WorkspaceId;
    use earcon_tenancy::Authorizer;

    fn pass() -> WorkspacePass {
        let name = format!("courier-{}", uuid::Uuid::new_v4());
        Authorizer.system(&WorkspaceId::new(&name).unwrap())
    }

    #[tokio::test]
    #[ignore = "needs NATS"]
    async fn questions_reach_whoever_answers() {
        let client = test_server::client().await;
        let courier = NatsTransport::new(client);
        let pass = pass();
        assert_eq!(courier.ask(&pass, Bytes::from_static(b"?")).await, Err(TransportError::Nobody));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let until = async move {
            let _dropped = stopped.await.is_err();
        };
        let mut questions = courier.answer(&pass, until.boxed()).await.unwrap();
        let serving = tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let body = [b"heard ", &question.body[..]].concat();
                (question.answer)(body.into());
            }
        });
        assert_eq!(courier.ask(&pass, Bytes::from_static(b"you")).await.unwrap(), "heard you");
        let too_large = Bytes::from(vec![0; courier.max_bytes() + 1]);
        assert!(matches!(courier.ask(&pass, too_large).await, Err(TransportError::TooLarge(_))));
        // Whoever asks while the other stops is answered or told that nobody is there, and never left waiting.
        stop.send(()).unwrap();
        loop {
            match courier.ask(&pass, Bytes::from_static(b"still")).await {
                Ok(answer) => assert_eq!(answer, "heard still"),
                Err(error) => {
                    assert_eq!(error, TransportError::Nobody);
                    break;
                }
            }
        }
        serving.await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs NATS"]
    async fn calls_reach_all_who_hear_and_no_other_workspace() {
        let client = test_server::client().await;
        let courier = NatsTransport::new(client);
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
