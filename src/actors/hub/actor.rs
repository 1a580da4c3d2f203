//! The actor behind [`Hub`].

use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::broadcast;

use super::batch::EventBatch;
use super::handle::{Hub, Message, SharedEpochs, Subscription};
use crate::live::LiveView;
use earcon_model::{Event, WorkspaceId};
use earcon_ports::Epochs;

/// Starts a hub of a log with these epochs. Its view is `view`; `buffer` group commits are kept for
/// slow followers.
pub(in crate::actors) async fn start(
    workspace: WorkspaceId,
    epochs: Epochs,
    view: LiveView,
    buffer: usize,
    supervisor: ActorCell,
) -> Result<Hub, SpawnErr> {
    let (batches, _) = broadcast::channel(buffer);
    let epochs = SharedEpochs::new(epochs);
    let state = State { workspace, epochs: epochs.clone(), view, batches };
    let (actor, _) = Actor::spawn_linked(None, HubActor, state, supervisor).await?;
    Ok(Hub::new(actor, epochs))
}

struct HubActor;

struct State {
    workspace: WorkspaceId,
    epochs: SharedEpochs,
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
        match message {
            Message::Committed(events) => state.committed(events),
            Message::Subscribe(reply) => reply.send(state.subscribe()),
            Message::View(reply) => reply.send((state.view.seq(), state.view.kpis())),
            Message::Kpi(kpi, reply) => reply.send(state.view.kpi(&kpi)),
            Message::OpenAnomaly(id, reply) => reply.send(state.view.open_anomaly(id).cloned()),
            Message::Incidents(reply) => reply.send(state.view.incidents()),
            Message::OpenIncident(id, reply) => reply.send(state.view.incident(id)),
            Message::Followers(reply) => reply.send(state.batches.receiver_count()),
        }
        Ok(())
    }
}

impl State {
    fn subscribe(&self) -> Subscription {
        let batches = self.batches.subscribe();
        let (kpis, incidents) = (self.view.kpis(), self.view.incidents());
        Subscription { seq: self.view.seq(), epochs: self.epochs.get(), kpis, incidents, batches }
    }

    fn committed(&mut self, events: Vec<Arc<Event>>) {
        for event in &events {
            self.view.apply(event);
        }
        let batch = EventBatch::new(self.workspace.clone(), self.epochs.get(), events);
        // An error means that there are no followers.
        let _no_followers = self.batches.send(Arc::new(batch)).is_err();
    }
}
