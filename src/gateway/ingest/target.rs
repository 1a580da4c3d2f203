//! Which workspace an agent's samples go to. Agents know one address and append the path of their protocol to it:
//! `/api/v1/workspaces/NAME` in front of that path names the workspace, else the header `X-Earcon-Workspace` does, else it is
//! the one of `ingest.workspace`. A database, bucket or organisation is none: agents always send one, mostly their default.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::http::IngestParams;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::Params;
use crate::gateway::http::state::Gateway;
use earcon_model::{Arrival, WorkspaceId};

const HEADER: &str = "x-earcon-workspace";

/// Proof that the request may touch the workspace it sends to. Extracting it is the check.
pub(crate) struct Sender {
    /// What it may touch.
    pub(crate) authorized: Authorized,
    /// Whether it sends news or history: `?backfill=true`.
    pub(crate) arrival: Arrival,
}

impl FromRequestParts<Gateway> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let named = parts.uri.path().starts_with("/api/v1/workspaces/");
        let Params(params) = Params::<IngestParams>::from_request_parts(parts, gateway).await?;
        let arrival = params.arrival();
        if named {
            let authorized = Authorized::from_request_parts(parts, gateway).await?;
            return Ok(Self { authorized, arrival });
        }
        let workspace = match parts.headers.get(HEADER) {
            Some(value) => {
                let name = value.to_str().unwrap_or_default();
                WorkspaceId::new(name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?
            }
            None => gateway.limits.workspace.clone(),
        };
        let authorized = Authorized::to(parts, gateway, workspace).await?;
        Ok(Self { authorized, arrival })
    }
}
