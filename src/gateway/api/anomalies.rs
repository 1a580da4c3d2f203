//! Anomalies: list, acknowledge, judge. What one looks like alone is in `explain`.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::actors::directory::Workspace;
use crate::actors::workspace::command::{Acknowledge, RecordFeedback};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::{self, Params, bad};
use crate::gateway::http::reply::json;
use crate::gateway::http::state::Gateway;
use crate::live::wire::WireAnomaly;
use crate::services::anomalies::AnomalyError;
use earcon_model::{Anomaly, AnomalyId, FeedbackOutcome};
use earcon_ports::AnomalyFilter;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
const MAX_NOTE: usize = 2_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
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

/// What may be said with an acknowledgement.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcknowledgeBody {
    note: Option<String>,
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

/// Anomalies of a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies", tag = "anomalies",
    params(("workspace" = String, Path), AnomaliesParams),
    responses((status = 200, body = Anomalies), (status = 400, description = "bad parameter"), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Params(params): Params<AnomaliesParams>,
) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let filter = AnomalyFilter {
        kpi: params.kpi.as_deref().map(query::kpi).transpose()?,
        labels: params.labels.as_deref().map(|text| query::labels(Some(text))).transpose()?,
        from_ms: query::time("from", params.from.as_deref())?,
        to_ms: query::time("to", params.to.as_deref())?,
        open: params.open,
        acknowledged: params.acknowledged,
        before: params.before.as_deref().map(parse_cursor).transpose()?,
        limit: limit + 1,
    };
    let mut anomalies = gateway.series_store.anomalies(authorized.pass(), &filter).await?;
    let more = anomalies.len() > limit;
    anomalies.truncate(limit);
    gateway.anomalies.mark_muted(authorized.pass(), &mut anomalies).await;
    let last = anomalies.last().filter(|_| more);
    let next = last.map(|last| format!("{}_{}", last.opened_at_ms, last.id));
    Ok(json(&Anomalies { anomalies: anomalies.iter().map(WireAnomaly::of).collect(), next }))
}

fn parse_cursor(text: &str) -> Result<(i64, AnomalyId), Problem> {
    let parsed = text.split_once('_').and_then(|(at, id)| Some((at.parse().ok()?, AnomalyId(id.parse().ok()?))));
    parsed.ok_or_else(|| bad("before must be the `next` of an earlier answer"))
}

/// Records that somebody has seen an anomaly. The first acknowledgement stays.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/acknowledge", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = AcknowledgeBody,
    responses((status = 200, body = WireAnomaly), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn acknowledge(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let note = acknowledge_body(&body)?;
    let workspace = authorized.workspace(&gateway).await?;
    let mut anomaly = find(&gateway, &authorized, &workspace, &id).await?;
    if anomaly.acknowledged.is_none() {
        let by = authorized.pass().principal().to_string();
        let command = Acknowledge { anomaly: Box::new(anomaly.clone()), by, note };
        let acknowledgement = workspace.execute(command).await?;
        anomaly.acknowledged.get_or_insert(acknowledgement);
    }
    Ok(json(&WireAnomaly::of(&anomaly)))
}

/// The note that comes with an acknowledgement, if any.
pub(super) fn acknowledge_body(body: &[u8]) -> Result<Option<String>, Problem> {
    let body: AcknowledgeBody = match body.trim_ascii() {
        [] => AcknowledgeBody::default(),
        text => serde_json::from_slice(text).map_err(|error| bad(&format!("{{\"note\": \"…\"}} or {{}}: {error}")))?,
    };
    check_note(body.note.as_deref())?;
    Ok(body.note)
}

/// Records whether an anomaly, open or closed, was worth the alert. The last feedback holds. It changes how easily the
/// series alerts.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/feedback", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)), request_body = FeedbackBody,
    responses((status = 200, body = WireAnomaly), (status = 400, description = "bad body"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn judge(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body: FeedbackBody = serde_json::from_slice(&body)
        .map_err(|error| bad(&format!("{{\"outcome\": \"real\" or \"false\", \"note\": \"…\"}}: {error}")))?;
    check_note(body.note.as_deref())?;
    let workspace = authorized.workspace(&gateway).await?;
    let mut anomaly = find(&gateway, &authorized, &workspace, &id).await?;
    let by = authorized.pass().principal().to_string();
    let command = RecordFeedback { anomaly: Box::new(anomaly.clone()), outcome: body.outcome, by, note: body.note };
    let feedback = workspace.execute(command).await?;
    anomaly.feedback = Some(feedback);
    Ok(json(&WireAnomaly::of(&anomaly)))
}

fn check_note(note: Option<&str>) -> Result<(), Problem> {
    match note {
        Some(note) if note.len() > MAX_NOTE => Err(bad(&format!("a note may have at most {MAX_NOTE} bytes"))),
        _ => Ok(()),
    }
}

pub(super) async fn find(
    gateway: &Gateway,
    authorized: &Authorized,
    workspace: &Workspace,
    id: &str,
) -> Result<Anomaly, Problem> {
    let no_such = || Problem::new(Kind::NotFound, format!("there is no anomaly {id:?} in this workspace"));
    let id = AnomalyId(id.parse::<Uuid>().map_err(|_| no_such())?);
    gateway.anomalies.find(authorized.pass(), workspace.hub(), id).await?.ok_or_else(no_such)
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
