//! Which workspaces there are, and new ones.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::state::ApiState;
use crate::gateway::http::access::Access;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json;

/// The workspaces of this server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Workspaces {
    workspaces: Vec<Workspace>,
    /// Whether this client may create more, with PUT.
    may_create: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Workspace {
    id: String,
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(workspaces)).routes(routes!(create))
}

/// Workspaces this request may touch.
#[utoipa::path(get, path = "/api/v1/workspaces", tag = "workspaces", responses((status = 200, body = Workspaces)))]
pub(crate) async fn workspaces(State(state): State<ApiState>, access: Access) -> Result<Response, Problem> {
    let (caller, now_ms) = (access.caller()?, state.clock.now_ms());
    let all = state.directory.workspaces();
    let theirs = all.iter().filter(|id| state.access.sees(caller, id, now_ms));
    let workspaces = theirs.map(|id| Workspace { id: id.to_string() }).collect();
    let may_create =
        state.creators.may_create(caller.principal()).is_ok() && state.access.may_create_somewhere(caller, now_ms);
    Ok(json(&Workspaces { workspaces, may_create }))
}

/// Creates a workspace. One that exists stays as it is.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}", tag = "workspaces",
    params(("workspace" = String, Path)),
    responses((status = 200, description = "it exists", body = Workspace), (status = 201, description = "created", body = Workspace),
        (status = 400, description = "not a name of a workspace"),
        (status = 403, description = "not allowed, or there are as many as there may be"),
        (status = 503, description = "it cannot be opened now")))]
pub(crate) async fn create(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    let id = authorized.pass().workspace();
    let exists = state.directory.knows(id).await;
    if !exists {
        let allowed = state.creators.may_create(authorized.pass().principal());
        allowed.map_err(|refused| Problem::new(Kind::Forbidden, refused.to_string()))?;
    }
    state.directory.ensure(id).await?;
    let status = if exists { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, json(&Workspace { id: id.to_string() })).into_response())
}
