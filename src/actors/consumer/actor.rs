//! The actor behind [`Consumer`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::handle::{Consumer, Message, Position};
use super::handler::Handler;
use crate::actors::context::Context;
use crate::actors::hub::{EventBatch, Hub};
use crate::telemetry::{GaugePart, Metric, Repeats, count};
use earcon_model::{Event, EventBody, Seq, SeriesEvent};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// How many events one read of the log asks for.
const PAGE: usize = 512;
/// After this many samples the handler is flushed even if it is not time yet. That bounds its
/// memory.
const FLUSH_SAMPLES: usize = 500_000;
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_CAP: Duration = Duration::from_secs(10);

/// Starts a consumer of the workspace whose live events come from `hub`.
pub(in crate::actors) async fn start<H: Handler>(
    handler: H,
    context: Context,
    pass: WorkspacePass,
    hub: Hub,
    supervisor: ActorCell,
) -> Result<Consumer, SpawnErr> {
    let position = Arc::new(Position::unknown());
    let args = Args { handler, context, pass, hub, position: position.clone() };
    let (actor, _) = Actor::spawn_linked(None, ConsumerActor(PhantomData), args, supervisor).await?;
    Ok(Consumer::new(actor, position))
}

struct ConsumerActor<H>(PhantomData<H>);

struct Args<H> {
    handler: H,
    context: Context,
    pass: WorkspacePass,
    hub: Hub,
    position: Arc<Position>,
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
    repeats: Repeats,
}

impl<H: Handler> Actor for ConsumerActor<H> {
    type Msg = Message;
    type State = State<H>;
    type Arguments = Args<H>;

    async fn pre_start(&self, myself: ActorRef<Message>, args: Args<H>) -> Result<State<H>, ActorProcessingErr> {
        let flush_at = Instant::now() + args.context.settings.flush_every;
        myself.cast(Message::Next)?;
        let lag = GaugePart::for_metric(Metric::ConsumerLag);
        Ok(State {
            args,
            live: None,
            handled: None,
            reached: 0,
            head: 0,
            lag,
            unflushed: 0,
            flush_at,
            pause: PAUSE,
            repeats: Repeats::default(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State<H>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Next => match state.step().await {
                Ok(()) => myself.cast(Message::Next)?,
                Err(error) => state.retry(&myself, &error).await,
            },
            Message::Finish(reply) => {
                match state.finish().await {
                    Ok(cursor) => reply.send(cursor),
                    // The rest is in the log; the next start continues behind the cursor.
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
            return Ok(());
        };
        if self.live.is_none() {
            let Some(subscription) = self.args.hub.subscribe().await else {
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            };
            self.head = self.head.max(subscription.seq);
            self.live = Some(subscription.batches);
            self.update_lag();
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
            // Retention removed the events before this consumer read them: continue at the head.
            self.handled = Some(self.head);
            self.reached = self.head;
            self.update_lag();
            return Ok(());
        }
        self.args.handler.handle(&self.args.pass, events.clone()).await?;
        self.advance(&events);
        Ok(())
    }

    async fn next_batch(&mut self, handled: Seq) -> Result<(), PortError> {
        let Some(live) = self.live.as_mut() else { return Ok(()) };
        let batch = match tokio::time::timeout_at(self.flush_at, live.recv()).await {
            Err(_elapsed) => return Ok(()),
            Ok(Ok(batch)) => batch,
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                // Missed events are in the log; the next subscription has its newest event.
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
        // A batch that leaves a gap is read from the log instead.
        if events[0].seq == handled + 1 {
            self.args.handler.handle_live(&self.args.pass, &batch, handled).await?;
            self.advance(&events);
        }
        Ok(())
    }

    fn advance(&mut self, events: &[Arc<Event>]) {
        let Some(last) = events.last().map(|event| event.seq) else { return };
        // Not sooner: the step after a failure only reads the cursor.
        self.pause = PAUSE;
        self.handled = Some(last);
        self.unflushed += events.iter().map(|event| weight(event)).sum::<usize>();
        self.reached = last;
        self.update_lag();
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

    fn update_lag(&mut self) {
        self.args.position.head.store(self.head, Ordering::Relaxed);
        self.args.position.reached.store(self.reached, Ordering::Relaxed);
        self.lag.set(self.head.saturating_sub(self.reached) as usize);
    }

    /// After a failure the handler's durable cursor counts; events that were applied in part are
    /// applied again. The log grows meanwhile, and the lag must show it.
    async fn retry(&mut self, myself: &ActorRef<Message>, error: &PortError) {
        if let Some((head, _)) = self.args.hub.view().await {
            self.head = self.head.max(head);
        }
        self.update_lag();
        // Queries must not wait for a store that is away.
        self.args.position.head.store(self.reached, Ordering::Relaxed);
        count(Metric::ConsumerFailures, 1);
        if let Some(unlogged) = self.repeats.failed(&error.to_string()) {
            let (name, workspace) = (self.args.handler.name(), self.args.pass.workspace());
            tracing::warn!(consumer = name, %workspace, %error, unlogged, "events could not be handed on, trying again");
        }
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
