//! Experiments with detectors: `…/experiments`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::experiments::{Arm, Evidence, Experiment, Policy, Stage, Step};
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::Params;
use crate::gateway::http::reply::json;
use crate::services::detectors::experiments::ExperimentAction;

/// The experiments of a workspace, in order of name.
#[derive(Serialize, ToSchema)]
pub(crate) struct Experiments<'a> {
    experiments: Vec<WireExperiment<'a>>,
    /// How many experiments cannot be read and are left out; the server's log names them.
    unreadable: usize,
}

/// Two detectors on the same samples.
#[derive(Serialize, ToSchema)]
#[schema(as = Experiment)]
pub(crate) struct WireExperiment<'a> {
    name: &'a str,
    /// The live entry before: `name@revision`, or `default`.
    baseline: String,
    /// The entry to promote.
    candidate: String,
    /// `shadow`, `canary`, `promoted`, `rolled_back` or `stopped`.
    #[schema(value_type = String)]
    stage: Stage,
    /// The share of KPIs for which the candidate is live, percent.
    percent: f64,
    /// Begin of this stage and share, milliseconds UTC.
    since: i64,
    /// Limits and pace.
    #[schema(value_type = Object)]
    policy: &'a Policy,
    /// Evidence of the whole experiment.
    total: WireEvidence,
    /// Evidence of this stage and share.
    current: WireEvidence,
    /// All changes of stage and share, oldest first.
    steps: Vec<WireStep<'a>>,
}

/// Both detectors on the same samples.
#[derive(Serialize, ToSchema)]
#[schema(as = Evidence)]
pub(crate) struct WireEvidence {
    baseline: WireArm,
    candidate: WireArm,
    /// Alerts that both had.
    both: u64,
    /// Their share among all alerts whose counterpart is found or known to be missing.
    agreement: Option<f64>,
}

/// One detector of an experiment.
#[derive(Serialize, ToSchema)]
#[schema(as = Arm)]
pub(crate) struct WireArm {
    samples: u64,
    /// Samples that it scored live, so that its anomalies alerted.
    live_samples: u64,
    /// Episodes it opened, alerted or not.
    alerts: u64,
    /// Episodes without a counterpart of the other detector.
    alone: u64,
    alerts_per_10k: Option<f64>,
    /// Null in the first hour.
    alerts_per_day: Option<f64>,
    /// Time for a sample in live scoring, with all its work.
    live_ns: Option<f64>,
    /// Time for a sample in the shadow.
    shadow_ns: Option<f64>,
    /// The share of its anomalies with the feedback `real`; null without feedback.
    precision: Option<f64>,
    /// Anomalies with feedback.
    feedback_count: u64,
}

/// A change of stage.
#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentStep)]
pub(crate) struct WireStep<'a> {
    at: i64,
    #[schema(value_type = String)]
    stage: Stage,
    percent: f64,
    /// The person who decided it; `earcon` for the rules.
    by: &'a str,
    reason: Option<&'a str>,
}

impl WireArm {
    fn from_arm(arm: &Arm, lasted_ms: i64) -> Self {
        let (hour_ms, days) = (3_600_000, lasted_ms as f64 / 86_400_000.0);
        Self {
            samples: arm.samples(),
            live_samples: arm.live.samples,
            alerts: arm.alerts,
            alone: arm.alone,
            alerts_per_10k: arm.alerts_per_10k(),
            alerts_per_day: (lasted_ms >= hour_ms).then(|| arm.alerts as f64 / days),
            live_ns: arm.live.ns_per_sample(),
            shadow_ns: arm.shadow.ns_per_sample(),
            precision: arm.feedback.precision(),
            feedback_count: arm.feedback.real + arm.feedback.wrong,
        }
    }
}

impl WireEvidence {
    fn from_evidence(evidence: &Evidence, lasted_ms: i64) -> Self {
        Self {
            baseline: WireArm::from_arm(&evidence.baseline, lasted_ms),
            candidate: WireArm::from_arm(&evidence.candidate, lasted_ms),
            both: evidence.both,
            agreement: evidence.agreement(),
        }
    }
}

impl<'a> WireExperiment<'a> {
    fn from_experiment(experiment: &'a Experiment, now_ms: i64) -> Self {
        let began_ms = experiment.steps.first().map_or(now_ms, |step| step.at_ms);
        // A finished experiment ended at its last step; its current stage is the one before.
        let (end_ms, stage_ms) = match &experiment.steps[..] {
            [.., before, last] if !experiment.runs() => (last.at_ms, before.at_ms),
            _ => (now_ms, experiment.since_ms),
        };
        let step = |step: &'a Step| WireStep {
            at: step.at_ms,
            stage: step.stage,
            percent: step.percent,
            by: &step.by,
            reason: step.reason.as_deref(),
        };
        Self {
            name: &experiment.name,
            baseline: experiment.baseline.to_string(),
            candidate: experiment.candidate.to_string(),
            stage: experiment.stage,
            percent: experiment.percent(),
            since: experiment.since_ms,
            policy: &experiment.policy,
            total: WireEvidence::from_evidence(&experiment.total, end_ms.saturating_sub(began_ms)),
            current: WireEvidence::from_evidence(&experiment.evidence, end_ms.saturating_sub(stage_ms)),
            steps: experiment.steps.iter().map(step).collect(),
        }
    }
}

/// A new experiment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExperimentBody)]
pub(crate) struct ExperimentBody {
    /// 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    name: String,
    /// The entry: `name@revision`, `name` for its latest revision, or `default`.
    candidate: String,
    /// Limits and pace; absent members have their defaults.
    #[serde(default)]
    #[schema(value_type = Object)]
    policy: Policy,
}

impl FromJson for ExperimentBody {}

/// The query of a promotion.
#[derive(Deserialize)]
pub(crate) struct Promotion {
    #[serde(default)]
    force: bool,
}

/// All experiments, including finished ones.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/experiments", tag = "experiments",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Experiments), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(state): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let list = state.detectors.experiments(authorized.pass()).await?;
    let now_ms = state.detectors.now_ms();
    let experiments = list.experiments.iter().map(|one| WireExperiment::from_experiment(one, now_ms)).collect();
    Ok(json(&Experiments { experiments, unreadable: list.unreadable }))
}

/// Begins an experiment: the candidate scores the same samples in the shadow, and its findings are
/// counted.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments", tag = "experiments",
    params(("workspace" = String, Path)), request_body = ExperimentBody,
    responses((status = 201, body = WireExperiment), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace or entry"), (status = 409, description = "one runs already")))]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    authorized: Authorized,
    JsonBody(body): JsonBody<ExperimentBody>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let experiment = state.detectors.begin(authorized.pass(), &body.name, &body.candidate, body.policy).await?;
    let shown = json(&WireExperiment::from_experiment(&experiment, state.detectors.now_ms()));
    Ok((StatusCode::CREATED, shown).into_response())
}

/// One experiment, both detectors side by side.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    authorized.workspace(&state).await?;
    let experiment = state.detectors.experiment(authorized.pass(), &name).await?;
    Ok(json(&WireExperiment::from_experiment(&experiment, state.detectors.now_ms())))
}

/// Goes to the next stage or share: from the shadow to the first share of KPIs, and after the last
/// share to all KPIs.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/promote", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path),
        ("force" = Option<bool>, Query, description = "also before the candidate has seen enough")),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over, or it is too early")))]
pub(crate) async fn promote(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
    Params(Promotion { force }): Params<Promotion>,
) -> Result<Response, Problem> {
    apply(&state, &authorized, &name, ExperimentAction::Promote { force }).await
}

/// Goes back to the entry that was live before, also after the promotion.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/rollback", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over, or another entry is live since")))]
pub(crate) async fn roll_back(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    apply(&state, &authorized, &name, ExperimentAction::RollBack).await
}

/// Ends an experiment. The entry that was live before is live.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/stop", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over")))]
pub(crate) async fn stop(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    apply(&state, &authorized, &name, ExperimentAction::Stop).await
}

async fn apply(
    state: &ApiState,
    authorized: &Authorized,
    name: &str,
    action: ExperimentAction,
) -> Result<Response, Problem> {
    authorized.workspace(state).await?;
    let experiment = state.detectors.apply(authorized.pass(), name, action).await?;
    Ok(json(&WireExperiment::from_experiment(&experiment, state.detectors.now_ms())))
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, begin))
        .routes(routes!(one))
        .routes(routes!(promote))
        .routes(routes!(roll_back))
        .routes(routes!(stop))
}
