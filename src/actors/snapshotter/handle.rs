//! Messages of the snapshotter, and the handle that sends them.

use ractor::ActorRef;

use crate::actors::ask::{self, Reply, ask};
use earcon_model::Seq;
use earcon_ports::Snapshot;

pub(super) enum Message {
    Save(Vec<Snapshot>, Seq),
    Write,
    Flush(Reply<()>),
}

/// A handle to the snapshotter.
#[derive(Clone)]
pub struct Snapshotter(ActorRef<Message>);

impl Snapshotter {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Saves snapshots soon; once they are saved, every event up to `watermark` is part of one.
    pub fn save(&self, snapshots: Vec<Snapshot>, watermark: Seq) {
        ask::send(&self.0, Message::Save(snapshots, watermark));
    }

    /// Waits until everything handed over before was tried. A stopped snapshotter has nothing left
    /// to try.
    pub async fn flush(&self) {
        ask(&self.0, Message::Flush).await;
    }
}
