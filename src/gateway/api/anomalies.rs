//! Anomalies: list, acknowledge, give feedback. One anomaly with its explanation is in
//! `anomaly_detail`.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::actors::directory::Workspace;
use crate::actors::workspace::command::{Acknowledge, RecordFeedback};
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::page::PageRequest;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::{self, Params, bad};
use crate::gateway::http::reply::json;
use crate::live::wire::WireAnomaly;
use crate::services::anomalies::AnomalyError;
use earcon_model::{Anomaly, AnomalyId, FeedbackOutcome};
use earcon_ports::AnomalyFilter;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
const MAX_NOTE: usize = 2_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnomaliesParams {
    kpi: Option<String>,
    /// `region:eu,zone:a`
    labels: Option<String>,
    /// Episodes that touch this time or later.
    from: Option<String>,
    /// Episodes opened before this time.
    to: Option<String>,
    /// Only open, or only closed ones.
    open: Option<bool>,
    /// Only acknowledged ones, or only others.
    acknowledged: Option<bool>,
    #[serde(default, deserialize_with = "query::saturating")]
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// A page of anomalies, latest opened first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Anomalies<'a> {
    anomalies: Vec<WireAnomaly<'a>>,
    /// Give it as `before` for the next page; null on the last.
    next: Option<String>,
}

/// An acknowledgement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeBody {
    note: Option<String>,
}

impl FromJson for AcknowledgeBody {
    const SHAPE: Option<&'static str> = Some("{\"note\": \"…\"} or {}");

    fn empty() -> Option<Self> {
        Some(Self::default())
    }
}

impl AcknowledgeBody {
    /// The note, if it is short enough.
    ///
    /// # Errors
    /// 400 for a note that is too long.
    pub(crate) fn note(self) -> Result<Option<String>, Problem> {
        check_note(self.note.as_deref())?;
        Ok(self.note)
    }
}

/// A person's feedback on an anomaly.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedbackBody {
    /// `real` or `false`.
    #[schema(value_type = String)]
    outcome: FeedbackOutcome,
    note: Option<String>,
}

impl FromJson for FeedbackBody {
    const SHAPE: Option<&'static str> = Some("{\"outcome\": \"real\" or \"false\", \"note\": \"…\"}");
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(acknowledge)).routes(routes!(give_feedback))
}

/// Anomalies of a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies", tag = "anomalies",
    params(("workspace" = String, Path), AnomaliesParams),
    responses((status = 200, body = Anomalies), (status = 400, description = "bad parameter"), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    authorized: Authorized,
    Params(params): Params<AnomaliesParams>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let page = PageRequest::new(params.limit, DEFAULT_LIMIT, MAX_LIMIT, params.before.as_deref())?;
    let filter = AnomalyFilter {
        kpi: params.kpi.as_deref().map(query::kpi).transpose()?,
        labels: params.labels.as_deref().map(|text| query::labels(Some(text))).transpose()?,
        from_ms: query::time("from", params.from.as_deref())?,
        to_ms: query::time("to", params.to.as_deref())?,
        open: params.open,
        acknowledged: params.acknowledged,
        before: page.before.map(|(at_ms, id)| (at_ms, AnomalyId(id))),
        limit: page.limit + 1,
    };
    let mut anomalies = state.series_store.anomalies(authorized.pass(), &filter).await?;
    let next = page.cut(&mut anomalies, |anomaly| (anomaly.opened_at_ms, anomaly.id.0));
    state.anomalies.bring_up_to_date(workspace.hub(), &mut anomalies).await?;
    state.anomalies.mark_muted(authorized.pass(), &mut anomalies).await;
    state.meanings.fill(authorized.pass(), &mut anomalies).await;
    Ok(json(&Anomalies { anomalies: anomalies.iter().map(WireAnomaly::from_anomaly).collect(), next }))
}

/// Acknowledges an anomaly. The first acknowledgement stays.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/acknowledge", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = AcknowledgeBody,
    responses((status = 200, body = WireAnomaly), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn acknowledge(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    JsonBody(body): JsonBody<AcknowledgeBody>,
) -> Result<Response, Problem> {
    let note = body.note()?;
    let workspace = authorized.workspace(&state).await?;
    let mut anomaly = find(&state, &authorized, &workspace, &id).await?;
    if anomaly.acknowledged.is_none() {
        let by = authorized.pass().principal().to_string();
        let command = Acknowledge { anomaly: Box::new(anomaly.clone()), by, note };
        let acknowledgement = workspace.execute(command).await?;
        anomaly.acknowledged.get_or_insert(acknowledgement);
    }
    Ok(json(&WireAnomaly::from_anomaly(&anomaly)))
}

/// Records whether an anomaly, open or closed, was worth the alert. The last feedback holds. It
/// changes how easily the series alerts.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/feedback", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = FeedbackBody,
    responses((status = 200, body = WireAnomaly), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn give_feedback(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    JsonBody(body): JsonBody<FeedbackBody>,
) -> Result<Response, Problem> {
    check_note(body.note.as_deref())?;
    let workspace = authorized.workspace(&state).await?;
    let mut anomaly = find(&state, &authorized, &workspace, &id).await?;
    let by = authorized.pass().principal().to_string();
    let command = RecordFeedback { anomaly: Box::new(anomaly.clone()), outcome: body.outcome, by, note: body.note };
    let feedback = workspace.execute(command).await?;
    anomaly.feedback = Some(feedback);
    Ok(json(&WireAnomaly::from_anomaly(&anomaly)))
}

fn check_note(note: Option<&str>) -> Result<(), Problem> {
    match note {
        Some(note) if note.len() > MAX_NOTE => Err(bad(&format!("a note may have at most {MAX_NOTE} bytes"))),
        _ => Ok(()),
    }
}

/// Open anomalies are in the live view, all others in the history, which may be a moment behind.
pub(crate) async fn find(
    state: &ApiState,
    authorized: &Authorized,
    workspace: &Workspace,
    id: &str,
) -> Result<Anomaly, Problem> {
    let no_such = || Problem::new(Kind::NotFound, format!("there is no anomaly {id:?} in this workspace"));
    let id = AnomalyId(id.parse::<Uuid>().map_err(|_| no_such())?);
    let found = state.anomalies.find(authorized.pass(), workspace.hub(), id).await?;
    let mut found = found.ok_or_else(no_such)?;
    state.meanings.fill(authorized.pass(), std::slice::from_mut(&mut found)).await;
    Ok(found)
}

impl From<AnomalyError> for Problem {
    fn from(error: AnomalyError) -> Self {
        match error {
            AnomalyError::Restarting => restarting(),
            AnomalyError::NotDrawn => Problem::new(Kind::Internal, error.to_string()),
            AnomalyError::Store(error) => error.into(),
        }
    }
}
