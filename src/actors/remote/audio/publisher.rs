//! The owner's side: publishes the audio of its mix while other nodes ask for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::message::AudioMessage;
use crate::actors::mix::{Listening, Mix};
use crate::actors::remote::wire::encode;
use earcon_audio::Voice;
use earcon_ports::NodeTransport;
use earcon_tenancy::WorkspacePass;

/// How long the audio is published after the last extension.
const LEASE: Duration = Duration::from_secs(12);

/// Publishes the audio of one workspace. Cheap to clone.
#[derive(Clone)]
pub struct AudioPublisher {
    transport: Arc<dyn NodeTransport>,
    pass: WorkspacePass,
    mix: Mix,
    lease: Arc<Lease>,
}

/// Until when audio is published; `None` while it is not.
#[derive(Default)]
struct Lease(Mutex<Option<Instant>>);

impl Lease {
    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.until().is_none_or(|until| Instant::now() >= until)
    }
}

impl AudioPublisher {
    /// Publishes nothing until the lease is extended.
    pub fn new(transport: Arc<dyn NodeTransport>, pass: WorkspacePass, mix: Mix) -> Self {
        Self { transport, pass, mix, lease: Arc::default() }
    }

    /// Publishes for a while from now on. Returns the samples a decoder has to skip and the voices
    /// that sound; `None` if the mix has stopped.
    pub async fn extend_lease(&self) -> Option<(u16, Vec<Voice>)> {
        let listening = self.mix.listen().await?;
        let format = (listening.pre_skip, listening.voices.as_ref().clone());
        let running = self.lease.until().replace(Instant::now() + LEASE).is_some();
        if !running {
            tokio::spawn(self.clone().publish(listening));
        }
        Some(format)
    }

    async fn publish(self, mut listening: Listening) {
        loop {
            let sound = match listening.sounds.recv().await {
                Ok(sound) => sound,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            };
            if self.lease.is_over() {
                break;
            }
            // Audio that cannot be sent now would be late; the next packet follows in 20 ms.
            if let Ok(message) = encode(&AudioMessage::from(sound)) {
                let _lost = self.transport.publish(&self.pass, message).await.is_err();
            }
        }
        *self.lease.until() = None;
    }
}
