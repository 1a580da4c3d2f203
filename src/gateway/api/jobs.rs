//! Jobs that train detectors from history: `…/jobs`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::experiments::{JobState, TrainingJob};
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::json;
use crate::services::detectors::training::TrainingOrder;

/// The jobs of a workspace, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Jobs<'a> {
    jobs: Vec<WireJob<'a>>,
    /// How many jobs cannot be read and are left out; the server's log names them.
    unreadable: usize,
}

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct WireJob<'a> {
    id: &'a str,
    kind: &'static str,
    /// The trained entry: `name@revision`, or `default`.
    entry: String,
    kpis: &'a [String],
    from: i64,
    to: i64,
    /// `running` (or waiting for those before it), `cancelling`, `done`, `cancelled` or `failed`.
    #[schema(value_type = String)]
    state: JobState,
    kpis_total: u64,
    kpis_done: u64,
    /// Samples read from history.
    samples: u64,
    /// Series that have new baselines.
    series: u64,
    /// 0 to 100.
    percent: f64,
    /// Estimated remaining time, milliseconds.
    left_ms: Option<u64>,
    /// The reason of a failure.
    problem: Option<&'a str>,
    created: i64,
}

impl<'a> WireJob<'a> {
    fn from_job(job: &'a TrainingJob) -> Self {
        let progress = &job.progress;
        let done = job.state == JobState::Done;
        Self {
            id: &job.id,
            kind: "train",
            entry: job.choice.to_string(),
            kpis: &job.kpis,
            from: job.from_ms,
            to: job.to_ms,
            state: job.state,
            kpis_total: progress.kpis,
            kpis_done: progress.kpis_done,
            samples: progress.samples,
            series: progress.series,
            percent: if done { 100.0 } else { progress.percent() },
            left_ms: if job.is_open() { progress.left_ms() } else { None },
            problem: job.problem.as_deref(),
            created: job.created_ms,
        }
    }
}

/// A new job.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobBody)]
pub(crate) struct JobBody {
    /// `train`
    kind: String,
    /// The entry to train: `name@revision`, `name` for its latest revision, or `default`. It must
    /// be live or in an experiment.
    entry: String,
    /// Names of KPIs, or `prefix*`; none for all.
    #[serde(default)]
    kpis: Vec<String>,
    /// First timestamp to learn from, milliseconds UTC.
    from: i64,
    /// First timestamp not to learn from; now when absent.
    to: Option<i64>,
}

impl FromJson for JobBody {}

/// All jobs that run, wait or ended recently.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs", tag = "experiments",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Jobs), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let list = state.detectors.jobs(authorized.pass()).await?;
    Ok(json(&Jobs { jobs: list.jobs.iter().map(WireJob::from_job).collect(), unreadable: list.unreadable }))
}

/// Trains a detector's baselines from history. One job at a time runs in a workspace.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/jobs", tag = "experiments",
    params(("workspace" = String, Path)), request_body = JobBody,
    responses((status = 202, body = WireJob), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace or entry"),
        (status = 409, description = "the entry is neither live nor in an experiment, or too many jobs wait")))]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    authorized: Authorized,
    JsonBody(body): JsonBody<JobBody>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    if body.kind != "train" {
        return Err(bad("kind must be \"train\""));
    }
    let to_ms = body.to.unwrap_or_else(|| state.detectors.now_ms());
    let order = TrainingOrder { entry: body.entry, kpis: body.kpis, from_ms: body.from, to_ms };
    let job = state.detectors.train(authorized.pass(), order).await?;
    Ok((StatusCode::ACCEPTED, json(&WireJob::from_job(&job))).into_response())
}

/// One job.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/jobs/{job}", tag = "experiments",
    params(("workspace" = String, Path), ("job" = String, Path)),
    responses((status = 200, body = WireJob), (status = 404, description = "no such job")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let job = state.detectors.job(authorized.pass(), &id).await?;
    Ok(json(&WireJob::from_job(&job)))
}

/// Cancels a job as soon as possible. Finished baselines stay.
#[utoipa::path(delete, path = "/api/v1/workspaces/{workspace}/jobs/{job}", tag = "experiments",
    params(("workspace" = String, Path), ("job" = String, Path)),
    responses((status = 202, body = WireJob), (status = 404, description = "no such job"),
        (status = 409, description = "it keeps changing; try again")))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let job = state.detectors.cancel(authorized.pass(), &id).await?;
    Ok((StatusCode::ACCEPTED, json(&WireJob::from_job(&job))).into_response())
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, begin)).routes(routes!(one, cancel))
}
