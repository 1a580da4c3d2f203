//! The owners and how far their workspaces are, for people.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::handle::Cluster;
use crate::actors::node::Node;
use crate::actors::remote::ask::ask_once;
use crate::actors::workspace::command::{DescribeStatus, WorkspaceStatus};
use crate::cluster::NodeStatus;
use earcon_model::WorkspaceId;

/// How long an owner may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The name of a node without a cluster.
const SINGLE_NODE: &str = "this node";
/// Owners asked at once.
const AT_ONCE: usize = 32;

/// The cluster as one node sees it.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// The node that was asked.
    pub node: String,
    /// All nodes whose heartbeats it has seen.
    pub nodes: Vec<NodeStatus>,
    /// All workspaces, in order of name.
    pub workspaces: Vec<WorkspacePlace>,
}

/// The owner of a workspace, and how far the workspace is.
#[derive(Debug, Clone)]
pub struct WorkspacePlace {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The node that owns it.
    pub owner: Option<String>,
    /// The owner's answer; `None` if it did not answer.
    pub status: Option<WorkspaceStatus>,
}

impl ClusterStatus {
    /// The status of a node without a cluster.
    pub async fn single_node(node: &Node) -> Self {
        let mut workspaces = Vec::new();
        for handle in node.workspaces() {
            let status = handle.execute(DescribeStatus).await.ok();
            let (workspace, owner) = (handle.id().clone(), Some(SINGLE_NODE.into()));
            workspaces.push(WorkspacePlace { workspace, owner, status });
        }
        Self { node: SINGLE_NODE.into(), nodes: Vec::new(), workspaces }
    }

    /// The status of the cluster; every owner is asked about its workspaces.
    pub async fn clustered(cluster: &Cluster) -> Self {
        let shared = cluster.shared();
        let now_ms = shared.now_ms();
        let (nodes, owners) = shared.read(|view| {
            let owner = |id: &WorkspaceId| (id.clone(), view.owner(id).map(|owner| owner.node.clone()));
            (view.nodes(now_ms), view.workspaces().map(owner).collect::<Vec<_>>())
        });
        let workspaces = stream::iter(owners)
            .map(|(workspace, owner)| async {
                let status = ask_owner(cluster, &workspace).await;
                WorkspacePlace { workspace, owner, status }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        Self { node: cluster.node().to_owned(), nodes, workspaces }
    }
}

async fn ask_owner(cluster: &Cluster, workspace: &WorkspaceId) -> Option<WorkspaceStatus> {
    let pass = cluster.pass(workspace);
    let answer = ask_once(cluster, &pass, DescribeStatus);
    tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()?.ok()
}
