//! Which workspaces there are, and new ones.

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::connection::Peer;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json;
use earcon_model::WorkspaceId;
use earcon_tenancy::Principal;

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
pub(crate) async fn workspaces(State(state): State<ApiState>, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    let may_touch = |id: &WorkspaceId| state.access.admit(peer.address().ip(), id).is_ok();
    let all = state.directory.workspaces();
    let workspaces = all.iter().filter(|id| may_touch(id)).map(|id| Workspace { id: id.to_string() }).collect();
    let local = peer.address().ip().to_canonical().is_loopback();
    let may_create = local && state.creators.may_create(&Principal::Loopback).is_ok();
    json(&Workspaces { workspaces, may_create })
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
