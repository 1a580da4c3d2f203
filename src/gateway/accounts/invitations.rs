//! Invitations into an organisation.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{From, Known};
use super::organisations::organisation;
use super::state::AccountsState;
use super::wire::{at, name_of, reach, workspaces};
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::NewInvitation;
use earcon_identity::invitation::Invitation;
use earcon_identity::role::UnknownRole;
use earcon_identity::{AccountsView, InvitationId, Permission};

const DAY_MS: i64 = 86_400_000;
/// Days that an invitation is open, if the request does not say.
const USUAL_DAYS: u32 = 7;

#[derive(Serialize, ToSchema)]
#[schema(as = Invitations)]
struct Invitations {
    invitations: Vec<WireInvitation>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
struct WireInvitation {
    id: String,
    role: String,
    workspaces: Option<Vec<String>>,
    created_at: String,
    expires_at: String,
    by: String,
}

/// The secret is not shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = NewInvitationMade)]
struct Made {
    #[serde(flatten)]
    invitation: WireInvitation,
    secret: String,
    link: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitation)]
struct Wish {
    role: String,
    workspaces: Option<Vec<String>>,
    /// 1 to 14.
    days: Option<u32>,
}

impl FromJson for Wish {}

impl WireInvitation {
    fn of(view: &AccountsView, invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            role: invitation.grant.role.to_string(),
            workspaces: workspaces(&invitation.grant.reach),
            created_at: at(invitation.created_ms),
            expires_at: at(invitation.expires_ms),
            by: name_of(view, invitation.created_by),
        }
    }
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list, invite)).routes(routes!(withdraw))
}

/// The invitations that are open.
#[utoipa::path(get, path = "/api/v1/organisations/{organisation}/invitations", tag = "accounts", params(("organisation" = String, Path)),
    responses((status = 200, body = Invitations), (status = 403, description = "not permitted"), (status = 404, description = "not an organisation of the caller")))]
async fn list(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    state.accounts.check(&by, &id, Permission::ManageMembers)?;
    let (view, now_ms) = (state.accounts.view(), state.clock.now_ms());
    let mut open: Vec<_> = view.invitations_of(&id).filter(|invitation| invitation.is_open(now_ms)).collect();
    open.sort_by_key(|invitation| (invitation.created_ms, invitation.id));
    Ok(answer(&Invitations { invitations: open.into_iter().map(|one| WireInvitation::of(&view, one)).collect() }))
}

/// Invites a person. The first one with the link becomes a member.
#[utoipa::path(post, path = "/api/v1/organisations/{organisation}/invitations", tag = "accounts", params(("organisation" = String, Path)), request_body = Wish,
    responses((status = 201, body = Made), (status = 400, description = "not a role, or not workspaces of the organisation"),
        (status = 403, description = "not permitted, or a role above one's own"), (status = 404, description = "not an organisation of the caller")))]
async fn invite(
    State(state): State<AccountsState>,
    Known(by): Known,
    from: From,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    let bad = |detail: String| Problem::new(Kind::BadRequest, detail);
    let role = wish.role.parse().map_err(|error: UnknownRole| bad(error.to_string()))?;
    let days = wish.days.unwrap_or(USUAL_DAYS);
    if !(1..=14).contains(&days) {
        return Err(bad(format!("an invitation is open for 1 to 14 days, not {days}")));
    }
    let reach = reach(&id, wish.workspaces.as_deref())?;
    let wish = NewInvitation { role, reach, note: None, life_ms: i64::from(days) * DAY_MS };
    let (invitation, secret) = state.accounts.invite(&by, &id, wish).await?;
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    let link = format!("{}://{host}/#/claim/{secret}", if from.secure { "https" } else { "http" });
    let invitation = WireInvitation::of(&state.accounts.view(), &invitation);
    Ok((StatusCode::CREATED, answer(&Made { invitation, secret, link })).into_response())
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/api/v1/organisations/{organisation}/invitations/{invitation}", tag = "accounts",
    params(("organisation" = String, Path), ("invitation" = String, Path)),
    responses((status = 204, description = "taken back"), (status = 403, description = "not permitted"), (status = 404, description = "no such invitation")))]
async fn withdraw(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, invitation)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let invitation =
        InvitationId::parse(&invitation).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
    state.accounts.withdraw_invitation(&by, &organisation(&id)?, invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}
