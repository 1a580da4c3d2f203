//! From a request to a pass: the workspace in its path, the peer it came from, the check.

use axum::extract::{ConnectInfo, FromRef, FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::actors::directory::Workspace;
use crate::actors::node::OpenError;
use crate::gateway::http::connection::Peer;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::SharedState;
use earcon_model::WorkspaceId;
use earcon_tenancy::WorkspacePass;

/// Proof that the request may touch the workspace its path names. Extracting it is the check.
pub(crate) struct Authorized {
    pass: WorkspacePass,
}

impl Authorized {
    /// The check for a workspace that the path does not name.
    ///
    /// # Errors
    /// 403 when the request may not touch the workspace.
    pub(crate) async fn for_workspace(
        parts: &mut Parts,
        state: &SharedState,
        workspace: WorkspaceId,
    ) -> Result<Self, Problem> {
        let ConnectInfo(peer) = ConnectInfo::<Peer>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Kind::Internal, "the server does not know where the request came from"))?;
        let admitted = state.access.admit(peer.address().ip(), &workspace);
        let pass = admitted.map_err(|denied| Problem::new(Kind::Forbidden, denied.to_string()))?;
        Ok(Self { pass: pass.of_sender(peer.sender()) })
    }

    /// The pass.
    pub(crate) fn pass(&self) -> &WorkspacePass {
        &self.pass
    }

    /// The workspace, on whatever node it runs.
    ///
    /// # Errors
    /// 404 when the workspace does not exist, 503 while it restarts.
    pub(crate) async fn workspace(&self, state: &SharedState) -> Result<Workspace, Problem> {
        let found = state.directory.find(&self.pass).await?;
        found.ok_or_else(|| no_such_workspace(state, &self.pass))
    }
}

/// 404, with the ways to create the workspace that are open to the client.
pub(crate) fn no_such_workspace(state: &SharedState, pass: &WorkspacePass) -> Problem {
    let id = pass.workspace();
    let advice = match state.creators.may_create(pass.principal()) {
        Ok(()) => format!(
            "create it with `earcon workspaces create {id}`, PUT /api/v1/workspaces/{id} or the setting workspaces.names"
        ),
        Err(_) => "only the server's settings create workspaces: workspaces.names".to_owned(),
    };
    Problem::new(Kind::NotFound, format!("{}; {advice}", OpenError::Unknown(id.clone())))
}

impl<S> FromRequestParts<S> for Authorized
where
    SharedState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
        let name = params.iter().find(|(name, _)| *name == "workspace").map_or("", |(_, value)| value);
        let workspace = WorkspaceId::new(name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
        Self::for_workspace(parts, &SharedState::from_ref(state), workspace).await
    }
}
