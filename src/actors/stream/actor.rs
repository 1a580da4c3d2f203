//! The actor behind [`StreamHandle`]: a host of streams.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::time::Instant;

use super::handle::{Message, Request, StreamEnd, StreamHandle, StreamId};
use super::kpi_stream::{After, KpiStream, Surroundings};
use super::panics::text_of;
use super::timers::{Timer, Timers};
use crate::actors::ask;
use crate::actors::log_writer::Append;

pub(in crate::actors) use super::handle::NewStream;
pub(in crate::actors) use super::kpi_stream::StreamContext;

/// Hosts for each core. More than one, so that a stream with much to do delays few others.
const HOSTS_A_CORE: usize = 2;
const MOST_HOSTS: usize = 32;
/// Appends that are handed to the log before the rest of a message is done.
const OUTBOX: usize = 32;

/// Called when a stream has ended. Everything it had sent is queued at the log.
pub(in crate::actors) type OnEnd = Arc<dyn Fn(StreamId, StreamEnd) + Send + Sync>;

/// The hosts of a workspace.
pub(in crate::actors) struct StreamHosts {
    hosts: Vec<ActorRef<Message>>,
    started: u64,
}

impl StreamHosts {
    /// Starts the hosts.
    pub(in crate::actors) async fn start(
        context: StreamContext,
        on_end: OnEnd,
        supervisor: ActorCell,
    ) -> Result<Self, SpawnErr> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut hosts = Vec::new();
        for _ in 0..(cores * HOSTS_A_CORE).min(MOST_HOSTS) {
            let args = (context.clone(), on_end.clone());
            let (host, _) = Actor::spawn_linked(None, Host, args, supervisor.clone()).await?;
            hosts.push(host);
        }
        Ok(Self { hosts, started: 0 })
    }

    /// Starts a stream.
    pub(in crate::actors) fn start_stream(&mut self, new: NewStream) -> StreamHandle {
        let id = StreamId(self.started);
        let host = self.hosts[self.started as usize % self.hosts.len()].clone();
        self.started += 1;
        ask::send(&host, Message::Start(id, Box::new(new)));
        StreamHandle { host, id }
    }
}

struct Host;

struct State {
    context: StreamContext,
    on_end: OnEnd,
    streams: HashMap<StreamId, KpiStream>,
    timers: Timers,
    outbox: Vec<Append>,
    /// Timers that the stream of the present message asks for.
    new_timers: Vec<(Duration, Timer)>,
    myself: ActorRef<Message>,
}

impl Actor for Host {
    type Msg = Message;
    type State = State;
    type Arguments = (StreamContext, OnEnd);

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        (context, on_end): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State {
            context,
            on_end,
            streams: HashMap::new(),
            timers: Timers::default(),
            outbox: Vec::new(),
            new_timers: Vec::new(),
            myself,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Start(id, new) => {
                state.streams.insert(id, KpiStream::new(*new));
                state.run(id, |stream, around| {
                    stream.begin(around);
                    After::Continue
                });
            }
            Message::Ingest(all, arrival, part) => {
                for (id, batches) in all {
                    let part = part.clone();
                    state.run(id, |stream, around| stream.ingest(&batches, arrival, part, around));
                }
            }
            Message::To(id, request) => state.run(id, |stream, around| stream.handle(request, around)),
            Message::Timer => state.run_timers(),
        }
        state.send_outbox();
        if let Some(wait) = state.timers.arm(Instant::now()) {
            myself.send_after(wait, || Message::Timer);
        }
        Ok(())
    }
}

impl State {
    /// Has a stream do something. Messages to a stream that has ended are dropped. A panic ends the
    /// stream and no other: nothing that streams share is left half changed.
    fn run(&mut self, id: StreamId, work: impl FnOnce(&mut KpiStream, &mut Surroundings<'_>) -> After) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let mut turn = None;
        let mut around = Surroundings {
            context: &self.context,
            outbox: &mut self.outbox,
            timers: &mut self.new_timers,
            turn: &mut turn,
        };
        let end = match catch_unwind(AssertUnwindSafe(|| work(stream, &mut around))) {
            Ok(After::Continue) => None,
            Ok(After::Stop) => Some(StreamEnd::Finished),
            Ok(After::Vanish) => Some(StreamEnd::Empty),
            Err(panic) => Some(StreamEnd::Failed(text_of(panic.as_ref()))),
        };
        match end {
            None => {
                let now = (!self.new_timers.is_empty()).then(Instant::now);
                for (wait, timer) in self.new_timers.drain(..) {
                    now.iter().for_each(|now| self.timers.add(*now, wait, id, timer));
                }
                if let Some(bytes) = turn {
                    self.take_turn(id, bytes);
                }
                if self.outbox.len() >= OUTBOX {
                    self.send_outbox();
                }
            }
            Some(end) => {
                self.new_timers.clear();
                self.streams.remove(&id);
                // Recovery waits for what the stream had sent.
                self.send_outbox();
                (self.on_end)(id, end);
            }
        }
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some((id, timer)) = self.timers.next_due(now) {
            self.run(id, |stream, around| stream.on_timer(timer, around));
        }
    }

    /// Waits for the stream's turn to hand its state over.
    fn take_turn(&self, id: StreamId, bytes: usize) {
        let (myself, turns) = (self.myself.clone(), self.context.turns.clone());
        tokio::spawn(async move {
            if let Some(turn) = turns.take(bytes).await {
                ask::send(&myself, Message::To(id, Request::HandOver(turn)));
            }
        });
    }

    fn send_outbox(&mut self) {
        if !self.outbox.is_empty() {
            self.context.log.append_all(std::mem::take(&mut self.outbox));
        }
    }
}
