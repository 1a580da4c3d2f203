//! One KPI: what a stream does with samples, requests and timers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handle::{Erased, NewStream, Request, Training};
use super::shadowing::{REPORT_EVERY, Shadowing};
use super::timers::Timer;
use crate::actors::admission::{ReceiptPart, TakenRows};
use crate::actors::ask::Reply;
use crate::actors::context::Faults;
use crate::actors::experiments::{Assignment, Experiments};
use crate::actors::log_writer::{Append, LogWriter, OnCommit};
use crate::actors::refusals::Refusals;
use crate::actors::series_budget::KpiAccount;
use crate::actors::snapshot_turns::{SnapshotTurn, SnapshotTurns};
use crate::actors::snapshotter::{HandedOver, StateChange};
use crate::services::meanings::MeaningService;
use crate::services::mutes::MuteReader;
use crate::telemetry::{Metric, record};
use earcon_model::{
    Acknowledgement, AnomalyEvent, AnomalyId, Arrival, Clock, Deletion, DeletionScope, DetectorEvent, EventBody,
    Feedback, KpiEvent, KpiName, Labels, Seq, SeriesBatch, TrainedSeries,
};
use earcon_streams::{Conditions, KpiState, NaturalRange, Pushed};
use earcon_tenancy::WorkspacePass;

/// Estimated bytes of one series in a snapshot.
const SNAPSHOT_BYTES_A_SERIES: usize = 2_400;
/// How long a stream that ends waits for its turn.
const LAST_TURN: Duration = Duration::from_secs(10);

/// What all streams of a workspace share.
#[derive(Clone)]
pub(in crate::actors) struct StreamContext {
    /// Where their events go.
    pub log: LogWriter,
    /// The workspace.
    pub pass: WorkspacePass,
    /// The mutes of the workspace.
    pub mutes: MuteReader,
    /// The units of the KPIs.
    pub meanings: MeaningService,
    /// Time of the log, which never goes back.
    pub clock: Arc<dyn Clock>,
    /// Wall time.
    pub wall: Arc<dyn Clock>,
    /// How long a changed state may stay without a snapshot.
    pub snapshot_every: Duration,
    /// Bounds the snapshots that are on their way.
    pub turns: SnapshotTurns,
    /// Says which detectors score a KPI from the start, and gets the counts about its shadow.
    pub experiments: Experiments,
    /// Failures to inject.
    pub faults: Faults,
}

/// A stream's surroundings for one message: what it shares with others, and what it asks for.
pub(super) struct Surroundings<'a> {
    pub(super) context: &'a StreamContext,
    /// Appends for the log, in order.
    pub(super) outbox: &'a mut Vec<Append>,
    /// Timers to set.
    pub(super) timers: &'a mut Vec<(Duration, Timer)>,
    /// Bytes of a state for which a turn is wanted.
    pub(super) turn: &'a mut Option<usize>,
}

/// Whether a stream goes on after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Continue,
    Stop,
    /// The KPI has nothing, and nothing of it is stored.
    Vanish,
}

/// One KPI.
pub(super) struct KpiStream {
    state: KpiState,
    account: KpiAccount,
    /// Nothing of the KPI is stored yet.
    is_new: bool,
    /// Whether the state includes events that no snapshot does.
    unsaved: bool,
    /// The range of the values by their unit.
    natural: KnownRange,
    stall_check_at: Option<i64>,
    /// A snapshot is due, or is being handed over.
    snapshot_due: bool,
    /// A turn to hand a part of the state over was asked for.
    asked: bool,
    /// The next part to hand over, once the state was begun.
    next_part: Option<u32>,
    /// Stops when the state is handed over.
    finishing: bool,
    /// While a second detector runs; boxed because it is rare.
    shadowing: Option<Box<Shadowing>>,
    report_due: bool,
}

impl KpiStream {
    pub(super) fn new(new: NewStream) -> Self {
        let NewStream { is_new, state, unsaved, account } = new;
        Self {
            state,
            account,
            is_new,
            unsaved,
            natural: KnownRange::default(),
            stall_check_at: None,
            snapshot_due: false,
            asked: false,
            next_part: None,
            finishing: false,
            shadowing: None,
            report_due: false,
        }
    }

    /// Begins with the detectors that are assigned to the KPI.
    pub(super) fn begin(&mut self, around: &mut Surroundings<'_>) {
        let assignment = around.context.experiments.assignment(&around.context.pass, self.state.kpi());
        self.set_detectors(assignment, around);
        self.arm(around);
    }

    /// Handles a request.
    pub(super) fn handle(&mut self, request: Request, around: &mut Surroundings<'_>) -> After {
        match request {
            Request::Acknowledge(id, labels, acknowledgement, reply) => {
                self.acknowledge(id, labels, acknowledgement, reply, around);
            }
            Request::RecordFeedback(id, labels, feedback, reply) => {
                self.record_feedback(id, labels, feedback, reply, around);
            }
            Request::SetDetectors(assignment) => self.set_detectors(assignment, around),
            Request::ImportTraining(training, reply) => self.import_training(training, reply, around),
            Request::Delete(deletion, reply) => self.delete(deletion, reply, around),
            Request::HandOver(turn) => self.hand_over(turn, around),
            Request::Finish => self.finish(around),
        }
        self.end(around)
    }

    fn end(&mut self, around: &mut Surroundings<'_>) -> After {
        self.account.settle(self.state.series_count());
        if self.finishing && !self.unsaved && self.next_part.is_none() {
            return After::Stop;
        }
        self.arm(around);
        After::Continue
    }

    /// Does what a timer was set for.
    pub(super) fn on_timer(&mut self, timer: Timer, around: &mut Surroundings<'_>) -> After {
        match timer {
            Timer::CheckStalls => self.check_stalls(around),
            Timer::Report => {
                self.report_due = false;
                self.report(around);
            }
            Timer::Snapshot => self.ask_for_turn(around),
            Timer::GiveUp => {
                tracing::warn!(kpi = %self.state.kpi(), "there was no time for a last snapshot");
                (self.unsaved, self.next_part) = (false, None);
            }
        }
        self.end(around)
    }

    /// Scores samples; `part` is sent after the commit and dropped if there is none. The stream of
    /// a new KPI ends if all of them were refused: the limits that were checked before depend on a
    /// clock that has gone on.
    pub(super) fn ingest(
        &mut self,
        batches: &[SeriesBatch],
        arrival: Arrival,
        part: ReceiptPart,
        around: &mut Surroundings<'_>,
    ) -> After {
        self.score_and_append(batches, arrival, part, around);
        if self.is_new && self.state.series_count() == 0 {
            return After::Vanish;
        }
        self.arm(around);
        After::Continue
    }

    fn score_and_append(
        &mut self,
        batches: &[SeriesBatch],
        arrival: Arrival,
        part: ReceiptPart,
        around: &mut Surroundings<'_>,
    ) {
        let (now_ms, mut pushed, took) = self.score(batches, arrival, around.context);
        around.context.mutes.stamp(&mut pushed.bodies, around.context.wall.now_ms());
        around.context.meanings.stamp(&around.context.pass, &mut pushed.bodies);
        let reread = pushed.reread.map(|reading| (self.state.kpi().clone(), reading));
        let taken = TakenRows { accepted: pushed.accepted, late: pushed.late, ahead: pushed.ahead.take(), reread };
        let ends = pushed.rejected_ends;
        let refusals = Refusals::of(self.state.kpi(), pushed.rejected, ends);
        if pushed.bodies.is_empty() {
            part.committed(0, taken, refusals);
            return;
        }
        let on_commit: OnCommit = Box::new(move |seq| part.committed(seq, taken, refusals));
        // The events go to the log before the shadow sees them: the commit does not wait for a
        // shadow.
        let for_shadow = self.shadowing.is_some().then(|| pushed.bodies.clone());
        self.append(now_ms, pushed.bodies, Some(on_commit), around);
        if let Some(bodies) = for_shadow {
            self.observe_with_shadow(&bodies, (arrival, took), now_ms, around);
        }
    }

    fn score(&mut self, batches: &[SeriesBatch], arrival: Arrival, context: &StreamContext) -> (i64, Pushed, Duration) {
        let kpi = self.state.kpi().clone();
        let _span = tracing::debug_span!("score", %kpi).entered();
        if let Some(before_scoring) = &context.faults.before_scoring {
            before_scoring(&kpi, batches);
        }
        let started = Instant::now();
        let now_ms = context.clock.now_ms();
        let wall_ms = context.wall.now_ms();
        let natural = self.natural.current(&kpi, wall_ms, context);
        let conditions = Conditions { now_ms, wall_ms, natural, room: &self.account };
        let pushed = match arrival {
            Arrival::Live => self.state.push_under(batches, conditions),
            Arrival::Backfill => self.state.backfill_under(batches, conditions),
        };
        let took = started.elapsed();
        record(Metric::ScoringSeconds, took);
        (now_ms, pushed, took)
    }

    fn observe_with_shadow(
        &mut self,
        bodies: &[EventBody],
        (arrival, live): (Arrival, Duration),
        now_ms: i64,
        around: &mut Surroundings<'_>,
    ) {
        let Some(shadowing) = &mut self.shadowing else { return };
        let state = &mut self.state;
        if let Err(reason) = shadowing.observe(state, bodies, arrival, live, &around.context.faults) {
            let kpi = state.kpi().clone();
            tracing::error!(%kpi, reason, "the shadow detector failed; the live detector goes on");
            state.drop_shadow();
            self.shadowing = None;
            let detectors = state.detectors();
            self.append(now_ms, vec![DetectorEvent::Changed(Box::new(detectors)).into()], None, around);
            around.context.experiments.shadow_failed(&kpi, &reason);
        }
    }

    /// A change of detectors is an event like any other: a replay changes them at the same place.
    fn set_detectors(&mut self, assignment: Assignment, around: &mut Surroundings<'_>) {
        let Assignment { detectors, window_ms } = assignment;
        self.report(around);
        match self.state.set_detectors(&detectors) {
            Ok(true) => {
                let now_ms = around.context.clock.now_ms();
                self.append(now_ms, vec![DetectorEvent::Changed(Box::new(detectors)).into()], None, around);
            }
            Ok(false) if self.shadowing.is_some() == detectors.shadow.is_some() => return,
            Ok(false) => {}
            Err(problems) => {
                let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                tracing::error!(kpi = %self.state.kpi(), problems, "a detector cannot be run by this version");
            }
        }
        self.shadowing = self.state.shadow().map(|_| Box::new(Shadowing::new(window_ms)));
    }

    fn report(&mut self, around: &mut Surroundings<'_>) {
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.report(&self.state, &around.context.experiments);
        }
    }

    fn import_training(&mut self, training: Training, reply: Reply<usize>, around: &mut Surroundings<'_>) {
        let Training { detector, algorithm, series } = training;
        let imported = self.state.import_training(&detector, &algorithm, &series);
        let event = |series| {
            let (detector, algorithm) = (detector.clone(), algorithm.clone());
            EventBody::Detector(DetectorEvent::Trained { detector, algorithm, series })
        };
        let bodies = if imported > 0 { chunks(series).map(event).collect() } else { Vec::new() };
        let now_ms = around.context.clock.now_ms();
        self.append(now_ms, bodies, Some(Box::new(move |_| reply.send(imported))), around);
    }

    fn acknowledge(
        &mut self,
        id: AnomalyId,
        labels: Labels,
        acknowledgement: Acknowledgement,
        reply: Reply<Seq>,
        around: &mut Surroundings<'_>,
    ) {
        self.state.acknowledge(id, &acknowledgement);
        let at_ms = acknowledgement.at_ms;
        let body = AnomalyEvent::Acknowledged { id, labels, acknowledgement };
        self.append(at_ms, vec![body.into()], Some(Box::new(|seq| reply.send(seq))), around);
    }

    fn record_feedback(
        &mut self,
        id: AnomalyId,
        labels: Labels,
        feedback: Feedback,
        reply: Reply<Seq>,
        around: &mut Surroundings<'_>,
    ) {
        let sensitivity = self.state.record_feedback(id, &labels, &feedback);
        if let Some(shadowing) = &mut self.shadowing {
            shadowing.record_feedback(id, feedback.outcome);
        }
        let at_ms = feedback.at_ms;
        let body = AnomalyEvent::Feedback { id, labels, feedback, sensitivity };
        self.append(at_ms, vec![body.into()], Some(Box::new(|seq| reply.send(seq))), around);
    }

    /// A deletion is an event like any other: a replay deletes at the same place. Open episodes
    /// that it covers end before it. If the KPI goes, so do its snapshots, and the stream stops.
    fn delete(&mut self, deletion: Deletion, reply: Reply<Option<Erased>>, around: &mut Surroundings<'_>) {
        let whole = deletion.scope == DeletionScope::Kpi;
        let series = self.state.matching(&deletion.scope) as u64;
        let mut bodies: Vec<_> = self.state.delete(&deletion.scope).into_iter().map(EventBody::Anomaly).collect();
        around.context.meanings.stamp(&around.context.pass, &mut bodies);
        bodies.push(KpiEvent::Deleted(deletion).into());
        let now_ms = around.context.clock.now_ms();
        let on_commit: OnCommit = Box::new(move |seq| reply.send(Some(Erased { seq, series })));
        self.append(now_ms, bodies, Some(on_commit), around);
        if whole {
            (self.finishing, self.unsaved, self.next_part) = (true, false, None);
            let (subject, snapshot) = (self.state.kpi().clone().into(), Some(StateChange::Removed));
            around.outbox.push(Append { subject, time_ms: now_ms, bodies: Vec::new(), on_commit: None, snapshot });
        }
    }

    fn check_stalls(&mut self, around: &mut Surroundings<'_>) {
        self.stall_check_at = None;
        let now_ms = around.context.clock.now_ms();
        let mut bodies = self.state.check_stalls(now_ms);
        if !bodies.is_empty() {
            around.context.meanings.stamp(&around.context.pass, &mut bodies);
            self.append(now_ms, bodies, None, around);
        }
    }

    fn append(
        &mut self,
        time_ms: i64,
        bodies: Vec<EventBody>,
        on_commit: Option<OnCommit>,
        around: &mut Surroundings<'_>,
    ) {
        (self.unsaved, self.is_new) = (true, false);
        let subject = self.state.kpi().clone().into();
        around.outbox.push(Append { subject, time_ms, bodies, on_commit, snapshot: None });
    }

    fn ask_for_turn(&mut self, around: &mut Surroundings<'_>) {
        if !std::mem::replace(&mut self.asked, true) {
            let part = self.next_part.unwrap_or(self.state.parts() - 1);
            let series = self.state.series_of_part(part);
            *around.turn = Some(series * SNAPSHOT_BYTES_A_SERIES);
        }
    }

    /// The stream stops when its state is handed over. If the store is too slow for that, the next
    /// start reads more of the log.
    fn finish(&mut self, around: &mut Surroundings<'_>) {
        self.finishing = true;
        if self.unsaved || self.next_part.is_some() {
            self.ask_for_turn(around);
            around.timers.push((LAST_TURN, Timer::GiveUp));
        }
    }

    /// Hands one part of the state over, and asks for a turn for the next one. Other streams of the
    /// host go on in between. The part goes through the log writer, so that it is saved after the
    /// commit, with the `seq` it includes.
    fn hand_over(&mut self, turn: SnapshotTurn, around: &mut Surroundings<'_>) {
        self.asked = false;
        let begins = self.next_part.is_none();
        if begins && !std::mem::take(&mut self.unsaved) {
            self.snapshot_due = false;
            return;
        }
        // From the last part to the first one; `earcon_streams` says why.
        let part = self.next_part.take().unwrap_or(self.state.parts() - 1);
        let state = self.state.snapshot_part(part);
        let (subject, time_ms) = (self.state.kpi().clone().into(), around.context.clock.now_ms());
        let snapshot = Some(StateChange::Part(HandedOver { part, begins, state, turn }));
        around.outbox.push(Append { subject, time_ms, bodies: Vec::new(), on_commit: None, snapshot });
        if part > 0 {
            self.next_part = Some(part - 1);
            self.ask_for_turn(around);
            return;
        }
        self.snapshot_due = false;
        if self.finishing && self.unsaved {
            self.ask_for_turn(around);
        }
    }

    /// One timer of a kind at a time: it is set again when it fires, not with every sample.
    fn arm(&mut self, around: &mut Surroundings<'_>) {
        if let Some(at_ms) = self.state.next_stall_at()
            && self.stall_check_at.is_none_or(|armed| armed > at_ms)
        {
            self.stall_check_at = Some(at_ms);
            let wait_ms = (at_ms - around.context.clock.now_ms()).max(0) as u64 + 1;
            around.timers.push((Duration::from_millis(wait_ms), Timer::CheckStalls));
        }
        if !self.snapshot_due && self.unsaved {
            self.snapshot_due = true;
            around.timers.push((around.context.snapshot_every, Timer::Snapshot));
        }
        if !self.report_due && self.shadowing.as_ref().is_some_and(|shadowing| shadowing.has_news()) {
            self.report_due = true;
            around.timers.push((REPORT_EVERY, Timer::Report));
        }
    }
}

/// How long a range is used before the unit is looked up again, milliseconds.
const RANGE_MS: i64 = 60_000;

/// The range by the unit of the KPI, which may be stated at any time.
#[derive(Default)]
struct KnownRange {
    range: NaturalRange,
    /// Wall time of the latest look-up.
    at_ms: Option<i64>,
}

impl KnownRange {
    fn current(&mut self, kpi: &KpiName, wall_ms: i64, context: &StreamContext) -> NaturalRange {
        if self.at_ms.is_none_or(|at_ms| (wall_ms - at_ms).unsigned_abs() >= RANGE_MS as u64) {
            let unit = context.meanings.unit_here(&context.pass, kpi);
            (self.range, self.at_ms) = (NaturalRange::of_kpi(kpi.as_str(), unit.as_deref()), Some(wall_ms));
        }
        self.range
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
