//! From a request to a pass: the workspace in its path, the peer it came from, the check.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::actors::directory::Workspace;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::Gateway;
use earcon_model::WorkspaceId;
use earcon_tenancy::WorkspacePass;

/// Proof that the request may touch the workspace its path names. Extracting it is the check.
pub(crate) struct Authorized {
    pass: WorkspacePass,
}

impl Authorized {
    /// A request for this workspace, which its address does not name.
    ///
    /// # Errors
    /// 403 when it may not touch the workspace.
    pub(crate) async fn to(parts: &mut Parts, gateway: &Gateway, workspace: WorkspaceId) -> Result<Self, Problem> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, gateway)
            .await
            .map_err(|_| Problem::new(Kind::Internal, "the server does not know where the request came from"))?;
        let admitted = gateway.access.admit(peer.ip(), &workspace);
        let pass = admitted.map_err(|denied| Problem::new(Kind::Forbidden, denied.to_string()))?;
        Ok(Self { pass })
    }

    /// What came over a connection that speaks for the system, such as the one to NATS.
    pub(crate) fn system(gateway: &Gateway, workspace: &WorkspaceId) -> Self {
        Self { pass: gateway.access.system(workspace) }
    }

    /// The pass.
    pub(crate) fn pass(&self) -> &WorkspacePass {
        &self.pass
    }

    /// The workspace, on whatever node it runs.
    ///
    /// # Errors
    /// 404 when there is none, 503 while it restarts.
    pub(crate) async fn workspace(&self, gateway: &Gateway) -> Result<Workspace, Problem> {
        let id = self.pass.workspace();
        gateway
            .directory
            .find(&self.pass)
            .await?
            .ok_or_else(|| Problem::new(Kind::NotFound, format!("there is no workspace {id:?}", id = id.as_str())))
    }
}

impl FromRequestParts<Gateway> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, gateway)
            .await
            .map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
        let name = params.iter().find(|(name, _)| *name == "workspace").map_or("", |(_, value)| value);
        let workspace = WorkspaceId::new(name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
        Self::to(parts, gateway, workspace).await
    }
}
