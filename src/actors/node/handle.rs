//! Messages of the node root, and the handle that sends them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ractor::{ActorCell, ActorRef};

use crate::actors::ask::{self, Reply, ask};
use crate::actors::workspace::WorkspaceHandle;
use earcon_model::WorkspaceId;

/// Why a workspace cannot be used.
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

pub(super) type OpenReply = Reply<Result<WorkspaceHandle, OpenError>>;

pub(super) enum Message {
    Open(WorkspaceId, OpenReply),
    Opened(WorkspaceId, Box<Result<WorkspaceHandle, BringUpError>>),
    Reopen(WorkspaceId),
    /// Removes the workspace from the table for good; answers with its handle if it was running.
    Remove(WorkspaceId, Reply<Option<WorkspaceHandle>>),
    Close(Reply<Vec<WorkspaceHandle>>),
}

/// Why a workspace did not come up.
pub(super) enum BringUpError {
    NotOwner,
    Failed(String),
}

impl<E: std::error::Error> From<E> for BringUpError {
    fn from(error: E) -> Self {
        BringUpError::Failed(error.to_string())
    }
}

/// The workspaces of this node. A slot without a handle is being opened.
#[derive(Clone, Default)]
pub(super) struct Table(Arc<RwLock<HashMap<WorkspaceId, Option<WorkspaceHandle>>>>, Failed);

/// The workspaces that could not be opened at the last attempt, with the reason.
type Failed = Arc<Mutex<BTreeMap<WorkspaceId, String>>>;

impl Table {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, HashMap<WorkspaceId, Option<WorkspaceHandle>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, HashMap<WorkspaceId, Option<WorkspaceHandle>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, String>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the root.
#[derive(Clone)]
pub struct Node {
    actor: ActorRef<Message>,
    table: Table,
}

impl Node {
    pub(super) fn new(actor: ActorRef<Message>, table: Table) -> Self {
        Self { actor, table }
    }

    /// The workspaces that are open, in order of name.
    pub fn workspaces(&self) -> Vec<WorkspaceHandle> {
        let mut open: Vec<_> = self.table.read().values().flatten().cloned().collect();
        open.sort_by(|a, b| a.id().cmp(b.id()));
        open
    }

    /// The workspaces that could not be opened at the last attempt, with the reason. They are tried
    /// again.
    pub fn failed(&self) -> Vec<(WorkspaceId, String)> {
        self.table.failed().iter().map(|(id, error)| (id.clone(), error.clone())).collect()
    }

    /// The workspace with this identifier; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened.
    pub fn find(&self, id: &WorkspaceId) -> Result<Option<WorkspaceHandle>, OpenError> {
        match self.table.read().get(id) {
            Some(Some(handle)) => Ok(Some(handle.clone())),
            Some(None) => Err(OpenError::Unavailable),
            None => Ok(None),
        }
    }

    /// The workspace with this identifier, created if there is none. Waits while it is being
    /// opened.
    ///
    /// # Errors
    /// If it cannot be opened, or the node has too many workspaces.
    pub async fn open(&self, id: &WorkspaceId) -> Result<WorkspaceHandle, OpenError> {
        if let Ok(Some(handle)) = self.find(id) {
            return Ok(handle);
        }
        let opened = ask(&self.actor, |reply| Message::Open(id.clone(), reply)).await;
        opened.unwrap_or(Err(OpenError::Unavailable))
    }

    /// Closes the workspace in order: batches in flight are finished, snapshots and history are
    /// written.
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
        ask(&self.actor, |reply| Message::Remove(id.clone(), reply)).await?
    }

    /// The root actor, for others to run under.
    pub fn cell(&self) -> ActorCell {
        self.actor.get_cell()
    }

    /// Shuts every workspace down in order and stops.
    pub async fn close(&self) {
        for handle in ask(&self.actor, Message::Close).await.unwrap_or_default() {
            handle.finish().await;
        }
        ask::stop(&self.actor).await;
    }
}
