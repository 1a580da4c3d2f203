//! The only writer of a workspace's log.
//!
//! **Owns** the next sequence number and the batches that wait for a commit. While one group is being written, everything
//! that arrives waits and becomes the next group, so that many small batches share one fsync.
//! **A crash loses** batches that were not committed; their senders were not told otherwise. **Restarts from** the log's
//! head, together with the whole workspace: streams have already moved past a failed append and must be read again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::Context;
use super::hub::Hub;
use super::snapshotter::Snapshotter;
use crate::telemetry::{GaugePart, Metric, count, record};
use earcon_model::{AnomalyEvent, Event, EventBody, KpiName, Seq, Subject};
use earcon_ports::{PortError, Snapshot};
use earcon_tenancy::WorkspacePass;

/// Called with the last `seq` of the append once it is durable; dropped uncalled when it is not.
pub type OnCommit = Box<dyn FnOnce(Seq) + Send>;

/// Events about one subject that belong together: all of them are committed, or none.
pub struct Append {
    /// What they are about.
    pub subject: Subject,
    /// Wall time at which they were decided, milliseconds UTC.
    pub time_ms: i64,
    /// In order; may be empty when there is only a snapshot to hand over.
    pub bodies: Vec<EventBody>,
    /// Told after the commit.
    pub on_commit: Option<OnCommit>,
    /// The stream's state including these events, if the subject is a KPI.
    pub snapshot: Option<Vec<u8>>,
}

enum Message {
    Append(Append),
    Written { result: Result<(), PortError>, started: Instant },
    Barrier(oneshot::Sender<Seq>),
}

/// A handle to the log writer.
#[derive(Clone)]
pub struct LogWriter(ActorRef<Message>);

impl LogWriter {
    /// Starts the writer of a log whose next event is `next`; `unsaved` names the KPIs with events that no snapshot
    /// includes, and the first of them.
    pub async fn start(
        context: Context,
        pass: WorkspacePass,
        next: Seq,
        unsaved: HashMap<KpiName, Seq>,
        hub: Hub,
        snapshotter: Snapshotter,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let args = Args { context, pass, next, unsaved, hub, snapshotter };
        let (actor, _) = Actor::spawn_linked(None, LogWriterActor, args, supervisor).await?;
        Ok(Self(actor))
    }

    /// Queues an append. When the writer is gone, the append is dropped, which its `on_commit` notices.
    pub fn append(&self, append: Append) {
        let _gone = self.0.cast(Message::Append(append)).is_err();
    }

    /// Waits until everything queued before is durable; returns the newest event. `None` when the writer is gone.
    pub async fn barrier(&self) -> Option<Seq> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(Message::Barrier(sender)).ok()?;
        receiver.await.ok()
    }

    /// Stops the writer after the message it is handling.
    pub async fn stop(&self) {
        let _already_stopped = self.0.stop_and_wait(None, None).await.is_err();
    }
}

struct LogWriterActor;

struct Args {
    context: Context,
    pass: WorkspacePass,
    next: Seq,
    unsaved: HashMap<KpiName, Seq>,
    hub: Hub,
    snapshotter: Snapshotter,
}

struct State {
    args: Args,
    queued: Group,
    writing: Option<Group>,
    unsaved: Unsaved,
    depth: GaugePart,
}

#[derive(Default)]
struct Group {
    events: Vec<Arc<Event>>,
    commits: Vec<(OnCommit, Seq)>,
    snapshots: Vec<Snapshot>,
    barriers: Vec<oneshot::Sender<Seq>>,
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
struct Unsaved(HashMap<KpiName, Seq>);

impl Unsaved {
    fn wrote(&mut self, kpi: &KpiName, first: Seq) {
        if !self.0.contains_key(kpi) {
            self.0.insert(kpi.clone(), first);
        }
    }

    fn saved(&mut self, kpi: &KpiName) {
        self.0.remove(kpi);
    }

    /// Every event up to and including this one is part of a snapshot, given the next `seq`.
    fn watermark(&self, next: Seq) -> Seq {
        self.0.values().copied().min().unwrap_or(next).min(next) - 1
    }
}

impl Actor for LogWriterActor {
    type Msg = Message;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _myself: ActorRef<Message>, mut args: Args) -> Result<State, ActorProcessingErr> {
        let unsaved = Unsaved(std::mem::take(&mut args.unsaved));
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
        if let (Some(state), Subject::Kpi(kpi)) = (snapshot, subject) {
            self.unsaved.saved(&kpi);
            self.queued.snapshots.push(Snapshot { kpi, seq: last, state });
        }
        self.depth.set(self.queued.commits.len());
    }

    fn write(&mut self, myself: ActorRef<Message>) {
        let mut group = std::mem::take(&mut self.queued);
        // Taken now, while the bookkeeping stands exactly at the end of this group.
        group.head = self.args.next - 1;
        group.watermark = self.unsaved.watermark(self.args.next);
        let (events, log) = (group.events.clone(), self.args.context.backends.event_log.clone());
        let pass = self.args.pass.clone();
        self.writing = Some(group);
        self.depth.set(0);
        let span = tracing::debug_span!("commit", workspace = %pass.workspace(), events = events.len());
        let write = async move {
            let started = Instant::now();
            let result = if events.is_empty() { Ok(()) } else { log.append(&pass, events).await };
            let _stopped = myself.cast(Message::Written { result, started }).is_err();
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
            let _gone = barrier.send(group.head).is_err();
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
    fn the_watermark_stands_before_the_oldest_unsaved_event() {
        let kpi = |name| KpiName::new(name).unwrap();
        let mut unsaved = Unsaved::default();
        assert_eq!(unsaved.watermark(10), 9);
        unsaved.wrote(&kpi("a"), 10);
        unsaved.wrote(&kpi("b"), 11);
        unsaved.wrote(&kpi("a"), 12);
        assert_eq!(unsaved.watermark(13), 9);
        unsaved.saved(&kpi("a"));
        assert_eq!(unsaved.watermark(13), 10);
        unsaved.saved(&kpi("b"));
        assert_eq!(unsaved.watermark(13), 12);
    }
}
