//! `GET /api/v1/cluster`: the nodes, their workspaces, and their state.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actors::cluster::status::{ClusterStatus, WorkspacePlace};
use crate::cluster::{NodeState, NodeStatus};
use crate::gateway::api::state::ApiState;
use crate::gateway::http::reply::json;

/// The nodes and workspaces as this node sees them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cluster {
    /// Whether this node shares its workspaces with others.
    enabled: bool,
    /// The node that answers.
    node: String,
    nodes: Vec<Node>,
    workspaces: Vec<Workspace>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClusterNode)]
struct Node {
    node: String,
    /// `alive`, `leaving` (shutting down) or `silent` (no heartbeats).
    state: &'static str,
    /// Milliseconds since its last heartbeat arrived.
    silent_ms: i64,
    version: String,
    /// When its process started, by its own clock.
    started: String,
    /// How far its clock is ahead of the clock of the answering node, milliseconds, including the
    /// travel time of a heartbeat.
    clock_ms: i64,
    /// How many workspaces it owns.
    workspaces: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClusterWorkspace)]
struct Workspace {
    workspace: String,
    /// The node that owns it; null between two owners.
    owner: Option<String>,
    /// The newest event. This and the following are null when the owner did not answer.
    seq: Option<u64>,
    kpis: Option<u64>,
    /// KPIs that failed too often and take no samples.
    parked: Option<u64>,
    /// Events that history lags behind.
    history_lag: Option<u64>,
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(status))
}

/// The nodes, and the workspaces that each owns.
#[utoipa::path(get, path = "/api/v1/cluster", tag = "operations", responses((status = 200, body = Cluster)))]
pub(crate) async fn status(State(state): State<ApiState>) -> Response {
    let ClusterStatus { node, nodes, workspaces } = state.directory.cluster_status().await;
    let owned = |node: &str| workspaces.iter().filter(|place| place.owner.as_deref() == Some(node)).count();
    let answer = Cluster {
        enabled: state.directory.is_clustered(),
        nodes: nodes.iter().map(|status| Node::from_status(status, owned(&status.node))).collect(),
        node,
        workspaces: workspaces.iter().map(Workspace::from_place).collect(),
    };
    json(&answer)
}

impl Node {
    fn from_status(status: &NodeStatus, workspaces: usize) -> Self {
        let state = match status.state {
            NodeState::Alive => "alive",
            NodeState::Leaving => "leaving",
            NodeState::Silent => "silent",
        };
        let started = jiff::Timestamp::from_millisecond(status.record.started_ms);
        Self {
            node: status.node.clone(),
            state,
            silent_ms: status.silent_ms,
            version: status.record.version.clone(),
            started: started.map(|started| started.to_string()).unwrap_or_default(),
            clock_ms: status.clock_ms,
            workspaces,
        }
    }
}

impl Workspace {
    fn from_place(place: &WorkspacePlace) -> Self {
        let status = place.status.as_ref();
        Self {
            workspace: place.workspace.to_string(),
            owner: place.owner.clone(),
            seq: status.map(|status| status.seq),
            kpis: status.map(|status| status.kpis),
            parked: status.map(|status| status.parked),
            history_lag: status.map(|status| status.history_lag),
        }
    }
}
