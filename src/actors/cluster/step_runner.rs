//! Carries out the steps of the controller.

use std::sync::Arc;
use std::time::Duration;

use super::handle::ClusterArgs;
use crate::actors::node::Node;
use crate::actors::remote::executed::Executed;
use crate::actors::remote::server::RpcServer;
use crate::cluster::{Key, NodeEpoch, Ownership, Standing, Step, Term};
use earcon_model::{WorkspaceId, WorkspaceKey};
use earcon_ports::{ErrorKind, NodeTransport, Registry, Revision};
use earcon_tenancy::Authorizer;

/// Pause after a step that failed, before it is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause after a store could not delete a workspace.
const ERASE_AGAIN: Duration = Duration::from_secs(3);
/// When the stores are searched once more for a deleted workspace: after requests that were under
/// way have ended.
const SWEEP_AFTER: Duration = Duration::from_secs(60);

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
            Step::Claim(key, expected) => self.write_owner(&key, expected, Some(self.me.clone())).await,
            Step::Open(id, revision) => self.open(&id, revision).await,
            Step::HandOver(key, expected, to) => self.hand_over(&key, expected, to, server).await,
            Step::StepDown(id) => self.step_down(&id, server).await,
            Step::Erase(key, expected) => self.erase(&key, expected).await,
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
        key: &WorkspaceKey,
        expected: Revision,
        to: Option<NodeEpoch>,
        server: Option<RpcServer>,
    ) -> StepResult {
        let id = key.workspace();
        tracing::info!(workspace = %id, to = to.as_ref().map(|to| &to.node), "handing a workspace over");
        // Closed before the server stops: requests in between are answered as unavailable.
        self.node.release(id).await;
        let result = self.write_owner(key, expected, to).await;
        stop(server).await;
        result
    }

    async fn step_down(&self, id: &WorkspaceId, server: Option<RpcServer>) -> StepResult {
        if self.authorizer.is_retired(id) {
            tracing::info!(workspace = %id, "closing a workspace that is deleted");
        } else {
            tracing::warn!(workspace = %id, "another node owns, or has owned, a workspace that was open here; closing it");
        }
        self.node.abandon(id).await;
        stop(server).await;
        StepResult::Nothing
    }

    /// Deletes what the stores hold of a workspace, and records that nothing is left. After a crash
    /// in between, this node or another does it again.
    async fn erase(&self, key: &WorkspaceKey, expected: Revision) -> StepResult {
        // It may have been on its way to be opened.
        self.node.abandon(key.workspace()).await;
        if let Err(error) = self.node.erase(key).await {
            tracing::warn!(workspace = %key, %error, "a workspace could not be deleted yet; it is tried again");
            tokio::time::sleep(ERASE_AGAIN).await;
            return StepResult::Nothing;
        }
        tracing::info!(workspace = %key, "the workspace was deleted");
        let runner = self.clone();
        let late = key.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SWEEP_AFTER).await;
            runner.sweep(&late).await;
        });
        let deleted = Ownership { owner: None, generation: key.generation(), standing: Standing::Deleted };
        self.write_entry(key.workspace(), expected, deleted).await
    }

    /// Deletes what requests wrote that were under way when the workspace was deleted.
    pub(super) async fn sweep(&self, key: &WorkspaceKey) {
        if let Err(error) = self.node.erase(key).await {
            tracing::warn!(workspace = %key, %error, "late records of a deleted workspace could not be deleted");
        }
    }

    /// Writes the owner of the workspace, if the entry still has this revision.
    async fn write_owner(&self, key: &WorkspaceKey, expected: Revision, owner: Option<NodeEpoch>) -> StepResult {
        self.write_entry(key.workspace(), expected, Ownership::live(owner, key.generation())).await
    }

    async fn write_entry(&self, id: &WorkspaceId, expected: Revision, ownership: Ownership) -> StepResult {
        match self.try_write_owner(id, expected, ownership).await {
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
