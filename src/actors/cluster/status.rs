//! Who owns what and how it goes, for people.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::Cluster;
use crate::actors::node::Node;
use crate::actors::remote::answering::status;
use crate::actors::remote::wire::{Answer, Request, WorkspaceStatus, decode, encode};
use crate::cluster::NodeStatus;
use earcon_model::WorkspaceId;
use earcon_tenancy::Authorizer;

/// How long an owner may take to say how a workspace stands.
const PATIENCE: Duration = Duration::from_secs(2);
/// How a node without a cluster calls itself.
const ALONE: &str = "this node";
/// Owners asked at once.
const AT_ONCE: usize = 32;

/// The cluster as one node sees it.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// The node that was asked.
    pub node: String,
    /// All nodes it has heard of.
    pub nodes: Vec<NodeStatus>,
    /// All workspaces, in order of name.
    pub workspaces: Vec<WorkspacePlace>,
}

/// Where a workspace is and how it stands.
#[derive(Debug, Clone)]
pub struct WorkspacePlace {
    /// Which.
    pub workspace: WorkspaceId,
    /// The node that owns it.
    pub owner: Option<String>,
    /// What the owner said; `None` when it did not answer.
    pub status: Option<WorkspaceStatus>,
}

impl ClusterStatus {
    /// What a node without a cluster has to say.
    pub async fn alone(node: &Node) -> Self {
        let mut workspaces = Vec::new();
        for handle in node.workspaces() {
            let status = status(&handle).await;
            workspaces.push(WorkspacePlace { workspace: handle.id().clone(), owner: Some(ALONE.into()), status });
        }
        Self { node: ALONE.into(), nodes: Vec::new(), workspaces }
    }
}

impl Cluster {
    /// Asks every owner how its workspaces stand.
    pub async fn status(&self) -> ClusterStatus {
        let now_ms = self.shared.now_ms();
        let (nodes, owners) = self.shared.read(|view| {
            let owner = |id: &WorkspaceId| (id.clone(), view.owner(id).map(|owner| owner.node.clone()));
            (view.nodes(now_ms), view.workspaces().map(owner).collect::<Vec<_>>())
        });
        let workspaces = stream::iter(owners)
            .map(|(workspace, owner)| async {
                let status = self.ask_status(&workspace).await;
                WorkspacePlace { workspace, owner, status }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        ClusterStatus { node: self.me.node.clone(), nodes, workspaces }
    }

    async fn ask_status(&self, workspace: &WorkspaceId) -> Option<WorkspaceStatus> {
        let question = encode(&Request::Status).ok()?;
        let pass = Authorizer.system(workspace);
        let answer = tokio::time::timeout(PATIENCE, self.courier.ask(&pass, question)).await.ok()?.ok()?;
        match decode(&answer)? {
            Answer::Status(status) => Some(status),
            _ => None,
        }
    }
}
