//! The actor behind [`Snapshotter`].
//!
//! Snapshots are saved as they come, a few at a time, so that their turns end soon. It saves the
//! watermark less often, because that is a synced write.

use std::collections::BTreeSet;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};

use super::handle::{Message, SavedChange, Snapshotter};
use super::waiting::Waiting;
use super::watermark::save_watermark;
use crate::actors::context::Context;
use crate::actors::recovery::UnrecordedOpening;
use crate::telemetry::Repeats;
use earcon_model::{KpiName, Seq};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// Between two attempts to record an opening on a full disk.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// Starts the snapshotter of a workspace.
pub(in crate::actors) async fn start(
    context: Context,
    pass: WorkspacePass,
    unrecorded: Option<UnrecordedOpening>,
    supervisor: ActorCell,
) -> Result<Snapshotter, SpawnErr> {
    let is_recorded = unrecorded.is_none();
    let state = State {
        unrecorded,
        context,
        pass,
        waiting: Waiting::default(),
        removed: BTreeSet::new(),
        watermark: None,
        writing: false,
        advancing: false,
        repeats: Repeats::default(),
    };
    let (actor, _) = Actor::spawn_linked(None, SnapshotterActor, state, supervisor).await?;
    if !is_recorded {
        actor.send_after(RECORD_EVERY, || Message::Write);
    }
    Ok(Snapshotter::new(actor))
}

struct SnapshotterActor;

struct State {
    context: Context,
    pass: WorkspacePass,
    waiting: Waiting,
    /// KPIs whose stored snapshots have to go before others are saved.
    removed: BTreeSet<KpiName>,
    watermark: Option<Seq>,
    /// A message to write is on its way.
    writing: bool,
    /// A message to save the watermark is on its way.
    advancing: bool,
    repeats: Repeats,
    /// The opening of the log, if the disk was too full to record it.
    unrecorded: Option<UnrecordedOpening>,
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
            Message::Save(changes, watermark) => state.take(&myself, changes, watermark)?,
            Message::Write => {
                state.writing = false;
                let result = state.write().await;
                state.warn(&myself, result);
            }
            Message::Advance => {
                state.advancing = false;
                let result = state.advance().await;
                state.warn(&myself, result);
            }
            Message::Flush(reply) => {
                let result = match state.write().await {
                    Ok(()) => state.advance().await,
                    failed => failed,
                };
                state.warn(&myself, result);
                reply.send(());
            }
        }
        Ok(())
    }
}

impl State {
    fn take(
        &mut self,
        myself: &ActorRef<Message>,
        changes: Vec<SavedChange>,
        watermark: Seq,
    ) -> Result<(), ActorProcessingErr> {
        for change in changes {
            match change {
                SavedChange::Part(snapshot, turn) => {
                    self.waiting.push(snapshot, turn);
                }
                SavedChange::Removed(kpi) => {
                    self.waiting.remove(&kpi);
                    self.removed.insert(kpi);
                }
            }
        }
        self.watermark = Some(watermark);
        if !self.writing {
            self.writing = true;
            // Behind the snapshots that have arrived already, which are then saved together.
            myself.cast(Message::Write)?;
        }
        if !self.advancing {
            self.advancing = true;
            myself.send_after(self.context.settings.snapshot_every / 8, || Message::Advance);
        }
        Ok(())
    }

    /// A failure keeps the snapshots, and their turns, for another attempt.
    fn warn(&mut self, myself: &ActorRef<Message>, result: Result<(), PortError>) {
        let Err(error) = result else { return };
        if let Some(unlogged) = self.repeats.failed(&error.to_string()) {
            let workspace = self.pass.workspace();
            tracing::warn!(%workspace, %error, unlogged, "snapshots could not be saved; trying again soon");
        }
        if !self.writing {
            self.writing = true;
            let pause = self.context.settings.snapshot_every / 8;
            let pause = if self.unrecorded.is_some() { pause.min(RECORD_EVERY) } else { pause };
            myself.send_after(pause, || Message::Write);
        }
    }

    async fn write(&mut self) -> Result<(), PortError> {
        if let Some(unrecorded) = &self.unrecorded {
            // First: the stores must not get ahead of the epoch that is recorded.
            unrecorded.record(&self.context.backends, &self.pass).await?;
            self.unrecorded = None;
        }
        while let Some(kpi) = self.removed.first() {
            self.context.backends.snapshot_store.delete(&self.pass, kpi).await?;
            self.removed.pop_first();
        }
        while let Some(snapshots) = self.waiting.next() {
            self.context.backends.snapshot_store.put_all(&self.pass, snapshots).await?;
            self.waiting.saved();
        }
        Ok(())
    }

    /// The watermark moves only if no change waits.
    async fn advance(&mut self) -> Result<(), PortError> {
        if let (Some(watermark), true) = (self.watermark, self.waiting.is_empty() && self.removed.is_empty()) {
            let backends = &self.context.backends;
            // First, so that the record is never behind the watermark.
            backends.event_log.record_end(&self.pass).await?;
            save_watermark(backends, &self.pass, watermark).await?;
            self.watermark = None;
        }
        Ok(())
    }
}
