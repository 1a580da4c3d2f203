//! The actor behind [`Snapshotter`].

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::handle::{Message, Snapshotter};
use super::watermark::save_watermark;
use crate::actors::context::Context;
use earcon_model::{KpiName, Seq};
use earcon_ports::{PortError, Snapshot};
use earcon_tenancy::WorkspacePass;

/// Snapshots on their way at once: a store across a network takes milliseconds for each.
const AT_ONCE: usize = 32;

/// Starts the snapshotter of a workspace.
pub(in crate::actors) async fn start(
    context: Context,
    pass: WorkspacePass,
    supervisor: ActorCell,
) -> Result<Snapshotter, SpawnErr> {
    let state = State { context, pass, waiting: HashMap::new(), watermark: None, armed: false };
    let (actor, _) = Actor::spawn_linked(None, SnapshotterActor, state, supervisor).await?;
    Ok(Snapshotter::new(actor))
}

struct SnapshotterActor;

struct State {
    context: Context,
    pass: WorkspacePass,
    waiting: HashMap<KpiName, Snapshot>,
    watermark: Option<Seq>,
    armed: bool,
}

impl Actor for SnapshotterActor {
    type Msg = Message;
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, _myself: ActorRef<Message>, state: State) -> Result<State, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Save(snapshots, watermark) => {
                state.waiting.extend(snapshots.into_iter().map(|snapshot| (snapshot.kpi.clone(), snapshot)));
                state.watermark = Some(watermark);
                if !state.armed {
                    state.armed = true;
                    myself.send_after(state.context.settings.snapshot_every / 8, || Message::Write);
                }
            }
            Message::Write => {
                state.armed = false;
                state.write().await;
            }
            Message::Flush(reply) => {
                state.write().await;
                reply.send(());
            }
        }
        Ok(())
    }
}

impl State {
    /// A failure keeps the rest for the next round; the watermark moves only if nothing is left.
    async fn write(&mut self) {
        if let Err(error) = self.try_write().await {
            tracing::warn!(workspace = %self.pass.workspace(), %error, "snapshots could not be saved; trying again with the next");
        }
    }

    async fn try_write(&mut self) -> Result<(), PortError> {
        let (store, pass) = (&self.context.backends.snapshot_store, &self.pass);
        let mut puts = stream::iter(self.waiting.values().cloned())
            .map(|snapshot| async move {
                let kpi = snapshot.kpi.clone();
                store.put(pass, snapshot).await.map(|()| kpi)
            })
            .buffer_unordered(AT_ONCE);
        let (mut saved, mut failure) = (Vec::new(), Ok(()));
        while let Some(put) = puts.next().await {
            match put {
                Ok(kpi) => saved.push(kpi),
                Err(error) => {
                    failure = Err(error);
                    break;
                }
            }
        }
        drop(puts);
        saved.iter().for_each(|kpi| drop(self.waiting.remove(kpi)));
        failure?;
        if let Some(watermark) = self.watermark {
            save_watermark(&self.context.backends, &self.pass, watermark).await?;
            self.watermark = None;
        }
        Ok(())
    }
}
