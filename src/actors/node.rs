//! The root: owns the workspaces of this node.
//!
//! **Owns** the table of workspaces and their restarts. **A crash loses** the process: it is the root. Opening a workspace
//! reads its log and snapshots in a task; the root itself never waits for I/O.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use super::Context;
use super::recovery::recover;
use super::supervision::{Failures, Verdict};
use super::workspace::{self, WorkspaceHandle};
use crate::model::WorkspaceId;
use crate::ports::{ErrorKind, PortError};
use crate::tenancy::{Access, WorkspacePass};

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

type OpenReply = oneshot::Sender<Result<WorkspaceHandle, OpenError>>;

enum Message {
    Open(WorkspaceId, OpenReply),
    Opened(WorkspaceId, Box<Result<WorkspaceHandle, String>>),
    Reopen(WorkspaceId),
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
    /// Starts the root and opens every workspace the storage knows.
    ///
    /// # Errors
    /// When the storage cannot be read, or a workspace in it cannot be opened.
    pub async fn start(context: Context) -> Result<Self, PortError> {
        let table = Table::default();
        let known = context.backends.meta_store.workspaces().await?;
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
            Message::Reopen(id) => state.begin(&myself, id),
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

    fn opened(&mut self, myself: &ActorRef<Message>, id: WorkspaceId, result: Result<WorkspaceHandle, String>) {
        let slot = self.slots.entry(id.clone()).or_default();
        let waiting = std::mem::take(&mut slot.waiting);
        let answer = match result {
            Ok(handle) => {
                self.table.write().unwrap_or_else(PoisonError::into_inner).insert(id, Some(handle.clone()));
                Ok(handle)
            }
            Err(error) => {
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

async fn bring_up(context: &Context, id: &WorkspaceId, node: &ActorRef<Message>) -> Result<WorkspaceHandle, String> {
    let pass = Access.system(id);
    register(context, &pass).await.map_err(|error| error.to_string())?;
    let recovered = recover(context, &pass).await.map_err(|error| error.to_string())?;
    workspace::start(context.clone(), pass, recovered, node.get_cell()).await.map_err(|error| error.to_string())
}

/// Writes the workspace down, so that it is opened at the next start.
async fn register(context: &Context, pass: &WorkspacePass) -> Result<(), PortError> {
    let created = context.clock.now_ms().to_string().into_bytes();
    match context.backends.meta_store.put(pass, "workspace", 0, created).await {
        Err(error) if error.kind != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}
