//! Units and descriptions of KPIs.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kpis::no_such_kpi;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Problem, restarting};
use crate::gateway::http::query::{self, bad};
use crate::gateway::http::reply::{expected_revision, json_with_revision};
use crate::services::meanings::{Meanings, StatedMeaning};
use earcon_model::{KpiName, Meaning};

/// The unit and the description of a KPI.
#[derive(Serialize, ToSchema)]
#[schema(as = KpiSettings)]
pub(crate) struct WireMeaning<'a> {
    /// As it was stated, such as `By/s`; null if it was not.
    unit: Option<&'a str>,
    /// As people write it, such as `B/s`; empty for a plain number.
    symbol: String,
    description: Option<&'a str>,
    /// `sender` or `person`; null if nothing was stated.
    stated_by: Option<&'static str>,
}

impl<'a> WireMeaning<'a> {
    fn of(stated: Option<&'a StatedMeaning>) -> Self {
        let meaning = stated.map(|stated| &stated.meaning);
        Self {
            unit: meaning.and_then(|meaning| meaning.unit.as_deref()),
            symbol: meaning.map(Meaning::symbol).unwrap_or_default(),
            description: meaning.and_then(|meaning| meaning.description.as_deref()),
            stated_by: stated.map(|stated| if stated.by_person { "person" } else { "sender" }),
        }
    }
}

/// The units and descriptions of a workspace's KPIs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Units<'a> {
    /// Grows with each change.
    revision: u64,
    /// By name; only KPIs of which something was stated.
    kpis: BTreeMap<&'a str, WireMeaning<'a>>,
}

/// The unit and the description; an absent one is removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsBody {
    /// At most 32 characters: a code of UCUM such as `ms`, `By`, `{request}/s`, or any short text.
    #[serde(default)]
    unit: Option<String>,
    /// At most 300 characters.
    #[serde(default)]
    description: Option<String>,
}

impl FromJson for SettingsBody {}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, change))
}

/// Units and descriptions of all KPIs of which some were stated.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/units", tag = "kpis", params(("workspace" = String, Path)),
    responses((status = 200, body = Units), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    let _there = authorized.workspace(&state).await?;
    let meanings = state.meanings.current(authorized.pass()).await?;
    let kpis = meanings.iter().map(|(kpi, stated)| (kpi.as_str(), WireMeaning::of(Some(stated)))).collect();
    let revision = meanings.revision;
    Ok(json_with_revision(StatusCode::OK, &Units { revision, kpis }, revision))
}

/// The settings of a KPI: its unit and its description.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}/settings", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path)),
    responses((status = 200, body = WireMeaning), (status = 404, description = "no such KPI")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let kpi = known(&state, &authorized, &kpi).await?;
    let meanings = state.meanings.stored(authorized.pass()).await?;
    Ok(answer(&meanings, &kpi))
}

/// Replaces them. Senders then change nothing more. `If-Match: "revision"` guards against a lost
/// update.
#[utoipa::path(put, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}/settings", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path)), request_body = SettingsBody,
    responses((status = 200, body = WireMeaning), (status = 400, description = "too long, or with control characters"),
        (status = 404, description = "no such KPI"), (status = 412, description = "another request changed them first"),
        (status = 415, description = "not application/json")))]
pub(crate) async fn change(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Result<Response, Problem> {
    let kpi = known(&state, &authorized, &kpi).await?;
    let (unit, description) = (body.unit.unwrap_or_default(), body.description.unwrap_or_default());
    let meaning = Meaning::new(&unit, &description).map_err(|problem| bad(&problem))?;
    let meanings = state.meanings.put(authorized.pass(), &kpi, meaning, expected_revision(&headers)?).await?;
    Ok(answer(&meanings, &kpi))
}

fn answer(meanings: &Meanings, kpi: &KpiName) -> Response {
    json_with_revision(StatusCode::OK, &WireMeaning::of(meanings.get(kpi)), meanings.revision)
}

/// The name of a KPI that is there.
async fn known(state: &ApiState, authorized: &Authorized, kpi: &str) -> Result<KpiName, Problem> {
    let workspace = authorized.workspace(state).await?;
    let kpi = query::kpi(kpi)?;
    let view = workspace.hub().kpi(kpi.clone()).await.ok_or_else(restarting)?;
    view.ok_or_else(|| no_such_kpi(kpi.as_str()))?;
    Ok(kpi)
}
