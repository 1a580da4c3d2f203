//! Tickets: for streams of clients that cannot send headers.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::state::AccountsState;
use super::wire::at;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::Caller;
use earcon_identity::token::Purpose;
use earcon_model::WorkspaceId;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTicket)]
struct Wish {
    /// `events`, `ingest` or `audio`.
    #[schema(value_type = String)]
    purpose: Purpose,
}

impl FromJson for Wish {}

#[derive(Serialize, ToSchema)]
struct Ticket {
    /// To be sent as `?ticket=`, once.
    ticket: String,
    expires_at: String,
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// A ticket for one stream of the workspace, to be used once and within a minute.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/tickets", tag = "accounts", params(("workspace" = String, Path)), request_body = Wish,
    responses((status = 201, body = Ticket), (status = 400, description = "without accounts no ticket is needed"), (status = 404, description = "not a workspace of the caller")))]
async fn create(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(workspace): Path<String>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Response, Problem> {
    let workspace = WorkspaceId::new(&workspace).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
    let Caller::Of(principal) = by.caller else {
        return Err(Problem::new(Kind::BadRequest, "without accounts no ticket is needed"));
    };
    let (ticket, ends_ms) = state.accounts.ticket(principal, &workspace, wish.purpose)?;
    Ok((StatusCode::CREATED, answer(&Ticket { ticket, expires_at: at(ends_ms) })).into_response())
}
