//! The actor behind [`Mix`].

use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::{broadcast, watch};

use super::handle::{DEFAULT_MIX, Message, Mix, MixChange, MixView};
use super::listening::{Listening, Sound};
use super::render_thread::{Output, RenderThread};
use crate::actors::ask::{self, Reply};
use crate::actors::context::Context;
use crate::actors::hub::Hub;
use crate::services::mixes::MixRecords;
use crate::telemetry::{Metric, gauge};
use earcon_audio::{MixSettings, Voice};
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// How many packets a slow listener may be behind before it loses the oldest: one second.
const BUFFER: usize = 50;

/// Starts the workspace's mix; it renders nothing until there is a listener.
pub(in crate::actors) async fn start(
    context: Context,
    pass: WorkspacePass,
    hub: Hub,
    supervisor: ActorCell,
) -> Result<Mix, SpawnErr> {
    let records = MixRecords::new(context.backends.meta_store.clone());
    let args = Args { context, pass, hub, records };
    let (actor, _) = Actor::spawn_linked(None, MixActor, args, supervisor).await?;
    Ok(Mix::new(actor))
}

/// Dropped when its listener leaves.
struct Seat(ActorRef<Message>);

impl Drop for Seat {
    fn drop(&mut self) {
        gauge(Metric::Listeners).decrement(1.0);
        ask::send(&self.0, Message::Left);
    }
}

struct MixActor;

struct Args {
    context: Context,
    pass: WorkspacePass,
    hub: Hub,
    records: MixRecords,
}

struct State {
    args: Args,
    settings: MixSettings,
    revision: Revision,
    listeners: usize,
    /// Counts how often the last listener left, so that an old timer does not stop a mix that has
    /// listeners again.
    silences: u64,
    sounds: broadcast::Sender<Sound>,
    sounding: watch::Sender<Arc<Vec<Voice>>>,
    running: Option<RenderThread>,
}

impl Actor for MixActor {
    type Msg = Message;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, myself: ActorRef<Message>, args: Args) -> Result<State, ActorProcessingErr> {
        myself.cast(Message::Load)?;
        let settings = args.context.settings.mix.clone();
        let (sounds, _) = broadcast::channel(BUFFER);
        let (sounding, _) = watch::channel(Arc::default());
        Ok(State { args, settings, revision: 0, listeners: 0, silences: 0, sounds, sounding, running: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Load => state.load().await?,
            Message::Listen(reply) => state.listen(&myself, reply).await?,
            Message::Left => state.left(&myself),
            Message::LingerOver(silence) if silence == state.silences && state.listeners == 0 => state.silence(),
            Message::LingerOver(_) => {}
            Message::FellBehind => state.reseed().await,
            Message::Describe(reply) => reply.send(state.view()),
            Message::Change(change, expected, reply) => reply.send(state.change(change, expected).await),
        }
        Ok(())
    }

    async fn post_stop(&self, _myself: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.silence();
        Ok(())
    }
}

impl State {
    async fn load(&mut self) -> Result<(), PortError> {
        let (saved, revision) = self.args.records.load(&self.args.pass, DEFAULT_MIX).await?;
        self.revision = revision;
        if let Some(settings) = saved {
            self.settings = settings;
        }
        Ok(())
    }

    async fn listen(&mut self, myself: &ActorRef<Message>, reply: Reply<Listening>) -> Result<(), ActorProcessingErr> {
        if self.running.is_none() {
            let Some(seed) = self.args.hub.subscribe().await else { return Ok(()) };
            let behind = myself.clone();
            let output = Output {
                sounds: self.sounds.clone(),
                sounding: self.sounding.clone(),
                fell_behind: Box::new(move || ask::send(&behind, Message::FellBehind)),
            };
            let clock = self.args.context.clock.clone();
            self.running = Some(RenderThread::start(self.settings.clone(), seed, clock, output)?);
        }
        self.listeners += 1;
        gauge(Metric::Listeners).increment(1.0);
        // If the listener has left, its seat is dropped with the answer, and it is no longer
        // counted.
        reply.send(Listening::new(
            self.sounds.subscribe(),
            self.sounding.borrow().clone(),
            self.running.as_ref().map_or(0, RenderThread::pre_skip),
            Seat(myself.clone()),
        ));
        Ok(())
    }

    fn left(&mut self, myself: &ActorRef<Message>) {
        self.listeners = self.listeners.saturating_sub(1);
        if self.listeners == 0 {
            self.silences += 1;
            let silence = self.silences;
            myself.send_after(self.args.context.settings.mix_linger, move || Message::LingerOver(silence));
        }
    }

    fn silence(&mut self) {
        self.running = None;
        self.sounding.send_replace(Arc::default());
    }

    /// The render thread fell out of the broadcast: it gets the present state and a new
    /// subscription.
    async fn reseed(&mut self) {
        if let Some(thread) = &self.running
            && let Some(seed) = self.args.hub.subscribe().await
        {
            thread.reseed(seed);
        }
    }

    fn view(&self) -> MixView {
        MixView {
            settings: self.settings.clone(),
            revision: self.revision,
            listeners: self.listeners,
            running: self.running.is_some(),
            sounding: self.sounding.borrow().clone(),
        }
    }

    async fn change(&mut self, change: MixChange, expected: Option<Revision>) -> Result<MixView, PortError> {
        if expected.is_some_and(|expected| expected != self.revision) {
            let message = format!("the mix is at revision {}, not {}", self.revision, expected.unwrap_or_default());
            return Err(PortError::new(ErrorKind::Conflict, message));
        }
        let mut settings = self.settings.clone();
        settings.mode = change.mode.unwrap_or(settings.mode);
        settings.voices = change.voices.unwrap_or(settings.voices);
        settings.polarity = change.polarity.unwrap_or(settings.polarity);
        self.revision = self.args.records.save(&self.args.pass, DEFAULT_MIX, &settings, self.revision).await?;
        self.settings = settings;
        if let Some(thread) = &self.running {
            thread.change(self.settings.clone());
        }
        Ok(self.view())
    }
}
