//! Messages of a stream, and the handle that sends them.

use ractor::{ActorId, ActorRef};

use crate::actors::admission::ReceiptPart;
use crate::actors::ask::{self, Reply, ask};
use crate::actors::experiments::Assignment;
use crate::actors::snapshot_turns::SnapshotTurn;
use earcon_model::{
    Acknowledgement, AnomalyId, Arrival, DetectorRef, Feedback, Labels, Seq, SeriesBatch, TrainedSeries,
};

pub(super) enum Message {
    Ingest(Vec<SeriesBatch>, Arrival, ReceiptPart),
    Acknowledge(AnomalyId, Labels, Acknowledgement, Reply<Seq>),
    RecordFeedback(AnomalyId, Labels, Feedback, Reply<Seq>),
    /// A series may have stalled.
    CheckStalls,
    /// Score with these detectors from here on.
    SetDetectors(Assignment),
    ImportTraining(Training, Reply<usize>),
    /// Report the counts about the shadow detector.
    Report,
    /// Wait for a turn to hand the state over.
    SnapshotDue,
    /// Hand the state over.
    Snapshot(SnapshotTurn),
    /// Hand the state over and stop.
    Finish,
    /// Stop without, because it took too long.
    GiveUp,
}

/// State that one detector has learned elsewhere.
pub struct Training {
    /// The detector as the workspace refers to it.
    pub detector: DetectorRef,
    /// The algorithm that has learned it.
    pub algorithm: String,
    /// The learned state of each series.
    pub series: Vec<TrainedSeries>,
}

/// A handle to a stream.
#[derive(Clone)]
pub struct StreamHandle(ActorRef<Message>);

impl StreamHandle {
    pub(super) fn new(actor: ActorRef<Message>) -> Self {
        Self(actor)
    }

    /// The actor, to recognise it in supervision events.
    pub fn id(&self) -> ActorId {
        self.0.get_id()
    }

    /// Scores samples and commits them; `part` is sent after the commit and dropped if there is
    /// none.
    pub fn ingest(&self, batches: Vec<SeriesBatch>, arrival: Arrival, part: ReceiptPart) {
        ask::send(&self.0, Message::Ingest(batches, arrival, part));
    }

    /// Records that a person has seen an anomaly. Returns the event, or `None` if it could not be
    /// committed.
    pub async fn acknowledge(&self, id: AnomalyId, labels: Labels, acknowledgement: Acknowledgement) -> Option<Seq> {
        ask(&self.0, |reply| Message::Acknowledge(id, labels, acknowledgement, reply)).await
    }

    /// Records a person's feedback on an anomaly. Returns the event, or `None` if it could not be
    /// committed.
    pub async fn record_feedback(&self, id: AnomalyId, labels: Labels, feedback: Feedback) -> Option<Seq> {
        ask(&self.0, |reply| Message::RecordFeedback(id, labels, feedback, reply)).await
    }

    /// Has the KPI scored as assigned, unless it is already.
    pub(in crate::actors) fn set_detectors(&self, assignment: Assignment) {
        ask::send(&self.0, Message::SetDetectors(assignment));
    }

    /// Imports learned state into one of the KPI's detectors. Returns for how many series it was
    /// imported, after the commit; `None` if the stream failed or stopped before.
    pub(in crate::actors) async fn import_training(&self, training: Training) -> Option<usize> {
        ask(&self.0, |reply| Message::ImportTraining(training, reply)).await
    }

    /// Hands the state over and stops, after everything queued before.
    pub fn finish(&self) {
        ask::send(&self.0, Message::Finish);
    }
}
