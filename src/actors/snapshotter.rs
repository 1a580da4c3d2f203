//! Scoring state to the snapshot store.
//!
//! **Owns** the newest unsaved snapshot of each KPI; a newer one replaces an older one, so a slow store bounds itself.
//! **A crash loses** snapshots, which costs replay time, not data. After them it saves the *watermark*: every event up to
//! it is part of a saved snapshot, so recovery reads the log from there.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::{Backends, Context};
use crate::services::records::Family;
use earcon_model::{KpiName, Seq};
use earcon_ports::{PortError, Snapshot};
use earcon_tenancy::WorkspacePass;

const WATERMARK: &str = "watermark";

/// Every event up to the returned one is part of a saved snapshot.
pub async fn load_watermark(backends: &Backends, pass: &WorkspacePass) -> Result<Seq, PortError> {
    let record = backends.meta_store.get(pass, &Family::Recovery.key(WATERMARK)).await?;
    Ok(record.and_then(|record| record.value.try_into().ok()).map_or(0, Seq::from_be_bytes))
}

/// Records that every event up to `watermark` is part of a saved snapshot.
pub(super) async fn save_watermark(backends: &Backends, pass: &WorkspacePass, watermark: Seq) -> Result<(), PortError> {
    let revision =
        backends.meta_store.get(pass, &Family::Recovery.key(WATERMARK)).await?.map_or(0, |record| record.revision);
    backends.meta_store.put(pass, &Family::Recovery.key(WATERMARK), revision, watermark.to_be_bytes().to_vec()).await?;
    Ok(())
}

enum Message {
    Save(Vec<Snapshot>, Seq),
    Write,
    Flush(oneshot::Sender<()>),
}

/// A handle to the snapshotter.
#[derive(Clone)]
pub struct Snapshotter(ActorRef<Message>);

impl Snapshotter {
    /// Starts it.
    pub async fn start(context: Context, pass: WorkspacePass, supervisor: ActorCell) -> Result<Self, ractor::SpawnErr> {
        let state = State { context, pass, waiting: HashMap::new(), watermark: None, armed: false };
        let (actor, _) = Actor::spawn_linked(None, SnapshotterActor, state, supervisor).await?;
        Ok(Self(actor))
    }

    /// Saves snapshots soon; once they are saved, every event up to `watermark` is part of one.
    pub fn save(&self, snapshots: Vec<Snapshot>, watermark: Seq) {
        let _stopped = self.0.cast(Message::Save(snapshots, watermark)).is_err();
    }

    /// Waits until everything handed over before was tried.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.0.cast(Message::Flush(sender)).is_ok() {
            let _stopped = receiver.await.is_err();
        }
    }
}

/// Snapshots on their way at once: a store across a network takes milliseconds for each.
const AT_ONCE: usize = 32;

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
                let _gone = reply.send(()).is_err();
            }
        }
        Ok(())
    }
}

impl State {
    /// A failure keeps what is left for the next round; the watermark moves only when nothing is left.
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
