//! Live broadcast of committed events, and the state of the workspace after the newest one.
//!
//! **Owns** the [`LiveView`] and the broadcast. **A crash loses** the live connection of followers, who resume by `seq`
//! from the log; it restarts together with the workspace. An event is encoded at most once in each form, by the first
//! follower that needs it, and shared by reference; nobody following, nothing encoded.

use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::{broadcast, oneshot};

use crate::live::{KpiView, LiveView, MessageFrame, compact, wire};
use earcon_model::{Anomaly, AnomalyId, Event, Incident, IncidentId, KpiName, Seq, WorkspaceId};

/// The events of one group commit, shared by all followers.
pub struct EventBatch {
    workspace: WorkspaceId,
    epoch: Arc<str>,
    events: Vec<LiveEvent>,
}

/// One event with its encodings, made on first use.
pub struct LiveEvent {
    event: Arc<Event>,
    json: OnceLock<MessageFrame>,
    compact: OnceLock<MessageFrame>,
}

impl EventBatch {
    /// Wraps committed events.
    pub fn new(workspace: WorkspaceId, epoch: Arc<str>, events: Vec<Arc<Event>>) -> Self {
        let live = |event| LiveEvent { event, json: OnceLock::new(), compact: OnceLock::new() };
        let events = events.into_iter().map(live).collect();
        Self { workspace, epoch, events }
    }

    /// The events in `seq` order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter().map(|live| &live.event)
    }

    /// Each event with a way to get its message; it is encoded at most once, however many followers there are.
    pub fn encoded(&self) -> impl Iterator<Item = (&Arc<Event>, impl FnOnce() -> MessageFrame + '_)> {
        self.events.iter().map(|live| {
            let message = || {
                let encode = || MessageFrame::text(&wire::event_json(&live.event, &self.workspace, &self.epoch));
                live.json.get_or_init(encode).clone()
            };
            (&live.event, message)
        })
    }

    /// The same in the compact form.
    pub fn compact(&self) -> impl Iterator<Item = (&Arc<Event>, impl FnOnce() -> MessageFrame + '_)> {
        self.events.iter().map(|live| {
            let message = || {
                let encode = || MessageFrame::binary(&[&compact::event_msgpack(&live.event)]);
                live.compact.get_or_init(encode).clone()
            };
            (&live.event, message)
        })
    }
}

/// What a new follower gets: the state after event `seq`, and every later batch.
pub struct Subscription {
    /// The newest event the view includes; the first batch received begins right behind it.
    pub seq: Seq,
    /// All KPIs, shared.
    pub kpis: Vec<Arc<KpiView>>,
    /// The open incidents, shared.
    pub incidents: Vec<Arc<Incident>>,
    /// Later batches; `Lagged` when the follower is too slow, `Closed` when the workspace goes away.
    pub batches: broadcast::Receiver<Arc<EventBatch>>,
}

enum Message {
    Committed(Vec<Arc<Event>>),
    Subscribe(oneshot::Sender<Subscription>),
    View(oneshot::Sender<(Seq, Vec<Arc<KpiView>>)>),
    Kpi(KpiName, oneshot::Sender<Option<Arc<KpiView>>>),
    OpenAnomaly(AnomalyId, oneshot::Sender<Option<Anomaly>>),
    Incidents(oneshot::Sender<Vec<Arc<Incident>>>),
    OpenIncident(IncidentId, oneshot::Sender<Option<Arc<Incident>>>),
    Followers(oneshot::Sender<usize>),
}

/// A handle to the hub. Its questions answer `None` when the workspace is going away.
#[derive(Clone)]
pub struct Hub {
    actor: ActorRef<Message>,
    epoch: Arc<str>,
}

impl Hub {
    /// Starts a hub whose view is `view`; `buffer` group commits are kept for slow followers.
    pub async fn start(
        workspace: WorkspaceId,
        epoch: Arc<str>,
        view: LiveView,
        buffer: usize,
        supervisor: ActorCell,
    ) -> Result<Self, ractor::SpawnErr> {
        let (batches, _) = broadcast::channel(buffer);
        let state = State { workspace, epoch: epoch.clone(), view, batches };
        let (actor, _) = Actor::spawn_linked(None, HubActor, state, supervisor).await?;
        Ok(Self { actor, epoch })
    }

    /// The epoch of the log whose events are broadcast.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Broadcasts events the log now holds.
    pub fn committed(&self, events: Vec<Arc<Event>>) {
        let _stopping = self.actor.cast(Message::Committed(events)).is_err();
    }

    /// Follows the workspace from its present state on.
    pub async fn subscribe(&self) -> Option<Subscription> {
        self.ask(Message::Subscribe).await
    }

    /// The newest event and all KPIs after it.
    pub async fn view(&self) -> Option<(Seq, Vec<Arc<KpiView>>)> {
        self.ask(Message::View).await
    }

    /// One KPI.
    pub async fn kpi(&self, kpi: KpiName) -> Option<Option<Arc<KpiView>>> {
        self.ask(|reply| Message::Kpi(kpi, reply)).await
    }

    /// An anomaly that is open now.
    pub async fn open_anomaly(&self, id: AnomalyId) -> Option<Option<Anomaly>> {
        self.ask(|reply| Message::OpenAnomaly(id, reply)).await
    }

    /// The open incidents.
    pub async fn incidents(&self) -> Option<Vec<Arc<Incident>>> {
        self.ask(Message::Incidents).await
    }

    /// An incident that is open now.
    pub async fn open_incident(&self, id: IncidentId) -> Option<Option<Arc<Incident>>> {
        self.ask(|reply| Message::OpenIncident(id, reply)).await
    }

    /// How many follow live.
    pub async fn followers(&self) -> Option<usize> {
        self.ask(Message::Followers).await
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.actor.cast(message(sender)).ok()?;
        receiver.await.ok()
    }

    /// Stops the hub; followers see the end of the broadcast.
    pub async fn stop(&self) {
        let _already_stopped = self.actor.stop_and_wait(None, None).await.is_err();
    }
}

struct HubActor;

struct State {
    workspace: WorkspaceId,
    epoch: Arc<str>,
    view: LiveView,
    batches: broadcast::Sender<Arc<EventBatch>>,
}

impl Actor for HubActor {
    type Msg = Message;
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, _myself: ActorRef<Message>, state: State) -> Result<State, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Whoever asked may have gone away in the meantime; that is no concern of the hub.
        match message {
            Message::Committed(events) => state.committed(events),
            Message::Subscribe(reply) => {
                let batches = state.batches.subscribe();
                let (kpis, incidents) = (state.view.kpis(), state.view.incidents());
                let subscription = Subscription { seq: state.view.seq(), kpis, incidents, batches };
                let _gone = reply.send(subscription).is_err();
            }
            Message::View(reply) => {
                let _gone = reply.send((state.view.seq(), state.view.kpis())).is_err();
            }
            Message::Kpi(kpi, reply) => {
                let _gone = reply.send(state.view.kpi(&kpi)).is_err();
            }
            Message::OpenAnomaly(id, reply) => {
                let _gone = reply.send(state.view.open_anomaly(id).cloned()).is_err();
            }
            Message::Incidents(reply) => {
                let _gone = reply.send(state.view.incidents()).is_err();
            }
            Message::OpenIncident(id, reply) => {
                let _gone = reply.send(state.view.incident(id)).is_err();
            }
            Message::Followers(reply) => {
                let _gone = reply.send(state.batches.receiver_count()).is_err();
            }
        }
        Ok(())
    }
}

impl State {
    fn committed(&mut self, events: Vec<Arc<Event>>) {
        for event in &events {
            self.view.apply(event);
        }
        let batch = EventBatch::new(self.workspace.clone(), self.epoch.clone(), events);
        // An error means that nobody follows, which is fine.
        let _nobody = self.batches.send(Arc::new(batch)).is_err();
    }
}
