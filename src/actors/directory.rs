//! Every workspace, wherever it runs. What gateways and sources ask for a workspace; where it is, is this file's business.

mod place;

pub use place::Workspace;

use std::sync::Arc;

use super::Context;
use super::cluster::{Cluster, ClusterStatus};
use super::ingest::{Admission, IngestError, PendingIngest, Receipt, send};
use super::node::{Node, OpenError};
use super::remote::errands::OwnerClient;
use super::remote::mirror::Mirrors;
use super::remote::sound::AudioSubscriber;
use super::workspace::WorkspaceHandle;
use earcon_model::{Arrival, KpiBatch, WorkspaceId};
use earcon_ports::{PortError, SharedLog};
use earcon_tenancy::WorkspacePass;

/// Finds workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    node: Node,
    others: Option<Others>,
}

/// The workspaces of other nodes.
#[derive(Clone)]
struct Others {
    cluster: Cluster,
    mirrors: Mirrors,
    sound: AudioSubscriber,
    max_workspaces: usize,
    /// One door for the samples of all workspaces that go to other nodes.
    admission: Admission,
}

/// Why nothing of a batch was taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The workspace is not there.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The door is closed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl Refused {
    /// Whether trying again in a moment may help.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Refused::Ingest(IngestError::Overloaded | IngestError::Unavailable) | Refused::Open(OpenError::Unavailable)
        )
    }
}

/// A batch that was sent.
pub enum Submission {
    /// It is on its way here.
    Here(PendingIngest, String),
    /// Another node has answered.
    Elsewhere(Receipt, String),
}

impl Submission {
    /// Waits for the commit. Returns the receipt and the epoch of the log.
    pub async fn receipt(self) -> (Receipt, String) {
        match self {
            Submission::Here(underway, epoch) => (underway.receipt().await, epoch),
            Submission::Elsewhere(receipt, epoch) => (receipt, epoch),
        }
    }
}

impl Directory {
    /// The workspaces of this node alone.
    pub fn local(node: Node) -> Self {
        Self { node, others: None }
    }

    /// The workspaces of all nodes of a cluster.
    pub fn clustered(node: Node, cluster: Cluster, log: Arc<dyn SharedLog>, context: &Context) -> Self {
        let settings = &context.settings;
        let others = Others {
            mirrors: Mirrors::new(context.clone(), log, node.cell()),
            sound: AudioSubscriber::new(cluster.courier().clone()),
            cluster,
            max_workspaces: settings.max_workspaces,
            admission: Admission::new(settings.max_in_flight_samples),
        };
        Self { node, others: Some(others) }
    }

    /// The names of all workspaces, in order.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        match &self.others {
            Some(others) => others.cluster.workspaces(),
            None => self.node.workspaces().iter().map(|handle| handle.id().clone()).collect(),
        }
    }

    /// The workspace of the pass; `Ok(None)` when there is none.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened, or when it runs elsewhere and its log cannot be read.
    pub async fn find(&self, pass: &WorkspacePass) -> Result<Option<Workspace>, OpenError> {
        let id = pass.workspace();
        let here = self.node.find(id);
        match (&self.others, here) {
            (_, Ok(Some(handle))) => Ok(Some(Workspace::Local(handle))),
            (None, nothing) => nothing.map(|_| None),
            // Opening here or running elsewhere: the log can be followed either way.
            (Some(others), _) if others.cluster.knows(id) => others.remote(pass).await.map(Some),
            (Some(_), Ok(None)) => Ok(None),
            (Some(_), Err(error)) => Err(error),
        }
    }

    /// The workspace, if this node runs it.
    ///
    /// # Errors
    /// `Unavailable` while it is being opened.
    pub fn here(&self, id: &WorkspaceId) -> Result<Option<WorkspaceHandle>, OpenError> {
        self.node.find(id)
    }

    /// Makes the workspace when there is none.
    pub async fn ensure(&self, id: &WorkspaceId) -> Result<(), OpenError> {
        match &self.others {
            Some(others) => others.cluster.ensure(id, others.max_workspaces).await,
            None => self.node.open(id).await.map(drop),
        }
    }

    /// Takes samples into the workspace of the pass, making it when there is none, and waits for the commit, here or on the node
    /// that owns it. Returns the receipt and the epoch of the log.
    ///
    /// # Errors
    /// Only when nothing of the batch was taken.
    pub async fn ingest(
        &self,
        pass: &WorkspacePass,
        batches: Vec<KpiBatch>,
        arrival: Arrival,
    ) -> Result<(Receipt, String), Refused> {
        Ok(self.send(pass, batches, arrival).await?.receipt().await)
    }

    /// Like [`ingest`](Self::ingest), but waits for the commit only when the workspace runs on another node: whoever
    /// sends batch after batch without waiting for receipts keeps their order.
    ///
    /// # Errors
    /// Only when nothing of the batch was taken.
    pub async fn send(
        &self,
        pass: &WorkspacePass,
        batches: Vec<KpiBatch>,
        arrival: Arrival,
    ) -> Result<Submission, Refused> {
        let id = pass.workspace();
        let epoch = |handle: &WorkspaceHandle| handle.hub().epoch().to_owned();
        let Some(others) = &self.others else {
            let handle = self.node.open(id).await?;
            return Ok(Submission::Here(send(&handle, batches, arrival).await?, epoch(&handle)));
        };
        if let Ok(Some(handle)) = self.node.find(id) {
            // Kept, because the workspace may be on its way to another node in this very moment.
            match send(&handle, batches.clone(), arrival).await {
                Err(IngestError::Unavailable) => {}
                result => return Ok(Submission::Here(result?, epoch(&handle))),
            }
        } else if !others.cluster.knows(id) {
            others.cluster.ensure(id, others.max_workspaces).await?;
        }
        let (receipt, epoch) = others.errands(pass).ingest(batches, arrival).await?;
        Ok(Submission::Elsewhere(receipt, epoch))
    }

    /// Whether the workspaces are shared with other nodes.
    pub fn is_clustered(&self) -> bool {
        self.others.is_some()
    }

    /// Who owns what. A node that is alone owns everything.
    pub async fn cluster_status(&self) -> ClusterStatus {
        match &self.others {
            Some(others) => others.cluster.status().await,
            None => ClusterStatus::alone(&self.node).await,
        }
    }
}

impl Others {
    async fn remote(&self, pass: &WorkspacePass) -> Result<Workspace, OpenError> {
        match self.mirrors.hub(pass).await {
            Ok(hub) => Ok(Workspace::remote(pass.clone(), hub, self.errands(pass), self.sound.clone())),
            Err(error) => {
                let error: PortError = error;
                tracing::warn!(workspace = %pass.workspace(), %error, "a workspace of another node cannot be followed");
                Err(OpenError::Unavailable)
            }
        }
    }

    fn errands(&self, pass: &WorkspacePass) -> OwnerClient {
        OwnerClient::new(self.cluster.clone(), pass.clone(), self.admission.clone())
    }
}
