//! Carries out the steps of the controller.

use std::sync::Arc;
use std::time::Duration;

use super::handle::ClusterArgs;
use crate::actors::node::Node;
use crate::actors::remote::executed::Executed;
use crate::actors::remote::server::RpcServer;
use crate::cluster::{Key, NodeEpoch, Ownership, Step, Term};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, NodeTransport, Registry, Revision};
use earcon_tenancy::Authorizer;

/// Pause after a step that failed, before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Carries out steps. Cheap to clone.
#[derive(Clone)]
pub(super) struct StepRunner {
    me: NodeEpoch,
    node: Node,
    registry: Arc<dyn Registry>,
    transport: Arc<dyn NodeTransport>,
    authorizer: Authorizer,
    /// The requests of other nodes, for all workspaces of this node.
    executed: Executed,
}

/// A step has ended.
pub(super) struct StepDone {
    pub(super) workspace: WorkspaceId,
    pub(super) result: StepResult,
}

/// The state of a workspace after a step.
pub(super) enum StepResult {
    /// It is open and served.
    Open(Revision, RpcServer),
    /// Its entry in the table.
    Entry(Revision, Ownership),
    /// It is closed, or the step failed and is tried again.
    Nothing,
}

impl StepRunner {
    pub(super) fn new(me: NodeEpoch, args: &ClusterArgs, node: Node) -> Self {
        let (registry, transport) = (args.registry.clone(), args.transport.clone());
        Self { me, node, registry, transport, authorizer: args.authorizer.clone(), executed: Executed::default() }
    }

    /// Carries out a step. `server` serves the workspace until now, if it is open.
    pub(super) async fn run(self, step: Step, server: Option<RpcServer>) -> StepDone {
        let workspace = step.workspace().clone();
        let result = match step {
            Step::Claim(id, expected) => self.write_owner(&id, expected, Some(self.me.clone())).await,
            Step::Open(id, revision) => self.open(&id, revision).await,
            Step::HandOver(id, expected, to) => self.hand_over(&id, expected, to, server).await,
            Step::StepDown(id) => self.step_down(&id, server).await,
        };
        StepDone { workspace, result }
    }

    async fn open(&self, id: &WorkspaceId, revision: Revision) -> StepResult {
        match self.node.open(id).await {
            Ok(_) => {
                let (node, transport) = (self.node.clone(), self.transport.clone());
                let term = Term { owner: self.me.clone(), revision };
                let (pass, executed) = (self.authorizer.system(id), self.executed.clone());
                StepResult::Open(revision, RpcServer::start(node, transport, pass, term.address(), executed))
            }
            Err(error) => {
                tracing::warn!(workspace = %id, %error, "an own workspace is not open yet");
                tokio::time::sleep(PAUSE).await;
                StepResult::Nothing
            }
        }
    }

    async fn hand_over(
        &self,
        id: &WorkspaceId,
        expected: Revision,
        to: Option<NodeEpoch>,
        server: Option<RpcServer>,
    ) -> StepResult {
        tracing::info!(workspace = %id, to = to.as_ref().map(|to| &to.node), "handing a workspace over");
        // Closed before the server stops: requests in between are answered as unavailable.
        self.node.release(id).await;
        let result = self.write_owner(id, expected, to).await;
        stop(server).await;
        result
    }

    async fn step_down(&self, id: &WorkspaceId, server: Option<RpcServer>) -> StepResult {
        tracing::warn!(workspace = %id, "another node owns, or has owned, a workspace that was open here; closing it");
        self.node.abandon(id).await;
        stop(server).await;
        StepResult::Nothing
    }

    /// Writes the owner of the workspace, if the entry still has this revision.
    async fn write_owner(&self, id: &WorkspaceId, expected: Revision, owner: Option<NodeEpoch>) -> StepResult {
        match self.try_write_owner(id, expected, Ownership { owner }).await {
            Some((revision, ownership)) => StepResult::Entry(revision, ownership),
            None => StepResult::Nothing,
        }
    }

    /// Returns the entry as it is now, or `None` if that is not known.
    async fn try_write_owner(
        &self,
        id: &WorkspaceId,
        expected: Revision,
        ownership: Ownership,
    ) -> Option<(Revision, Ownership)> {
        let key = Key::Workspace(id.clone()).text();
        let value = serde_json::to_vec(&ownership).ok()?;
        match self.registry.compare_and_set(&key, expected, value).await {
            Ok(revision) => Some((revision, ownership)),
            Err(error) if error.kind == ErrorKind::Conflict => {
                let (revision, value) = self.registry.get(&key).await.ok()??;
                Some((revision, serde_json::from_slice(&value).ok()?))
            }
            Err(error) => {
                tracing::warn!(workspace = %id, %error, "the owner of a workspace could not be written");
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }
}

async fn stop(server: Option<RpcServer>) {
    if let Some(server) = server {
        server.stop().await;
    }
}
