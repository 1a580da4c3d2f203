//! This node among others: says that it lives, hears who else does, and keeps open what it owns.
//!
//! **Owns** the view of the cluster. **A crash loses** nothing: everything is in the shared table, and what the table says is
//! read again. What to do is decided in [`crate::cluster`]; this file watches, writes and tells the node root to open and close.
//! That a workspace has one writer is not guarded here but by its log, which refuses all but the last that opened it.

mod controller;
mod status;

pub use status::{ClusterStatus, WorkspacePlace};

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::node::{Node, OpenError, Tenancy};
use crate::cluster::{Key, NodeEpoch, Ownership, View};
use controller::ClusterController;
use earcon_model::{Clock, WorkspaceId};
use earcon_ports::{MetaStore, NodeTransport, PortError, Registry};

/// What a node needs to be one of several.
#[derive(Clone)]
pub struct ClusterArgs {
    /// This node's name, unique in the cluster.
    pub node: String,
    /// How long a silent node keeps its workspaces.
    pub lease: Duration,
    /// The shared table.
    pub registry: Arc<dyn Registry>,
    /// To other nodes.
    pub courier: Arc<dyn NodeTransport>,
    /// Where the workspaces are known.
    pub meta_store: Arc<dyn MetaStore>,
    /// For people; nothing is decided by it.
    pub clock: Arc<dyn Clock>,
}

/// A handle to this node's part in the cluster.
#[derive(Clone)]
pub struct Cluster {
    me: NodeEpoch,
    registry: Arc<dyn Registry>,
    courier: Arc<dyn NodeTransport>,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

struct Shared {
    view: RwLock<View>,
    changed: Notify,
    began: Instant,
}

impl Shared {
    fn now_ms(&self) -> i64 {
        self.began.elapsed().as_millis() as i64
    }

    fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner))
    }
}

enum Command {
    /// Give everything away; answers when nothing is left, or nobody would take it.
    Leave(oneshot::Sender<()>),
}

/// How long a new workspace may be without an owner before whoever asked for it is told so.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cluster {
    /// This life of the node, before it takes part: the node root asks it whether a workspace is its own.
    pub fn new(args: &ClusterArgs) -> (Self, Joining) {
        let me = NodeEpoch { node: args.node.clone(), life: uuid::Uuid::new_v4().to_string() };
        let lease_ms = args.lease.as_millis() as i64;
        let view = RwLock::new(View::new(me.clone(), lease_ms));
        let shared = Arc::new(Shared { view, changed: Notify::new(), began: Instant::now() });
        let (commands, received) = mpsc::unbounded_channel();
        let (registry, courier) = (args.registry.clone(), args.courier.clone());
        (Self { me, registry, courier, shared, commands }, Joining { received })
    }

    /// Takes part: from now on this node may be given workspaces. Completes when it has seen the table and been seen in it.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn join(&self, joining: Joining, args: ClusterArgs, node: Node) -> Result<JoinHandle<()>, PortError> {
        let (ready, joined) = oneshot::channel();
        let conductor = ClusterController::new(self.me.clone(), self.shared.clone(), args, node);
        let task = tokio::spawn(conductor.run(joining.received, ready));
        match joined.await {
            Ok(result) => result.map(|()| task),
            Err(_) => Err(PortError::new(earcon_ports::ErrorKind::Unavailable, "the cluster could not be joined")),
        }
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.me.node
    }

    /// Carries questions to other nodes.
    pub fn courier(&self) -> &Arc<dyn NodeTransport> {
        &self.courier
    }

    /// Whether there is such a workspace, on whatever node.
    pub fn knows(&self, workspace: &WorkspaceId) -> bool {
        self.shared.read(|view| view.workspaces().any(|known| known == workspace))
    }

    /// The workspaces there are, in order of name.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.shared.read(|view| view.workspaces().cloned().collect())
    }

    /// Who owns the workspace by the table, as far as this node knows.
    pub fn owner(&self, workspace: &WorkspaceId) -> Option<NodeEpoch> {
        self.shared.read(|view| view.owner(workspace).cloned())
    }

    /// Completes when the owner of the workspace is another one than `from`.
    pub async fn moved(&self, workspace: &WorkspaceId, from: Option<NodeEpoch>) {
        loop {
            let changed = self.shared.changed.notified();
            if self.owner(workspace) != from {
                return;
            }
            changed.await;
        }
    }

    /// Sees to it that the workspace exists and has an owner.
    ///
    /// # Errors
    /// `TooMany` beyond `max` workspaces; `Unavailable` when nobody takes it or the table cannot be written.
    pub async fn ensure(&self, workspace: &WorkspaceId, max: usize) -> Result<(), OpenError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.read(|view| view.owner(workspace).is_some()) {
                return Ok(());
            }
            let now_ms = self.shared.now_ms();
            let (home, count) =
                self.shared.read(|view| (view.home_of_new(workspace, now_ms), view.workspaces().count()));
            if count >= max && !self.knows(workspace) {
                return Err(OpenError::TooMany(max));
            }
            if !self.knows(workspace)
                && let Some(owner) = home
            {
                self.assign(workspace, owner).await?;
                continue;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(OpenError::Unavailable);
            }
        }
    }

    async fn assign(&self, workspace: &WorkspaceId, owner: NodeEpoch) -> Result<(), OpenError> {
        let tenure = Ownership { owner: Some(owner) };
        let key = Key::Workspace(workspace.clone()).text();
        let value = serde_json::to_vec(&tenure).map_err(|error| OpenError::Failed(error.to_string()))?;
        match self.registry.compare_and_set(&key, 0, value).await {
            Ok(revision) => self.shared.write(|view| view.tenure(workspace.clone(), revision, tenure)),
            // Somebody else was first: the entry that is there counts.
            Err(error) if error.kind == earcon_ports::ErrorKind::Conflict => {
                if let Ok(Some((revision, value))) = self.registry.get(&key).await
                    && let Ok(tenure) = serde_json::from_slice(&value)
                {
                    self.shared.write(|view| view.tenure(workspace.clone(), revision, tenure));
                }
            }
            Err(error) => {
                tracing::warn!(%workspace, %error, "a new workspace could not be given to a node");
                return Err(OpenError::Unavailable);
            }
        }
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Gives every workspace away in order and leaves the cluster.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).is_ok() {
            let _conductor_gone = left.await.is_err();
        }
    }
}

#[async_trait]
impl Tenancy for Cluster {
    /// Asks the table itself, because what a watch last told may be old.
    async fn owns(&self, workspace: &WorkspaceId) -> Result<bool, PortError> {
        let entry = self.registry.get(&Key::Workspace(workspace.clone()).text()).await?;
        let tenure = entry.and_then(|(_, value)| serde_json::from_slice::<Ownership>(&value).ok());
        Ok(tenure.and_then(|tenure| tenure.owner).as_ref() == Some(&self.me))
    }
}

/// What [`Cluster::join`] needs besides; there is one for each [`Cluster`].
pub struct Joining {
    received: mpsc::UnboundedReceiver<Command>,
}
