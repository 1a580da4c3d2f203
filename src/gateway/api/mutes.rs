//! Mutes: make, list, change, remove; and mute the series of an anomaly for a while.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::anomalies::find;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::{expected_revision, json, json_with_revision};
use crate::mutes::MuteDocument;
use crate::services::mutes::{MuteError, StoredMute};

/// A mute.
#[derive(Serialize, ToSchema)]
#[schema(as = Mute)]
pub(crate) struct WireMute<'a> {
    id: &'a str,
    revision: u64,
    created_at: i64,
    created_by: &'a str,
    /// Whether it holds now.
    active: bool,
    /// The end of the present window.
    until: Option<i64>,
    /// The begin of the next window.
    next: Option<i64>,
    /// The mute as it was sent.
    #[schema(value_type = Object)]
    document: &'a MuteDocument,
}

impl<'a> WireMute<'a> {
    fn from_stored(stored: &'a StoredMute, now_ms: i64) -> Self {
        let window = stored.mute.window_at(now_ms);
        Self {
            id: stored.mute.id(),
            revision: stored.revision,
            created_at: stored.created_at_ms,
            created_by: &stored.created_by,
            active: window.is_some(),
            until: window.map(|window| window.until_ms),
            next: stored.mute.next_after(now_ms).map(|window| window.from_ms),
            document: stored.mute.document(),
        }
    }
}

/// The mutes of a workspace.
#[derive(Serialize, ToSchema)]
#[schema(as = Mutes)]
pub(crate) struct WireMutes<'a> {
    mutes: Vec<WireMute<'a>>,
    /// How many mutes cannot be read and are left out; the server's log names them.
    unreadable: usize,
}

/// How long to mute a series.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MuteBody {
    /// `30m`, `2h`, `1d`.
    r#for: String,
    reason: Option<String>,
}

impl FromJson for MuteDocument {
    const SHAPE: Option<&'static str> = Some("a mute");
}

impl FromJson for MuteBody {
    const SHAPE: Option<&'static str> = Some("{\"for\": \"2h\", \"reason\": \"…\"}");
}

impl From<MuteError> for Problem {
    fn from(error: MuteError) -> Self {
        match error {
            MuteError::Invalid(problems) => {
                Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", problems.into())
            }
            MuteError::TooMany => Problem::new(Kind::BadRequest, error.to_string()),
            MuteError::Unknown => Problem::new(Kind::NotFound, error.to_string()),
            MuteError::Store(error) => error.into(),
        }
    }
}

/// The mutes of a workspace, including expired ones.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mutes", tag = "mutes",
    params(("workspace" = String, Path)), responses((status = 200, body = WireMutes)))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    let list = state.mutes.list(authorized.pass()).await?;
    let now_ms = state.clock.now_ms();
    let mutes = list.mutes.iter().map(|stored| WireMute::from_stored(stored, now_ms)).collect();
    Ok(json(&WireMutes { mutes, unreadable: list.unreadable }))
}

/// One mute.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)),
    responses((status = 200, body = WireMute), (status = 404, description = "no such mute")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let stored = state.mutes.one(authorized.pass(), &id).await?.ok_or(MuteError::Unknown)?;
    Ok(with_revision(StatusCode::OK, &stored, &state))
}

/// Makes a mute. It holds at once on this node, and within a few seconds on the others.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/mutes", tag = "mutes",
    params(("workspace" = String, Path)), request_body(content_type = "application/json", content = Object),
    responses((status = 201, body = WireMute), (status = 400, description = "every problem is named in `problems`")))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    authorized: Authorized,
    JsonBody(document): JsonBody<MuteDocument>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let stored = state.mutes.create(authorized.pass(), document).await?;
    Ok(with_revision(StatusCode::CREATED, &stored, &state))
}

/// Replaces a mute. `If-Match: "revision"` guards against a lost update.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)), request_body(content_type = "application/json", content = Object),
    responses((status = 200, body = WireMute), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such mute"), (status = 412, description = "another request changed it first")))]
pub(crate) async fn replace(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(document): JsonBody<MuteDocument>,
) -> Result<Response, Problem> {
    let expected = expected_revision(&headers)?;
    let stored = state.mutes.replace(authorized.pass(), &id, document, expected).await?;
    Ok(with_revision(StatusCode::OK, &stored, &state))
}

/// Removes a mute. The series it muted may alert again.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)),
    responses((status = 204, description = "removed"), (status = 404, description = "no such mute"),
        (status = 412, description = "another request changed it first")))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    state.mutes.remove(authorized.pass(), &id, expected_revision(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mutes exactly the series of an anomaly for a while.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/mute", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = MuteBody,
    responses((status = 201, body = WireMute), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn mute_series(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    JsonBody(body): JsonBody<MuteBody>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let anomaly = find(&state, &authorized, &workspace, &id).await?;
    let labels = anomaly.labels.pairs().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut document = MuteDocument::of_series(&anomaly.kpi, labels, state.clock.now_ms(), &body.r#for)
        .map_err(|problem| bad(&problem))?;
    document.reason = body.reason;
    let stored = state.mutes.create(authorized.pass(), document).await?;
    Ok(with_revision(StatusCode::CREATED, &stored, &state))
}

fn with_revision(status: StatusCode, stored: &StoredMute, state: &ApiState) -> Response {
    json_with_revision(status, &WireMute::from_stored(stored, state.clock.now_ms()), stored.revision)
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, replace, remove))
        .routes(routes!(mute_series))
}
