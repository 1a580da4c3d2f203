//! Incidents: list, show, acknowledge.

use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::actors::directory::Workspace;
use crate::actors::workspace::command::Acknowledge;
use crate::gateway::api::anomalies::AcknowledgeBody;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::page::{PageRequest, Position};
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::{self, Params};
use crate::gateway::http::reply::json;
use crate::live::wire::WireIncident;
use crate::services::incidents::IncidentList;
use earcon_model::{Acknowledgement, Anomaly, Incident, IncidentId, Member};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Members acknowledged at a time.
const AT_A_TIME: usize = 16;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentsParams {
    /// Only open, or only closed ones.
    open: Option<bool>,
    /// Only alerted, or only suppressed ones.
    alerted: Option<bool>,
    /// Those with a member of this KPI.
    kpi: Option<String>,
    /// Incidents that touch this time or later.
    from: Option<String>,
    /// Incidents opened before this time.
    to: Option<String>,
    #[serde(default, deserialize_with = "query::saturating")]
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// A page of incidents, latest opened first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Incidents<'a> {
    incidents: Vec<WireIncident<'a>>,
    /// Give it as `before` for the next page; null on the last.
    next: Option<String>,
    /// How many incidents cannot be read and are left out; the server's log names them.
    unreadable: usize,
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(acknowledge))
}

/// Incidents of a workspace. Those that became part of another are left out.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/incidents", tag = "incidents",
    params(("workspace" = String, Path), IncidentsParams),
    responses((status = 200, body = Incidents), (status = 400, description = "bad parameter"), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    authorized: Authorized,
    Params(params): Params<IncidentsParams>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let page = PageRequest::new(params.limit, DEFAULT_LIMIT, MAX_LIMIT, params.before.as_deref())?;
    let kpi = params.kpi.as_deref().map(query::kpi).transpose()?;
    let from_ms = query::time("from", params.from.as_deref())?;
    let to_ms = query::time("to", params.to.as_deref())?;

    let IncidentList { mut incidents, unreadable } = state.incidents.list(authorized.pass()).await?;
    for open in workspace.hub().incidents().await.ok_or_else(restarting)? {
        incidents.retain(|incident| incident.id != open.id);
        incidents.push((*open).clone());
    }
    incidents.retain(|incident| {
        incident.merged_into.is_none()
            && params.open.is_none_or(|open| open == incident.closed_at_ms.is_none())
            && params.alerted.is_none_or(|alerted| alerted == incident.is_alerted())
            && kpi.as_ref().is_none_or(|kpi| incident.members.iter().any(|member| member.kpi == *kpi))
            && from_ms.is_none_or(|from| incident.closed_at_ms.is_none_or(|closed| closed >= from))
            && to_ms.is_none_or(|to| incident.opened_at_ms < to)
            && page.before.is_none_or(|before| position(incident) < before)
    });
    incidents.sort_by_key(|incident| std::cmp::Reverse(position(incident)));
    let next = page.cut(&mut incidents, position);
    let incidents = incidents.iter().map(WireIncident::from_incident).collect();
    Ok(json(&Incidents { incidents, next, unreadable }))
}

fn position(incident: &Incident) -> Position {
    (incident.opened_at_ms, incident.id.0)
}

/// One incident.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/incidents/{id}", tag = "incidents",
    params(("workspace" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = WireIncident), (status = 404, description = "no such incident")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let incident = find(&state, &authorized, &workspace, &id).await?;
    Ok(json(&WireIncident::from_incident(&incident)))
}

/// Acknowledges an incident: every listed member that is not acknowledged yet.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/incidents/{id}/acknowledge", tag = "incidents",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = AcknowledgeBody,
    responses((status = 200, body = WireIncident), (status = 400, description = "bad body"), (status = 404, description = "no such incident")))]
pub(crate) async fn acknowledge(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    JsonBody(body): JsonBody<AcknowledgeBody>,
) -> Result<Response, Problem> {
    let note = body.note()?;
    let workspace = authorized.workspace(&state).await?;
    let mut incident = find(&state, &authorized, &workspace, &id).await?;
    let unseen: Vec<Member> = incident.members.iter().filter(|member| !member.acknowledged).cloned().collect();
    let seen: Vec<Option<Acknowledgement>> = stream::iter(unseen)
        .map(|member| acknowledge_member(&state, &authorized, &workspace, member, note.clone()))
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    incident.members.iter_mut().for_each(|member| member.acknowledged = true);
    if let Some(newest) = seen.into_iter().flatten().max_by_key(|acknowledgement| acknowledgement.at_ms) {
        incident.acknowledged.get_or_insert(newest);
    }
    Ok(json(&WireIncident::from_incident(&incident)))
}

/// The acknowledgement that is recorded; `None` when the anomaly has expired.
async fn acknowledge_member(
    state: &ApiState,
    authorized: &Authorized,
    workspace: &Workspace,
    member: Member,
    note: Option<String>,
) -> Result<Option<Acknowledgement>, Problem> {
    let open = workspace.hub().open_anomaly(member.anomaly).await.ok_or_else(restarting)?;
    let anomaly: Option<Anomaly> = match open {
        Some(open) => Some(open),
        None => state.series_store.anomaly(authorized.pass(), member.anomaly).await?,
    };
    let Some(anomaly) = anomaly else { return Ok(None) };
    if let Some(already) = anomaly.acknowledged {
        return Ok(Some(already));
    }
    let by = authorized.pass().principal().to_string();
    let acknowledgement = workspace.execute(Acknowledge { anomaly: Box::new(anomaly), by, note }).await?;
    Ok(Some(acknowledgement))
}

/// Open incidents are in the live view, all others in the records, which may be a moment behind.
async fn find(state: &ApiState, authorized: &Authorized, workspace: &Workspace, id: &str) -> Result<Incident, Problem> {
    let no_such = || Problem::new(Kind::NotFound, format!("there is no incident {id:?} in this workspace"));
    let id = IncidentId(id.parse::<Uuid>().map_err(|_| no_such())?);
    if let Some(open) = workspace.hub().open_incident(id).await.ok_or_else(restarting)? {
        return Ok((*open).clone());
    }
    state.incidents.one(authorized.pass(), id).await?.ok_or_else(no_such)
}
