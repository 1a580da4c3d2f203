//! Messages of the log writer, and the handle that sends them.

use std::time::Instant;

use ractor::ActorRef;

use crate::actors::ask::{self, Reply, ask};
use crate::actors::snapshotter::StateChange;
use earcon_model::{EventBody, Seq, Subject};
use earcon_ports::PortError;

/// Called with the last `seq` of the append once it is durable; dropped uncalled if it is not.
pub type OnCommit = Box<dyn FnOnce(Seq) + Send>;

/// Events about one subject that belong together: all of them are committed, or none.
pub struct Append {
    /// The subject of the events.
    pub subject: Subject,
    /// Wall time of the decision, milliseconds UTC.
    pub time_ms: i64,
    /// In order; may be empty if there is only a snapshot to hand over.
    pub bodies: Vec<EventBody>,
    /// Called after the commit.
    pub on_commit: Option<OnCommit>,
    /// What is saved of the stream's state including these events, if the subject is a KPI.
    pub snapshot: Option<StateChange>,
}

pub(super) enum Message {
    Append(Append),
    AppendAll(Vec<Append>),
    Written { result: Result<(), PortError>, started: Instant },
    Barrier(Reply<Seq>),
}

/// A handle to the log writer.
#[derive(Clone)]
pub struct LogWriter(ActorRef<Message>);

impl LogWriter {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Queues an append. If the writer has stopped, the append is dropped, and its `on_commit` with
    /// it.
    pub fn append(&self, append: Append) {
        ask::send(&self.0, Message::Append(append));
    }

    /// Queues appends in their order, with one message.
    pub fn append_all(&self, appends: Vec<Append>) {
        ask::send(&self.0, Message::AppendAll(appends));
    }

    /// Waits until everything queued before is durable; returns the newest event. `None` if the
    /// writer has stopped.
    pub async fn barrier(&self) -> Option<Seq> {
        ask(&self.0, Message::Barrier).await
    }

    /// Stops the writer after the message it is handling.
    pub async fn stop(&self) {
        ask::stop(&self.0).await;
    }
}
