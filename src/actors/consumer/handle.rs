//! Messages of a consumer, and the handle that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ractor::ActorRef;

use crate::actors::ask::{Reply, ask};
use earcon_model::Seq;

pub(super) enum Message {
    Next,
    Finish(Reply<Seq>),
}

/// A handle to a consumer.
#[derive(Clone)]
pub struct Consumer {
    actor: ActorRef<Message>,
    reached: Arc<AtomicU64>,
}

impl Consumer {
    pub(super) fn new(actor: ActorRef<Message>, reached: Arc<AtomicU64>) -> Self {
        Self { actor, reached }
    }

    /// The last event handled; 0 until the handler's cursor could be read.
    pub fn reached(&self) -> Seq {
        self.reached.load(Ordering::Relaxed)
    }

    /// Reads to the end of the log, flushes and stops. Returns the cursor, or `None` if it could
    /// not be flushed.
    pub async fn finish(&self) -> Option<Seq> {
        ask(&self.actor, Message::Finish).await
    }
}
