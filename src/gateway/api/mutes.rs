//! Mutes: make, list, change, remove; and mute the series of an anomaly for a while.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::gateway::api::anomalies::find;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::expected_revision;
use crate::gateway::http::reply::json as answer;
use crate::gateway::http::state::Gateway;
use crate::live::wire::to_json;
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
    /// When the window ends that holds now.
    until: Option<i64>,
    /// When the next window begins.
    next: Option<i64>,
    /// What was asked for.
    #[schema(value_type = Object)]
    document: &'a MuteDocument,
}

impl<'a> WireMute<'a> {
    fn of(stored: &'a StoredMute, now_ms: i64) -> Self {
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

impl From<MuteError> for Problem {
    fn from(error: MuteError) -> Self {
        match error {
            MuteError::Invalid(problems) => {
                Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", json!(problems))
            }
            MuteError::TooMany => Problem::new(Kind::BadRequest, error.to_string()),
            MuteError::Unknown => Problem::new(Kind::NotFound, error.to_string()),
            MuteError::Store(error) => error.into(),
        }
    }
}

/// The mutes of a workspace, those that are over included.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mutes", tag = "mutes",
    params(("workspace" = String, Path)), responses((status = 200, body = WireMutes)))]
pub(crate) async fn list(State(gateway): State<Gateway>, authorized: Authorized) -> Result<Response, Problem> {
    let list = gateway.mutes.list(authorized.pass()).await?;
    let now_ms = gateway.clock.now_ms();
    let mutes = list.mutes.iter().map(|stored| WireMute::of(stored, now_ms)).collect();
    Ok(answer(&WireMutes { mutes, unreadable: list.unreadable }))
}

/// One mute.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)),
    responses((status = 200, body = WireMute), (status = 404, description = "no such mute")))]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let stored = gateway.mutes.one(authorized.pass(), &id).await?.ok_or(MuteError::Unknown)?;
    Ok(with_revision(StatusCode::OK, &stored, &gateway))
}

/// Makes a mute. It holds from then on, on other nodes within a few seconds.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/mutes", tag = "mutes",
    params(("workspace" = String, Path)), request_body(content_type = "application/json", content = Object),
    responses((status = 201, body = WireMute), (status = 400, description = "every problem is named in `problems`")))]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Body(body): Body,
) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let stored = gateway.mutes.create(authorized.pass(), document(&body)?).await?;
    Ok(with_revision(StatusCode::CREATED, &stored, &gateway))
}

/// Replaces a mute. `If-Match: "revision"` guards against a lost update.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)), request_body(content_type = "application/json", content = Object),
    responses((status = 200, body = WireMute), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such mute"), (status = 412, description = "somebody else changed it first")))]
pub(crate) async fn replace(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let expected = expected_revision(&headers)?;
    let stored = gateway.mutes.replace(authorized.pass(), &id, document(&body)?, expected).await?;
    Ok(with_revision(StatusCode::OK, &stored, &gateway))
}

/// Removes a mute: what it kept quiet may alert again.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/mutes/{mute}", tag = "mutes",
    params(("workspace" = String, Path), ("mute" = String, Path)),
    responses((status = 204, description = "removed"), (status = 404, description = "no such mute"),
        (status = 412, description = "somebody else changed it first")))]
pub(crate) async fn remove(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    gateway.mutes.remove(authorized.pass(), &id, expected_revision(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mutes exactly the series of an anomaly for a while.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/mute", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = MuteBody,
    responses((status = 201, body = WireMute), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn mute_series(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body: MuteBody = serde_json::from_slice(&body)
        .map_err(|error| bad(&format!("{{\"for\": \"2h\", \"reason\": \"…\"}}: {error}")))?;
    let workspace = authorized.workspace(&gateway).await?;
    let anomaly = find(&gateway, &authorized, &workspace, &id).await?;
    let labels = anomaly.labels.pairs().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut document = MuteDocument::of_series(&anomaly.kpi, labels, gateway.clock.now_ms(), &body.r#for)
        .map_err(|problem| bad(&problem))?;
    document.reason = body.reason;
    let stored = gateway.mutes.create(authorized.pass(), document).await?;
    Ok(with_revision(StatusCode::CREATED, &stored, &gateway))
}

fn document(body: &[u8]) -> Result<MuteDocument, Problem> {
    serde_json::from_slice(body).map_err(|error| bad(&format!("a mute: {error}")))
}

fn with_revision(status: StatusCode, stored: &StoredMute, gateway: &Gateway) -> Response {
    let body = to_json(&WireMute::of(stored, gateway.clock.now_ms()));
    let etag = format!("\"{}\"", stored.revision);
    (status, [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, etag)], body).into_response()
}
