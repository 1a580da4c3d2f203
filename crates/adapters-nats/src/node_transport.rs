//! Messages between nodes over NATS.
//!
//! Subjects: `earcon.cluster.<organisation>.<workspace>.request.<name>` and
//! `earcon.cluster.<organisation>.<workspace>.publish`.
//! A request names its addressee, so that it never reaches a node that owned the workspace before.
//! Workspace ids and names contain no characters that NATS subjects reserve, so they are used
//! unescaped.

use std::time::Duration;

use async_nats::{Client, Message, RequestErrorKind, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio::time::timeout;

use earcon_ports::{ErrorKind, IncomingRequest, NodeTransport, PortError, TransportError};
use earcon_tenancy::WorkspacePass;

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

    async fn request(
        &self,
        pass: &WorkspacePass,
        to: &str,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, TransportError> {
        if request.len() > self.max_bytes() {
            return Err(TransportError::TooLarge(request.len()));
        }
        let request = async_nats::Request::new().payload(request).timeout(None);
        // The limit includes the time in which the client accepts no messages because it is not
        // connected.
        match timeout(within, self.client.send_request(request_subject(pass, to), request)).await {
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(TransportError::NoResponder),
            Ok(Err(error)) => Err(TransportError::Unknown(error.to_string())),
            Err(_) => Err(TransportError::Unknown(format!("no answer within {within:?}"))),
        }
    }

    async fn serve(
        &self,
        pass: &WorkspacePass,
        name: &str,
        until: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, IncomingRequest>, PortError> {
        let subscription = self.client.subscribe(request_subject(pass, name)).await.map_err(unavailable)?;
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

fn request_subject(pass: &WorkspacePass, name: &str) -> String {
    format!("earcon.cluster.{}.{}.request.{name}", pass.workspace().organisation_text(), pass.workspace().name())
}

fn publish_subject(pass: &WorkspacePass) -> String {
    format!("earcon.cluster.{}.{}.publish", pass.workspace().organisation_text(), pass.workspace().name())
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

    const PLENTY: Duration = Duration::from_secs(20);

    fn pass() -> WorkspacePass {
        let name = format!("transport-{}", uuid::Uuid::new_v4());
        Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
    }

    #[tokio::test]
    #[ignore = "needs NATS"]
    async fn requests_reach_the_node_that_serves() {
        let transport = NatsTransport::new(test_server::client().await);
        let pass = pass();
        let ask = async |to: &str, body: &'static str| transport.request(&pass, to, body.into(), PLENTY).await;
        assert_eq!(ask("here-1", "?").await, Err(TransportError::NoResponder));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let until = async move {
            let _dropped = stopped.await.is_err();
        };
        let mut requests = transport.serve(&pass, "here-1", until.boxed()).await.unwrap();
        let serving = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let body = [b"got ", &request.body[..]].concat();
                (request.reply)(body.into());
            }
        });
        assert_eq!(ask("here-1", "one").await.unwrap(), "got one");
        assert_eq!(ask("here-2", "two").await, Err(TransportError::NoResponder), "it is for another server");
        let too_large = Bytes::from(vec![0; transport.max_bytes() + 1]);
        let refused = transport.request(&pass, "here-1", too_large, PLENTY).await;
        assert!(matches!(refused, Err(TransportError::TooLarge(_))));
        // A request sent while the server stops is answered or gets "no responder"; it is never
        // left waiting.
        stop.send(()).unwrap();
        loop {
            match ask("here-1", "more").await {
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
    async fn request_without_an_answer_ends_at_its_limit() {
        let transport = NatsTransport::new(test_server::client().await);
        let pass = pass();
        let _unread = transport.serve(&pass, "silent", std::future::pending().boxed()).await.unwrap();
        let result = transport.request(&pass, "silent", Bytes::new(), Duration::from_millis(50)).await;
        assert!(matches!(result, Err(TransportError::Unknown(_))), "{result:?}");
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
