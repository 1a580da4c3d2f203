//! Which workspace an agent's samples go to. Agents know one address and append the path of their protocol to it:
//! `/api/v1/workspaces/NAME` in front of that path names the workspace, else the header `X-Earcon-Workspace` does, else it is
//! the one of `ingest.workspace`. A database, bucket or organisation is none: agents always send one, mostly their default.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::gateway::Gateway;
use crate::gateway::authorized::Authorized;
use crate::gateway::problem::{Kind, Problem};
use crate::model::WorkspaceId;

const HEADER: &str = "x-earcon-workspace";

/// Proof that the request may touch the workspace it sends to. Extracting it is the check.
pub(crate) struct Sender(pub(crate) Authorized);

impl FromRequestParts<Gateway> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let named = parts.uri.path().starts_with("/api/v1/workspaces/");
        if named {
            return Authorized::from_request_parts(parts, gateway).await.map(Self);
        }
        let workspace = match parts.headers.get(HEADER) {
            Some(value) => {
                let name = value.to_str().unwrap_or_default();
                WorkspaceId::new(name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?
            }
            None => gateway.limits.workspace.clone(),
        };
        Authorized::to(parts, gateway, workspace).await.map(Self)
    }
}
