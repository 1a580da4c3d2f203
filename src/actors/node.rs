//! The root: owns the workspaces of this node.
//!
//! **Owns** the table of workspaces and their restarts. **A crash loses** the process: it is the root. Opening a workspace
//! reads its log and snapshots in a task; the root itself never waits for I/O.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use super::Context;
use super::recovery::recover;
use super::supervision::{Failures, Verdict};
use super::workspace::{self, WorkspaceHandle};
use crate::services::records::Family;
use earcon_model::{NotBefore, WorkspaceId};
use earcon_ports::{ErrorKind, PortError};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// More than this is worth a line in the log.
const CLOCKS_DISAGREE_MS: i64 = 2_000;

/// Why a workspace is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is being opened again after a failure, or the node is shutting down.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
    /// This node has as many workspaces as it may have.
    #[error("this server holds at most {0} workspaces")]
    TooMany(usize),
    /// It could not be read.
    #[error("the workspace cannot be opened: {0}")]
    Failed(String),
}

/// Says whether a workspace belongs on this node. Without one, all do.
#[async_trait]
pub trait Tenancy: Send + Sync + 'static {
    /// Whether this node owns the workspace now.
    async fn owns(&self, workspace: &WorkspaceId) -> Result<bool, PortError>;
}

type OpenReply = oneshot::Sender<Result<WorkspaceHandle, OpenError>>;

enum Message {
    Open(WorkspaceId, OpenReply),
    Opened(WorkspaceId, Box<Result<WorkspaceHandle, BringUpError>>),
    Reopen(WorkspaceId),
    /// Takes the workspace out of the table for good; answers with what was running.
    Remove(WorkspaceId, oneshot::Sender<Option<WorkspaceHandle>>),
    Close(oneshot::Sender<Vec<WorkspaceHandle>>),
}

/// A slot without a handle is being opened.
type Table = Arc<RwLock<HashMap<WorkspaceId, Option<WorkspaceHandle>>>>;

/// A handle to the root.
#[derive(Clone)]
pub struct Node {
    actor: ActorRef<Message>,
    table: Table,
}

impl Node {
    /// Starts the root and opens every workspace the storage knows, unless they are shared with other nodes.
    ///
    /// # Errors
    /// When the storage cannot be read, or a workspace in it cannot be opened.
    pub async fn start(context: Context) -> Result<Self, PortError> {
        let table = Table::default();
        let known = match context.tenancy {
            None => context.backends.meta_store.workspaces().await?,
            Some(_) => Vec::new(),
        };
        let args = State { context, table: table.clone(), slots: HashMap::new(), closing: false };
        let unavailable = |error: String| PortError::new(ErrorKind::Unavailable, error);
        let (actor, _) = Actor::spawn(None, NodeActor, args).await.map_err(|error| unavailable(error.to_string()))?;
        let node = Self { actor, table };
        for id in known {
            node.open(&id).await.map_err(|error| unavailable(format!("workspace {id}: {error}")))?;
        }
        Ok(node)
    }

    /// The workspaces that are open, in order of name.
    pub fn workspaces(&self) -> Vec<WorkspaceHandle> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut open: Vec<_> = table.values().flatten().cloned().collect();
        open.sort_by(|a, b| a.id().cmp(b.id()));
        open
    }

    /// The workspace with this identifier; `Ok(None)` when there is none.
    pub fn find(&self, id: &WorkspaceId) -> Result<Option<WorkspaceHandle>, OpenError> {
        match self.table.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            Some(Some(handle)) => Ok(Some(handle.clone())),
            Some(None) => Err(OpenError::Unavailable),
            None => Ok(None),
        }
    }

    /// The workspace with this identifier, made when there is none.
    pub async fn open(&self, id: &WorkspaceId) -> Result<WorkspaceHandle, OpenError> {
        if let Ok(Some(handle)) = self.find(id) {
            return Ok(handle);
        }
        // Whoever comes while it is being opened waits for that.
        let (sender, receiver) = oneshot::channel();
        self.actor.cast(Message::Open(id.clone(), sender)).map_err(|_| OpenError::Unavailable)?;
        receiver.await.map_err(|_| OpenError::Unavailable)?
    }

    /// Closes the workspace in order: what is in flight is finished, snapshots and history are written.
    pub async fn release(&self, id: &WorkspaceId) {
        if let Some(handle) = self.remove(id).await {
            handle.finish().await;
        }
    }

    /// Closes the workspace at once, because another node owns it.
    pub async fn abandon(&self, id: &WorkspaceId) {
        if let Some(handle) = self.remove(id).await {
            handle.abandon().await;
        }
    }

    async fn remove(&self, id: &WorkspaceId) -> Option<WorkspaceHandle> {
        let (sender, receiver) = oneshot::channel();
        self.actor.cast(Message::Remove(id.clone(), sender)).ok()?;
        receiver.await.ok()?
    }

    /// The root actor, for others to run under.
    pub fn cell(&self) -> ractor::ActorCell {
        self.actor.get_cell()
    }

    /// Shuts every workspace down in order and stops.
    pub async fn close(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.actor.cast(Message::Close(sender)).is_ok()
            && let Ok(handles) = receiver.await
        {
            for handle in handles {
                handle.finish().await;
            }
        }
        let _already_stopped = self.actor.stop_and_wait(None, None).await.is_err();
    }
}

struct NodeActor;

struct State {
    context: Context,
    table: Table,
    slots: HashMap<WorkspaceId, Slot>,
    closing: bool,
}

#[derive(Default)]
struct Slot {
    waiting: Vec<OpenReply>,
    failures: Failures,
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
                let mut table = state.table.write().unwrap_or_else(PoisonError::into_inner);
                let _gone = reply.send(table.remove(&id).flatten()).is_err();
            }
            Message::Close(reply) => {
                state.closing = true;
                let mut table = state.table.write().unwrap_or_else(PoisonError::into_inner);
                let handles = table.values_mut().filter_map(Option::take).collect();
                let _gone = reply.send(handles).is_err();
            }
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
        let slot = self.table.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let full = self.slots.len() >= self.context.settings.max_workspaces;
        let refusal = match slot {
            Some(Some(handle)) => Ok(handle),
            _ if self.closing => Err(OpenError::Unavailable),
            None if full => Err(OpenError::TooMany(self.context.settings.max_workspaces)),
            slot => {
                self.slots.entry(id.clone()).or_default().waiting.push(reply);
                if slot.is_none() {
                    self.begin(myself, id);
                }
                return;
            }
        };
        let _gone = reply.send(refusal).is_err();
    }

    fn begin(&mut self, myself: &ActorRef<Message>, id: WorkspaceId) {
        if self.closing {
            return;
        }
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), None);
        let (context, myself) = (self.context.clone(), myself.clone());
        tokio::spawn(async move {
            let result = bring_up(&context, &id, &myself).await;
            let _stopped = myself.cast(Message::Opened(id, Box::new(result))).is_err();
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
        let answer = match result {
            Ok(handle) => {
                self.table.write().unwrap_or_else(PoisonError::into_inner).insert(id, Some(handle.clone()));
                Ok(handle)
            }
            Err(BringUpError::NotOurs) => {
                tracing::warn!(workspace = %id, "another node owns the workspace; it stays closed here");
                self.slots.remove(&id);
                self.table.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
                Err(OpenError::Unavailable)
            }
            Err(BringUpError::Failed(error)) => {
                tracing::error!(workspace = %id, error, "the workspace cannot be opened");
                self.retry(myself, id);
                Err(OpenError::Failed(error))
            }
        };
        for reply in waiting {
            let _gone = reply.send(answer.clone()).is_err();
        }
    }

    fn supervisor_failed(&mut self, myself: &ActorRef<Message>, child: ractor::ActorId, error: &str) {
        let failed = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            let is_it = |handle: &&WorkspaceHandle| handle.supervisor_id() == child;
            table.values().flatten().find(is_it).map(|handle| handle.id().clone())
        };
        if let Some(id) = failed {
            tracing::error!(workspace = %id, error, "the workspace failed, opening it again");
            self.table.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), None);
            self.retry(myself, id);
        }
    }

    /// A workspace is never given up: beyond the intensity limit it is tried at the longest pause.
    fn retry(&mut self, myself: &ActorRef<Message>, id: WorkspaceId) {
        let policy = &self.context.settings.restart;
        let slot = self.slots.entry(id.clone()).or_default();
        let pause = match slot.failures.record(self.context.clock.now_ms(), policy) {
            Verdict::RestartAfter(pause) => pause,
            Verdict::Park => policy.backoff_cap,
        };
        myself.send_after(pause, || Message::Reopen(id));
    }
}

/// Why a workspace did not come up.
enum BringUpError {
    NotOurs,
    Failed(String),
}

impl<E: std::error::Error> From<E> for BringUpError {
    fn from(error: E) -> Self {
        BringUpError::Failed(error.to_string())
    }
}

async fn bring_up(
    context: &Context,
    id: &WorkspaceId,
    node: &ActorRef<Message>,
) -> Result<WorkspaceHandle, BringUpError> {
    if let Some(tenancy) = &context.tenancy
        && !tenancy.owns(id).await?
    {
        return Err(BringUpError::NotOurs);
    }
    let pass = Authorizer.system(id);
    register(context, &pass).await?;
    let recovered = recover(context, &pass).await?;
    let mut context = context.clone();
    let ahead_ms = recovered.last_ms.saturating_sub(context.clock.now_ms());
    if ahead_ms > CLOCKS_DISAGREE_MS {
        tracing::warn!(workspace = %id, ahead_ms, "the log's last event is in the future; the clocks of the nodes disagree");
    }
    context.clock = Arc::new(NotBefore::new(context.clock, recovered.last_ms));
    Ok(workspace::start(context, pass, recovered, node.get_cell()).await?)
}

/// Writes the workspace down, so that it is opened at the next start.
async fn register(context: &Context, pass: &WorkspacePass) -> Result<(), PortError> {
    let created = context.clock.now_ms().to_string().into_bytes();
    match context.backends.meta_store.put(pass, &Family::Workspace.key("created"), 0, created).await {
        Err(error) if error.kind != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}
