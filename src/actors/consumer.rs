//! A cursor consumer: hands every event of the log to a handler, in order, each at least once.
//!
//! **Owns** its position. It lives on the live broadcast, which shares events by reference, and reads the log whenever it
//! is behind: at start, after falling out of the broadcast, after its store was away. **A crash loses** nothing; it
//! continues behind the handler's durable cursor. A store that fails is tried again with growing pauses; until then the
//! consumer lags, which is a gauge, and nobody else notices.

mod fan_out;
mod history;

pub use fan_out::FanOut;
pub use history::History;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use super::Context;
use super::hub::{EventBatch, Hub};
use crate::telemetry::{GaugePart, Metric, count};
use earcon_model::{Event, EventBody, Seq, SeriesEvent};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// What a consumer does with events.
pub trait Handler: Send + Sync + 'static {
    /// Its name in logs.
    fn name(&self) -> &'static str;
    /// The last event whose effects are durable.
    fn cursor(&self, pass: &WorkspacePass) -> impl Future<Output = Result<Seq, PortError>> + Send;
    /// Takes events in; being given an event twice must change nothing.
    fn handle(
        &self,
        pass: &WorkspacePass,
        events: Vec<Arc<Event>>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Takes the events of a live batch in that come after `handled`: the same, for handlers that have a use for the encoding
    /// the batch shares with other followers.
    fn handle_live(
        &self,
        pass: &WorkspacePass,
        batch: &EventBatch,
        handled: Seq,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        self.handle(pass, batch.events().filter(|event| event.seq > handled).cloned().collect())
    }
    /// Makes everything handled durable; returns the cursor.
    fn flush(&self, pass: &WorkspacePass) -> impl Future<Output = Result<Seq, PortError>> + Send;
}

/// How many events one read of the log asks for.
const PAGE: usize = 512;
/// After this many samples the handler is flushed even if its time has not come, which bounds what it holds in memory.
const FLUSH_SAMPLES: usize = 500_000;
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_CAP: Duration = Duration::from_secs(10);

enum Message {
    Next,
    Finish(oneshot::Sender<Seq>),
}

/// A handle to a consumer.
#[derive(Clone)]
pub struct Consumer {
    actor: ActorRef<Message>,
    reached: Arc<AtomicU64>,
}

impl Consumer {
    /// Starts a consumer of the workspace whose live events come from `hub`.
    pub async fn start<H: Handler>(
        handler: H,
        context: Context,
        pass: WorkspacePass,
        hub: Hub,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let reached = Arc::new(AtomicU64::new(0));
        let args = Args { handler, context, pass, hub, reached: reached.clone() };
        let (actor, _) = Actor::spawn_linked(None, ConsumerActor(std::marker::PhantomData), args, supervisor).await?;
        Ok(Self { actor, reached })
    }

    /// The last event handled; 0 until the handler's cursor could be read.
    pub fn reached(&self) -> Seq {
        self.reached.load(Ordering::Relaxed)
    }

    /// Reads to the end of the log, flushes and stops. Returns the cursor, or `None` when the consumer is gone.
    pub async fn finish(&self) -> Option<Seq> {
        let (sender, receiver) = oneshot::channel();
        self.actor.cast(Message::Finish(sender)).ok()?;
        receiver.await.ok()
    }
}

struct ConsumerActor<H>(std::marker::PhantomData<H>);

struct Args<H> {
    handler: H,
    context: Context,
    pass: WorkspacePass,
    hub: Hub,
    reached: Arc<AtomicU64>,
}

struct State<H> {
    args: Args<H>,
    live: Option<broadcast::Receiver<Arc<EventBatch>>>,
    /// The last event handled; `None` until the handler's cursor could be read.
    handled: Option<Seq>,
    /// The last event handled, kept over failures.
    reached: Seq,
    /// The newest event known to be in the log.
    head: Seq,
    lag: GaugePart,
    /// Samples handled since the last flush.
    unflushed: usize,
    flush_at: Instant,
    pause: Duration,
}

impl<H: Handler> Actor for ConsumerActor<H> {
    type Msg = Message;
    type State = State<H>;
    type Arguments = Args<H>;

    async fn pre_start(&self, myself: ActorRef<Message>, args: Args<H>) -> Result<State<H>, ActorProcessingErr> {
        let flush_at = Instant::now() + args.context.settings.flush_every;
        myself.cast(Message::Next)?;
        let lag = GaugePart::for_metric(Metric::ConsumerLag);
        Ok(State { args, live: None, handled: None, reached: 0, head: 0, lag, unflushed: 0, flush_at, pause: PAUSE })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State<H>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Next => match state.step().await {
                Ok(()) => {
                    state.pause = PAUSE;
                    myself.cast(Message::Next)?;
                }
                Err(error) => state.retry(&myself, &error).await,
            },
            Message::Finish(reply) => {
                match state.finish().await {
                    Ok(cursor) => {
                        let _gone = reply.send(cursor).is_err();
                    }
                    // What is missing is in the log; the next start goes on behind the cursor.
                    Err(error) => tracing::warn!(consumer = state.args.handler.name(), %error, "not flushed"),
                }
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl<H: Handler> State<H> {
    /// Does a bounded piece of work: a page of the log, or one live batch, or a flush that is due.
    async fn step(&mut self) -> Result<(), PortError> {
        let Some(handled) = self.handled else {
            let cursor = self.args.handler.cursor(&self.args.pass).await?;
            self.handled = Some(cursor);
            self.reached = cursor;
            self.tell_lag();
            return Ok(());
        };
        if self.live.is_none() {
            let Some(subscription) = self.args.hub.subscribe().await else {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            };
            self.head = self.head.max(subscription.seq);
            self.live = Some(subscription.batches);
        }
        if handled < self.head {
            self.read_page(handled).await?;
        } else {
            self.next_batch(handled).await?;
        }
        self.flush_if_due().await
    }

    async fn read_page(&mut self, handled: Seq) -> Result<(), PortError> {
        let log = &self.args.context.backends.event_log;
        let page = log.read(&self.args.pass, handled + 1, PAGE).await?;
        let events: Vec<_> = page.events.into_iter().filter(|event| event.seq > handled).collect();
        if events.is_empty() {
            // Trimmed away before this consumer read it: retention said so, continue with what is held.
            self.handled = Some(self.head);
            return Ok(());
        }
        self.args.handler.handle(&self.args.pass, events.clone()).await?;
        self.taken(&events);
        Ok(())
    }

    async fn next_batch(&mut self, handled: Seq) -> Result<(), PortError> {
        let Some(live) = self.live.as_mut() else { return Ok(()) };
        let batch = match tokio::time::timeout_at(self.flush_at, live.recv()).await {
            Err(_elapsed) => return Ok(()),
            Ok(Ok(batch)) => batch,
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                // What was missed is in the log; the next subscription says how far it reaches.
                self.live = None;
                return Ok(());
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => {
                self.live = None;
                return Ok(());
            }
        };
        let events: Vec<_> = batch.events().filter(|event| event.seq > handled).cloned().collect();
        let Some(last) = events.last().map(|event| event.seq) else { return Ok(()) };
        self.head = self.head.max(last);
        // A batch that does not follow on is read from the log, from behind what was handled.
        if events[0].seq == handled + 1 {
            self.args.handler.handle_live(&self.args.pass, &batch, handled).await?;
            self.taken(&events);
        }
        Ok(())
    }

    fn taken(&mut self, events: &[Arc<Event>]) {
        let Some(last) = events.last().map(|event| event.seq) else { return };
        self.handled = Some(last);
        self.unflushed += events.iter().map(|event| weight(event)).sum::<usize>();
        self.reached = last;
        self.tell_lag();
    }

    async fn flush_if_due(&mut self) -> Result<(), PortError> {
        if self.unflushed >= FLUSH_SAMPLES || (Instant::now() >= self.flush_at && self.unflushed > 0) {
            self.args.handler.flush(&self.args.pass).await?;
            self.unflushed = 0;
        }
        if Instant::now() >= self.flush_at {
            self.flush_at = Instant::now() + self.args.context.settings.flush_every;
        }
        Ok(())
    }

    fn tell_lag(&mut self) {
        self.args.reached.store(self.reached, Ordering::Relaxed);
        self.lag.set(self.head.saturating_sub(self.reached) as usize);
    }

    /// After a failure the handler's durable cursor counts, not what it may have taken in part. The log goes on meanwhile,
    /// and the lag has to show it.
    async fn retry(&mut self, myself: &ActorRef<Message>, error: &PortError) {
        if let Some((head, _)) = self.args.hub.view().await {
            self.head = self.head.max(head);
        }
        self.tell_lag();
        count(Metric::ConsumerFailures, 1);
        let name = self.args.handler.name();
        tracing::warn!(consumer = name, workspace = %self.args.pass.workspace(), %error, "events could not be handed on, trying again");
        self.handled = None;
        self.live = None;
        myself.send_after(self.pause, || Message::Next);
        self.pause = (self.pause * 2).min(PAUSE_CAP);
    }

    async fn finish(&mut self) -> Result<Seq, PortError> {
        let log = &self.args.context.backends.event_log;
        self.head = log.head(&self.args.pass).await?.map_or(self.head, |head| head.next - 1);
        let mut handled = match self.handled {
            Some(handled) => handled,
            None => self.args.handler.cursor(&self.args.pass).await?,
        };
        while handled < self.head {
            self.read_page(handled).await?;
            handled = self.handled.unwrap_or(self.head);
        }
        self.args.handler.flush(&self.args.pass).await
    }
}

/// What an event costs its handler, in samples.
fn weight(event: &Event) -> usize {
    match &event.body {
        EventBody::Series(SeriesEvent::Samples(series) | SeriesEvent::Backfilled(series)) => {
            series.iter().map(|series| series.samples.len() + series.late.len()).sum()
        }
        _ => 1,
    }
}
