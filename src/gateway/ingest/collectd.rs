//! collectd's plugin `write_http` with `Format "JSON"`, at `/collectd/write`.
//!
//! The plugin sends nothing again: it logs the status of an answer, and drops the values.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agent::{AgentRequest, at_both_paths, commit};
use super::commit::RefusedRows;
use super::state::IngestState;
use crate::gateway::http::problem::Problem;
use earcon_intake::collectd::parse;

/// At most this many refused value lists are named in an answer.
const NAMED: usize = 5;

/// The routes of this protocol.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    at_both_paths(routes!(write))
}

/// Takes values in from collectd.
#[utoipa::path(post, path = "/collectd/write", operation_id = "collectd_write", tag = "ingest",
    request_body(content_type = "application/json", content = Vec<Object>, description = "an array of value lists"),
    responses((status = 204, description = "durable"), (status = 400, description = "some value lists were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn write(request: AgentRequest) -> Response {
    match ingest(request).await {
        Ok(refused) if refused.rows.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(refused) => {
            let reasons = refused.reasons(NAMED, |row| format!("value list {row}"));
            let text =
                format!("{} refused and the others taken: {reasons}\n", refused.counted("value was", "values were"));
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(problem) => problem.respond_as(problem.status(), format!("{}\n", problem.detail())),
    }
}

async fn ingest(request: AgentRequest) -> Result<RefusedRows, Problem> {
    let (state, target, body) = request.plain()?;
    commit(&state, &target, |batch| parse(&body, batch)).await
}
