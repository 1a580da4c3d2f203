//! Messages between nodes over NATS.
//!
//! Subjects: `earcon.cluster.<workspace>.request` and `earcon.cluster.<workspace>.publish`.
//! Requests have one queue group, so that one node gets a request if two believe to own the
//! workspace. Workspace ids contain no characters that NATS subjects reserve, so they are used
//! unescaped.

use std::time::Duration;

use async_nats::{Client, Message, RequestErrorKind, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

use earcon_ports::{ErrorKind, IncomingRequest, NodeTransport, PortError, TransportError};
use earcon_tenancy::WorkspacePass;

/// Time limit of an answer. Must exceed a commit that waits for a server to come back.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
const QUEUE: &str = "owner";
/// Bytes of a message that are reserved for other parts than its body.
const MARGIN: usize = 4_096;

/// A transport over a NATS connection.
pub struct NatsTransport {
    client: Client,
}

impl NatsTransport {
    /// Uses `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Waits until the server knows of a subscription: requests and messages sent after this are
    /// received.
    async fn flush(&self) -> Result<(), PortError> {
        self.client.flush().await.map_err(unavailable)
    }
}

#[async_trait]
impl NodeTransport for NatsTransport {
    fn max_bytes(&self) -> usize {
        self.client.server_info().max_payload.saturating_sub(MARGIN)
    }

    async fn request(&self, pass: &WorkspacePass, request: Bytes) -> Result<Bytes, TransportError> {
        if request.len() > self.max_bytes() {
            return Err(TransportError::TooLarge(request.len()));
        }
        let request = async_nats::Request::new().payload(request).timeout(Some(ANSWER_WITHIN));
        match self.client.send_request(request_subject(pass), request).await {
            Ok(message) => Ok(message.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(TransportError::NoResponder),
            Err(error) => Err(TransportError::Unknown(error.to_string())),
        }
    }

    async fn serve(
        &self,
        pass: &WorkspacePass,
        until: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, IncomingRequest>, PortError> {
        let subject = request_subject(pass);
        let subscription = self.client.queue_subscribe(subject, QUEUE.to_owned()).await.map_err(unavailable)?;
        self.flush().await?;
        let state = Requests { client: self.client.clone(), subscription, until: Some(until) };
        Ok(stream::unfold(state, |mut state| async move { state.next().await.map(|request| (request, state)) }).boxed())
    }

    async fn publish(&self, pass: &WorkspacePass, message: Bytes) -> Result<(), PortError> {
        self.client.publish(publish_subject(pass), message).await.map_err(unavailable)
    }

    async fn subscribe(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError> {
        let subscription = self.client.subscribe(publish_subject(pass)).await.map_err(unavailable)?;
        self.flush().await?;
        Ok(subscription.map(|message| message.payload).boxed())
    }
}

/// The requests of one subscription.
struct Requests {
    client: Client,
    subscription: Subscriber,
    /// `None` once it has completed.
    until: Option<BoxFuture<'static, ()>>,
}

impl Requests {
    async fn next(&mut self) -> Option<IncomingRequest> {
        loop {
            let message = match &mut self.until {
                None => self.subscription.next().await,
                Some(until) => tokio::select! {
                    message = self.subscription.next() => message,
                    () = until => {
                        self.until = None;
                        // An error means that the connection is closed, and with it the
                        // subscription.
                        let _closed = self.subscription.drain().await.is_err();
                        continue;
                    }
                },
            }?;
            if let Some(request) = self.request(message) {
                return Some(request);
            }
        }
    }

    /// A message without a reply subject is not a request.
    fn request(&self, message: Message) -> Option<IncomingRequest> {
        let (client, subject) = (self.client.clone(), message.reply?);
        let reply = move |body: Bytes| {
            tokio::spawn(async move {
                // The requesting node gives up by itself if no answer comes.
                if let Err(error) = client.publish(subject, body).await {
                    tracing::warn!(%error, "an answer to another node could not be sent");
                }
            });
        };
        Some(IncomingRequest { body: message.payload, reply: Box::new(reply) })
    }
}

fn request_subject(pass: &WorkspacePass) -> String {
    format!("earcon.cluster.{}.request", pass.workspace())
}

fn publish_subject(pass: &WorkspacePass) -> String {
    format!("earcon.cluster.{}.publish", pass.workspace())
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
        let name = format!("transport-{}", uuid::Uuid::new_v4());
        Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
    }

    #[tokio::test]
    #[ignore = "needs NATS"]
    async fn requests_reach_the_node_that_serves() {
        let transport = NatsTransport::new(test_server::client().await);
        let pass = pass();
        assert_eq!(transport.request(&pass, Bytes::from_static(b"?")).await, Err(TransportError::NoResponder));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let until = async move {
            let _dropped = stopped.await.is_err();
        };
        let mut requests = transport.serve(&pass, until.boxed()).await.unwrap();
        let serving = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let body = [b"got ", &request.body[..]].concat();
                (request.reply)(body.into());
            }
        });
        assert_eq!(transport.request(&pass, Bytes::from_static(b"one")).await.unwrap(), "got one");
        let too_large = Bytes::from(vec![0; transport.max_bytes() + 1]);
        assert!(matches!(transport.request(&pass, too_large).await, Err(TransportError::TooLarge(_))));
        // A request sent while the server stops is answered or gets "no responder"; it is never
        // left waiting.
        stop.send(()).unwrap();
        loop {
            match transport.request(&pass, Bytes::from_static(b"more")).await {
                Ok(answer) => assert_eq!(answer, "got more"),
                Err(error) => {
                    assert_eq!(error, TransportError::NoResponder);
                    break;
                }
            }
        }
        serving.await.unwrap();
    }

    #[tokio::test]
    #[ignore = "needs NATS"]
    async fn messages_reach_all_subscribers_of_their_workspace_only() {
        let transport = NatsTransport::new(test_server::client().await);
        let (here, there) = (pass(), pass());
        transport.publish(&here, Bytes::from_static(b"without subscribers")).await.unwrap();
        let mut one = transport.subscribe(&here).await.unwrap();
        let mut two = transport.subscribe(&here).await.unwrap();
        let mut other = transport.subscribe(&there).await.unwrap();
        transport.publish(&here, Bytes::from_static(b"a")).await.unwrap();
        transport.publish(&there, Bytes::from_static(b"b")).await.unwrap();
        assert_eq!(one.next().await.unwrap(), "a");
        assert_eq!(two.next().await.unwrap(), "a");
        assert_eq!(other.next().await.unwrap(), "b");
    }
}
