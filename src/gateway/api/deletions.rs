//! Deleting samples, series and whole KPIs.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actors::directory::{Workspace, WorkspaceDeletion};
use crate::actors::mix::MixChange;
use crate::actors::node::OpenError;
use crate::actors::workspace::command::{ChangeMix, Delete, DescribeMix};
use crate::gateway::api::kpis::no_such_kpi;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::{self, Params, bad};
use crate::gateway::http::reply::json;
use crate::live::wire::label_map;
use crate::services::deletion::{DeletionSize, remove_mutes, size};
use earcon_model::{Deletion, DeletionScope, KpiName};
use earcon_ports::PortError;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct KpiParams {
    /// `true` only counts.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkspaceParams {
    /// The name of the workspace again, against mistakes.
    confirm: Option<String>,
    /// Must be false: nothing is counted here. `GET …/kpis` lists what would go.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeParams {
    /// First time to delete, inclusive; the beginning when absent.
    from: Option<String>,
    /// First time to keep; without it, everything from `from` on goes.
    to: Option<String>,
    /// `region:eu,zone:a`: series that carry all of these. Without times, the whole series go.
    labels: Option<String>,
    /// `true` only counts.
    #[serde(default)]
    dry_run: bool,
}

/// The deleted part, or the part that would be deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = Deletion)]
pub(crate) struct WireDeletion<'a> {
    kpi: &'a str,
    /// `kpi`, `series` or `samples`.
    scope: &'static str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    /// First time of the range; null for the beginning.
    from: Option<i64>,
    /// First time after the range; null for the end.
    to: Option<i64>,
    /// How many series it concerns.
    series: u64,
    /// Samples that history held.
    samples: u64,
    /// Anomalies that history held.
    anomalies: u64,
    /// Whether it was only counted.
    dry_run: bool,
    /// The `deleted` event; null if it was only counted, or there was nothing to delete.
    seq: Option<u64>,
    epoch: Option<String>,
    /// Whether history no longer has any of it. If not, it goes on by itself.
    done: bool,
}

/// Deletes a KPI: samples, scoring state, anomalies, its members of incidents, and the mutes and
/// settings of the mix that name it alone. Its place counts no longer. Later samples make a new
/// KPI.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path), KpiParams),
    responses((status = 200, body = WireDeletion, description = "deleted, or counted"),
        (status = 202, body = WireDeletion, description = "in the log; history carries it out"),
        (status = 404, description = "no such KPI"), (status = 503, description = "the KPI is restarting")))]
pub(crate) async fn kpi(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
    Params(params): Params<KpiParams>,
) -> Result<Response, Problem> {
    delete(&state, &authorized, query::kpi(&kpi)?, DeletionScope::Kpi, params.dry_run).await
}

/// Deletes samples of a time range, or whole series. Scoring keeps what it has learned from samples
/// of a range; it forgets whole series. Samples that arrive later are taken as always.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}/samples", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path), RangeParams),
    responses((status = 200, body = WireDeletion, description = "deleted, or counted"),
        (status = 202, body = WireDeletion, description = "in the log; history carries it out"),
        (status = 400, description = "bad parameter, or none at all"),
        (status = 404, description = "no such KPI"), (status = 503, description = "the KPI is restarting")))]
pub(crate) async fn samples(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
    Params(params): Params<RangeParams>,
) -> Result<Response, Problem> {
    let (kpi, scope) = (query::kpi(&kpi)?, scope_of(&params)?);
    delete(&state, &authorized, kpi, scope, params.dry_run).await
}

/// Deletes a workspace with everything in it: log, history, scoring state and all settings. Its
/// connections end. The name can be used again, for a new workspace.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}", tag = "kpis",
    params(("workspace" = String, Path), WorkspaceParams),
    responses((status = 202, description = "recorded; a node of the cluster carries it out"),
        (status = 204, description = "deleted"), (status = 400, description = "not confirmed"),
        (status = 403, description = "requests may not create workspaces here, and so not delete them"),
        (status = 404, description = "no such workspace"),
        (status = 503, description = "the workspace is being opened, or a store has failed")))]
pub(crate) async fn workspace(
    State(state): State<ApiState>,
    authorized: Authorized,
    Params(params): Params<WorkspaceParams>,
) -> Result<StatusCode, Problem> {
    let id = authorized.pass().workspace();
    if !state.directory.knows(id).await {
        return Err(OpenError::Unknown(id.clone()).into());
    }
    let name = id.as_str();
    if params.dry_run {
        return Err(bad("the deletion of a workspace has no dry_run; GET .../kpis lists what would be deleted"));
    }
    if state.creators.may_create(authorized.pass().principal()).is_err() {
        return Err(Problem::new(Kind::Forbidden, NOT_DELETED));
    }
    if params.confirm.as_deref() != Some(name) {
        return Err(bad(&format!("all of the workspace would be deleted; confirm={name} says that this is meant")));
    }
    match state.directory.delete(authorized.pass()).await? {
        WorkspaceDeletion::Done => Ok(StatusCode::NO_CONTENT),
        WorkspaceDeletion::GoesOn => Ok(StatusCode::ACCEPTED),
        WorkspaceDeletion::Unknown => Err(Problem::new(Kind::NotFound, format!("there is no workspace {name:?}"))),
    }
}

/// A workspace that no request could create again is not deleted by one either.
const NOT_DELETED: &str = "workspaces.create = \"nobody\" lets no request delete a workspace, because none could create it \
again; start the server with \"permitted\" to delete it";

fn scope_of(params: &RangeParams) -> Result<DeletionScope, Problem> {
    let from = query::time("from", params.from.as_deref())?;
    let to = query::time("to", params.to.as_deref())?;
    let labels = query::labels(params.labels.as_deref())?;
    match (from, to) {
        (None, None) if labels.pairs().next().is_none() => {
            Err(bad("name from, to or labels; DELETE of the KPI itself deletes all of it"))
        }
        (None, None) => Ok(DeletionScope::Series { labels }),
        (from, to) => {
            let (from_ms, to_ms) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
            if from_ms >= to_ms {
                return Err(bad("from must be before to"));
            }
            Ok(DeletionScope::Samples { labels, from_ms, to_ms })
        }
    }
}

async fn delete(
    state: &ApiState,
    authorized: &Authorized,
    kpi: KpiName,
    scope: DeletionScope,
    dry_run: bool,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(state).await?;
    let view = workspace.hub().kpi(kpi.clone()).await.ok_or_else(restarting)?;
    let view = view.ok_or_else(|| no_such_kpi(kpi.as_str()))?;
    let series = view.series.iter().filter(|(labels, _)| scope.matches(labels)).count() as u64;
    let pass = authorized.pass();
    let size = size(state.series_store.as_ref(), pass, &kpi, &scope).await?;
    if dry_run {
        return Ok(json(&answer(&kpi, &scope, series, size)));
    }
    if scope != DeletionScope::Kpi && series == 0 && size == DeletionSize::default() {
        // Followers need no event about it.
        return Ok(json(&WireDeletion { dry_run: false, done: true, ..answer(&kpi, &scope, series, size) }));
    }
    if scope == DeletionScope::Kpi {
        // Before the KPI itself: if this fails, the request can be repeated.
        remove_mutes(&state.mutes, pass, &kpi).await?;
        state.meanings.forget(pass, &kpi).await?;
        forget_in_mix(&workspace, &kpi).await?;
    }
    let deletion = Deletion { scope: scope.clone(), by: pass.principal().to_string() };
    let deleted = workspace.execute(Delete { kpi: kpi.clone(), deletion }).await?;
    let deleted = deleted.ok_or_else(|| no_such_kpi(kpi.as_str()))?;
    if scope == DeletionScope::Kpi {
        // The next sample of the KPI may state its unit again.
        let _unread = state.rules.series_cache(pass).await.map(|known| known.forget_series()).is_err();
    }
    let status = if deleted.done { StatusCode::OK } else { StatusCode::ACCEPTED };
    let (seq, epoch, done) = (Some(deleted.seq), Some(deleted.epoch), deleted.done);
    let body = WireDeletion { dry_run: false, seq, epoch, done, ..answer(&kpi, &scope, series, size) };
    Ok((status, json(&body)).into_response())
}

fn answer<'a>(kpi: &'a KpiName, scope: &'a DeletionScope, series: u64, size: DeletionSize) -> WireDeletion<'a> {
    let (from, to) = scope.range();
    WireDeletion {
        kpi: kpi.as_str(),
        scope: scope.as_str(),
        labels: scope.labels().map(label_map).unwrap_or_default(),
        from,
        to,
        series,
        samples: size.samples,
        anomalies: size.anomalies,
        dry_run: true,
        seq: None,
        epoch: None,
        done: false,
    }
}

/// Removes the direction of a KPI from the settings of the mix.
async fn forget_in_mix(workspace: &Workspace, kpi: &KpiName) -> Result<(), Problem> {
    let view = workspace.execute(DescribeMix).await?;
    let mut polarity = view.settings.polarity;
    if polarity.remove(kpi).is_none() {
        return Ok(());
    }
    let change = MixChange { polarity: Some(polarity), ..MixChange::default() };
    let changed = workspace.execute(ChangeMix { change, expected: Some(view.revision) }).await?;
    changed.map(drop).map_err(|error| PortError::from(error).into())
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(workspace)).routes(routes!(kpi)).routes(routes!(samples))
}
