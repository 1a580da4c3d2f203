//! Messages of a host, and the handles that send them.

use ractor::ActorRef;

use crate::actors::admission::ReceiptPart;
use crate::actors::ask::{self, Reply, ask};
use crate::actors::experiments::Assignment;
use crate::actors::series_budget::KpiAccount;
use crate::actors::snapshot_turns::SnapshotTurn;
use earcon_model::{
    Acknowledgement, AnomalyId, Arrival, Deletion, DetectorRef, Feedback, Labels, Seq, SeriesBatch, TrainedSeries,
};
use earcon_streams::KpiState;

/// Names a stream of a workspace. A stream that is started again has another name, so messages to
/// its predecessor do not reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(super) u64);

/// How a stream has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::actors) enum StreamEnd {
    /// As it was asked to.
    Finished,
    /// All samples of its new KPI were refused, so there is no such KPI.
    Empty,
    /// With the text of its panic.
    Failed(String),
}

/// What a stream is made with.
pub(in crate::actors) struct NewStream {
    /// The KPI begins with the next sample: nothing of it is stored anywhere.
    pub(in crate::actors) is_new: bool,
    /// The state it continues from.
    pub state: KpiState,
    /// Whether the state includes events that no snapshot does.
    pub unsaved: bool,
    /// Where its memory is counted.
    pub account: KpiAccount,
}

/// A message to a host.
pub(super) enum Message {
    Start(StreamId, Box<NewStream>),
    /// Samples of some of its streams that arrived together.
    Ingest(OfHost, Arrival, ReceiptPart),
    To(StreamId, Request),
    /// A timer of a stream may be due.
    Timer,
}

/// A message to one stream.
pub(super) enum Request {
    Acknowledge(AnomalyId, Labels, Acknowledgement, Reply<Seq>),
    RecordFeedback(AnomalyId, Labels, Feedback, Reply<Seq>),
    /// Score with these detectors from here on.
    SetDetectors(Assignment),
    ImportTraining(Training, Reply<usize>),
    /// Delete some or all of the KPI. A stream whose KPI is deleted stops.
    Delete(Deletion, Reply<Option<Erased>>),
    /// Hand the state over.
    HandOver(SnapshotTurn),
    /// Hand the state over and stop.
    Finish,
}

/// A deletion that the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Its event.
    pub seq: Seq,
    /// How many series it concerned.
    pub series: u64,
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
pub struct StreamHandle {
    pub(super) host: ActorRef<Message>,
    pub(super) id: StreamId,
}

impl StreamHandle {
    /// The name of the stream.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Records that a person has seen an anomaly. Returns the event, or `None` if it could not be
    /// committed.
    pub async fn acknowledge(&self, id: AnomalyId, labels: Labels, acknowledgement: Acknowledgement) -> Option<Seq> {
        self.ask(|reply| Request::Acknowledge(id, labels, acknowledgement, reply)).await
    }

    /// Records a person's feedback on an anomaly. Returns the event, or `None` if it could not be
    /// committed.
    pub async fn record_feedback(&self, id: AnomalyId, labels: Labels, feedback: Feedback) -> Option<Seq> {
        self.ask(|reply| Request::RecordFeedback(id, labels, feedback, reply)).await
    }

    /// Has the KPI scored as assigned, unless it is already.
    pub(in crate::actors) fn set_detectors(&self, assignment: Assignment) {
        self.send(Request::SetDetectors(assignment));
    }

    /// Imports learned state into one of the KPI's detectors. Returns for how many series it was
    /// imported, after the commit; `None` if the stream failed or stopped before.
    pub(in crate::actors) async fn import_training(&self, training: Training) -> Option<usize> {
        self.ask(|reply| Request::ImportTraining(training, reply)).await
    }

    /// Deletes some or all of the KPI; answers after the commit.
    pub(in crate::actors) fn delete(&self, deletion: Deletion, reply: Reply<Option<Erased>>) {
        self.send(Request::Delete(deletion, reply));
    }

    /// Hands the state over and stops, after everything queued before.
    pub fn finish(&self) {
        self.send(Request::Finish);
    }

    fn send(&self, request: Request) {
        ask::send(&self.host, Message::To(self.id, request));
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Option<T> {
        ask(&self.host, |reply| Message::To(self.id, request(reply))).await
    }
}

/// Samples on their way to streams: one message a host.
#[derive(Default)]
pub struct StreamBatches(Vec<(ActorRef<Message>, OfHost)>);

/// The samples for streams of one host.
type OfHost = Vec<(StreamId, Vec<SeriesBatch>)>;

impl StreamBatches {
    /// Adds samples for a stream.
    pub fn add(&mut self, stream: StreamHandle, series: Vec<SeriesBatch>) {
        let StreamHandle { host, id } = stream;
        match self.0.iter_mut().find(|(known, _)| known.get_id() == host.get_id()) {
            Some((_, streams)) => streams.push((id, series)),
            None => self.0.push((host, vec![(id, series)])),
        }
    }

    /// Has the samples scored and committed. Each stream has a part of the receipt; the part of a
    /// stream that has ended is dropped.
    pub fn send(self, arrival: Arrival, part: &ReceiptPart) {
        for (host, streams) in self.0 {
            ask::send(&host, Message::Ingest(streams, arrival, part.clone()));
        }
    }
}
