//! One audible rendering of a workspace: rendered and encoded once, however many listen.
//!
//! **Owns** the settings, the count of listeners and, while somebody listens, a render thread. **A crash loses** the
//! connection of the listeners; it restarts together with the workspace, with the settings people last saved.

mod pacing;
mod render_thread;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, oneshot, watch};

use super::Context;
use super::hub::Hub;
use crate::services::mixes::MixRecords;
use crate::telemetry::{Metric, gauge};
use earcon_audio::{Cue, MixSettings, Mode, Polarity, Voice};
use earcon_model::KpiName;
use earcon_ports::{ErrorKind, PortError, Revision};
use earcon_tenancy::WorkspacePass;
use render_thread::RenderThread;

/// The one mix every workspace has.
pub const DEFAULT_MIX: &str = "default";

/// How many packets a slow listener may be behind before it loses the oldest: one second.
const BUFFER: usize = 50;

/// What listeners hear and see, in order.
#[derive(Debug, Clone)]
pub enum Sound {
    /// 20 ms of Opus.
    Packet(Packet),
    /// The set of sounding voices has changed.
    Voices(Arc<Vec<Voice>>),
    /// A cue begins with the next packet.
    Cue(Arc<Cue>),
}

/// One Opus packet with its number in front, shared by all listeners.
#[derive(Debug, Clone)]
pub struct Packet(Bytes);

impl Packet {
    const HEADER: usize = size_of::<u64>();

    /// Puts the number in front of the packet, big-endian. It counts frames since the mix began to run; a jump is time
    /// that was skipped.
    pub fn new(number: u64, opus: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(Self::HEADER + opus.len());
        bytes.put_u64(number);
        bytes.put_slice(opus);
        Self(bytes.freeze())
    }

    /// The Opus packet alone.
    pub fn opus(&self) -> Bytes {
        self.0.slice(Self::HEADER..)
    }

    /// The number alone.
    pub fn number(&self) -> u64 {
        (&self.0[..]).get_u64()
    }
}

/// A listener's connection to the mix. Dropping it is leaving.
pub struct Listening {
    /// Packets and what goes with them.
    pub sounds: broadcast::Receiver<Sound>,
    /// The voices that sound now.
    pub voices: Arc<Vec<Voice>>,
    /// Samples at 48 kHz a decoder has to throw away at its start.
    pub pre_skip: u16,
    _seat: Box<dyn Send + Sync>,
}

impl Listening {
    /// A connection that lasts until `seat` is dropped with it.
    pub fn new(
        sounds: broadcast::Receiver<Sound>,
        voices: Arc<Vec<Voice>>,
        pre_skip: u16,
        seat: impl Send + Sync + 'static,
    ) -> Self {
        Self { sounds, voices, pre_skip, _seat: Box::new(seat) }
    }
}

struct Seat(ActorRef<Message>);

impl Drop for Seat {
    fn drop(&mut self) {
        gauge(Metric::Listeners).decrement(1.0);
        let _stopped = self.0.cast(Message::Left).is_err();
    }
}

/// A mix as people see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MixView {
    /// How it sounds.
    pub settings: MixSettings,
    /// Revision of the settings; 0 until somebody changed them.
    pub revision: Revision,
    /// How many listen.
    pub listeners: usize,
    /// Whether it is rendered right now.
    pub running: bool,
    /// The voices that sound now.
    pub sounding: Arc<Vec<Voice>>,
}

/// A change of some settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MixChange {
    /// Ambient, or cues only.
    pub mode: Option<Mode>,
    /// KPIs in the foreground.
    pub voices: Option<u8>,
    /// Which way is up, by KPI; replaces the whole table.
    pub polarity: Option<BTreeMap<KpiName, Polarity>>,
}

enum Message {
    Load,
    Listen(oneshot::Sender<Listening>),
    Left,
    LingerOver(u64),
    FellBehind,
    Describe(oneshot::Sender<MixView>),
    Change(MixChange, Option<Revision>, oneshot::Sender<Result<MixView, PortError>>),
}

/// A handle to a mix. Its questions answer `None` when the workspace is going away.
#[derive(Clone)]
pub struct Mix(ActorRef<Message>);

impl Mix {
    /// Starts the workspace's mix; it renders nothing until somebody listens.
    pub async fn start(
        context: Context,
        pass: WorkspacePass,
        hub: Hub,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let records = MixRecords::new(context.backends.meta_store.clone());
        let args = Args { context, pass, hub, records };
        let (actor, _) = Actor::spawn_linked(None, MixActor, args, supervisor).await?;
        Ok(Self(actor))
    }

    /// Begins to listen.
    pub async fn listen(&self) -> Option<Listening> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(Message::Listen(sender)).ok()?;
        receiver.await.ok()
    }

    /// How it stands.
    pub async fn describe(&self) -> Option<MixView> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(Message::Describe(sender)).ok()?;
        receiver.await.ok()
    }

    /// Changes settings for everybody, durably. With `expected`, only if that is still the revision.
    pub async fn change(&self, change: MixChange, expected: Option<Revision>) -> Option<Result<MixView, PortError>> {
        let (sender, receiver) = oneshot::channel();
        self.0.cast(Message::Change(change, expected, sender)).ok()?;
        receiver.await.ok()
    }

    /// Stops the mix; listeners see the end.
    pub async fn stop(&self) {
        let _already_stopped = self.0.stop_and_wait(None, None).await.is_err();
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
    /// Counts departures to silence, so that an old timer does not stop a mix somebody came back to.
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
            Message::Describe(reply) => {
                let _gone = reply.send(state.view()).is_err();
            }
            Message::Change(change, expected, reply) => {
                let result = state.change(change, expected).await;
                let _gone = reply.send(result).is_err();
            }
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

    async fn listen(
        &mut self,
        myself: &ActorRef<Message>,
        reply: oneshot::Sender<Listening>,
    ) -> Result<(), ActorProcessingErr> {
        if self.running.is_none() {
            let Some(seed) = self.args.hub.subscribe().await else { return Ok(()) };
            let behind = myself.clone();
            let thread = RenderThread::start(
                self.settings.clone(),
                seed,
                self.args.context.clock.clone(),
                self.sounds.clone(),
                self.sounding.clone(),
                move || {
                    let _stopped = behind.cast(Message::FellBehind).is_err();
                },
            )?;
            self.running = Some(thread);
        }
        self.listeners += 1;
        gauge(Metric::Listeners).increment(1.0);
        let listening = Listening::new(
            self.sounds.subscribe(),
            self.sounding.borrow().clone(),
            self.running.as_ref().map_or(0, RenderThread::pre_skip),
            Seat(myself.clone()),
        );
        // A listener that is already gone drops its seat, which is leaving.
        let _gone = reply.send(listening).is_err();
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

    /// The render thread fell out of the broadcast: give it the present state and a new subscription.
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
