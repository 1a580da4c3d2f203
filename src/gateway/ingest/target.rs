//! Which workspace an agent's samples go to, and whether they are live or history.
//!
//! Agents know one address and append the path of their protocol to it. `/api/v1/workspaces/NAME`
//! in front of that path names the workspace. Else the header `X-Earcon-Workspace` does. Else it
//! is the one of `ingest.workspace`. A database, bucket or organisation names none, because agents
//! always send one, mostly their default.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::state::IngestState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::Params;
use earcon_model::{Arrival, WorkspaceId};
use earcon_tenancy::WorkspacePass;

const HEADER: &str = "x-earcon-workspace";

/// The query parameters of every way to send samples over HTTP.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IngestParams {
    /// The samples are history: they train the baseline and raise no alerts.
    #[serde(default)]
    backfill: bool,
}

impl IngestParams {
    /// How the samples arrive.
    pub(crate) fn arrival(self) -> Arrival {
        if self.backfill { Arrival::Backfill } else { Arrival::Live }
    }
}

/// The same for Earcon's own protocols: a misspelt parameter would make history of live samples, or
/// the reverse. Agents send parameters of their own servers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnParams {
    #[serde(default)]
    backfill: bool,
}

impl OwnParams {
    /// How the samples arrive.
    pub(crate) fn arrival(self) -> Arrival {
        IngestParams { backfill: self.backfill }.arrival()
    }
}

/// Proof that the request may touch the workspace it sends to. Extracting it is the check.
pub(crate) struct Target {
    authorized: Authorized,
    /// Live samples, or history: `?backfill=true`.
    pub(crate) arrival: Arrival,
}

impl Target {
    /// The pass to the workspace.
    pub(crate) fn pass(&self) -> &WorkspacePass {
        self.authorized.pass()
    }
}

impl FromRequestParts<IngestState> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &IngestState) -> Result<Self, Problem> {
        let named = parts.uri.path().starts_with("/api/v1/workspaces/");
        let Params(params) = Params::<IngestParams>::from_request_parts(parts, state).await?;
        let arrival = params.arrival();
        if named {
            let authorized = Authorized::from_request_parts(parts, state).await?;
            return Ok(Self { authorized, arrival });
        }
        let workspace = match parts.headers.get(HEADER) {
            Some(value) => {
                let name = value.to_str().unwrap_or_default();
                WorkspaceId::new(name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?
            }
            None => state.default_workspace.clone(),
        };
        let authorized = Authorized::for_workspace(parts, state, workspace).await?;
        Ok(Self { authorized, arrival })
    }
}
