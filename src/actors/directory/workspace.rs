//! A workspace, here or on another node: one way to use both.

use std::time::Duration;

use crate::actors::hub::Hub;
use crate::actors::mix::Listening;
use crate::actors::remote::audio::subscriber::AudioSubscriber;
use crate::actors::remote::client::OwnerClient;
use crate::actors::workspace::WorkspaceHandle;
use crate::actors::workspace::command::{Command, OwnerError, WakeExperiments};
use crate::actors::workspace::handlers::CommandHandler;
use earcon_model::WorkspaceId;
use earcon_tenancy::WorkspacePass;

/// A workspace that can be read and commanded.
#[derive(Clone)]
pub enum Workspace {
    /// This node owns it.
    Local(WorkspaceHandle),
    /// Another node owns it.
    Remote(RemoteWorkspace),
}

/// A workspace of another node.
#[derive(Clone)]
pub struct RemoteWorkspace {
    pub(super) pass: WorkspacePass,
    pub(super) hub: Hub,
    pub(super) owner: OwnerClient,
    pub(super) audio: AudioSubscriber,
}

impl Workspace {
    /// Its identifier.
    pub fn id(&self) -> &WorkspaceId {
        match self {
            Workspace::Local(handle) => handle.id(),
            Workspace::Remote(remote) => remote.pass.workspace(),
        }
    }

    /// Live events and the present state.
    pub fn hub(&self) -> &Hub {
        match self {
            Workspace::Local(handle) => handle.hub(),
            Workspace::Remote(remote) => &remote.hub,
        }
    }

    /// Waits while history reads what it missed, as after a start, at most this long. Without it, a
    /// query right after a start would miss samples that the log holds. A node that does not own
    /// the workspace does not wait.
    pub async fn wait_for_history(&self, most: Duration) {
        if let Workspace::Local(handle) = self {
            handle.wait_for_history(most).await;
        }
    }

    /// Executes a command on the node that owns the workspace.
    ///
    /// # Errors
    /// If the workspace is closing, has no owner, or its owner does not answer.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, OwnerError>
    where
        WorkspaceHandle: CommandHandler<C>,
    {
        match self {
            Workspace::Local(handle) => handle.execute(command).await,
            Workspace::Remote(remote) => remote.owner.execute(command).await,
        }
    }

    /// Has the owner read the records of experiments and training jobs again. If that fails, the
    /// owner reads them when it next opens the workspace or writes them.
    pub async fn wake_experiments(&self) {
        if let Err(error) = self.execute(WakeExperiments).await {
            tracing::warn!(workspace = %self.id(), %error, "the owner does not know of a change of its experiments");
        }
    }

    /// Begins to listen to the default mix; `None` if the workspace is closing. Not a command: the
    /// answer is a stream.
    pub async fn listen(&self) -> Option<Listening> {
        match self {
            Workspace::Local(handle) => handle.mix().listen().await,
            Workspace::Remote(remote) => remote.audio.listen(&remote.pass, &remote.owner).await,
        }
    }
}
