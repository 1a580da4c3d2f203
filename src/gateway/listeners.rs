//! Starts the listeners other than HTTP: the subscriptions to NATS, and StatsD over UDP.

use std::io;
use std::sync::Arc;

use async_nats::Client;
use tokio::task::JoinHandle;

use crate::gateway::assembly::Gateway;
use crate::gateway::ingest::statsd::{StatsdGateway, StatsdSettings};
use crate::gateway::nats::QUEUE;
use crate::gateway::{audio, ingest};
use earcon_ports::{ErrorKind, PortError, Publisher};

/// The services over NATS.
pub struct NatsServices {
    /// Take samples in.
    pub ingest: bool,
    /// Render for listeners, with this to publish packets.
    pub sound: Option<Arc<dyn Publisher>>,
}

/// The running services.
pub struct NatsGateway(Vec<JoinHandle<()>>);

impl NatsGateway {
    /// Subscribes. No message arrives while the connection is down; the services resume with it.
    ///
    /// # Errors
    /// `Unavailable` when the client is closed.
    pub async fn start(gateway: &Gateway, client: Client, services: NatsServices) -> Result<Self, PortError> {
        let closed = |error: async_nats::SubscribeError| {
            PortError::caused(ErrorKind::Unavailable, "NATS cannot be subscribed to", error)
        };
        let mut tasks = Vec::new();
        if services.ingest {
            let requests = client.queue_subscribe(ingest::nats::SUBJECT, QUEUE.to_owned()).await.map_err(closed)?;
            tasks.push(tokio::spawn(ingest::nats::serve(gateway.ingest.clone(), client.clone(), requests)));
        }
        if let Some(publisher) = services.sound {
            // Every node gets the request; the one that runs the workspace answers.
            let requests = client.subscribe(audio::nats::SUBJECT).await.map_err(closed)?;
            tasks.push(tokio::spawn(audio::nats::serve(gateway.audio.clone(), client, publisher, requests)));
        }
        Ok(Self(tasks))
    }

    /// Waits until all messages from before the shutdown are answered.
    pub async fn finish(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a NATS service failed");
            }
        }
    }
}

/// Binds the address and listens for StatsD.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start_statsd(gateway: &Gateway, settings: &StatsdSettings) -> io::Result<StatsdGateway> {
    StatsdGateway::start(gateway.ingest.clone(), settings).await
}
