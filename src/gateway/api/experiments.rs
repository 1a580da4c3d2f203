//! Trying detectors out: `…/experiments`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::experiments::{Arm, Evidence, Experiment, Policy, Stage, Step};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use crate::gateway::http::reply::json;
use crate::gateway::http::state::Gateway;
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
    /// What was live before: `name@revision`, or `default`.
    baseline: String,
    /// What shall be.
    candidate: String,
    /// `shadow`, `canary`, `promoted`, `rolled_back` or `stopped`.
    #[schema(value_type = String)]
    stage: Stage,
    /// Of how many KPIs in a hundred the candidate is live.
    percent: f64,
    /// Since when it is in this stage and share, milliseconds UTC.
    since: i64,
    /// Limits and pace.
    #[schema(value_type = Object)]
    policy: &'a Policy,
    /// What is known from the whole experiment.
    total: WireEvidence,
    /// What is known from this stage and share.
    current: WireEvidence,
    /// How it came here, oldest first.
    steps: Vec<WireStep<'a>>,
}

/// The two side by side.
#[derive(Serialize, ToSchema)]
#[schema(as = Evidence)]
pub(crate) struct WireEvidence {
    baseline: WireArm,
    candidate: WireArm,
    /// Alerts that both had.
    both: u64,
    /// Their share among all alerts whose counterpart is known or known to be missing.
    agreement: Option<f64>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
#[schema(as = Arm)]
pub(crate) struct WireArm {
    samples: u64,
    /// Of them, those for which its anomalies were told.
    live_samples: u64,
    /// Episodes it opened, told or not.
    alerts: u64,
    /// Of them, those that the other one did not have.
    alone: u64,
    alerts_per_10k: Option<f64>,
    /// Null in the first hour.
    alerts_per_day: Option<f64>,
    /// Time a sample took where it was live, with all that live scoring does.
    live_ns: Option<f64>,
    /// Time a sample took in the shadow.
    shadow_ns: Option<f64>,
    /// The share of its anomalies that people said to be real; null while nobody has said anything.
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
    /// Who decided it; `earcon` when it was decided by the rules.
    by: &'a str,
    reason: Option<&'a str>,
}

impl WireArm {
    fn of(arm: &Arm, lasted_ms: i64) -> Self {
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
    fn of(evidence: &Evidence, lasted_ms: i64) -> Self {
        Self {
            baseline: WireArm::of(&evidence.baseline, lasted_ms),
            candidate: WireArm::of(&evidence.candidate, lasted_ms),
            both: evidence.both,
            agreement: evidence.agreement(),
        }
    }
}

impl<'a> WireExperiment<'a> {
    fn of(experiment: &'a Experiment, now_ms: i64) -> Self {
        let began_ms = experiment.steps.first().map_or(now_ms, |step| step.at_ms);
        // Over, it has not gone on since its last step; what is current is then the stage before.
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
            total: WireEvidence::of(&experiment.total, end_ms.saturating_sub(began_ms)),
            current: WireEvidence::of(&experiment.evidence, end_ms.saturating_sub(stage_ms)),
            steps: experiment.steps.iter().map(step).collect(),
        }
    }
}

/// What is to be tried out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExperimentBody)]
pub(crate) struct ExperimentBody {
    /// 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    name: String,
    /// The entry: `name@revision`, `name` for its latest revision, or `default`.
    candidate: String,
    /// Limits and pace; what is absent is as usual.
    #[serde(default)]
    #[schema(value_type = Object)]
    policy: Policy,
}

/// How a promotion is asked for.
#[derive(Deserialize)]
pub(crate) struct Promotion {
    #[serde(default)]
    force: bool,
}

/// All experiments, those that are over included.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/experiments", tag = "experiments",
    params(("workspace" = String, Path)),
    responses((status = 200, body = Experiments), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(gateway): State<Gateway>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let list = gateway.detectors.experiments(authorized.pass()).await?;
    let now_ms = gateway.detectors.now_ms();
    let experiments = list.experiments.iter().map(|one| WireExperiment::of(one, now_ms)).collect();
    Ok(json(&Experiments { experiments, unreadable: list.unreadable }))
}

/// Begins to try a detector out: it sees what the live one sees, and what it finds is counted.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments", tag = "experiments",
    params(("workspace" = String, Path)), request_body = ExperimentBody,
    responses((status = 201, body = WireExperiment), (status = 400, description = "every problem is named in `problems`"),
        (status = 404, description = "no such workspace or entry"), (status = 409, description = "one runs already")))]
pub(crate) async fn begin(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Body(body): Body,
) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let body: ExperimentBody = serde_json::from_slice(&body).map_err(|error| bad(&error.to_string()))?;
    let experiment = gateway.detectors.begin(authorized.pass(), &body.name, &body.candidate, body.policy).await?;
    let shown = json(&WireExperiment::of(&experiment, gateway.detectors.now_ms()));
    Ok((StatusCode::CREATED, shown).into_response())
}

/// One experiment, both detectors side by side.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment")))]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    authorized.workspace(&gateway).await?;
    let experiment = gateway.detectors.experiment(authorized.pass(), &name).await?;
    Ok(json(&WireExperiment::of(&experiment, gateway.detectors.now_ms())))
}

/// On to the next stage or share: from the shadow to the first share of KPIs, and after the last share to all there is.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/promote", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path),
        ("force" = Option<bool>, Query, description = "also before the candidate has seen enough")),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over, or it is too early")))]
pub(crate) async fn promote(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
    Params(Promotion { force }): Params<Promotion>,
) -> Result<Response, Problem> {
    apply(&gateway, &authorized, &name, ExperimentAction::Promote { force }).await
}

/// Back to what was live before, also after the promotion.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/rollback", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over, or something else is live since")))]
pub(crate) async fn roll_back(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    apply(&gateway, &authorized, &name, ExperimentAction::RollBack).await
}

/// Ends an experiment; what was live before is live.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/experiments/{experiment}/stop", tag = "experiments",
    params(("workspace" = String, Path), ("experiment" = String, Path)),
    responses((status = 200, body = WireExperiment), (status = 404, description = "no such experiment"),
        (status = 409, description = "it is over")))]
pub(crate) async fn stop(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    apply(&gateway, &authorized, &name, ExperimentAction::Stop).await
}

async fn apply(
    gateway: &Gateway,
    authorized: &Authorized,
    name: &str,
    action: ExperimentAction,
) -> Result<Response, Problem> {
    authorized.workspace(gateway).await?;
    let experiment = gateway.detectors.apply(authorized.pass(), name, action).await?;
    Ok(json(&WireExperiment::of(&experiment, gateway.detectors.now_ms())))
}
