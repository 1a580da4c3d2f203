//! `POST …/kpis/ingest` in JSON and NDJSON.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use super::answer::{Accepted, accepted_json};
use super::commit::submit;
use super::parse::{content_type, parse_native};
use super::state::IngestState;
use super::target::{IngestParams, OwnParams};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{Body, check_decoded};
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::Params;

/// The body, for the OpenAPI document. The parser in `earcon_intake::json` builds no such value.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body for the OpenAPI document only")]
pub(crate) struct IngestBody {
    samples: Vec<IngestSample>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body for the OpenAPI document only")]
struct IngestSample {
    kpi: String,
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    labels: (),
    /// Integer milliseconds since 1970 UTC, or an RFC 3339 string; absent means now.
    #[schema(value_type = Option<i64>)]
    timestamp: (),
    /// May be absent with `ended`.
    #[schema(value_type = Option<f64>)]
    value: (),
    /// The values are totals that only grow, and may begin again at zero.
    counter: Option<bool>,
    /// The series ends at this time.
    ended: Option<bool>,
    /// The unit of the values, at most 32 characters, such as `ms`, `By` or `{request}`.
    unit: Option<String>,
    /// A sentence about the KPI, at most 300 characters.
    description: Option<String>,
}

/// Takes samples in; answers when they are durable.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/kpis/ingest", tag = "ingest",
    params(("workspace" = String, Path), IngestParams),
    request_body(content((IngestBody = "application/json"), (IngestSample = "application/x-ndjson"))),
    responses(
        (status = 200, description = "durable", body = Accepted),
        (status = 400, description = "not understood, or no row was good"),
        (status = 413, description = "too many samples or bytes"),
        (status = 415, description = "another content type"),
        (status = 429, description = "too many samples in flight; nothing was taken"),
        (status = 503, description = "some rows were not committed; send the batch again")))]
pub(crate) async fn ingest(
    State(state): State<IngestState>,
    authorized: Authorized,
    Params(params): Params<OwnParams>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    check_decoded(&headers)?;
    let pass = authorized.pass();
    let parsed = parse_native(&state, pass, &content_type(&headers), &body).await?;
    let submitted = submit(&state, pass, parsed, params.arrival()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], accepted_json(&submitted)?).into_response())
}
