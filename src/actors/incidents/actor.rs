//! The actor behind [`Incidents`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::handle::{Incidents, Message};
use super::recorder::Recorder;
use super::restore::muted_by;
use crate::actors::ask::Reply;
use crate::actors::context::Context;
use crate::actors::hub::{EventBatch, Hub};
use crate::actors::log_writer::{Append, LogWriter, OnCommit};
use crate::incidents::{IncidentEngine, SeriesInventory};
use crate::live::KpiView;
use crate::services::incidents::IncidentRecords;
use crate::telemetry::{Metric, Repeats, count};
use earcon_model::{AnomalyEvent, Event, EventBody, IncidentEvent, Seq};
use earcon_tenancy::WorkspacePass;

/// How many events one read of the log asks for.
const PAGE: usize = 512;
/// The longest wait for events before the mailbox is read again.
const MAX_WAIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(200);
/// The inventory of series is taken again this often while there are anomalies.
const INVENTORY_EVERY: Duration = Duration::from_secs(60);
/// It is taken sooner while there are few series: a new workspace has others a second later.
const INVENTORY_SOONEST: Duration = Duration::from_secs(1);
/// How much longer each series makes that.
const INVENTORY_PER_SERIES: Duration = Duration::from_millis(5);

/// How long an inventory of so many series is used.
fn inventory_lasts(series: usize) -> Duration {
    let each = INVENTORY_PER_SERIES.saturating_mul(u32::try_from(series).unwrap_or(u32::MAX));
    INVENTORY_SOONEST.saturating_add(each).min(INVENTORY_EVERY)
}

/// What the incidents actor is made with.
pub(in crate::actors) struct IncidentsArgs {
    /// Settings and storage.
    pub context: Context,
    /// The workspace.
    pub pass: WorkspacePass,
    /// The engine at the end of the log.
    pub engine: IncidentEngine,
    /// Writes incident events.
    pub log: LogWriter,
    /// Live events.
    pub hub: Hub,
}

/// Starts the incidents of a workspace.
pub(in crate::actors) async fn start(args: IncidentsArgs, supervisor: ActorCell) -> Result<Incidents, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, IncidentsActor, args, supervisor).await?;
    Ok(Incidents::new(actor))
}

struct IncidentsActor;

struct State {
    args: IncidentsArgs,
    recorder: Recorder,
    live: Option<broadcast::Receiver<Arc<EventBatch>>>,
    /// The newest event known to be in the log.
    head: Seq,
    saved: Option<Seq>,
    save_at: Instant,
    inventory_at: Instant,
    repeats: Repeats,
}

impl Actor for IncidentsActor {
    type Msg = Message;
    type State = State;
    type Arguments = IncidentsArgs;

    async fn pre_start(&self, myself: ActorRef<Message>, args: IncidentsArgs) -> Result<State, ActorProcessingErr> {
        let open: Vec<_> = args.engine.open().cloned().collect();
        let records = IncidentRecords::new(args.context.backends.meta_store.clone());
        let keep = args.context.settings.retention.history_age;
        let recorder =
            Recorder::start(records, args.pass.clone(), args.context.clock.clone(), keep, args.hub.epochs(), open);
        let mut args = args;
        // Of the replay.
        recorder.erase(args.engine.take_deletions());
        myself.cast(Message::Next)?;
        let now = Instant::now();
        // Saved at once, so that a restart begins here and not at the start of the log.
        let repeats = Repeats::default();
        Ok(State { args, recorder, live: None, head: 0, saved: None, save_at: now, inventory_at: now, repeats })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Next => {
                state.step().await?;
                myself.cast(Message::Next)?;
            }
            Message::Finish(reply) => {
                state.finish().await?;
                reply.send(());
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl State {
    /// A bounded piece of work: a page of the log or one live batch, then the decisions that
    /// follow.
    async fn step(&mut self) -> Result<(), ActorProcessingErr> {
        if self.live.is_none() {
            let Some(subscription) = self.args.hub.subscribe().await else {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            };
            self.head = self.head.max(subscription.seq);
            self.take_inventory(&subscription.kpis);
            self.live = Some(subscription.batches);
        }
        if self.args.engine.seq() < self.head {
            self.read_page().await;
        } else {
            self.next_batch().await;
        }
        self.decide().await?;
        if Instant::now() >= self.save_at {
            self.save();
        }
        Ok(())
    }

    async fn read_page(&mut self) {
        let log = &self.args.context.backends.event_log;
        match log.read(&self.args.pass, self.args.engine.seq() + 1, PAGE).await {
            Ok(page) if page.events.is_empty() => self.args.engine.skip_to(self.head),
            Ok(page) => self.observe(&page.events).await,
            Err(error) => {
                if let Some(unlogged) = self.repeats.failed(&error.to_string()) {
                    let workspace = self.args.pass.workspace();
                    tracing::warn!(%workspace, %error, unlogged, "incidents cannot read the log, trying again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn next_batch(&mut self) {
        let now_ms = self.args.context.clock.now_ms();
        let due = self.args.engine.due_at().map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(0) as u64));
        let wait = due.map_or(MAX_WAIT, |due| due.min(MAX_WAIT));
        let Some(live) = self.live.as_mut() else { return };
        let batch = match tokio::time::timeout(wait, live.recv()).await {
            Err(_elapsed) => return,
            Ok(Ok(batch)) => batch,
            // Missed events are in the log; the next subscription has its newest event.
            Ok(Err(_lagged_or_closed)) => {
                self.live = None;
                return;
            }
        };
        let next = self.args.engine.seq() + 1;
        let events: Vec<_> = batch.events().filter(|event| event.seq >= next).cloned().collect();
        let Some(last) = events.last() else { return };
        self.head = self.head.max(last.seq);
        // A batch that leaves a gap is read from the log instead.
        if events[0].seq == next {
            self.observe(&events).await;
        }
    }

    async fn observe(&mut self, events: &[Arc<Event>]) {
        let news = events.iter().any(|event| matches!(event.body, EventBody::Anomaly(AnomalyEvent::Opened(_))));
        if news
            && Instant::now() >= self.inventory_at
            && let Some((_, kpis)) = self.args.hub.view().await
        {
            self.take_inventory(&kpis);
        }
        let engine = &mut self.args.engine;
        let observe = || events.iter().for_each(|event| engine.ingest(event, &muted_by));
        if catch_unwind(AssertUnwindSafe(observe)).is_err() {
            let last = events.last().map_or(self.head, |event| event.seq);
            self.reset(last);
        }
        self.recorder.erase(self.args.engine.take_deletions());
    }

    /// Appends the events that are due and waits for their commit.
    async fn decide(&mut self) -> Result<(), ActorProcessingErr> {
        let now_ms = self.args.context.clock.now_ms();
        let engine = &mut self.args.engine;
        let Ok(decisions) = catch_unwind(AssertUnwindSafe(|| engine.decide(now_ms))) else {
            let seq = engine.seq();
            self.reset(seq);
            return Ok(());
        };
        if decisions.is_empty() {
            return Ok(());
        }
        self.append(&decisions, now_ms).await?;
        for decision in decisions {
            count_alerts(&decision);
            match &decision {
                IncidentEvent::Closed(incident) if incident.members.is_empty() => self.recorder.forget(incident.id),
                _ => self.recorder.record(decision.incident().clone()),
            }
        }
        Ok(())
    }

    async fn append(&self, decisions: &[IncidentEvent], now_ms: i64) -> Result<(), ActorProcessingErr> {
        let (reply, committed) = Reply::channel();
        let mut reply = Some(reply);
        let last = decisions.len() - 1;
        for (i, decision) in decisions.iter().cloned().enumerate() {
            let reply = reply.take_if(|_| i == last);
            let on_commit = reply.map(|reply| -> OnCommit { Box::new(move |_| reply.send(())) });
            let (subject, bodies) = (decision.incident().id.into(), vec![decision.into()]);
            self.args.log.append(Append { subject, time_ms: now_ms, bodies, on_commit, snapshot: None });
        }
        Ok(committed.await.map_err(|_| "incidents could not be written to the log")?)
    }

    /// Saves the state of the engine. All its decisions must be in the log.
    fn save(&mut self) {
        self.save_at = Instant::now() + self.args.context.settings.snapshot_every;
        let seq = self.args.engine.seq();
        if self.saved == Some(seq) {
            return;
        }
        match self.args.engine.save() {
            Ok(state) => {
                self.recorder.save(seq, state);
                self.saved = Some(seq);
            }
            Err(error) => tracing::error!(%error, "the state of the incidents was not saved"),
        }
    }

    fn take_inventory(&mut self, kpis: &[Arc<KpiView>]) {
        let known: usize = kpis.iter().map(|kpi| kpi.series.len()).sum();
        self.inventory_at = Instant::now() + inventory_lasts(known);
        let series = kpis.iter().flat_map(|kpi| kpi.series.iter().map(|(labels, _)| (&kpi.kpi, labels)));
        self.args.engine.set_inventory(SeriesInventory::from_series(series));
    }

    fn reset(&mut self, seq: Seq) {
        tracing::error!(workspace = %self.args.pass.workspace(), seq, "grouping of anomalies panicked; it begins again without open incidents");
        self.args.engine = self.args.engine.restarted_at(seq);
        self.live = None;
    }

    async fn finish(&mut self) -> Result<(), ActorProcessingErr> {
        if let Some((head, _)) = self.args.hub.view().await {
            self.head = self.head.max(head);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.args.engine.seq() < self.head && Instant::now() < deadline {
            self.read_page().await;
        }
        self.decide().await?;
        self.save();
        self.recorder.finish().await;
        Ok(())
    }
}

fn count_alerts(decision: &IncidentEvent) {
    let alerted = match decision {
        IncidentEvent::Opened(incident) => {
            count(Metric::IncidentsOpened, 1);
            incident.is_alerted()
        }
        IncidentEvent::Updated(incident) => {
            incident.alerted_at_ms.is_some_and(|at| incident.timeline.last().is_some_and(|last| last.at_ms == at))
        }
        IncidentEvent::Closed(_) => false,
    };
    if alerted {
        count(Metric::IncidentsAlerted, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_series_are_looked_at_again_soon_and_many_every_minute() {
        assert_eq!(inventory_lasts(0), Duration::from_secs(1));
        assert_eq!(inventory_lasts(200), Duration::from_secs(2));
        assert_eq!(inventory_lasts(1_000_000), Duration::from_secs(60));
    }
}
