//! The sessions of users.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::organisations::organisation;
use super::state::AccountsState;
use super::wire::{WireUser, at};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::Caller;
use earcon_identity::{Permission, Principal, SessionId};

#[derive(Serialize, ToSchema)]
#[schema(as = UserSessions)]
struct Sessions {
    sessions: Vec<WireSession>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UserSession)]
struct WireSession {
    id: String,
    user: Option<WireUser>,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    address: String,
    agent: String,
    /// That of the request.
    current: bool,
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revoke))
}

/// The sessions of the caller. Those who manage the server's users see the sessions of all members.
#[utoipa::path(get, path = "/api/v1/organisations/{organisation}/sessions", tag = "accounts", params(("organisation" = String, Path)),
    responses((status = 200, body = Sessions), (status = 404, description = "not an organisation of the caller")))]
async fn list(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    let (user, current) = match by.caller {
        Caller::Of(Principal::User { user, session }) => (Some(user), Some(session)),
        _ => (None, None),
    };
    // Whether the organisation exists for the caller, before anything is said about it.
    let manages = match state.accounts.check(&by, &id, Permission::ManageServer) {
        Ok(()) => true,
        Err(earcon_accounts::AccountsError::Forbidden(_)) => false,
        Err(error) => return Err(error.into()),
    };
    let (view, now_ms) = (state.accounts.view(), state.clock.now_ms());
    let is_listed = |owner| if manages { view.membership(&id, owner).is_some() } else { Some(owner) == user };
    let alive = view.sessions().filter(|session| session.valid(view.policy(), now_ms).is_ok());
    let mut listed: Vec<_> = alive.filter(|session| is_listed(session.user)).collect();
    listed.sort_by_key(|session| (std::cmp::Reverse(session.refreshed_ms), session.id));
    let sessions = listed.into_iter().map(|session| WireSession {
        id: session.id.to_string(),
        user: view.user(session.user).map(WireUser::of),
        created_at: at(session.created_ms),
        last_used_at: at(session.refreshed_ms),
        expires_at: at(session.expires_ms(view.policy())),
        address: session.device.address.to_string(),
        agent: session.device.agent.to_string(),
        current: Some(session.id) == current,
    });
    Ok(answer(&Sessions { sessions: sessions.collect() }))
}

/// Ends a session. Its open streams end within seconds.
#[utoipa::path(delete, path = "/api/v1/organisations/{organisation}/sessions/{session}", tag = "accounts",
    params(("organisation" = String, Path), ("session" = String, Path)),
    responses((status = 204, description = "ended"), (status = 404, description = "no such session of the caller")))]
async fn revoke(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, session)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    organisation(&id)?;
    let session = SessionId::parse(&session).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
    state.accounts.revoke_session(&by, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
