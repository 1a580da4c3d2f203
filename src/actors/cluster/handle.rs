//! The handle to this node's part in the cluster: it knows the owners and assigns new workspaces.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};

use crate::actors::ask::Reply;
use crate::actors::context::Placement;
use crate::actors::node::OpenError;
use crate::actors::remote::request::RequestNumbers;
use crate::cluster::{Key, NodeEpoch, Ownership, Standing, Term, View};
use earcon_model::{Clock, WorkspaceId, WorkspaceKey};
use earcon_ports::{ErrorKind, MetaStore, NodeTransport, PortError, Registry, Revision};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// What a node needs to be one of several.
#[derive(Clone)]
pub struct ClusterArgs {
    /// This node's name, unique in the cluster.
    pub node: String,
    /// How long a silent node keeps its workspaces.
    pub lease: Duration,
    /// The shared table.
    pub registry: Arc<dyn Registry>,
    /// Carries messages to other nodes.
    pub transport: Arc<dyn NodeTransport>,
    /// Lists the workspaces.
    pub meta_store: Arc<dyn MetaStore>,
    /// For people, and for the generations of new workspaces.
    pub clock: Arc<dyn Clock>,
    /// Gives the passes under which this node serves its workspaces.
    pub authorizer: Authorizer,
}

/// A handle to this node's part in the cluster.
#[derive(Clone)]
pub struct Cluster {
    me: NodeEpoch,
    registry: Arc<dyn Registry>,
    transport: Arc<dyn NodeTransport>,
    authorizer: Authorizer,
    shared: Arc<Shared>,
    requests: RequestNumbers,
    clock: Arc<dyn Clock>,
    messages: mpsc::UnboundedSender<Message>,
}

/// What handle and controller share.
pub(super) struct Shared {
    view: RwLock<View>,
    /// Gives passes for the generations that the view has.
    authorizer: Authorizer,
    /// Notified after each change of the view.
    pub(super) changed: Notify,
    began: Instant,
}

impl Shared {
    pub(super) fn now_ms(&self) -> i64 {
        self.began.elapsed().as_millis() as i64
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&View) -> T) -> T {
        read(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The table has this entry.
    pub(super) fn set_owner(&self, workspace: &WorkspaceId, revision: Revision, ownership: Ownership) {
        self.write(|view| {
            view.set_owner(workspace.clone(), revision, ownership);
            self.set_generation(view, workspace);
        });
        self.changed.notify_waiters();
    }

    /// The stores hold data of this workspace. Returns whether it is left over from a deleted one.
    pub(super) fn add_workspace(&self, key: &WorkspaceKey) -> bool {
        self.write(|view| {
            let left_over = view.add_workspace(key);
            self.set_generation(view, key.workspace());
            left_over
        })
    }

    fn set_generation(&self, view: &View, workspace: &WorkspaceId) {
        let Some((_, ownership)) = view.entry(workspace) else { return };
        let key = WorkspaceKey::new(workspace.clone(), ownership.generation);
        match ownership.standing {
            Standing::Live => self.authorizer.begin_generation(&key),
            Standing::Deleting | Standing::Deleted => self.authorizer.retire(&key),
        }
    }
}

pub(super) enum Message {
    /// Give every workspace away; answers when none is left, or no node takes the rest.
    Leave(Reply<()>),
}

/// The messages of a [`Cluster`], for its controller.
pub struct Inbox(pub(super) mpsc::UnboundedReceiver<Message>);

/// How long a new workspace may be without an owner before its creator gets an error.
const GIVE_UP: Duration = Duration::from_secs(10);

impl Cluster {
    /// A new epoch of this node. It takes part in the cluster once a controller runs with the
    /// inbox.
    pub fn new(args: &ClusterArgs) -> (Self, Inbox) {
        let me = NodeEpoch { node: args.node.clone(), epoch: uuid::Uuid::new_v4().to_string() };
        let lease_ms = args.lease.as_millis() as i64;
        let view = RwLock::new(View::new(me.clone(), lease_ms));
        let authorizer = args.authorizer.clone();
        let shared = Arc::new(Shared { view, authorizer, changed: Notify::new(), began: Instant::now() });
        let (messages, received) = mpsc::unbounded_channel();
        let (registry, transport, authorizer) =
            (args.registry.clone(), args.transport.clone(), args.authorizer.clone());
        let requests = RequestNumbers::new(me.epoch.clone());
        let clock = args.clock.clone();
        (Self { me, registry, transport, authorizer, shared, requests, clock, messages }, Inbox(received))
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.me.node
    }

    pub(super) fn me(&self) -> &NodeEpoch {
        &self.me
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Carries messages to other nodes.
    pub fn transport(&self) -> &Arc<dyn NodeTransport> {
        &self.transport
    }

    /// Numbers the requests of this node to others.
    pub(in crate::actors) fn requests(&self) -> &RequestNumbers {
        &self.requests
    }

    pub(super) fn pass(&self, workspace: &WorkspaceId) -> WorkspacePass {
        self.authorizer.system(workspace)
    }

    /// Whether there is such a workspace, on any node.
    pub fn knows(&self, workspace: &WorkspaceId) -> bool {
        self.shared.read(|view| view.knows(workspace))
    }

    /// As [`knows`](Self::knows), and reads the table if this node has not seen the workspace yet.
    pub async fn looks_up(&self, workspace: &WorkspaceId) -> bool {
        if self.knows(workspace) {
            return true;
        }
        match self.registry.get(&Key::Workspace(workspace.clone()).text()).await {
            Ok(Some((revision, value))) => {
                if let Ok(ownership) = serde_json::from_slice(&value) {
                    self.set_owner(workspace, revision, ownership);
                }
                self.knows(workspace)
            }
            _ => false,
        }
    }

    /// The workspaces there are, in order of name.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.shared.read(|view| view.workspaces().cloned().collect())
    }

    /// The present term of the workspace of the pass, as far as this node knows. `None` without an
    /// owner, and if that workspace is deleted: a request for it never reaches the next workspace
    /// of its name.
    pub fn term(&self, pass: &WorkspacePass) -> Option<Term> {
        self.shared.read(|view| view.term(pass.workspace()).filter(|_| self.is_current(pass)))
    }

    /// Whether the workspace of the pass is not deleted, as far as this node knows.
    pub fn is_current(&self, pass: &WorkspacePass) -> bool {
        self.authorizer.is_current(pass)
    }

    /// Completes when the term is over.
    pub async fn term_ended(&self, pass: &WorkspacePass, term: &Term) {
        loop {
            let changed = self.shared.changed.notified();
            if self.term(pass).as_ref() != Some(term) {
                return;
            }
            changed.await;
        }
    }

    /// Completes when the workspace of the pass is being deleted.
    pub async fn deleted(&self, pass: &WorkspacePass) {
        loop {
            let changed = self.shared.changed.notified();
            if !self.is_current(pass) {
                return;
            }
            changed.await;
        }
    }

    /// Why this node takes no part in the cluster at present: it does not see its own heartbeats.
    pub fn problem(&self) -> Option<String> {
        let now_ms = self.shared.now_ms();
        let (is_steady, unseen_ms) = self.shared.write(|view| {
            let membership = view.membership();
            (membership.is_steady(now_ms), membership.unseen_ms(now_ms))
        });
        let silent = unseen_ms.map_or(String::new(), |ms| format!(" for {:.1} s", ms as f64 / 1_000.0));
        (!is_steady).then(|| format!("this node has not seen its own heartbeat in the cluster's table{silent}"))
    }

    /// Creates the workspace if there is none, and waits until it has an owner.
    ///
    /// # Errors
    /// `TooMany` beyond `max` workspaces; `Unavailable` if no node takes it or the table
    /// cannot be written.
    pub async fn ensure(&self, workspace: &WorkspaceId, max: usize) -> Result<(), OpenError> {
        let deadline = tokio::time::Instant::now() + GIVE_UP;
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.read(|view| view.owner(workspace).is_some()) {
                return Ok(());
            }
            let now_ms = self.shared.now_ms();
            let (owner, count) =
                self.shared.read(|view| (view.node_for_new(workspace, now_ms), view.workspaces().count()));
            // While the last one of this name is being deleted, there can be no other.
            let place = self.shared.read(|view| place_for_new(view.entry(workspace), self.clock.now_ms()));
            if count >= max && !self.knows(workspace) {
                return Err(OpenError::TooMany(max));
            }
            if let (Some((expected, generation)), Some(owner)) = (place, owner) {
                self.assign(workspace, expected, Ownership::live(Some(owner), generation)).await?;
                continue;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(OpenError::Unavailable);
            }
        }
    }

    async fn assign(&self, workspace: &WorkspaceId, expected: Revision, ownership: Ownership) -> Result<(), OpenError> {
        let key = Key::Workspace(workspace.clone()).text();
        let value = serde_json::to_vec(&ownership).map_err(|error| OpenError::Failed(error.to_string()))?;
        match self.registry.compare_and_set(&key, expected, value).await {
            Ok(revision) => self.set_owner(workspace, revision, ownership),
            // Another node was first: its entry counts.
            Err(error) if error.kind == ErrorKind::Conflict => {
                if let Ok(Some((revision, value))) = self.registry.get(&key).await
                    && let Ok(ownership) = serde_json::from_slice(&value)
                {
                    self.set_owner(workspace, revision, ownership);
                }
            }
            Err(error) => {
                tracing::warn!(%workspace, %error, "a new workspace could not be given to a node");
                return Err(OpenError::Unavailable);
            }
        }
        Ok(())
    }

    /// The table says so now.
    pub(in crate::actors) fn set_owner(&self, workspace: &WorkspaceId, revision: Revision, ownership: Ownership) {
        self.shared.set_owner(workspace, revision, ownership);
    }

    pub(super) fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }

    /// Gives every workspace away in order and leaves the cluster.
    pub async fn leave(&self) {
        let (reply, left) = Reply::channel();
        if self.messages.send(Message::Leave(reply)).is_ok() {
            let _controller_stopped = left.await.is_err();
        }
    }
}

#[async_trait]
impl Placement for Cluster {
    /// Reads the table itself, because the last change seen by the watch may be old.
    async fn owns(&self, workspace: &WorkspaceId) -> Result<bool, PortError> {
        let entry = self.registry.get(&Key::Workspace(workspace.clone()).text()).await?;
        let Some((revision, value)) = entry else { return Ok(false) };
        let Ok(ownership) = serde_json::from_slice::<Ownership>(&value) else { return Ok(false) };
        let is_mine = ownership.standing == Standing::Live && ownership.owner.as_ref() == Some(&self.me);
        self.set_owner(workspace, revision, ownership);
        Ok(is_mine)
    }

    async fn deleted(&self, pass: &WorkspacePass) {
        Cluster::deleted(self, pass).await;
    }
}

/// The revision that a new workspace replaces, and its generation; `None` if there is a workspace
/// of this name. Generations are times, so that they differ even after the table was lost.
fn place_for_new(entry: Option<&(Revision, Ownership)>, now_ms: i64) -> Option<(Revision, u64)> {
    let now = u64::try_from(now_ms).unwrap_or(0);
    match entry {
        None => Some((0, now)),
        Some((revision, deleted)) if deleted.standing == Standing::Deleted => {
            Some((*revision, now.max(deleted.generation + 1)))
        }
        Some(_) => None,
    }
}
