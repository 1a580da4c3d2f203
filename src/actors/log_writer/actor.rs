//! The actor behind [`LogWriter`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tracing::Instrument;

use super::handle::{Append, LogWriter, Message, OnCommit};
use crate::actors::ask::{self, Reply};
use crate::actors::context::Context;
use crate::actors::hub::Hub;
use crate::actors::snapshotter::{SavedChange, Snapshotter};
use crate::telemetry::{GaugePart, Metric, count, record};
use earcon_model::{AnomalyEvent, Event, EventBody, KpiName, Seq, Subject};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// What the log writer is made with.
pub(in crate::actors) struct LogWriterArgs {
    /// Settings and storage.
    pub context: Context,
    /// The workspace.
    pub pass: WorkspacePass,
    /// The number of the next event.
    pub next: Seq,
    /// KPIs with events that no snapshot includes, and the first of them.
    pub unsaved: HashMap<KpiName, Seq>,
    /// Broadcasts committed events.
    pub hub: Hub,
    /// Saves snapshots after their commit.
    pub snapshotter: Snapshotter,
}

/// Starts the writer of a log.
pub(in crate::actors) async fn start(args: LogWriterArgs, supervisor: ActorCell) -> Result<LogWriter, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, LogWriterActor, args, supervisor).await?;
    Ok(LogWriter::new(actor))
}

struct LogWriterActor;

struct State {
    args: LogWriterArgs,
    queued: Group,
    writing: Option<Group>,
    unsaved: Unsaved,
    depth: GaugePart,
}

#[derive(Default)]
struct Group {
    events: Vec<Arc<Event>>,
    commits: Vec<(OnCommit, Seq)>,
    snapshots: Vec<SavedChange>,
    barriers: Vec<Reply<Seq>>,
    /// The newest event once this group is written.
    head: Seq,
    /// Every event up to this one is part of a snapshot once those of this group are saved.
    watermark: Seq,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.snapshots.is_empty() && self.barriers.is_empty() && self.commits.is_empty()
    }
}

/// Which KPIs have events that no snapshot includes, and since when.
#[derive(Default)]
struct Unsaved(HashMap<KpiName, Since>);

/// The first events of a KPI that no snapshot includes.
#[derive(Default)]
struct Since {
    /// Since the last state that was handed over whole.
    first: Option<Seq>,
    /// Since the state that is being handed over was begun. The outer `None` if there is none.
    during: Option<Option<Seq>>,
}

impl Unsaved {
    fn new(first: HashMap<KpiName, Seq>) -> Self {
        let since = |(kpi, seq)| (kpi, Since { first: Some(seq), during: None });
        Self(first.into_iter().map(since).collect())
    }

    fn wrote(&mut self, kpi: &KpiName, seq: Seq) {
        if !self.0.contains_key(kpi) {
            self.0.insert(kpi.clone(), Since::default());
        }
        let Some(since) = self.0.get_mut(kpi) else { return };
        since.first.get_or_insert(seq);
        if let Some(during) = &mut since.during {
            during.get_or_insert(seq);
        }
    }

    /// A part of the state is handed over; part 0 is the last one. The part that began lacks all
    /// events after it, although later ones include some of them.
    fn saved(&mut self, kpi: &KpiName, part: u32, begins: bool) {
        let is_last = part == 0;
        if begins && is_last {
            self.0.remove(kpi);
            return;
        }
        let since = self.0.entry(kpi.clone()).or_default();
        if begins {
            since.during = Some(None);
        } else if is_last && let Some(during) = since.during.take() {
            since.first = during;
        }
        if since.first.is_none() && since.during.is_none() {
            self.0.remove(kpi);
        }
    }

    /// Every event up to and including this one is part of a snapshot, given the next `seq`.
    fn watermark(&self, next: Seq) -> Seq {
        self.0.values().filter_map(|since| since.first).min().unwrap_or(next).min(next) - 1
    }
}

impl Actor for LogWriterActor {
    type Msg = Message;
    type State = State;
    type Arguments = LogWriterArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<Message>,
        mut args: LogWriterArgs,
    ) -> Result<State, ActorProcessingErr> {
        let unsaved = Unsaved::new(std::mem::take(&mut args.unsaved));
        Ok(State {
            args,
            queued: Group::default(),
            writing: None,
            unsaved,
            depth: GaugePart::for_metric(Metric::LogQueueDepth),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Append(append) => state.queue(append),
            Message::AppendAll(appends) => appends.into_iter().for_each(|append| state.queue(append)),
            Message::Barrier(reply) => state.queued.barriers.push(reply),
            Message::Written { result, started } => state.written(result, started)?,
        }
        if state.writing.is_none() && !state.queued.is_empty() {
            state.write(myself);
        }
        Ok(())
    }
}

impl State {
    fn queue(&mut self, append: Append) {
        let Append { subject, time_ms, bodies, on_commit, snapshot } = append;
        if let (Subject::Kpi(kpi), false) = (&subject, bodies.is_empty()) {
            self.unsaved.wrote(kpi, self.args.next);
        }
        for body in bodies {
            let event = Event { seq: self.args.next, time_ms, subject: subject.clone(), body };
            self.args.next += 1;
            self.queued.events.push(Arc::new(event));
        }
        let last = self.args.next - 1;
        if let Some(on_commit) = on_commit {
            self.queued.commits.push((on_commit, last));
        }
        if let (Some(change), Subject::Kpi(kpi)) = (snapshot, subject) {
            let (part, begins) = change.part();
            self.unsaved.saved(&kpi, part, begins);
            self.queued.snapshots.push(change.committed(kpi, last));
        }
        self.depth.set(self.queued.commits.len());
    }

    fn write(&mut self, myself: ActorRef<Message>) {
        let mut group = std::mem::take(&mut self.queued);
        // Computed now, while `next` and `unsaved` are exactly at the end of this group.
        group.head = self.args.next - 1;
        if !group.snapshots.is_empty() {
            group.watermark = self.unsaved.watermark(self.args.next);
        }
        let (events, log) = (group.events.clone(), self.args.context.backends.event_log.clone());
        let health = self.args.context.log_health.clone();
        let pass = self.args.pass.clone();
        self.writing = Some(group);
        self.depth.set(0);
        let span = tracing::debug_span!("commit", workspace = %pass.workspace(), events = events.len());
        let write = async move {
            let started = Instant::now();
            let result = if events.is_empty() { Ok(()) } else { health.watch(log.append(&pass, events)).await };
            ask::send(&myself, Message::Written { result, started });
        };
        tokio::spawn(write.instrument(span));
    }

    fn written(&mut self, result: Result<(), PortError>, started: Instant) -> Result<(), ActorProcessingErr> {
        let group = self.writing.take().unwrap_or_default();
        if let Err(error) = result {
            tracing::error!(workspace = %self.args.pass.workspace(), %error, "the log refused an append");
            return Err(error.into());
        }
        if !group.events.is_empty() {
            record(Metric::LogCommitSeconds, started.elapsed());
            metrics::histogram!(Metric::LogCommitEvents.name()).record(group.events.len() as f64);
            count_anomalies(&group.events);
            self.args.hub.committed(group.events);
        }
        for (on_commit, seq) in group.commits {
            on_commit(seq);
        }
        if !group.snapshots.is_empty() {
            self.args.snapshotter.save(group.snapshots, group.watermark);
        }
        for barrier in group.barriers {
            barrier.send(group.head);
        }
        Ok(())
    }
}

fn count_anomalies(events: &[Arc<Event>]) {
    let opened =
        events.iter().filter(|event| matches!(event.body, EventBody::Anomaly(AnomalyEvent::Opened(_)))).count();
    if opened > 0 {
        count(Metric::AnomaliesOpened, opened as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermark_is_one_before_the_oldest_unsaved_event() {
        let kpi = |name| KpiName::new(name).unwrap();
        let mut unsaved = Unsaved::default();
        assert_eq!(unsaved.watermark(10), 9);
        unsaved.wrote(&kpi("a"), 10);
        unsaved.wrote(&kpi("b"), 11);
        unsaved.wrote(&kpi("a"), 12);
        assert_eq!(unsaved.watermark(13), 9);
        unsaved.saved(&kpi("a"), 0, true);
        assert_eq!(unsaved.watermark(13), 10);
        unsaved.saved(&kpi("b"), 0, true);
        assert_eq!(unsaved.watermark(13), 12);
    }

    #[test]
    fn watermark_stays_until_the_state_is_whole_and_goes_to_where_it_began() {
        let kpi = KpiName::new("a").unwrap();
        let mut unsaved = Unsaved::default();
        unsaved.wrote(&kpi, 10);
        unsaved.saved(&kpi, 2, true);
        assert_eq!(unsaved.watermark(11), 9);
        unsaved.wrote(&kpi, 11);
        unsaved.saved(&kpi, 1, false);
        unsaved.wrote(&kpi, 12);
        unsaved.saved(&kpi, 0, false);
        assert_eq!(unsaved.watermark(13), 10, "the part that began lacks event 11");
        // A state whose stream failed before the last part, and the one of its successor.
        unsaved.saved(&kpi, 1, true);
        unsaved.saved(&kpi, 1, true);
        unsaved.saved(&kpi, 0, false);
        assert_eq!(unsaved.watermark(13), 12);
        unsaved.saved(&kpi, 1, true);
        assert_eq!(unsaved.watermark(13), 12);
        unsaved.wrote(&kpi, 13);
        unsaved.saved(&kpi, 0, true);
        assert_eq!(unsaved.watermark(14), 13);
    }
}
