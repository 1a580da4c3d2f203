//! Detectors and their settings: `…/detectors`.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json;
use crate::services::detectors::DetectorError;
use crate::services::detectors::entries::DetectorList;
use earcon_model::DetectorEntry;

/// The detectors of a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detectors {
    /// The live entry of KPIs without an experiment: `name@revision`, or `default` for the
    /// configured one.
    live: String,
    /// The configured algorithm.
    configured: &'static str,
    /// Every revision of every entry.
    entries: Vec<WireEntry>,
    /// How many entries cannot be read and are left out; the server's log names them.
    unreadable: usize,
}

/// One revision of an entry. It never changes.
#[derive(Serialize, ToSchema)]
#[schema(as = DetectorEntry)]
pub(crate) struct WireEntry {
    /// `name@revision`
    entry: String,
    name: String,
    revision: u32,
    /// The algorithm.
    detector: String,
    /// Options that differ from the defaults of the algorithm.
    options: BTreeMap<String, f64>,
    /// The detector that its anomalies name.
    label: String,
}

impl WireEntry {
    fn from_entry(entry: DetectorEntry) -> Self {
        let (name, label) = (entry.to_string(), entry.label());
        let DetectorEntry { name: of, revision, detector, options } = entry;
        Self { entry: name, name: of, revision, detector, options, label }
    }
}

/// Settings of a new revision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DetectorBody)]
pub(crate) struct EntryBody {
    /// The algorithm, for example `season-reach-1`.
    detector: String,
    /// `sensitivity`, `open_score`, `close_score`, `calm_samples`, `calm_seconds`, `update_every`
    /// and `warm_up`; an absent option has its default.
    #[serde(default)]
    options: BTreeMap<String, f64>,
}

impl FromJson for EntryBody {}

/// All entries, and the live one.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/detectors", tag = "experiments",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Detectors), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let DetectorList { live, entries, unreadable } = state.detectors.detectors(authorized.pass()).await?;
    let entries = entries.into_iter().map(WireEntry::from_entry).collect();
    let configured = state.detectors.configured();
    Ok(json(&Detectors { live: live.to_string(), configured, entries, unreadable }))
}

/// Adds a revision to an entry, or makes the entry. It scores nothing until an experiment promotes
/// it.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/detectors/{entry}", tag = "experiments",
    params(("workspace" = String, Path), ("entry" = String, Path)), request_body = EntryBody,
    responses((status = 200, body = WireEntry), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace"), (status = 409, description = "too many entries or revisions")))]
pub(crate) async fn put(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
    JsonBody(EntryBody { detector, options }): JsonBody<EntryBody>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let entry = state.detectors.put_entry(authorized.pass(), &name, detector, options).await?;
    Ok(json(&WireEntry::from_entry(entry)))
}

impl From<DetectorError> for Problem {
    fn from(error: DetectorError) -> Self {
        match error {
            DetectorError::Invalid(problems) => {
                Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", problems.into())
            }
            DetectorError::Unknown(text) => Problem::new(Kind::NotFound, text),
            DetectorError::NotNow(text) => Problem::new(Kind::NotNow, text),
            DetectorError::Store(error) => error.into(),
        }
    }
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put))
}
