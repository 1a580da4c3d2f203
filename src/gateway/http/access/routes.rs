//! What each route asks of the caller. A route that is not here is refused, and a test compares
//! this table with the routes of the router.

use axum::http::Method;

use earcon_identity::Permission::{self, *};

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it says nothing about a tenant.
    Nothing,
    /// A caller who is known. The answer contains what the caller may see.
    Caller,
    /// A right in the workspace that the request names.
    Workspace(Permission),
    /// A right in the organisation that the request names.
    Organisation(Permission),
    /// A right over the whole server.
    Server(Permission),
}

/// Paths of agents. They are also at `/api/v1/workspaces/{workspace}` and the path.
const AGENTS: [&str; 5] = ["/write", "/api/v2/write", "/api/v1/write", "/v1/metrics", "/collectd/write"];

/// The prefix of everything in a workspace.
const WORKSPACE: &str = "/api/v1/workspaces/{workspace}";

/// What a request of this method to a route needs. `None` for a route that the table lacks.
pub(crate) fn need(method: &Method, route: &str) -> Option<Need> {
    // Whoever may read may ask for the headers alone.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    if let Some(inner) = route.strip_prefix(WORKSPACE) {
        return in_workspace(method, inner).map(Need::Workspace);
    }
    if method == "POST" && AGENTS.contains(&route) {
        return Some(Need::Workspace(Ingest));
    }
    Some(match (method, route) {
        ("GET", "/healthz" | "/health" | "/readyz" | "/ping") => Need::Nothing,
        ("GET", "/api/v1/openapi.json" | "/api/v1/asyncapi.yaml") => Need::Nothing,
        ("GET", "/api/v1/workspaces") | ("POST", "/query") => Need::Caller,
        ("GET", "/metrics" | "/api/v1/cluster") => Need::Server(ReadServer),
        _ => return None,
    })
}

/// The right that a route below a workspace needs.
fn in_workspace(method: &str, route: &str) -> Option<Permission> {
    if method == "POST" && AGENTS.contains(&route) {
        return Some(Ingest);
    }
    Some(match (method, route) {
        ("PUT" | "DELETE", "") => ManageWorkspaces,
        ("GET", "/kpis" | "/kpis/{kpi}" | "/kpis/{kpi}/samples" | "/kpis/{kpi}/settings" | "/units") => Read,
        ("GET", "/ingest/rules" | "/detectors" | "/experiments" | "/experiments/{experiment}") => Read,
        ("GET", "/jobs" | "/jobs/{job}" | "/mutes" | "/mutes/{mute}" | "/events") => Read,
        ("GET", "/incidents" | "/incidents/{id}" | "/anomalies" | "/anomalies/{id}") => Read,
        ("GET", "/anomalies/{id}/picture.svg" | "/anomalies/{id}/picture.png") => Read,
        ("GET", "/mixes" | "/mixes/{mix}" | "/mixes/{mix}/live" | "/mixes/{mix}/live.ogg") => Listen,
        ("GET" | "POST", "/kpis/ingest") => Ingest,
        ("POST", "/kpis/upload") => Upload,
        ("POST", "/incidents/{id}/acknowledge" | "/anomalies/{id}/acknowledge") => Acknowledge,
        ("POST", "/anomalies/{id}/feedback") => Feedback,
        ("POST", "/anomalies/{id}/mute" | "/mutes") | ("PUT" | "DELETE", "/mutes/{mute}") => Mute,
        ("PATCH", "/mixes/{mix}") => EditMixes,
        ("PUT", "/ingest/rules") => EditRules,
        ("PUT", "/kpis/{kpi}/settings") | ("POST", "/kpis/{kpi}/resume") => EditKpis,
        ("PUT", "/detectors/{entry}") | ("POST", "/jobs" | "/experiments") => EditDetectors,
        ("POST", "/experiments/{experiment}/promote") => EditDetectors,
        ("POST", "/experiments/{experiment}/rollback" | "/experiments/{experiment}/stop") => EditDetectors,
        ("DELETE", "/jobs/{job}") => EditDetectors,
        ("DELETE", "/kpis/{kpi}" | "/kpis/{kpi}/samples") => DeleteData,
        _ => return None,
    })
}
