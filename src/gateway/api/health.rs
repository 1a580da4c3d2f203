//! For operators: liveness, readiness and metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::state::ApiState;

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(health))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "alive", body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// As [`readyz`], in the form that clients of InfluxDB 2 ask for.
#[utoipa::path(get, path = "/health", tag = "operations", responses(
    (status = 200, description = "`status` is `pass`", content_type = "application/json", body = Object), (status = 503, description = "`status` is `fail`, and `message` says why", content_type = "application/json", body = Object)))]
pub(crate) async fn health(State(state): State<ApiState>) -> Response {
    let problem = not_ready(&state);
    let (code, status) = match problem {
        None => (StatusCode::OK, "pass"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "fail"),
    };
    let message = problem.unwrap_or_else(|| "ready for samples".to_owned());
    let version = env!("CARGO_PKG_VERSION");
    let body = json!({"name": "earcon", "message": message, "status": status, "checks": [], "version": version});
    (code, axum::Json(body)).into_response()
}

/// Every known workspace of this node is open and takes samples. If not, the text says why. A
/// second line names a jump of the clock in the last hour.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "ready", body = String), (status = 503, description = "shutting down, or samples cannot be stored, or the log or the cluster's table does not answer", body = String)))]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Response {
    // Requests are answered only after every workspace is open.
    match not_ready(&state) {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
        None => match state.clock_health.recent(state.clock.now_ms()) {
            Some(jump) => format!("ready\n{jump}\n").into_response(),
            None => "ready\n".into_response(),
        },
    }
}

/// Why this server should not get requests now.
fn not_ready(state: &ApiState) -> Option<String> {
    if *state.shutdown.borrow() {
        return Some("shutting down".to_owned());
    }
    if let Some(problem) = state.storage.database_problem() {
        return Some(format!("settings and history cannot be written: {problem}"));
    }
    if let Some(problem) = state.storage.problem() {
        return Some(format!("samples are refused: {problem}"));
    }
    if let Some(damage) = state.storage.log_damage() {
        return Some(format!("the log is damaged or not readable: {damage}"));
    }
    let failed = state.directory.failed();
    if let Some((workspace, error)) = failed.first() {
        // Everybody may ask, so the names of tenants stay in the log.
        if state.access.are_accounts_required() {
            return Some(format!("{} workspaces cannot be opened; the log names them", failed.len()));
        }
        return Some(format!("{} workspaces cannot be opened; {workspace}: {error}", failed.len()));
    }
    state.directory.problem()
}

/// Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "metrics", content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(state): State<ApiState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
