//! Groups anomalies into incidents and decides which are alerted; the deciding itself is pure ([`crate::incidents`]).
//!
//! **Owns** the [`IncidentEngine`]. It follows the log like a cursor consumer, off the path of samples, and has the events it decides
//! on written by the log writer, waiting for each commit before it reads on. **A crash loses** nothing: recovery loads the
//! state last saved and replays the log after it, in which stands what was said already. What the log does not have was not
//! said, and is decided again. Should deciding panic, it starts afresh with what comes next, and the workspace runs on.

mod recorder;
mod restore;

pub use restore::DeskReplay;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use super::Context;
use super::hub::{EventBatch, Hub};
use super::log_writer::{Append, LogWriter};
use crate::incidents::{IncidentEngine, SeriesInventory};
use crate::live::KpiView;
use crate::services::incidents::IncidentRecords;
use crate::telemetry::{Metric, count};
use earcon_model::{Anomaly, AnomalyEvent, Event, EventBody, IncidentEvent, Seq};
use earcon_tenancy::WorkspacePass;
use recorder::Recorder;

/// How many events one read of the log asks for.
const PAGE: usize = 512;
/// The longest wait for events before messages are looked at again.
const LOOK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(200);
/// What series there are is looked at again this often, when there are anomalies.
const KNOW_EVERY: Duration = Duration::from_secs(60);
/// … and sooner while there are few: a workspace that has just begun has others a second later.
const KNOW_SOONEST: Duration = Duration::from_secs(1);
/// How much longer each series makes that.
const KNOW_EACH: Duration = Duration::from_millis(5);

/// Why nobody is to be alerted because of an anomaly; asked with every event of it.
pub type Muted = Arc<dyn Fn(&Anomaly) -> Option<String> + Send + Sync>;

/// What is muted: what the event says, which the stream has noted in it. So a replay decides as it was decided.
pub fn muted() -> Muted {
    Arc::new(|anomaly| anomaly.muted.clone())
}

/// After which time series that number so many are looked at again.
fn know_again(series: usize) -> Duration {
    let each = KNOW_EACH.saturating_mul(u32::try_from(series).unwrap_or(u32::MAX));
    KNOW_SOONEST.saturating_add(each).min(KNOW_EVERY)
}

enum Message {
    Next,
    Finish(oneshot::Sender<()>),
}

/// A handle to the incidents of a workspace.
#[derive(Clone)]
pub struct Incidents(ActorRef<Message>);

impl Incidents {
    /// Starts with a desk that stands at the end of the log.
    pub async fn start(
        context: Context,
        pass: WorkspacePass,
        desk: IncidentEngine,
        log: LogWriter,
        hub: Hub,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let args = Args { context, pass, desk, log, hub };
        let (actor, _) = Actor::spawn_linked(None, IncidentsActor, args, supervisor).await?;
        Ok(Self(actor))
    }

    /// Reads to the end of the log, saves the state and stops. The log must still be written.
    pub async fn finish(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.0.cast(Message::Finish(sender)).is_ok() {
            let _gone = receiver.await.is_err();
        }
    }
}

struct IncidentsActor;

struct Args {
    context: Context,
    pass: WorkspacePass,
    desk: IncidentEngine,
    log: LogWriter,
    hub: Hub,
}

struct State {
    args: Args,
    muted: Muted,
    recorder: Recorder,
    live: Option<broadcast::Receiver<Arc<EventBatch>>>,
    /// The newest event known to be in the log.
    head: Seq,
    saved: Option<Seq>,
    save_at: Instant,
    know_at: Instant,
}

impl Actor for IncidentsActor {
    type Msg = Message;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<Message>, args: Args) -> Result<State, ActorProcessingErr> {
        let open: Vec<_> = args.desk.open().cloned().collect();
        let records = IncidentRecords::new(args.context.backends.meta_store.clone());
        let keep = args.context.settings.retention.history_age;
        let recorder = Recorder::start(
            records,
            args.pass.clone(),
            args.context.clock.clone(),
            keep,
            args.hub.epoch().into(),
            open,
        );
        myself.cast(Message::Next)?;
        let (muted, now) = (muted(), Instant::now());
        // Saved at once, so that a restart begins here and not with what it finds in the log.
        Ok(State { args, muted, recorder, live: None, head: 0, saved: None, save_at: now, know_at: now })
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
                let _gone = reply.send(()).is_err();
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl State {
    /// A bounded piece of work: a page of the log or one live batch, then what is to be said.
    async fn step(&mut self) -> Result<(), ActorProcessingErr> {
        if self.live.is_none() {
            let Some(subscription) = self.args.hub.subscribe().await else {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            };
            self.head = self.head.max(subscription.seq);
            self.know(&subscription.kpis);
            self.live = Some(subscription.batches);
        }
        if self.args.desk.seq() < self.head {
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
        match log.read(&self.args.pass, self.args.desk.seq() + 1, PAGE).await {
            Ok(page) if page.events.is_empty() => self.args.desk.skip_to(self.head),
            Ok(page) => self.take(&page.events).await,
            Err(error) => {
                tracing::warn!(workspace = %self.args.pass.workspace(), %error, "incidents cannot read the log, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn next_batch(&mut self) {
        let now_ms = self.args.context.clock.now_ms();
        let due = self.args.desk.due_at().map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(0) as u64));
        let wait = due.map_or(LOOK, |due| due.min(LOOK));
        let Some(live) = self.live.as_mut() else { return };
        let batch = match tokio::time::timeout(wait, live.recv()).await {
            Err(_elapsed) => return,
            Ok(Ok(batch)) => batch,
            // What was missed is in the log; the next subscription says how far it reaches.
            Ok(Err(_lagged_or_closed)) => {
                self.live = None;
                return;
            }
        };
        let next = self.args.desk.seq() + 1;
        let events: Vec<_> = batch.events().filter(|event| event.seq >= next).cloned().collect();
        let Some(last) = events.last() else { return };
        self.head = self.head.max(last.seq);
        // A batch that does not follow on is read from the log.
        if events[0].seq == next {
            self.take(&events).await;
        }
    }

    async fn take(&mut self, events: &[Arc<Event>]) {
        let news = events.iter().any(|event| matches!(event.body, EventBody::Anomaly(AnomalyEvent::Opened(_))));
        if news
            && Instant::now() >= self.know_at
            && let Some((_, kpis)) = self.args.hub.view().await
        {
            self.know(&kpis);
        }
        let (desk, muted) = (&mut self.args.desk, &self.muted);
        let taken = catch_unwind(AssertUnwindSafe(|| events.iter().for_each(|event| desk.ingest(event, &**muted))));
        if taken.is_err() {
            let last = events.last().map_or(self.head, |event| event.seq);
            self.start_afresh(last);
        }
    }

    /// Has what is to be said written; goes on when the log holds it.
    async fn decide(&mut self) -> Result<(), ActorProcessingErr> {
        let now_ms = self.args.context.clock.now_ms();
        let desk = &mut self.args.desk;
        let Ok(decisions) = catch_unwind(AssertUnwindSafe(|| desk.decide(now_ms))) else {
            let seq = desk.seq();
            self.start_afresh(seq);
            return Ok(());
        };
        let Some(last) = decisions.len().checked_sub(1) else { return Ok(()) };
        let (sender, committed) = oneshot::channel();
        let mut sender = Some(sender);
        for (i, decided) in decisions.iter().cloned().enumerate() {
            let on_commit = sender.take_if(|_| i == last).map(|sender| -> super::log_writer::OnCommit {
                Box::new(move |_| {
                    let _gone = sender.send(()).is_err();
                })
            });
            let (subject, bodies) = (decided.incident().id.into(), vec![decided.into()]);
            self.args.log.append(Append { subject, time_ms: now_ms, bodies, on_commit, snapshot: None });
        }
        committed.await.map_err(|_| "incidents could not be written to the log")?;
        for decided in decisions {
            count_said(&decided);
            self.recorder.record(decided.incident().clone());
        }
        Ok(())
    }

    /// Everything decided so far is in the log when this is called.
    fn save(&mut self) {
        self.save_at = Instant::now() + self.args.context.settings.snapshot_every;
        let seq = self.args.desk.seq();
        if self.saved == Some(seq) {
            return;
        }
        match self.args.desk.save() {
            Ok(state) => {
                self.recorder.save(seq, state);
                self.saved = Some(seq);
            }
            Err(error) => tracing::error!(%error, "the state of the incidents was not saved"),
        }
    }

    fn know(&mut self, kpis: &[Arc<KpiView>]) {
        let known: usize = kpis.iter().map(|kpi| kpi.series.len()).sum();
        self.know_at = Instant::now() + know_again(known);
        let series = kpis.iter().flat_map(|kpi| kpi.series.keys().map(|labels| (&kpi.kpi, labels)));
        self.args.desk.set_inventory(SeriesInventory::from_series(series));
    }

    fn start_afresh(&mut self, seq: Seq) {
        tracing::error!(workspace = %self.args.pass.workspace(), seq, "grouping of anomalies panicked; it starts afresh");
        self.args.desk = self.args.desk.restarted_at(seq);
        self.live = None;
    }

    async fn finish(&mut self) -> Result<(), ActorProcessingErr> {
        if let Some((head, _)) = self.args.hub.view().await {
            self.head = self.head.max(head);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.args.desk.seq() < self.head && Instant::now() < deadline {
            self.read_page().await;
        }
        self.decide().await?;
        self.save();
        self.recorder.finish().await;
        Ok(())
    }
}

fn count_said(decided: &IncidentEvent) {
    let alerted = match decided {
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
        assert_eq!(know_again(0), Duration::from_secs(1));
        assert_eq!(know_again(200), Duration::from_secs(2));
        assert_eq!(know_again(1_000_000), Duration::from_secs(60));
    }
}
