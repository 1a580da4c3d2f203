//! Influx line protocol: `/write` as InfluxDB 1 has it, `/api/v2/write` as InfluxDB 2 has it, and what their clients ask
//! before they write. Errors are shaped as those servers shape them.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::http::{Body, Outcome, commit, gather};
use super::target::Sender;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::state::Gateway;
use earcon_intake::influx::{Precision, parse};
use earcon_model::RejectedRow;

/// At most this many lines are named in an answer.
const NAMED: usize = 10;

#[derive(Deserialize)]
pub(crate) struct WriteQuery {
    #[serde(default)]
    precision: String,
}

/// How an error looks.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// Takes points in as InfluxDB 1 does. `db`, `rp` and credentials are accepted and mean nothing.
#[utoipa::path(post, path = "/write", tag = "ingest", request_body(content_type = "text/plain", content = String),
    params(("precision" = Option<String>, Query, description = "n (default), u, ms, s, m or h")),
    responses((status = 204, description = "durable"), (status = 400, description = "some lines were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn write(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    query: Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(Version::One, take(state, sender, query, headers, body).await)
}

/// Takes points in as InfluxDB 2 does. `bucket`, `org` and tokens are accepted and mean nothing.
#[utoipa::path(post, path = "/api/v2/write", tag = "ingest", request_body(content_type = "text/plain", content = String),
    params(("precision" = Option<String>, Query, description = "ns (default), us, ms or s")),
    responses((status = 204, description = "durable"), (status = 400, description = "some lines were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn write_v2(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    query: Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(Version::Two, take(state, sender, query, headers, body).await)
}

/// [`write`] for a workspace named in the address.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/write", tag = "ingest", params(("workspace" = String, Path)),
    request_body(content_type = "text/plain", content = String), responses((status = 204, description = "as /write")))]
pub(crate) async fn write_to(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    query: Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    write(state, sender, query, headers, body).await
}

/// [`write_v2`] for a workspace named in the address.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/api/v2/write", tag = "ingest", params(("workspace" = String, Path)),
    request_body(content_type = "text/plain", content = String), responses((status = 204, description = "as /api/v2/write")))]
pub(crate) async fn write_v2_to(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    query: Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    write_v2(state, sender, query, headers, body).await
}

/// What clients of InfluxDB 1 ask first: `CREATE DATABASE`, which has nothing to do here. No other query is answered.
#[utoipa::path(post, path = "/query", tag = "ingest", responses((status = 200, description = "nothing to create")))]
pub(crate) async fn query() -> Response {
    ([("x-influxdb-version", VERSION)], axum::Json(json!({"results": [{"statement_id": 0}]}))).into_response()
}

/// Answers clients of InfluxDB that want to know whether it is there.
#[utoipa::path(get, path = "/ping", tag = "ingest", responses((status = 204, description = "it is there")))]
pub(crate) async fn ping() -> Response {
    (StatusCode::NO_CONTENT, [("x-influxdb-version", VERSION)]).into_response()
}

/// Clients look at the first digits to choose a dialect.
const VERSION: &str = "1.8.0-earcon";

async fn take(
    State(gateway): State<Gateway>,
    sender: Result<Sender, Problem>,
    Query(query): Query<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Outcome, Problem> {
    let sender = sender?;
    let body = body.plain(&headers)?;
    let precision = Precision::parse(&query.precision).ok_or_else(|| {
        crate::gateway::http::query::bad(&format!("precision must be ns, us, ms, s, m or h, not {:?}", query.precision))
    })?;
    let gathered = gather(&gateway, &sender.authorized, |batch| parse(&body, precision, batch)).await?;
    commit(&gateway, &sender, gathered).await
}

fn answer(version: Version, outcome: Result<Outcome, Problem>) -> Response {
    let (status, retry_after, message) = match outcome {
        Ok(outcome) if outcome.rejected.is_empty() => return StatusCode::NO_CONTENT.into_response(),
        Ok(outcome) => (StatusCode::BAD_REQUEST, None, refused(&outcome.rejected)),
        Err(problem) => {
            let detail = problem.detail().to_owned();
            let response = problem.into_response();
            (response.status(), response.headers().get("retry-after").cloned(), detail)
        }
    };
    let code = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => "invalid",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal error",
    };
    let body = match version {
        Version::One => json!({"error": message}),
        Version::Two => json!({"code": code, "message": message}),
    };
    let mut response = (status, axum::Json(body)).into_response();
    if let (Version::One, Ok(value)) = (version, HeaderValue::from_str(&message)) {
        response.headers_mut().insert("x-influxdb-error", value);
    }
    if let Some(value) = retry_after {
        response.headers_mut().insert("retry-after", value);
    }
    response
}

/// Clients know a refusal of some lines by its first words, and do not send those lines again.
fn refused(rejected: &[RejectedRow]) -> String {
    let lines: Vec<String> =
        rejected.iter().take(NAMED).map(|row| format!("line {}: {}", row.row + 1, row.error)).collect();
    let more = rejected.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("partial write: {}{more} dropped={}", lines.join("; "), rejected.len())
}
