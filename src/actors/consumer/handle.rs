//! Messages of a consumer, and the handle that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::ActorRef;
use tokio::time::{Instant, sleep};

use crate::actors::ask::{Reply, ask};
use earcon_model::Seq;

pub(super) enum Message {
    Next,
    Finish(Reply<Seq>),
}

/// How far a consumer is.
pub(super) struct Position {
    /// The last event handled; 0 until the handler's cursor could be read.
    pub(super) reached: AtomicU64,
    /// The newest event it knows of.
    pub(super) head: AtomicU64,
}

impl Position {
    /// Of a consumer that does not know the log yet, and so is behind it.
    pub(super) fn unknown() -> Self {
        Self { reached: AtomicU64::new(0), head: AtomicU64::new(Seq::MAX) }
    }
}

/// A handle to a consumer.
#[derive(Clone)]
pub struct Consumer {
    actor: ActorRef<Message>,
    position: Arc<Position>,
}

impl Consumer {
    /// Time between two looks at the position.
    const LOOK: Duration = Duration::from_millis(5);

    pub(super) fn new(actor: ActorRef<Message>, position: Arc<Position>) -> Self {
        Self { actor, position }
    }

    /// The last event handled; 0 until the handler's cursor could be read.
    pub fn reached(&self) -> Seq {
        self.position.reached.load(Ordering::Relaxed)
    }

    /// Waits while the consumer reads what it missed, as after a start, at most this long. Live
    /// events take milliseconds and are not waited for.
    pub async fn wait_for_the_missed(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.reached() < self.position.head.load(Ordering::Relaxed) && Instant::now() < deadline {
            sleep(Self::LOOK).await;
        }
    }

    /// Reads to the end of the log, flushes and stops. Returns the cursor, or `None` if it could
    /// not be flushed.
    pub async fn finish(&self) -> Option<Seq> {
        ask(&self.actor, Message::Finish).await
    }
}
