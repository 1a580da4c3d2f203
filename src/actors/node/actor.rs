//! The actor behind [`Node`].

use std::collections::HashMap;
use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::deletion::Deletions;
use super::handle::{BringUpError, Message, Node, OpenError, OpenReply, Table};
use crate::actors::ask::{self, Reply};
use crate::actors::context::Context;
use crate::actors::recovery::recover;
use crate::actors::supervision::{FailureAction, Failures};
use crate::actors::workspace::{self, WorkspaceHandle};
use crate::services::records::Family;
use crate::telemetry::Repeats;
use earcon_model::{NotBefore, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};
use earcon_tenancy::WorkspacePass;

/// Clocks of nodes that differ by more than this are logged.
const CLOCKS_DISAGREE_MS: i64 = 2_000;

/// Starts the root and opens every workspace the storage knows, unless they are shared with other
/// nodes.
///
/// # Errors
/// If the storage cannot be read, or a workspace in it cannot be opened.
pub async fn start(context: Context) -> Result<Node, PortError> {
    let table = Table::default();
    let known = match context.placement {
        None => context.backends.meta_store.workspaces().await?,
        Some(_) => Vec::new(),
    };
    let deletions = Deletions::new(context.backends.clone(), context.authorizer.clone());
    let args =
        State { context, table: table.clone(), deletions: deletions.clone(), slots: HashMap::new(), closing: false };
    let unavailable = |error: String| PortError::new(ErrorKind::Unavailable, error);
    let (actor, _) = Actor::spawn(None, NodeActor, args).await.map_err(|error| unavailable(error.to_string()))?;
    let node = Node::new(actor, table, deletions.clone());
    for id in known {
        if deletions.found(&id).await? {
            let id = id.workspace();
            node.open(id).await.map_err(|error| unavailable(format!("workspace {id}: {error}")))?;
        }
    }
    Ok(node)
}

struct NodeActor;

struct State {
    context: Context,
    table: Table,
    deletions: Deletions,
    slots: HashMap<WorkspaceId, Slot>,
    closing: bool,
}

#[derive(Default)]
struct Slot {
    waiting: Vec<OpenReply>,
    failures: Failures,
    repeats: Repeats,
}

impl Actor for NodeActor {
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
            Message::Open(id, reply) => state.open(&myself, id, reply),
            Message::Opened(id, result) => state.opened(&myself, id, *result),
            Message::Reopen(id) if state.slots.contains_key(&id) => state.begin(&myself, id),
            Message::Reopen(_) => {}
            Message::Remove(id, reply) => {
                state.slots.remove(&id);
                state.table.failed().remove(&id);
                reply.send(state.table.write().remove(&id).and_then(Result::ok));
            }
            Message::BeginDeletion(id, reply) => {
                state.slots.entry(id.clone()).or_default();
                reply.send(state.table.close(&id));
            }
            Message::Deleted(id, error, reply) => {
                state.deleted(id, error);
                reply.send(());
            }
            Message::Close(reply) => state.close(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(child, error) = event {
            state.supervisor_failed(&myself, child.get_id(), &error.to_string());
        }
        Ok(())
    }
}

impl State {
    fn open(&mut self, myself: &ActorRef<Message>, id: WorkspaceId, reply: OpenReply) {
        let slot = self.table.read().get(&id).cloned();
        let full = self.slots.len() >= self.context.settings.max_workspaces;
        let answer = match slot {
            Some(Ok(handle)) => Ok(handle),
            _ if self.closing => Err(OpenError::Unavailable),
            None if full => Err(OpenError::TooMany(self.context.settings.max_workspaces)),
            slot => {
                self.slots.entry(id.clone()).or_default().waiting.push(reply);
                if slot.is_none() {
                    if self.context.placement.is_none() {
                        self.table.create(&id);
                    }
                    self.begin(myself, id);
                }
                return;
            }
        };
        reply.send(answer);
    }

    /// A workspace that others wait for is made again. One whose deletion has failed stays closed
    /// until the next attempt, or the next start.
    fn deleted(&mut self, id: WorkspaceId, error: Option<String>) {
        if let Some(error) = error {
            tracing::error!(workspace = %id, error, "the workspace could not be deleted whole; the next start goes on");
            self.table.failed().insert(id, error);
            return;
        }
        tracing::info!(workspace = %id, "the workspace was deleted");
        self.table.failed().remove(&id);
        self.table.write().remove(&id);
        // Requests that came meanwhile must not bring it back. Another attempt finds no workspace,
        // or makes a new one if that is what it asks for.
        for reply in self.slots.remove(&id).map(|slot| slot.waiting).unwrap_or_default() {
            reply.send(Err(OpenError::Unavailable));
        }
    }

    fn close(&mut self, reply: Reply<Vec<WorkspaceHandle>>) {
        self.closing = true;
        let known: Vec<_> = self.table.read().keys().cloned().collect();
        reply.send(known.iter().filter_map(|id| self.table.close(id)).collect());
    }

    fn begin(&mut self, myself: &ActorRef<Message>, id: WorkspaceId) {
        if self.closing {
            return;
        }
        self.table.close(&id);
        let (context, node, workspace) = (self.context.clone(), myself.clone(), id.clone());
        let deletions = self.deletions.clone();
        let opening = tokio::spawn(async move { bring_up(&context, &deletions, &workspace, &node).await });
        let myself = myself.clone();
        tokio::spawn(async move {
            // Without an answer the workspace would never be tried again.
            let panicked = |error| Err(BringUpError::Failed(format!("opening it ended early: {error}")));
            let result = opening.await.unwrap_or_else(panicked);
            ask::send(&myself, Message::Opened(id, Box::new(result)));
        });
    }

    fn opened(&mut self, myself: &ActorRef<Message>, id: WorkspaceId, result: Result<WorkspaceHandle, BringUpError>) {
        let Some(slot) = self.slots.get_mut(&id) else {
            // Removed while it was being opened.
            if let Ok(handle) = result {
                tokio::spawn(async move { handle.abandon().await });
            }
            return;
        };
        let waiting = std::mem::take(&mut slot.waiting);
        self.table.failed().remove(&id);
        let answer = match result {
            Ok(handle) => {
                self.table.write().insert(id, Ok(handle.clone()));
                Ok(handle)
            }
            Err(BringUpError::NotOwner) => {
                tracing::warn!(workspace = %id, "another node owns the workspace; it stays closed here");
                self.slots.remove(&id);
                self.table.write().remove(&id);
                Err(OpenError::Unavailable)
            }
            Err(BringUpError::NotCreated(error)) => {
                self.slots.remove(&id);
                self.table.write().remove(&id);
                Err(OpenError::Failed(error))
            }
            Err(BringUpError::Failed(error)) => {
                if let Some(unlogged) = slot.repeats.failed(&error) {
                    tracing::error!(workspace = %id, error, unlogged, "the workspace cannot be opened");
                }
                self.table.failed().insert(id.clone(), error.clone());
                self.retry(myself, id);
                Err(OpenError::Failed(error))
            }
        };
        for reply in waiting {
            reply.send(answer.clone());
        }
    }

    fn supervisor_failed(&mut self, myself: &ActorRef<Message>, child: ActorId, error: &str) {
        let runs_under = |handle: &&WorkspaceHandle| handle.supervisor_id() == child;
        let failed = self.table.read().values().flatten().find(runs_under).map(|handle| handle.id().clone());
        if let Some(id) = failed {
            self.table.close(&id);
            let unlogged = self.slots.entry(id.clone()).or_default().repeats.failed(error);
            self.retry(myself, id.clone());
            if let Some(unlogged) = unlogged {
                tracing::error!(workspace = %id, error, unlogged, "the workspace failed, opening it again");
            }
        }
    }

    /// A workspace is never given up: beyond the intensity limit it is opened at the longest pause.
    fn retry(&mut self, myself: &ActorRef<Message>, id: WorkspaceId) {
        let policy = &self.context.settings.restart;
        let slot = self.slots.entry(id.clone()).or_default();
        let pause = match slot.failures.record(self.context.clock.now_ms(), policy) {
            FailureAction::RestartAfter(pause) => pause,
            FailureAction::Park => policy.backoff_cap,
        };
        myself.send_after(pause, || Message::Reopen(id));
    }
}

async fn bring_up(
    context: &Context,
    deletions: &Deletions,
    id: &WorkspaceId,
    node: &ActorRef<Message>,
) -> Result<WorkspaceHandle, BringUpError> {
    match &context.placement {
        Some(placement) if !placement.owns(id).await? => return Err(BringUpError::NotOwner),
        Some(_) => {}
        None => {
            let begun = deletions.begin_generation(id, context.clock.now_ms()).await;
            begun.map_err(|error| BringUpError::NotCreated(error.to_string()))?;
        }
    }
    let pass = context.authorizer.system(id);
    if let Err(error) = register(context, &pass).await {
        let is_new = context.placement.is_none() && !is_registered(context, &pass).await;
        let text = error.to_string();
        return Err(if is_new { BringUpError::NotCreated(text) } else { BringUpError::Failed(text) });
    }
    let recovered = recover(context, &pass).await?;
    let mut context = context.clone();
    let ahead_ms = recovered.last_ms.saturating_sub(context.clock.now_ms());
    if ahead_ms > CLOCKS_DISAGREE_MS {
        tracing::warn!(workspace = %id, ahead_ms, "the log's last event is in the future: the clock was set back, or those of nodes disagree");
    }
    context.clock = Arc::new(NotBefore::new(context.clock, recovered.last_ms));
    Ok(workspace::actor::start(context, pass, recovered, node.get_cell()).await?)
}

/// Records the workspace, so that it is opened at the next start.
async fn register(context: &Context, pass: &WorkspacePass) -> Result<(), PortError> {
    let created = context.clock.now_ms().to_string().into_bytes();
    match context.backends.meta_store.put(pass, &Family::Workspace.key("created"), 0, created).await {
        Err(error) if error.kind != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Whether the workspace was recorded at an earlier time. If that cannot be known, it counts as
/// recorded: it is tried again.
async fn is_registered(context: &Context, pass: &WorkspacePass) -> bool {
    !matches!(context.backends.meta_store.get(pass, &Family::Workspace.key("created")).await, Ok(None))
}
