//! Messages of the snapshotter, and the handle that sends them.

use std::sync::Arc;

use ractor::ActorRef;

use crate::actors::ask::{self, Reply, ask};
use crate::actors::snapshot_turns::SnapshotTurn;
use earcon_model::{KpiName, Seq};
use earcon_ports::Snapshot;

pub(super) enum Message {
    Save(Vec<TakenSnapshot>, Seq),
    /// Save what waits.
    Write,
    /// Save the watermark.
    Advance,
    Flush(Reply<()>),
}

/// A part of a state on its way to the log writer, which knows the last event that it includes.
pub struct HandedOver {
    /// Which part. The parts of a state come from the last one to the first one, which is 0.
    pub part: u32,
    /// Whether this part is the first of its state that is handed over.
    pub begins: bool,
    /// The part as bytes.
    pub state: Vec<u8>,
    /// Ends when the snapshot is saved.
    pub turn: SnapshotTurn,
}

/// A snapshot on its way to the store.
pub struct TakenSnapshot {
    snapshot: Arc<Snapshot>,
    turn: SnapshotTurn,
}

impl HandedOver {
    /// The snapshot of `kpi` after event `seq`.
    pub fn into_snapshot(self, kpi: KpiName, seq: Seq) -> TakenSnapshot {
        TakenSnapshot { snapshot: Arc::new(Snapshot { kpi, part: self.part, seq, state: self.state }), turn: self.turn }
    }
}

impl TakenSnapshot {
    pub(super) fn into_parts(self) -> (Arc<Snapshot>, SnapshotTurn) {
        (self.snapshot, self.turn)
    }
}

/// A handle to the snapshotter.
#[derive(Clone)]
pub struct Snapshotter(ActorRef<Message>);

impl Snapshotter {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Saves snapshots soon; once they are saved, every event up to `watermark` is part of one.
    pub fn save(&self, snapshots: Vec<TakenSnapshot>, watermark: Seq) {
        ask::send(&self.0, Message::Save(snapshots, watermark));
    }

    /// Waits until everything handed over before was tried. A stopped snapshotter has nothing left
    /// to try.
    pub async fn flush(&self) {
        ask(&self.0, Message::Flush).await;
    }
}
