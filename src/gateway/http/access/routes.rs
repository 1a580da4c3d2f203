//! The right that each route needs. A route that is not here is refused, and a test compares
//! this table with the routes of the router.

use axum::http::Method;

use earcon_identity::Permission::{self, *};

/// The need of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it says nothing about a tenant.
    Nothing,
    /// Nothing, but a known caller gets another answer.
    Perhaps,
    /// A known caller. The answer contains only the caller's own, or the service of accounts checks
    /// the rights over the organisation.
    Caller,
    /// A right in the workspace that the request names.
    Workspace(Permission),
    /// A right over the whole server.
    Server(Permission),
}

/// Paths of agents. They are also at `/api/v1/workspaces/{workspace}` and the path.
const AGENTS: [&str; 5] = ["/write", "/api/v2/write", "/api/v1/write", "/v1/metrics", "/collectd/write"];

/// The prefix of everything in a workspace.
const WORKSPACE: &str = "/api/v1/workspaces/{workspace}";

/// The need of a request of this method to a route. `None` for a route that the table lacks.
pub(crate) fn need(method: &Method, route: &str) -> Option<Need> {
    // The headers alone need the right to read.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    if (method, route) == ("POST", "/api/v1/workspaces/{workspace}/tickets") {
        return Some(Need::Caller);
    }
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
        ("POST", "/api/v1/session" | "/api/v1/session/refresh") => Need::Nothing,
        ("GET", "/api/v1/session") | ("POST", "/api/v1/session/claim") => Need::Perhaps,
        ("DELETE", "/api/v1/session") | ("PUT", "/api/v1/session/password") => Need::Caller,
        ("POST" | "PUT" | "DELETE", "/api/v1/session/totp") | ("GET", "/api/v1/organisations") => Need::Caller,
        (method, route) => {
            let inner = route.strip_prefix("/api/v1/organisations/{organisation}")?;
            return of_organisation(method, inner).then_some(Need::Caller);
        }
    })
}

/// Whether there is a route of an organisation.
fn of_organisation(method: &str, route: &str) -> bool {
    matches!(
        (method, route),
        ("PUT", "")
            | ("GET", "/members" | "/invitations" | "/keys" | "/sessions" | "/audit")
            | ("PUT" | "DELETE", "/members/{user}")
            | ("POST", "/invitations" | "/keys" | "/keys/{key}/rotate")
            | ("DELETE", "/invitations/{invitation}" | "/keys/{key}" | "/sessions/{session}")
    )
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
