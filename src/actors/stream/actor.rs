//! The actor behind [`StreamHandle`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::handle::{Message, StreamHandle, Training};
use super::shadowing::{REPORT_EVERY, Shadowing};
use crate::actors::admission::ReceiptPart;
use crate::actors::ask::{self, Reply};
use crate::actors::context::Faults;
use crate::actors::experiments::{Assignment, Experiments};
use crate::actors::log_writer::{Append, LogWriter, OnCommit};
use crate::actors::snapshot_turns::{SnapshotTurn, SnapshotTurns};
use crate::actors::snapshotter::HandedOver;
use crate::services::mutes::MuteReader;
use crate::telemetry::{Metric, record};
use earcon_model::{
    Acknowledgement, AnomalyEvent, AnomalyId, Arrival, Clock, DetectorEvent, EventBody, Feedback, Labels, RejectedRow,
    Seq, SeriesBatch, TrainedSeries,
};
use earcon_streams::{KpiState, Pushed};
use earcon_tenancy::WorkspacePass;

/// Estimated bytes of one series in a snapshot.
const SNAPSHOT_BYTES_A_SERIES: usize = 4_400;
/// How long a stream that ends waits for its turn.
const LAST_TURN: Duration = Duration::from_secs(10);

/// What a stream is made with.
pub(in crate::actors) struct StreamArgs {
    /// The state it continues from.
    pub state: KpiState,
    /// Whether the state includes events that no snapshot does.
    pub unsaved: bool,
    /// Where its events go.
    pub log: LogWriter,
    /// The workspace.
    pub pass: WorkspacePass,
    /// The mutes of the workspace.
    pub mutes: MuteReader,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// How long a changed state may stay without a snapshot.
    pub snapshot_every: Duration,
    /// Bounds the snapshots that are on their way.
    pub turns: SnapshotTurns,
    /// Says which detectors score it from the start, and gets the counts about the shadow.
    pub experiments: Experiments,
    /// Failures to inject.
    pub faults: Faults,
}

/// Starts a stream.
pub(in crate::actors) async fn start(args: StreamArgs, supervisor: ActorCell) -> Result<StreamHandle, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, Stream, args, supervisor).await?;
    Ok(StreamHandle::new(actor))
}

struct Stream;

struct State {
    args: StreamArgs,
    stall_check_at: Option<i64>,
    snapshot_due: bool,
    /// A turn to hand the state over was asked for.
    asked: bool,
    /// Stops when the state is handed over.
    finishing: bool,
    /// While a second detector runs.
    shadowing: Option<Shadowing>,
    report_due: bool,
}

impl Actor for Stream {
    type Msg = Message;
    type State = State;
    type Arguments = StreamArgs;

    async fn pre_start(&self, myself: ActorRef<Message>, args: StreamArgs) -> Result<State, ActorProcessingErr> {
        let mut state = State {
            args,
            stall_check_at: None,
            snapshot_due: false,
            asked: false,
            finishing: false,
            shadowing: None,
            report_due: false,
        };
        let assignment = state.args.experiments.assignment(&state.args.pass, state.args.state.kpi());
        state.set_detectors(assignment);
        state.arm_stall_check(&myself);
        if state.args.unsaved {
            state.arm_snapshot(&myself);
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Ingest(batches, arrival, part) => state.ingest(&batches, arrival, part),
            Message::Acknowledge(id, labels, acknowledgement, reply) => {
                state.acknowledge(id, labels, acknowledgement, reply);
            }
            Message::RecordFeedback(id, labels, feedback, reply) => {
                state.record_feedback(id, labels, feedback, reply);
            }
            Message::CheckStalls => state.check_stalls(),
            Message::SetDetectors(assignment) => state.set_detectors(assignment),
            Message::ImportTraining(training, reply) => state.import_training(training, reply),
            Message::Report => {
                state.report_due = false;
                state.report();
            }
            Message::SnapshotDue => state.ask_for_turn(&myself),
            Message::Snapshot(turn) => state.hand_over(turn),
            Message::Finish => state.finish(&myself),
            Message::GiveUp => {
                tracing::warn!(kpi = %state.args.state.kpi(), "there was no time for a last snapshot");
                state.args.unsaved = false;
            }
        }
        if state.finishing && !state.args.unsaved {
            myself.stop(None);
            return Ok(());
        }
        state.arm_stall_check(&myself);
        if !state.snapshot_due && state.args.unsaved {
            state.arm_snapshot(&myself);
        }
        if !state.report_due && state.shadowing.as_ref().is_some_and(Shadowing::has_news) {
            state.report_due = true;
            myself.send_after(REPORT_EVERY, || Message::Report);
        }
        Ok(())
    }
}

impl State {
    fn ingest(&mut self, batches: &[SeriesBatch], arrival: Arrival, part: ReceiptPart) {
        let (now_ms, mut pushed, took) = self.score(batches, arrival);
        self.args.mutes.stamp(&mut pushed.bodies, now_ms);
        let (accepted, late) = (pushed.accepted, pushed.late);
        let rejected: Vec<RejectedRow> =
            pushed.rejected.into_iter().map(|(row, reason)| RejectedRow { row, error: reason.to_string() }).collect();
        if pushed.bodies.is_empty() {
            part.committed(0, accepted, late, rejected);
            return;
        }
        let on_commit: OnCommit = Box::new(move |seq| part.committed(seq, accepted, late, rejected));
        // The events go to the log before the shadow sees them: the commit does not wait for a
        // shadow.
        let for_shadow = self.shadowing.is_some().then(|| pushed.bodies.clone());
        self.append(now_ms, pushed.bodies, Some(on_commit));
        if let Some(bodies) = for_shadow {
            self.observe_with_shadow(&bodies, arrival, took, now_ms);
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

    fn observe_with_shadow(&mut self, bodies: &[EventBody], arrival: Arrival, live: Duration, now_ms: i64) {
        let Some(shadowing) = &mut self.shadowing else { return };
        let state = &mut self.args.state;
        if let Err(reason) = shadowing.observe(state, bodies, arrival, live, &self.args.faults) {
            let kpi = state.kpi().clone();
            tracing::error!(%kpi, reason, "the shadow detector failed; the live detector goes on");
            state.drop_shadow();
            self.shadowing = None;
            let detectors = state.detectors();
            self.append(now_ms, vec![DetectorEvent::Changed(Box::new(detectors)).into()], None);
            self.args.experiments.shadow_failed(&kpi, &reason);
        }
    }

    /// A change of detectors is an event like any other: a replay changes them at the same place.
    fn set_detectors(&mut self, assignment: Assignment) {
        let Assignment { detectors, window_ms } = assignment;
        self.report();
        match self.args.state.set_detectors(&detectors) {
            Ok(true) => {
                let now_ms = self.args.clock.now_ms();
                self.append(now_ms, vec![DetectorEvent::Changed(Box::new(detectors)).into()], None);
            }
            Ok(false) if self.shadowing.is_some() == detectors.shadow.is_some() => return,
            Ok(false) => {}
            Err(problems) => {
                let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                tracing::error!(kpi = %self.args.state.kpi(), problems, "a detector cannot be run by this version");
            }
        }
        self.shadowing = self.args.state.shadow().map(|_| Shadowing::new(window_ms));
    }

    fn report(&mut self) {
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.report(&self.args.state, &self.args.experiments);
        }
    }

    fn import_training(&mut self, training: Training, reply: Reply<usize>) {
        let Training { detector, algorithm, series } = training;
        let imported = self.args.state.import_training(&detector, &algorithm, &series);
        let event = |series| {
            let (detector, algorithm) = (detector.clone(), algorithm.clone());
            EventBody::Detector(DetectorEvent::Trained { detector, algorithm, series })
        };
        let bodies = if imported > 0 { chunks(series).map(event).collect() } else { Vec::new() };
        let now_ms = self.args.clock.now_ms();
        self.append(now_ms, bodies, Some(Box::new(move |_| reply.send(imported))));
    }

    fn acknowledge(&mut self, id: AnomalyId, labels: Labels, acknowledgement: Acknowledgement, reply: Reply<Seq>) {
        self.args.state.acknowledge(id, &acknowledgement);
        let at_ms = acknowledgement.at_ms;
        let body = AnomalyEvent::Acknowledged { id, labels, acknowledgement };
        self.append(at_ms, vec![body.into()], Some(Box::new(|seq| reply.send(seq))));
    }

    fn record_feedback(&mut self, id: AnomalyId, labels: Labels, feedback: Feedback, reply: Reply<Seq>) {
        let sensitivity = self.args.state.record_feedback(id, &labels, &feedback);
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.record_feedback(id, feedback.outcome);
        }
        let at_ms = feedback.at_ms;
        let body = AnomalyEvent::Feedback { id, labels, feedback, sensitivity };
        self.append(at_ms, vec![body.into()], Some(Box::new(|seq| reply.send(seq))));
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

    fn ask_for_turn(&mut self, myself: &ActorRef<Message>) {
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        let (myself, turns, bytes) = (myself.clone(), self.args.turns.clone(), self.snapshot_bytes());
        tokio::spawn(async move {
            if let Some(turn) = turns.take(bytes).await {
                ask::send(&myself, Message::Snapshot(turn));
            }
        });
    }

    /// The stream stops when its state is handed over. If the store is too slow for that, the next
    /// start reads more of the log.
    fn finish(&mut self, myself: &ActorRef<Message>) {
        self.finishing = true;
        if self.args.unsaved {
            self.ask_for_turn(myself);
            myself.send_after(LAST_TURN, || Message::GiveUp);
        }
    }

    fn snapshot_bytes(&self) -> usize {
        self.args.state.series().count() * SNAPSHOT_BYTES_A_SERIES
    }

    /// The snapshot goes through the log writer, so that it is saved after the commit, with the
    /// `seq` it includes.
    fn hand_over(&mut self, turn: SnapshotTurn) {
        (self.snapshot_due, self.asked) = (false, false);
        if !std::mem::take(&mut self.args.unsaved) {
            return;
        }
        let subject = self.args.state.kpi().clone().into();
        let snapshot = Some(HandedOver { state: self.args.state.snapshot(), turn });
        let time_ms = self.args.clock.now_ms();
        self.args.log.append(Append { subject, time_ms, bodies: Vec::new(), on_commit: None, snapshot });
    }

    /// One timer at a time: it is set again when it fires, not with every sample.
    fn arm_stall_check(&mut self, myself: &ActorRef<Message>) {
        let Some(at_ms) = self.args.state.next_stall_at() else { return };
        if self.stall_check_at.is_some_and(|armed| armed <= at_ms) {
            return;
        }
        self.stall_check_at = Some(at_ms);
        let wait_ms = (at_ms - self.args.clock.now_ms()).max(0) as u64 + 1;
        myself.send_after(Duration::from_millis(wait_ms), || Message::CheckStalls);
    }

    fn arm_snapshot(&mut self, myself: &ActorRef<Message>) {
        self.snapshot_due = true;
        myself.send_after(self.args.snapshot_every, || Message::SnapshotDue);
    }
}

/// Learned state that one event carries, at most about this many bytes.
const CHUNK_BYTES: usize = 200_000;

fn chunks(trained: Vec<TrainedSeries>) -> impl Iterator<Item = Vec<TrainedSeries>> {
    let mut rest = trained.into_iter();
    std::iter::from_fn(move || {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES
            && let Some(series) = rest.next()
        {
            bytes += series.state.len();
            chunk.push(series);
        }
        (!chunk.is_empty()).then_some(chunk)
    })
}
