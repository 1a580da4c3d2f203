//! Influx line protocol: `/write` as in InfluxDB 1, `/api/v2/write` as in InfluxDB 2, and the
//! requests that their clients send before they write. Errors have the form of those servers.

use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agent::{AgentRequest, at_both_paths, commit};
use super::commit::RefusedRows;
use super::state::IngestState;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use earcon_intake::influx::{Precision, parse};

/// At most this many lines are named in an answer.
const NAMED: usize = 10;

#[derive(Deserialize)]
pub(crate) struct WriteQuery {
    #[serde(default)]
    precision: String,
}

/// The parameters, or the problem with them, which the answer words as the protocol does.
type WriteParams = Result<Params<WriteQuery>, Problem>;

/// The form of an error.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// The routes of this protocol.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    at_both_paths(routes!(write)).merge(at_both_paths(routes!(write_v2))).routes(routes!(query)).routes(routes!(ping))
}

/// Takes points in as InfluxDB 1 does. `db`, `rp` and credentials are accepted and ignored.
#[utoipa::path(post, path = "/write", tag = "ingest", request_body(content_type = "text/plain", content = String),
    params(("precision" = Option<String>, Query, description = "n (default), u, ms, s, m or h")),
    responses((status = 204, description = "durable"), (status = 400, description = "some lines were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn write(query: WriteParams, request: AgentRequest) -> Response {
    answer(Version::One, ingest(Version::One, query, request).await)
}

/// Takes points in as InfluxDB 2 does. `bucket`, `org` and tokens are accepted and ignored.
#[utoipa::path(post, path = "/api/v2/write", tag = "ingest", request_body(content_type = "text/plain", content = String),
    params(("precision" = Option<String>, Query, description = "ns (default), us, ms or s")),
    responses((status = 204, description = "durable"), (status = 400, description = "some lines were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn write_v2(query: WriteParams, request: AgentRequest) -> Response {
    answer(Version::Two, ingest(Version::Two, query, request).await)
}

/// Answers the `CREATE DATABASE` that clients of InfluxDB 1 send first. It has no effect.
/// Questions get an error: an empty result would say that there is no data.
#[utoipa::path(post, path = "/query", tag = "ingest", request_body(content_type = "application/x-www-form-urlencoded", content = String),
    params(("q" = Option<String>, Query, description = "the statement; in the body as a form, if not here")),
    responses((status = 200, description = "nothing to create"), (status = 400, description = "the statement is a question")))]
pub(crate) async fn query(uri: Uri, form: String) -> Response {
    let statements: Vec<_> = [uri.query().unwrap_or_default(), &form]
        .into_iter()
        .flat_map(|pairs| form_urlencoded::parse(pairs.as_bytes()))
        .filter(|(key, _)| key == "q")
        .flat_map(|(_, text)| text.split(';').map(|text| text.trim().to_owned()).collect::<Vec<_>>())
        .filter(|text| !text.is_empty())
        .collect();
    let refused =
        |why| (StatusCode::BAD_REQUEST, error_body(Version::One, StatusCode::BAD_REQUEST, why)).into_response();
    if statements.is_empty() {
        return refused("missing required parameter \"q\"");
    }
    match statements.iter().find(|text| !creates(text)) {
        None => {
            ([("x-influxdb-version", VERSION)], axum::Json(json!({"results": [{"statement_id": 0}]}))).into_response()
        }
        Some(_) => refused(NO_QUERIES),
    }
}

/// Whether a statement makes something that Earcon does not need: a database or a retention policy.
fn creates(statement: &str) -> bool {
    statement.split_ascii_whitespace().next().is_some_and(|verb| verb.eq_ignore_ascii_case("create"))
}

const NO_QUERIES: &str = "Earcon answers no InfluxQL but CREATE; read samples at \
/api/v1/workspaces/WORKSPACE/kpis/KPI/samples or with `earcon query`";

/// Answers clients of InfluxDB that check whether the server is up.
#[utoipa::path(get, path = "/ping", tag = "ingest", responses((status = 204, description = "the server is up")))]
pub(crate) async fn ping() -> Response {
    (StatusCode::NO_CONTENT, [("x-influxdb-version", VERSION)]).into_response()
}

/// Clients look at the first digits to choose a dialect.
const VERSION: &str = "1.8.0-earcon";

async fn ingest(version: Version, query: WriteParams, request: AgentRequest) -> Result<RefusedRows, Problem> {
    let Params(query) = query?;
    let (state, target, body) = request.plain()?;
    let (precision, known) = match version {
        Version::One => (Precision::parse(&query.precision), "ns, us, ms, s, m or h"),
        Version::Two => (Precision::parse_second(&query.precision), "ns, us, ms or s"),
    };
    let precision = precision.ok_or_else(|| bad(&format!("precision must be {known}, not {:?}", query.precision)))?;
    commit(&state, &target, |batch| parse(&body, precision, batch)).await
}

fn answer(version: Version, result: Result<RefusedRows, Problem>) -> Response {
    match result {
        Ok(refused) if refused.rows.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(refused) => {
            let message = partial_write(&refused);
            (StatusCode::BAD_REQUEST, error_body(version, StatusCode::BAD_REQUEST, &message)).into_response()
        }
        Err(problem) => problem.respond_as(problem.status(), error_body(version, problem.status(), problem.detail())),
    }
}

fn error_body(version: Version, status: StatusCode, message: &str) -> Response {
    let code = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => "invalid",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not found",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal error",
    };
    match version {
        Version::One => {
            let mut response = axum::Json(json!({"error": message})).into_response();
            if let Ok(value) = HeaderValue::from_str(message) {
                response.headers_mut().insert("x-influxdb-error", value);
            }
            response
        }
        Version::Two => axum::Json(json!({"code": code, "message": message})).into_response(),
    }
}

/// Clients recognise a partial write by the first words, and do not send the refused lines again.
fn partial_write(refused: &RefusedRows) -> String {
    let reasons = refused.reasons(NAMED, |row| format!("line {}", row + 1));
    let more = refused.rows.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("partial write: {reasons}{more} dropped={}", refused.rows.len())
}
