//! [`Publisher`] on a NATS connection.
//!
//! The client queues messages and writes them when it can. An echo shows that they have arrived: a
//! message to an own inbox, sent after the others on the same connection. It comes back once the
//! server has read them all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, HeaderMap, HeaderName, HeaderValue, client::PublishErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::subject::subject;
use earcon_ports::{Connection, ErrorKind, PortError, Publication, Publisher};
use earcon_tenancy::WorkspacePass;

/// Time limit for the server to read messages, or to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes on the subjects of [`subject`](super::subject).
pub struct NatsPublisher {
    client: Client,
}

impl NatsPublisher {
    /// Publishes with this client. Its connection may be down, now or later.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    fn check_connected(&self) -> Result<(), PortError> {
        // Otherwise messages would pile up in the client and be sent late.
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(unavailable("there is no connection to NATS")),
        }
    }

    async fn send(&self, subject: String, message: Publication) -> Result<(), PortError> {
        let headers = headers(message.headers)?;
        self.client.publish_with_headers(subject, headers, message.payload).await.map_err(|error| {
            let kind = match error.kind() {
                PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => ErrorKind::Invalid,
                _ => ErrorKind::Unavailable,
            };
            PortError::caused(kind, "a message could not be published", error)
        })
    }

    async fn echo(&self) -> Result<(), PortError> {
        let inbox = self.client.new_inbox();
        let failed = |error: &dyn std::fmt::Display| unavailable(&format!("NATS cannot be asked: {error}"));
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|error| failed(&error))?;
        self.client.publish(inbox, Bytes::new()).await.map_err(|error| failed(&error))?;
        answers.next().await.map(|_| ()).ok_or_else(|| unavailable("the connection to NATS is closed"))
    }
}

#[async_trait]
impl Publisher for NatsPublisher {
    async fn publish(&self, pass: &WorkspacePass, messages: Vec<Publication>) -> Result<(), PortError> {
        self.check_connected()?;
        let mut refused = None;
        let sending = async {
            for message in messages {
                let subject = subject(pass.workspace(), message.topic.iter().map(String::as_str));
                match self.send(subject, message).await {
                    Err(error) if error.kind == ErrorKind::Invalid => refused = Some(error),
                    other => other?,
                }
            }
            Ok(())
        };
        timeout(PATIENCE, sending).await.map_err(|_| unavailable("NATS takes no messages"))??;
        refused.map_or(Ok(()), Err)
    }

    fn connection(&self) -> Connection {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    async fn flush(&self, since: Connection) -> Result<(), PortError> {
        self.check_connected()?;
        timeout(PATIENCE, self.echo()).await.map_err(|_| unavailable("NATS does not answer"))??;
        if self.connection() == since {
            Ok(())
        } else {
            Err(unavailable("the connection to NATS was made again while messages were on their way"))
        }
    }

    fn max_message_bytes(&self) -> usize {
        self.client.max_payload()
    }
}

fn headers(pairs: Vec<(&'static str, String)>) -> Result<HeaderMap, PortError> {
    let invalid = |name: &str, error: &dyn std::fmt::Display| {
        PortError::new(ErrorKind::Invalid, format!("the header {name:?} cannot be sent: {error}"))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let key: HeaderName = name.parse().map_err(|error| invalid(name, &error))?;
        let value: HeaderValue = value.parse().map_err(|error| invalid(name, &error))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

fn unavailable(context: &str) -> PortError {
    PortError::new(ErrorKind::Unavailable, context)
}

#[cfg(test)]
mod tests;
