//! Detectors and their settings: `…/detectors`.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::json as answer;
use crate::gateway::http::state::Gateway;
use crate::services::detectors::DetectorError;
use crate::services::detectors::entries::DetectorList;
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
    let DetectorList { live, entries, unreadable } = gateway.detectors.detectors(authorized.pass()).await?;
    let entries = entries.into_iter().map(WireEntry::of).collect();
    let configured = gateway.detectors.configured();
    Ok(answer(&Detectors { live: live.to_string(), configured, entries, unreadable }))
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
    let entry = gateway.detectors.put_entry(authorized.pass(), &name, detector, options).await?;
    Ok(answer(&WireEntry::of(entry)))
}

impl From<DetectorError> for Problem {
    fn from(error: DetectorError) -> Self {
        match error {
            DetectorError::Invalid(problems) => {
                Problem::new(Kind::BadRequest, problems.join("; ")).with("problems", json!(problems))
            }
            DetectorError::Unknown(text) => Problem::new(Kind::NotFound, text),
            DetectorError::NotNow(text) => Problem::new(Kind::NotNow, text),
            DetectorError::Store(error) => error.into(),
        }
    }
}
