//! One KPI: scores its samples and sends what they meant to the log.
//!
//! **Owns** the scoring state of every series of the KPI. **A crash loses** the batch being scored, whose sender is told.
//! **Restarts from** the last snapshot and the events after it. All decisions are in [`KpiState`]; this file gives them
//! order, time and a mailbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::Faults;
use super::ingest::ReceiptPart;
use super::log_writer::{Append, LogWriter, OnCommit};
use super::muting::Muting;
use crate::model::{
    Acknowledgement, AnomalyId, Arrival, Clock, EventBody, Labels, RejectedRow, Review, Seq, SeriesBatch,
};
use crate::streams::{KpiState, Pushed};
use crate::telemetry::{Metric, record};
use crate::tenancy::WorkspacePass;

/// What a stream is made with.
pub struct StreamArgs {
    /// The state it continues from.
    pub state: KpiState,
    /// Whether the state includes events that no snapshot does.
    pub unsaved: bool,
    /// Where its events go.
    pub log: LogWriter,
    /// The workspace.
    pub pass: WorkspacePass,
    /// What shall alert nobody.
    pub muting: Muting,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// How long a changed state may stay without a snapshot.
    pub snapshot_every: Duration,
    /// Failures to inject.
    pub faults: Faults,
}

/// The messages of a stream. Public only because ractor's supervision needs to name the actor's type.
pub enum StreamMessage {
    /// Score these samples.
    Ingest(Vec<SeriesBatch>, Arrival, ReceiptPart),
    /// Somebody has seen an anomaly.
    Acknowledge(AnomalyId, Labels, Acknowledgement, oneshot::Sender<Seq>),
    /// Somebody said what an anomaly was.
    Judge(AnomalyId, Labels, Review, oneshot::Sender<Seq>),
    /// A series may have gone silent.
    CheckStalls,
    /// Hand the state over.
    Snapshot,
    /// Hand the state over and stop.
    Finish,
}

/// A handle to a stream.
#[derive(Clone)]
pub struct StreamHandle(ActorRef<StreamMessage>);

impl StreamHandle {
    /// Starts a stream.
    pub async fn start(args: StreamArgs, supervisor: ActorCell) -> Result<Self, ractor::SpawnErr> {
        let (actor, _) = Actor::spawn_linked(None, Stream, args, supervisor).await?;
        Ok(Self(actor))
    }

    /// The actor, to recognise it in supervision events.
    pub fn id(&self) -> ractor::ActorId {
        self.0.get_id()
    }

    /// Scores samples and commits them; `part` is answered after the commit and dropped when there is none.
    pub fn ingest(&self, batches: Vec<SeriesBatch>, arrival: Arrival, part: ReceiptPart) {
        let _stopped = self.0.cast(StreamMessage::Ingest(batches, arrival, part)).is_err();
    }

    /// Records that somebody has seen an anomaly. Returns the event, or `None` when it could not be committed.
    pub async fn acknowledge(&self, id: AnomalyId, labels: Labels, acknowledgement: Acknowledgement) -> Option<Seq> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(StreamMessage::Acknowledge(id, labels, acknowledgement, sender)).ok()?;
        receiver.await.ok()
    }

    /// Records what somebody said of an anomaly. Returns the event, or `None` when it could not be committed.
    pub async fn judge(&self, id: AnomalyId, labels: Labels, review: Review) -> Option<Seq> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(StreamMessage::Judge(id, labels, review, sender)).ok()?;
        receiver.await.ok()
    }

    /// Hands the state over and stops, after everything queued before.
    pub fn finish(&self) {
        let _stopped = self.0.cast(StreamMessage::Finish).is_err();
    }
}

struct Stream;

struct State {
    args: StreamArgs,
    stall_check_at: Option<i64>,
    snapshot_due: bool,
}

impl Actor for Stream {
    type Msg = StreamMessage;
    type State = State;
    type Arguments = StreamArgs;

    async fn pre_start(&self, myself: ActorRef<StreamMessage>, args: StreamArgs) -> Result<State, ActorProcessingErr> {
        let unsaved = args.unsaved;
        let mut state = State { args, stall_check_at: None, snapshot_due: false };
        state.arm_stall_check(&myself);
        if unsaved {
            state.arm_snapshot(&myself);
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<StreamMessage>,
        message: StreamMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            StreamMessage::Ingest(batches, arrival, part) => state.ingest(&batches, arrival, part).await,
            StreamMessage::Acknowledge(id, labels, acknowledgement, reply) => {
                state.acknowledge(id, labels, acknowledgement, reply);
            }
            StreamMessage::Judge(id, labels, review, reply) => state.judge(id, labels, review, reply),
            StreamMessage::CheckStalls => state.check_stalls(),
            StreamMessage::Snapshot => state.hand_over(),
            StreamMessage::Finish => {
                state.hand_over();
                myself.stop(None);
                return Ok(());
            }
        }
        state.arm_stall_check(&myself);
        if !state.snapshot_due && state.args.unsaved {
            state.arm_snapshot(&myself);
        }
        Ok(())
    }
}

impl State {
    async fn ingest(&mut self, batches: &[SeriesBatch], arrival: Arrival, part: ReceiptPart) {
        let (now_ms, mut pushed) = self.score(batches, arrival);
        self.args.muting.stamp(&self.args.pass, &mut pushed.bodies, now_ms).await;
        let (accepted, late) = (pushed.accepted, pushed.late);
        let rejected: Vec<RejectedRow> =
            pushed.rejected.into_iter().map(|(row, reason)| RejectedRow { row, error: reason.to_string() }).collect();
        if pushed.bodies.is_empty() {
            part.committed(0, accepted, late, rejected);
            return;
        }
        let on_commit: OnCommit = Box::new(move |seq| part.committed(seq, accepted, late, rejected));
        self.append(now_ms, pushed.bodies, Some(on_commit));
    }

    fn score(&mut self, batches: &[SeriesBatch], arrival: Arrival) -> (i64, Pushed) {
        let kpi = self.args.state.kpi().clone();
        let _span = tracing::debug_span!("score", %kpi).entered();
        if let Some(before_scoring) = &self.args.faults.before_scoring {
            before_scoring(&kpi, batches);
        }
        let started = Instant::now();
        let now_ms = self.args.clock.now_ms();
        let pushed = match arrival {
            Arrival::Live => self.args.state.push(batches, now_ms),
            Arrival::Backfill => self.args.state.backfill(batches, now_ms),
        };
        record(Metric::ScoringSeconds, started.elapsed());
        (now_ms, pushed)
    }

    fn acknowledge(
        &mut self,
        id: AnomalyId,
        labels: Labels,
        acknowledgement: Acknowledgement,
        reply: oneshot::Sender<Seq>,
    ) {
        self.args.state.acknowledge(id, &acknowledgement);
        let at_ms = acknowledgement.at_ms;
        let body = EventBody::AnomalyAcknowledged { id, labels, acknowledgement };
        let on_commit: OnCommit = Box::new(move |seq| {
            let _gone = reply.send(seq).is_err();
        });
        self.append(at_ms, vec![body], Some(on_commit));
    }

    fn judge(&mut self, id: AnomalyId, labels: Labels, review: Review, reply: oneshot::Sender<Seq>) {
        let sensitivity = self.args.state.judge(id, &labels, &review);
        let at_ms = review.at_ms;
        let body = EventBody::AnomalyJudged { id, labels, review, sensitivity };
        let on_commit: OnCommit = Box::new(move |seq| {
            let _gone = reply.send(seq).is_err();
        });
        self.append(at_ms, vec![body], Some(on_commit));
    }

    fn check_stalls(&mut self) {
        self.stall_check_at = None;
        let now_ms = self.args.clock.now_ms();
        let bodies = self.args.state.check_stalls(now_ms);
        if !bodies.is_empty() {
            self.append(now_ms, bodies, None);
        }
    }

    fn append(&mut self, time_ms: i64, bodies: Vec<EventBody>, on_commit: Option<OnCommit>) {
        self.args.unsaved = true;
        let kpi = self.args.state.kpi().clone();
        self.args.log.append(Append { kpi, time_ms, bodies, on_commit, snapshot: None });
    }

    /// The snapshot travels through the log writer, so that it is saved with the `seq` it stands at, after the commit.
    fn hand_over(&mut self) {
        self.snapshot_due = false;
        if !std::mem::take(&mut self.args.unsaved) {
            return;
        }
        let kpi = self.args.state.kpi().clone();
        let snapshot = Some(self.args.state.snapshot());
        let time_ms = self.args.clock.now_ms();
        self.args.log.append(Append { kpi, time_ms, bodies: Vec::new(), on_commit: None, snapshot });
    }

    /// One timer at a time: it is set again when it fires, not with every sample.
    fn arm_stall_check(&mut self, myself: &ActorRef<StreamMessage>) {
        let Some(at_ms) = self.args.state.next_stall_at() else { return };
        if self.stall_check_at.is_some_and(|armed| armed <= at_ms) {
            return;
        }
        self.stall_check_at = Some(at_ms);
        let wait_ms = (at_ms - self.args.clock.now_ms()).max(0) as u64 + 1;
        myself.send_after(Duration::from_millis(wait_ms), || StreamMessage::CheckStalls);
    }

    fn arm_snapshot(&mut self, myself: &ActorRef<StreamMessage>) {
        self.snapshot_due = true;
        myself.send_after(self.args.snapshot_every, || StreamMessage::Snapshot);
    }
}
