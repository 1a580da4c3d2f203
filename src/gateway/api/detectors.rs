//! Detectors and their settings: `…/detectors`.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actors::experiments::desk::Declined;
use crate::gateway::api::state::ApiState as Gateway;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::json as answer;
use earcon_model::DetectorEntry;

/// What there is to score with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detectors {
    /// The entry that is live where nothing is tried out: `name@revision`, or `default` for what is configured.
    live: String,
    /// The algorithm that is configured.
    configured: &'static str,
    /// Every revision of every entry.
    entries: Vec<WireEntry>,
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
    /// What differs from what is usual with it.
    options: BTreeMap<String, f64>,
    /// What anomalies that it finds name as their detector.
    label: String,
}

impl WireEntry {
    fn of(entry: DetectorEntry) -> Self {
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
    /// The algorithm, for example `tail-rank-1`.
    detector: String,
    /// `sensitivity`, `open_score`, `close_score`, `calm_samples`, `update_every` and `warm_up`; what is absent is as usual.
    #[serde(default)]
    options: BTreeMap<String, f64>,
}

/// All entries, and what is live.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/detectors", tag = "experiments",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Detectors), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(gateway): State<Gateway>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let (board, entries) = gateway.desk.entries(authorized.pass()).await?;
    let entries = entries.into_iter().map(WireEntry::of).collect();
    Ok(answer(&Detectors { live: board.live.to_string(), configured: gateway.desk.configured(), entries }))
}

/// Adds a revision to an entry, or makes the entry. It scores nothing until it is tried out and promoted.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/detectors/{entry}", tag = "experiments",
    params(("workspace" = String, Path), ("entry" = String, Path)), request_body = EntryBody,
    responses((status = 200, body = WireEntry), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace"), (status = 409, description = "too many entries or revisions")))]
pub(crate) async fn put(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let EntryBody { detector, options } = serde_json::from_slice(&body).map_err(|error| bad(&error.to_string()))?;
    let entry = gateway.desk.put_entry(authorized.pass(), &name, detector, options).await?;
    Ok(answer(&WireEntry::of(entry)))
}

impl From<Declined> for Problem {
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::Invalid(problems) => {
                Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", json!(problems))
            }
            Declined::Unknown(text) => Problem::new(Kind::NotFound, text),
            Declined::NotNow(text) => Problem::new(Kind::NotNow, text),
            Declined::Store(error) => error.into(),
        }
    }
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put))
}
