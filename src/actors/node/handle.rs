//! Messages of the node root, and the handle that sends them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures_util::StreamExt;
use ractor::{ActorCell, ActorRef, ActorStatus};
use tokio::time::Instant;

use super::deletion::Deletions;
use crate::actors::ask::{self, Reply, ask};
use crate::actors::workspace::WorkspaceHandle;
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::PortError;

/// How many workspaces finish at the same time when the node closes.
const CLOSED_AT_ONCE: usize = 64;
/// A workspace without running actors for longer than this is a problem.
const CLOSED: Duration = Duration::from_secs(5);

/// Why a workspace cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is being opened again after a failure, or the node is shutting down.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
    /// There is no such workspace.
    #[error("there is no workspace {:?}", .0.as_str())]
    Unknown(WorkspaceId),
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
    /// Closes the workspace for a deletion; answers with its handle, `None` if there is no such
    /// workspace or it is being opened.
    BeginDeletion(WorkspaceId, Reply<Option<WorkspaceHandle>>),
    /// The deletion has ended. Without an error nothing of the workspace is left. Answers when the
    /// table does not have it any more.
    Deleted(WorkspaceId, Option<String>, Reply<()>),
    Close(Reply<Vec<WorkspaceHandle>>),
}

/// Why a workspace did not come up.
pub(super) enum BringUpError {
    NotOwner,
    Failed(String),
    /// It is new, and could not be recorded: there is no such workspace.
    NotCreated(String),
}

impl<E: std::error::Error> From<E> for BringUpError {
    fn from(error: E) -> Self {
        BringUpError::Failed(error.to_string())
    }
}

/// A workspace that runs, or a closed one, which is being opened.
pub(super) type Slot = Result<WorkspaceHandle, Closed>;

/// A workspace that does not run.
#[derive(Clone, Copy)]
pub(super) struct Closed {
    since: Instant,
    /// It has never run: requests find no workspace yet.
    is_new: bool,
}

/// The workspaces of this node.
#[derive(Clone, Default)]
pub(super) struct Table(Arc<RwLock<HashMap<WorkspaceId, Slot>>>, Failed);

/// The workspaces that could not be opened at the last attempt, with the reason.
type Failed = Arc<Mutex<BTreeMap<WorkspaceId, String>>>;

impl Table {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, HashMap<WorkspaceId, Slot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, HashMap<WorkspaceId, Slot>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a slot. One that is closed already keeps its time.
    pub(super) fn close(&self, id: &WorkspaceId) -> Option<WorkspaceHandle> {
        let mut slots = self.write();
        let since = Instant::now();
        match slots.get_mut(id) {
            Some(Err(_)) => None,
            Some(slot) => std::mem::replace(slot, Err(Closed { since, is_new: false })).ok(),
            None => {
                slots.insert(id.clone(), Err(Closed { since, is_new: false }));
                None
            }
        }
    }

    /// Adds a slot for a workspace that is being made.
    pub(super) fn create(&self, id: &WorkspaceId) {
        self.write().entry(id.clone()).or_insert(Err(Closed { since: Instant::now(), is_new: true }));
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
    deletions: Deletions,
}

impl Node {
    pub(super) fn new(actor: ActorRef<Message>, table: Table, deletions: Deletions) -> Self {
        Self { actor, table, deletions }
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

    /// Why a workspace of this node takes no samples now although none has failed to open: it has
    /// had no running actors for some seconds, or the root has ended.
    pub fn problem(&self) -> Option<String> {
        if self.has_ended() {
            return Some("the root of all workspaces has ended; the server has to be started again".to_owned());
        }
        let slots = self.table.read();
        let closed = slots.iter().filter(|(_, slot)| match slot {
            Ok(handle) => !handle.is_running(),
            Err(closed) => closed.since.elapsed() > CLOSED,
        });
        let closed: Vec<_> = closed.map(|(id, _)| id).collect();
        let first = closed.iter().min()?;
        Some(format!("{} workspaces are not running; {first} is being opened", closed.len()))
    }

    /// Waits until the root has ended. Only a fault, or [`close`](Self::close), ends it.
    pub async fn ended(&self) {
        let _never = self.actor.get_cell().wait(None).await.is_err();
    }

    fn has_ended(&self) -> bool {
        matches!(self.actor.get_status(), ActorStatus::Stopping | ActorStatus::Stopped)
    }

    /// The workspace with this identifier; `Ok(None)` if there is none, or it is still being made.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened again, `Failed` if the last attempt failed.
    pub fn find(&self, id: &WorkspaceId) -> Result<Option<WorkspaceHandle>, OpenError> {
        match self.table.read().get(id) {
            Some(Ok(handle)) => Ok(Some(handle.clone())),
            Some(Err(closed)) if !closed.is_new => {
                let reason = self.table.failed().get(id).cloned();
                Err(reason.map_or(OpenError::Unavailable, OpenError::Failed))
            }
            Some(Err(_)) | None => Ok(None),
        }
    }

    /// Whether there is such a workspace, open or not, or it is being made.
    pub fn knows(&self, id: &WorkspaceId) -> bool {
        self.table.read().contains_key(id)
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

    /// Deletes the workspace with everything in it. The deletion goes on if the caller leaves, and
    /// at the next start if the process ends. Meanwhile the name cannot be used. Returns whether
    /// there was such a workspace.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened; `Failed` if a store fails.
    pub async fn delete(&self, id: &WorkspaceId) -> Result<bool, OpenError> {
        if self.find(id)?.is_none() {
            return Ok(false);
        }
        let (node, id) = (self.clone(), id.clone());
        let deletion = tokio::spawn(async move { node.delete_all(&id).await });
        deletion.await.unwrap_or_else(|error| Err(OpenError::Failed(error.to_string())))
    }

    async fn delete_all(&self, id: &WorkspaceId) -> Result<bool, OpenError> {
        let failed = |error: PortError| OpenError::Failed(error.to_string());
        self.deletions.begin(id).await.map_err(failed)?;
        let closed = ask(&self.actor, |reply| Message::BeginDeletion(id.clone(), reply)).await;
        let handle = closed.flatten().ok_or(OpenError::Unavailable)?;
        handle.finish().await;
        let result = self.deletions.carry_out_latest(id).await;
        let error = result.as_ref().err().map(ToString::to_string);
        // The caller may make a workspace of this name at once.
        let _root_ended = ask(&self.actor, |reply| Message::Deleted(id.clone(), error, reply)).await.is_none();
        result.map(|()| true).map_err(failed)
    }

    /// Deletes what the stores hold of a workspace of a cluster. It must not be open on any node.
    ///
    /// # Errors
    /// Those of the stores. May be repeated.
    pub async fn erase(&self, key: &WorkspaceKey) -> Result<(), PortError> {
        self.deletions.carry_out(key).await
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
        let handles = ask(&self.actor, Message::Close).await.unwrap_or_default();
        // Each waits for its log and its mailboxes most of the time.
        let finish = |handle: WorkspaceHandle| async move { handle.finish().await };
        futures_util::stream::iter(handles).for_each_concurrent(CLOSED_AT_ONCE, finish).await;
        ask::stop(&self.actor).await;
    }
}
