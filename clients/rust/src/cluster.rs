//! The nodes of a server, and the workspaces that they own.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;

/// A cluster, from the view of the answering node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// False for a single node.
    pub enabled: bool,
    /// The answering node.
    pub node: String,
    /// The nodes, the answering one among them. Empty for a single node.
    pub nodes: Vec<ClusterNode>,
    /// The workspaces.
    pub workspaces: Vec<ClusterWorkspace>,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterNode {
    /// Its name.
    pub node: String,
    /// `alive`, `leaving` (it shuts down) or `silent` (no heartbeat arrives).
    pub state: String,
    /// Milliseconds since the last heartbeat.
    pub silent_ms: i64,
    /// The version of the program.
    pub version: String,
    /// Start of the process by the node's clock, RFC 3339.
    pub started: String,
    /// Milliseconds by which the node's clock is ahead of the answering node's clock.
    pub clock_ms: i64,
    /// Number of workspaces that the node owns.
    pub workspaces: usize,
}

/// A workspace in a cluster. The numbers are `None` if the owner did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterWorkspace {
    /// Its name.
    pub workspace: String,
    /// The node that owns it. `None` while it is in transfer between two nodes.
    pub owner: Option<String>,
    /// The newest event.
    pub seq: Option<u64>,
    /// Number of KPIs.
    pub kpis: Option<u64>,
    /// Number of KPIs that are not scored, because scoring failed repeatedly.
    pub parked: Option<u64>,
    /// Number of events that the history has not stored yet.
    pub history_lag: Option<u64>,
}

impl Client {
    /// Returns the nodes and the owners of the workspaces.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not permit it.
    pub async fn cluster(&self) -> Result<Cluster, Error> {
        self.ask(self.http.get(self.endpoint(&["api", "v1", "cluster"]))).await
    }
}
