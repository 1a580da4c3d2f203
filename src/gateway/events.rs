//! `GET …/events`: the same events over a WebSocket or as server-sent events.

mod encoding;
mod follower;
pub(crate) mod groups;
mod member;
mod replayed;
pub(crate) mod snapshots;
mod sse;
pub(crate) mod state;
mod websocket;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use crate::gateway::websocket::{Upgrade, is_asked_for};
use crate::live::{Conflation, Filter, Since};
use encoding::Encoding;
use follower::FollowRequest;
use state::EventsState;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FollowParams {
    /// Server-sent events only: `live` (default), `snapshot`, or the last `seq` seen.
    since: Option<String>,
    /// Server-sent events only: the epoch of `since`.
    epoch: Option<String>,
    /// Server-sent events only: KPI names or `prefix*`, comma-separated.
    kpis: Option<String>,
    /// Server-sent events only: event types, comma-separated.
    types: Option<String>,
    /// Server-sent events only: most `samples` events a second and KPI.
    rate: Option<f64>,
}

/// The routes of this wing.
pub(crate) fn routes() -> OpenApiRouter<EventsState> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Follows a workspace: upgrade to a WebSocket, or accept `text/event-stream`.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/events", tag = "events",
    params(("workspace" = String, Path), FollowParams),
    responses(
        (status = 101, description = "a WebSocket; see docs/protocol.md for its messages"),
        (status = 200, description = "server-sent events", content_type = "text/event-stream", body = String),
        (status = 400, description = "bad parameter"),
        (status = 404, description = "no such workspace"),
        (status = 426, description = "another version of WebSocket"),
        (status = 503, description = "restarting, or too many snapshots are being sent")))]
async fn follow(
    State(state): State<EventsState>,
    authorized: Authorized,
    Params(params): Params<FollowParams>,
    request: Request,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let (mut parts, _) = request.into_parts();
    if is_asked_for(&parts.headers) {
        let upgrade = Upgrade::from_request_parts(&mut parts, &state).await?;
        return Ok(websocket::accept(upgrade, state, authorized.pass().clone(), workspace));
    }
    let filter = filter(params.kpis.as_deref(), params.types.as_deref())?;
    let since = since(&parts.headers, params.since.as_deref(), params.epoch)?;
    let rate = params.rate.map(Conflation::new).transpose().map_err(|error| bad(&error.to_string()))?;
    let request = FollowRequest { filter, since, encoding: Encoding::Json, rate };
    Ok(sse::answer(state, authorized.pass().clone(), workspace, request).await)
}

fn filter(kpis: Option<&str>, types: Option<&str>) -> Result<Filter, Problem> {
    let list = |text: Option<&str>| -> Vec<String> {
        text.unwrap_or_default().split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    Filter::new(&list(kpis), &list(types)).map_err(|error| bad(&error.to_string()))
}

/// `Last-Event-ID` has precedence: a browser sends it when it reconnects, with the query of the
/// first request.
fn since(headers: &HeaderMap, since: Option<&str>, epoch: Option<String>) -> Result<Since, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    if let Some((epoch, seq)) = last.and_then(|id| id.rsplit_once(':'))
        && let Ok(seq) = seq.parse()
    {
        return Ok(Since::Seq { seq, epoch: Some(epoch.to_owned()) });
    }
    match since.unwrap_or("live") {
        "live" => Ok(Since::Live),
        "snapshot" => Ok(Since::Snapshot),
        text => match text.parse() {
            Ok(seq) => Ok(Since::Seq { seq, epoch }),
            Err(_) => Err(bad(&format!("since must be \"live\", \"snapshot\" or a seq, not {text:?}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_event_id_has_precedence() {
        let mut headers = HeaderMap::new();
        assert_eq!(since(&headers, Some("snapshot"), None).unwrap(), Since::Snapshot);
        headers.insert("last-event-id", "e-1:42".parse().unwrap());
        let resumed = Since::Seq { seq: 42, epoch: Some("e-1".into()) };
        assert_eq!(since(&headers, Some("snapshot"), None).unwrap(), resumed);
    }

    #[test]
    fn a_bad_position_is_refused() {
        assert!(since(&HeaderMap::new(), Some("yesterday"), None).is_err());
        assert!(filter(None, Some("samples,nonsense")).is_err());
    }
}
