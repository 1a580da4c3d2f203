//! The present state of KPIs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actors::workspace::command::ResumeKpi;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem, no_room, restarting};
use crate::gateway::http::query;
use crate::gateway::http::reply::json;
use crate::live::wire::WireKpi;
use crate::services::meanings::Meanings;
use earcon_model::KpiName;

/// The KPIs of a workspace after event `seq`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kpis<'a> {
    seq: u64,
    epoch: &'a str,
    kpis: Vec<WireKpi<'a>>,
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(resume))
}

/// All KPIs with the newest sample of each of their series.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis", tag = "kpis",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Kpis), (status = 404, description = "no such workspace"), (status = 503, description = "restarting, or too many bytes of answers wait for their clients")))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let _place = state.large_answer().await.ok_or_else(no_room)?;
    let (seq, kpis) = workspace.hub().view().await.ok_or_else(restarting)?;
    let meanings = meanings(&state, &authorized).await;
    let meaning = |kpi: &KpiName| meanings.get(kpi).map(|stated| &stated.meaning);
    let kpis = kpis.iter().map(|kpi| WireKpi::from_view(kpi).with(meaning(&kpi.kpi))).collect();
    let epochs = workspace.hub().epochs();
    Ok(json(&Kpis { seq, epoch: epochs.epoch_of(seq), kpis }))
}

/// One KPI.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path)),
    responses((status = 200, body = WireKpi), (status = 404, description = "no such KPI")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let kpi = query::kpi(&kpi)?;
    let view = workspace.hub().kpi(kpi.clone()).await.ok_or_else(restarting)?;
    let view = view.ok_or_else(|| no_such_kpi(kpi.as_str()))?;
    let meanings = meanings(&state, &authorized).await;
    Ok(json(&WireKpi::from_view(&view).with(meanings.get(&kpi).map(|stated| &stated.meaning))))
}

/// The units and descriptions; none while the store does not answer.
async fn meanings(state: &ApiState, authorized: &Authorized) -> Arc<Meanings> {
    state.meanings.current(authorized.pass()).await.unwrap_or_default()
}

/// Starts a parked KPI again.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}/resume", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path)),
    responses((status = 202, description = "starting again"), (status = 404, description = "no such parked KPI")))]
pub(crate) async fn resume(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let kpi = query::kpi(&kpi)?;
    if workspace.execute(ResumeKpi { kpi: kpi.clone() }).await? {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::new(Kind::NotFound, format!("no KPI {:?} is parked", kpi.as_str())))
    }
}

pub(crate) fn no_such_kpi(kpi: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no KPI {kpi:?} in this workspace"))
}
