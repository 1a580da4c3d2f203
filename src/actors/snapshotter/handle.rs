//! Messages of the snapshotter, and the handle that sends them.

use std::sync::Arc;

use ractor::ActorRef;

use crate::actors::ask::{self, Reply, ask};
use crate::actors::snapshot_turns::SnapshotTurn;
use earcon_model::{KpiName, Seq};
use earcon_ports::Snapshot;

pub(super) enum Message {
    Save(Vec<SavedChange>, Seq),
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

/// A change of what is saved of a KPI, on its way to the log writer.
pub enum StateChange {
    /// A part of its state.
    Part(HandedOver),
    /// The KPI was deleted: nothing of it stays.
    Removed,
}

/// A change of the store, after the commit.
pub enum SavedChange {
    /// A snapshot to save, and the turn that ends then.
    Part(Arc<Snapshot>, SnapshotTurn),
    /// A KPI whose snapshots go.
    Removed(KpiName),
}

impl StateChange {
    /// Which part it is, and whether it is the first of its state. The removal of everything counts
    /// as a state of one part.
    pub fn part(&self) -> (u32, bool) {
        match self {
            StateChange::Part(handed_over) => (handed_over.part, handed_over.begins),
            StateChange::Removed => (0, true),
        }
    }

    /// The change for `kpi` after event `seq`.
    pub fn committed(self, kpi: KpiName, seq: Seq) -> SavedChange {
        match self {
            StateChange::Part(HandedOver { part, state, turn, .. }) => {
                SavedChange::Part(Arc::new(Snapshot { kpi, part, seq, state }), turn)
            }
            StateChange::Removed => SavedChange::Removed(kpi),
        }
    }
}

/// A handle to the snapshotter.
#[derive(Clone)]
pub struct Snapshotter(ActorRef<Message>);

impl Snapshotter {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// Saves changes soon; once they are saved, every event up to `watermark` is part of a
    /// snapshot.
    pub fn save(&self, changes: Vec<SavedChange>, watermark: Seq) {
        ask::send(&self.0, Message::Save(changes, watermark));
    }

    /// Waits until everything handed over before was tried. A stopped snapshotter has nothing left
    /// to try.
    pub async fn flush(&self) {
        ask(&self.0, Message::Flush).await;
    }
}
