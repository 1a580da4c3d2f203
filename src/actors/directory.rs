//! All workspaces, on whatever node they run. Gateways and sources use a workspace through it.

mod workspace;

pub use super::cluster::deletion::WorkspaceDeletion;
pub use workspace::{RemoteWorkspace, Workspace};

use std::sync::Arc;

use super::admission::{Admission, IngestError, PendingIngest, Receipt};
use super::cluster::handle::Cluster;
use super::cluster::status::ClusterStatus;
use super::context::Context;
use super::ingest::{NotSent, send};
use super::log_health::LogHealth;
use super::node::{Node, OpenError};
use super::remote::audio::subscriber::AudioSubscriber;
use super::remote::client::OwnerClient;
use super::remote::mirror::Mirrors;
use super::remote::seen::SeenHeads;
use super::workspace::WorkspaceHandle;
use super::workspace::command::Ingested;
use crate::services::storage_health::StorageHealth;
use earcon_model::{Arrival, KpiBatch, WorkspaceId};
use earcon_ports::{EventLog, SharedLog};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// Finds workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    node: Node,
    log_health: LogHealth,
    storage: StorageHealth,
    authorizer: Authorizer,
    others: Option<Others>,
}

/// The workspaces of other nodes.
#[derive(Clone)]
struct Others {
    cluster: Cluster,
    mirrors: Mirrors,
    audio: AudioSubscriber,
    max_workspaces: usize,
    /// Bounds the samples that are on their way to other nodes, over all workspaces.
    admission: Admission,
    log: Arc<dyn EventLog>,
    seen: SeenHeads,
}

/// Why nothing of a batch was taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The workspace is not there.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Admission control refused the batch.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl Refused {
    /// Whether trying again in a moment may help.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Refused::Ingest(IngestError::Overloaded | IngestError::Unavailable)
                | Refused::Open(OpenError::Unavailable | OpenError::Failed(_))
        )
    }
}

/// A batch that was sent. On the node that owns the workspace it is still waiting for its commit.
pub enum Submission {
    /// It waits for its commit here; with the epoch that writes it.
    Pending(PendingIngest, String),
    /// Another node has committed it; with the epoch that wrote it.
    Committed(Receipt, String),
}

impl Submission {
    /// Waits for the commit. Returns the receipt and the epoch that wrote it.
    pub async fn receipt(self) -> (Receipt, String) {
        match self {
            Submission::Pending(pending, epoch) => (pending.receipt().await, epoch),
            Submission::Committed(receipt, epoch) => (receipt, epoch),
        }
    }

    fn pending(workspace: &WorkspaceHandle, pending: PendingIngest) -> Self {
        Submission::Pending(pending, workspace.hub().epochs().current().to_owned())
    }
}

impl Directory {
    /// The workspaces of this node alone.
    pub fn local(node: Node, context: &Context) -> Self {
        let (log_health, storage) = (context.log_health.clone(), context.storage.clone());
        Self { node, log_health, storage, authorizer: context.authorizer.clone(), others: None }
    }

    /// The workspaces of all nodes of a cluster.
    pub fn clustered(node: Node, cluster: Cluster, log: Arc<dyn SharedLog>, context: &Context) -> Self {
        let settings = &context.settings;
        let others = Others {
            mirrors: Mirrors::new(context.clone(), log.clone(), node.cell()),
            audio: AudioSubscriber::new(cluster.transport().clone()),
            cluster,
            max_workspaces: settings.max_workspaces,
            // The storage that counts is that of the owner, which refuses on its own.
            admission: Admission::new(settings.max_in_flight_samples, StorageHealth::default()),
            log,
            seen: SeenHeads::default(),
        };
        Self { others: Some(others), ..Self::local(node, context) }
    }

    /// The names of all workspaces, in order.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        match &self.others {
            Some(others) => others.cluster.workspaces(),
            None => self.node.workspaces().iter().map(|handle| handle.id().clone()).collect(),
        }
    }

    /// The workspaces of this node that could not be opened at the last attempt, with the reason.
    pub fn failed(&self) -> Vec<(WorkspaceId, String)> {
        self.node.failed()
    }

    /// The workspace of the pass; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened, or if it runs on another node and its log
    /// cannot be read.
    pub async fn find(&self, pass: &WorkspacePass) -> Result<Option<Workspace>, OpenError> {
        let id = pass.workspace();
        let here = self.node.find(id);
        match (&self.others, here) {
            (_, Ok(Some(_))) | (Some(_), _) if !self.authorizer.is_current(pass) => self.not_current(id),
            (_, Ok(Some(handle))) => Ok(Some(Workspace::Local(handle))),
            (None, nothing) => nothing.map(|_| None),
            // Being opened here, or running on another node: the log can be followed either way.
            (Some(others), _) if others.cluster.knows(id) => others.remote(pass).await.map(Some),
            (Some(_), Ok(None)) => Ok(None),
            (Some(_), Err(error)) => Err(error),
        }
    }

    /// The answer for a pass of an earlier workspace of this name. Another pass finds the present
    /// one.
    fn not_current(&self, id: &WorkspaceId) -> Result<Option<Workspace>, OpenError> {
        if self.authorizer.is_retired(id) { Ok(None) } else { Err(OpenError::Unavailable) }
    }

    /// The workspace, if this node runs it.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened.
    pub fn here(&self, id: &WorkspaceId) -> Result<Option<WorkspaceHandle>, OpenError> {
        self.node.find(id)
    }

    /// Whether there is such a workspace, or it is being made.
    pub async fn knows(&self, id: &WorkspaceId) -> bool {
        match &self.others {
            Some(others) => others.cluster.looks_up(id).await,
            None => self.node.knows(id),
        }
    }

    /// Creates the workspace if there is none, and waits until it takes samples. Callers check who
    /// asks for it.
    pub async fn ensure(&self, id: &WorkspaceId) -> Result<(), OpenError> {
        match &self.others {
            Some(others) => others.cluster.ensure(id, others.max_workspaces).await,
            None => self.node.open(id).await.map(drop),
        }
    }

    /// Deletes the workspace of the pass with everything in it, on whatever nodes.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened, or if the cluster's table does not answer; `Failed`
    /// if a store fails.
    pub async fn delete(&self, pass: &WorkspacePass) -> Result<WorkspaceDeletion, OpenError> {
        match &self.others {
            Some(others) => others.cluster.delete(pass.workspace()).await,
            None if self.node.delete(pass.workspace()).await? => Ok(WorkspaceDeletion::Done),
            None => Ok(WorkspaceDeletion::Unknown),
        }
    }

    /// Whether the workspace of the pass is deleted, or is being deleted, as far as this node
    /// knows.
    pub fn is_deleted(&self, pass: &WorkspacePass) -> bool {
        !self.authorizer.is_current(pass)
    }

    /// Takes samples into the workspace of the pass and waits for the commit, here or on the node
    /// that owns it. Returns the receipt and the epoch that wrote it.
    ///
    /// # Errors
    /// Only if nothing of the batch was taken.
    pub async fn ingest(
        &self,
        pass: &WorkspacePass,
        batches: Vec<KpiBatch>,
        arrival: Arrival,
    ) -> Result<(Receipt, String), Refused> {
        Ok(self.send(pass, batches, arrival).await?.receipt().await)
    }

    /// Sends samples like [`ingest`](Self::ingest), but waits for the commit only if the workspace
    /// runs on another node. A source that sends batch after batch without waiting for receipts
    /// keeps their order either way. That is why sending is not a command: a command has its reply
    /// after the commit.
    ///
    /// # Errors
    /// Only if nothing of the batch was taken.
    pub async fn send(
        &self,
        pass: &WorkspacePass,
        batches: Vec<KpiBatch>,
        arrival: Arrival,
    ) -> Result<Submission, Refused> {
        let id = pass.workspace();
        let Some(others) = &self.others else {
            let handle = self.open_for_samples(id).await?;
            let pending = send(&handle, pass.sender(), batches, arrival).await.map_err(|not_sent| not_sent.error)?;
            return Ok(Submission::pending(&handle, pending));
        };
        if !others.cluster.looks_up(id).await {
            return Err(OpenError::Unknown(id.clone()).into());
        }
        // Sources keep their passes for long.
        let pass = &self.authorizer.renew(pass);
        let batches = if let Ok(Some(handle)) = self.node.find(id) {
            match send(&handle, pass.sender(), batches, arrival).await {
                Ok(pending) => return Ok(Submission::pending(&handle, pending)),
                // The workspace may be moving to another node.
                Err(NotSent { error: IngestError::Unavailable, batches }) => batches,
                Err(NotSent { error, .. }) => return Err(error.into()),
            }
        } else {
            batches
        };
        let Ingested { receipt, epoch } = others.owner(pass).ingest(batches, arrival).await?;
        Ok(Submission::Committed(receipt, epoch))
    }

    /// Why this node cannot do its part now: the log or the cluster's table does not answer, or a
    /// workspace does not run.
    pub fn problem(&self) -> Option<String> {
        let cluster = || self.others.as_ref().and_then(|others| others.cluster.problem());
        self.log_health.problem().or_else(cluster).or_else(|| self.node.problem())
    }

    /// A workspace of this node; waits while it is being opened. A workspace cannot be opened on a
    /// full disk: the disk is the reason then, and the sender does not wait.
    async fn open_for_samples(&self, id: &WorkspaceId) -> Result<WorkspaceHandle, Refused> {
        if let Ok(Some(handle)) = self.node.find(id) {
            return Ok(handle);
        }
        match self.storage.problem() {
            _ if !self.node.knows(id) => Err(OpenError::Unknown(id.clone()).into()),
            Some(problem) => Err(Refused::Ingest(problem.into())),
            None => Ok(self.node.open(id).await?),
        }
    }

    /// Whether the workspaces are shared with other nodes.
    pub fn is_clustered(&self) -> bool {
        self.others.is_some()
    }

    /// The owners of all workspaces. A single node owns them all.
    pub async fn cluster_status(&self) -> ClusterStatus {
        match &self.others {
            Some(others) => ClusterStatus::clustered(&others.cluster).await,
            None => ClusterStatus::single_node(&self.node).await,
        }
    }
}

impl Others {
    async fn remote(&self, pass: &WorkspacePass) -> Result<Workspace, OpenError> {
        let hub = self.mirrors.hub(pass).await.map_err(|error| {
            tracing::warn!(workspace = %pass.workspace(), %error, "a workspace of another node cannot be followed");
            OpenError::Unavailable
        })?;
        let (owner, audio) = (self.owner(pass), self.audio.clone());
        Ok(Workspace::Remote(RemoteWorkspace { pass: pass.clone(), hub, owner, audio }))
    }

    fn owner(&self, pass: &WorkspacePass) -> OwnerClient {
        let (log, seen) = (self.log.clone(), self.seen.clone());
        OwnerClient::new(self.cluster.clone(), pass.clone(), self.admission.clone(), log, seen)
    }
}
