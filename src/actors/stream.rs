//! One KPI: scores its samples and sends what they meant to the log.
//!
//! **Owns** the scoring state of every series of the KPI. **A crash loses** the batch being scored, whose sender is told.
//! **Restarts from** the last snapshot and the events after it. All decisions are in [`KpiState`]; this file gives them
//! order, time and a mailbox.

mod shadowing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use self::shadowing::{REPORT_EVERY, Shadowing, Shown};
use super::Faults;
use super::experiments::{Experiments, Wanted};
use super::ingest::ReceiptPart;
use super::log_writer::{Append, LogWriter, OnCommit};
use crate::services::mutes::MuteService;
use crate::telemetry::{Metric, record};
use earcon_model::{
    Acknowledgement, AnomalyEvent, AnomalyId, Arrival, Clock, DetectorEvent, DetectorRef, DetectorSlots, EventBody,
    Feedback, Labels, RejectedRow, Seq, SeriesBatch, TrainedSeries,
};
use earcon_streams::{KpiState, Pushed};
use earcon_tenancy::WorkspacePass;

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
    pub muting: MuteService,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// How long a changed state may stay without a snapshot.
    pub snapshot_every: Duration,
    /// What is to score it from the start, whatever the state says, and who is told what is found out.
    pub experiments: Experiments,
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
    Judge(AnomalyId, Labels, Feedback, oneshot::Sender<Seq>),
    /// A series may have gone silent.
    CheckStalls,
    /// Be scored by this from here on.
    Arrange(Box<DetectorSlots>, i64),
    /// Take over what a detector has learned.
    Adopt(DetectorRef, String, Vec<TrainedSeries>, oneshot::Sender<usize>),
    /// Tell what was counted beside the live detector.
    Report,
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

    /// Has the KPI scored as is wanted, unless it is already.
    pub(super) fn arrange(&self, wanted: Wanted) {
        let Wanted { arrangement, window_ms } = wanted;
        let _stopped = self.0.cast(StreamMessage::Arrange(Box::new(arrangement), window_ms)).is_err();
    }

    /// Gives one of the KPI's detectors what it has learned elsewhere. Returns of how many series it took that over, after the
    /// commit; `None` when the stream failed or stopped before.
    pub(super) async fn adopt(
        &self,
        choice: DetectorRef,
        detector: String,
        trained: Vec<TrainedSeries>,
    ) -> Option<usize> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(StreamMessage::Adopt(choice, detector, trained, sender)).ok()?;
        receiver.await.ok()
    }

    /// Records what somebody said of an anomaly. Returns the event, or `None` when it could not be committed.
    pub async fn judge(&self, id: AnomalyId, labels: Labels, feedback: Feedback) -> Option<Seq> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(StreamMessage::Judge(id, labels, feedback, sender)).ok()?;
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
    /// While a second detector runs.
    shadowing: Option<Shadowing>,
    report_due: bool,
}

impl Actor for Stream {
    type Msg = StreamMessage;
    type State = State;
    type Arguments = StreamArgs;

    async fn pre_start(&self, myself: ActorRef<StreamMessage>, args: StreamArgs) -> Result<State, ActorProcessingErr> {
        let mut state = State { args, stall_check_at: None, snapshot_due: false, shadowing: None, report_due: false };
        let wanted = state.args.experiments.wanted(&state.args.pass, state.args.state.kpi());
        state.arrange(&wanted.arrangement, wanted.window_ms);
        state.arm_stall_check(&myself);
        if state.args.unsaved {
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
            StreamMessage::Judge(id, labels, feedback, reply) => state.judge(id, labels, feedback, reply),
            StreamMessage::CheckStalls => state.check_stalls(),
            StreamMessage::Arrange(wanted, window_ms) => state.arrange(&wanted, window_ms),
            StreamMessage::Adopt(choice, detector, trained, reply) => state.adopt(choice, detector, trained, reply),
            StreamMessage::Report => {
                state.report_due = false;
                state.report();
            }
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
        if !state.report_due && state.shadowing.as_ref().is_some_and(Shadowing::has_news) {
            state.report_due = true;
            myself.send_after(REPORT_EVERY, || StreamMessage::Report);
        }
        Ok(())
    }
}

impl State {
    async fn ingest(&mut self, batches: &[SeriesBatch], arrival: Arrival, part: ReceiptPart) {
        let (now_ms, mut pushed, took) = self.score(batches, arrival);
        self.args.muting.stamp(&self.args.pass, &mut pushed.bodies, now_ms).await;
        let (accepted, late) = (pushed.accepted, pushed.late);
        let rejected: Vec<RejectedRow> =
            pushed.rejected.into_iter().map(|(row, reason)| RejectedRow { row, error: reason.to_string() }).collect();
        if pushed.bodies.is_empty() {
            part.committed(0, accepted, late, rejected);
            return;
        }
        let on_commit: OnCommit = Box::new(move |seq| part.committed(seq, accepted, late, rejected));
        // On its way to the log before the shadow sees it: nobody waits for a shadow.
        let to_show = self.shadowing.is_some().then(|| pushed.bodies.clone());
        self.append(now_ms, pushed.bodies, Some(on_commit));
        if let Some(bodies) = to_show {
            self.show(&bodies, arrival, took, now_ms);
        }
    }

    fn score(&mut self, batches: &[SeriesBatch], arrival: Arrival) -> (i64, Pushed, Duration) {
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
        let took = started.elapsed();
        record(Metric::ScoringSeconds, took);
        (now_ms, pushed, took)
    }

    fn show(&mut self, bodies: &[EventBody], arrival: Arrival, live: Duration, now_ms: i64) {
        let Some(shadowing) = &mut self.shadowing else { return };
        let state = &mut self.args.state;
        if let Shown::Failed(reason) = shadowing.show(state, bodies, arrival, live, &self.args.faults) {
            let kpi = state.kpi().clone();
            tracing::error!(%kpi, reason, "the detector that is tried out has failed; the live one goes on");
            state.drop_shadow();
            self.shadowing = None;
            let slots = state.detectors();
            self.append(now_ms, vec![DetectorEvent::Changed(Box::new(slots)).into()], None);
            self.args.experiments.failed(&kpi, &reason, false);
        }
    }

    /// A new arrangement is an event like any other: a replay changes detectors where they were changed.
    fn arrange(&mut self, wanted: &DetectorSlots, window_ms: i64) {
        self.report();
        match self.args.state.set_detectors(wanted) {
            Ok(true) => {
                let now_ms = self.args.clock.now_ms();
                self.append(now_ms, vec![DetectorEvent::Changed(Box::new(wanted.clone())).into()], None);
            }
            Ok(false) if self.shadowing.is_some() == wanted.shadow.is_some() => return,
            Ok(false) => {}
            Err(problems) => {
                let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                tracing::error!(kpi = %self.args.state.kpi(), problems, "an entry cannot be run by this version");
            }
        }
        self.shadowing = self.args.state.shadow().map(|_| Shadowing::new(window_ms));
    }

    fn report(&mut self) {
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.report(&self.args.state, &self.args.experiments);
        }
    }

    fn adopt(
        &mut self,
        choice: DetectorRef,
        detector: String,
        trained: Vec<TrainedSeries>,
        reply: oneshot::Sender<usize>,
    ) {
        let adopted = self.args.state.import_training(&choice, &detector, &trained);
        let on_commit: OnCommit = Box::new(move |_| {
            let _gone = reply.send(adopted).is_err();
        });
        let event = |series| {
            let (detector, algorithm) = (choice.clone(), detector.clone());
            EventBody::Detector(DetectorEvent::Trained { detector, algorithm, series })
        };
        let bodies = if adopted > 0 { portions(trained).map(event).collect() } else { Vec::new() };
        let now_ms = self.args.clock.now_ms();
        self.append(now_ms, bodies, Some(on_commit));
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
        let body = AnomalyEvent::Acknowledged { id, labels, acknowledgement };
        let on_commit: OnCommit = Box::new(move |seq| {
            let _gone = reply.send(seq).is_err();
        });
        self.append(at_ms, vec![body.into()], Some(on_commit));
    }

    fn judge(&mut self, id: AnomalyId, labels: Labels, feedback: Feedback, reply: oneshot::Sender<Seq>) {
        let sensitivity = self.args.state.record_feedback(id, &labels, &feedback);
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.judged(id, feedback.outcome);
        }
        let at_ms = feedback.at_ms;
        let body = AnomalyEvent::Feedback { id, labels, feedback, sensitivity };
        let on_commit: OnCommit = Box::new(move |seq| {
            let _gone = reply.send(seq).is_err();
        });
        self.append(at_ms, vec![body.into()], Some(on_commit));
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
        let subject = self.args.state.kpi().clone().into();
        self.args.log.append(Append { subject, time_ms, bodies, on_commit, snapshot: None });
    }

    /// The snapshot travels through the log writer, so that it is saved with the `seq` it stands at, after the commit.
    fn hand_over(&mut self) {
        self.snapshot_due = false;
        if !std::mem::take(&mut self.args.unsaved) {
            return;
        }
        let subject = self.args.state.kpi().clone().into();
        let snapshot = Some(self.args.state.snapshot());
        let time_ms = self.args.clock.now_ms();
        self.args.log.append(Append { subject, time_ms, bodies: Vec::new(), on_commit: None, snapshot });
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

/// What one event carries of what was learned, at most about this many bytes.
const PORTION_BYTES: usize = 200_000;

fn portions(trained: Vec<TrainedSeries>) -> impl Iterator<Item = Vec<TrainedSeries>> {
    let mut rest = trained.into_iter();
    std::iter::from_fn(move || {
        let (mut portion, mut bytes) = (Vec::new(), 0);
        while bytes < PORTION_BYTES
            && let Some(series) = rest.next()
        {
            bytes += series.state.len();
            portion.push(series);
        }
        (!portion.is_empty()).then_some(portion)
    })
}
