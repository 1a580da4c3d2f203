//! From a request to a pass: the workspace in its path, its caller, the check.

use axum::extract::{ConnectInfo, FromRef, FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::actors::directory::Workspace;
use crate::actors::node::OpenError;
use crate::gateway::http::access::Access;
use crate::gateway::http::connection::Peer;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::SharedState;
use earcon_identity::Permission;
use earcon_model::WorkspaceId;
use earcon_tenancy::{Denied, WorkspacePass};

/// Proof that the request may touch the workspace its path names. Extracting it is the check.
pub(crate) struct Authorized {
    pass: WorkspacePass,
}

impl Authorized {
    /// The check for a workspace that the path does not name.
    ///
    /// # Errors
    /// 401 for an unknown caller, 403 for one who lacks the right, and 404 if the workspace is not
    /// theirs at all.
    pub(crate) async fn for_workspace(
        parts: &mut Parts,
        state: &SharedState,
        workspace: WorkspaceId,
    ) -> Result<Self, Problem> {
        let ConnectInfo(peer) = ConnectInfo::<Peer>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Kind::Internal, "the server does not know where the request came from"))?;
        let access = Access::from_request_parts(parts, state).await?;
        let (caller, permission) = (access.caller()?, access.permission()?);
        let pass = match state.access.admit(caller, &workspace, permission, state.clock.now_ms()) {
            Ok(pass) => pass,
            // A workspace of others and one that does not exist get the same answer.
            Err(Denied::Hidden) => return Err(OpenError::Unknown(workspace).into()),
            Err(denied) => return Err(denied.into()),
        };
        Ok(Self { pass: pass.of_sender(peer.sender()) })
    }

    /// The pass.
    pub(crate) fn pass(&self) -> &WorkspacePass {
        &self.pass
    }

    /// Checks that the caller may hear this mix.
    ///
    /// # Errors
    /// 403 for a key that is limited to another one.
    pub(crate) fn may_hear(&self, mix: &str) -> Result<(), Problem> {
        if self.pass.may_hear(mix) {
            return Ok(());
        }
        Err(Problem::new(Kind::Forbidden, format!("the key does not permit the mix {mix:?}")))
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
    // Others get the same answer as for a workspace that is not theirs.
    if !pass.has(Permission::ManageWorkspaces) {
        return OpenError::Unknown(id.clone()).into();
    }
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
