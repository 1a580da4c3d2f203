//! A workspace's rules for what agents send: `GET` and `PUT …/ingest/rules`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{Body, check_json};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::{expected_revision, json_with_revision};
use crate::gateway::ingest::parse::check_workspace;
use crate::gateway::ingest::state::IngestState;
use earcon_intake::rules::{RuleDocument, RulesDocument};
use earcon_ports::Revision;

/// Most bytes of a document.
const MOST_BYTES: usize = 256 * 1_024;

/// A workspace's rules.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestRules)]
pub(crate) struct WireRules<'a> {
    /// 0 until the first change.
    revision: Revision,
    /// The rules as they were sent.
    #[schema(value_type = Object)]
    document: &'a RulesDocument,
    /// The rules that come before it when `defaults` is true.
    #[schema(value_type = Vec<Object>)]
    shipped: Vec<RuleDocument>,
}

/// How names and labels of agents become KPIs and series.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/ingest/rules", tag = "ingest", params(("workspace" = String, Path)),
    responses((status = 200, body = WireRules), (status = 404, description = "no such workspace")))]
pub(crate) async fn show(State(state): State<IngestState>, authorized: Authorized) -> Result<Response, Problem> {
    check_workspace(&state, authorized.pass()).await?;
    let current = state.rules.current(authorized.pass()).await?;
    Ok(answer(current.series.rules().document(), current.revision))
}

/// Replaces the rules, which are checked as a whole. `If-Match: "revision"` guards against a lost
/// update. Other nodes apply them within a few seconds.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/ingest/rules", tag = "ingest", params(("workspace" = String, Path)),
    request_body(content_type = "application/json", content = Object),
    responses((status = 200, body = WireRules), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace"),
        (status = 412, description = "another request changed them first"), (status = 413, description = "too large"), (status = 415, description = "not application/json")))]
pub(crate) async fn change(
    State(state): State<IngestState>,
    authorized: Authorized,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    check_json(&headers)?;
    if body.len() > MOST_BYTES {
        return Err(Problem::new(Kind::TooLarge, format!("rules may have at most {MOST_BYTES} bytes")));
    }
    let rules = RulesDocument::parse(&body)
        .map_err(|problems| Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", json!(problems)))?;
    let expected = expected_revision(&headers)?;
    check_workspace(&state, authorized.pass()).await?;
    let put = state.rules.put(authorized.pass(), rules, expected).await?;
    Ok(answer(put.series.rules().document(), put.revision))
}

fn answer(document: &RulesDocument, revision: Revision) -> Response {
    let rules = WireRules { revision, document, shipped: RulesDocument::shipped() };
    json_with_revision(StatusCode::OK, &rules, revision)
}
