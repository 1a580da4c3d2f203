//! Members of an organisation.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::organisations::organisation;
use super::state::AccountsState;
use super::wire::{WireGrant, WireUser, at, reach};
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_identity::{AccountsView, Membership, Permission, Role, UserId};

#[derive(Serialize, ToSchema)]
#[schema(as = OrganisationMembers)]
struct Members {
    members: Vec<Member>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrganisationMember)]
struct Member {
    user: WireUser,
    grants: Vec<WireGrant>,
    since: String,
}

/// At most one role is given by a person. Rules for groups of an issuer may give more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Grants {
    grants: Vec<WireGrant>,
}

impl FromJson for Grants {}

impl Member {
    fn of(view: &AccountsView, member: &Membership) -> Option<Self> {
        let user = WireUser::of(view.user(member.user)?);
        Some(Self { user, grants: member.grants.iter().map(WireGrant::of).collect(), since: at(member.since_ms) })
    }
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove))
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
}

/// The members, with their roles.
#[utoipa::path(get, path = "/api/v1/organisations/{organisation}/members", tag = "accounts", params(("organisation" = String, Path)),
    responses((status = 200, body = Members), (status = 403, description = "not permitted"), (status = 404, description = "not an organisation of the caller")))]
async fn list(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    state.accounts.check(&by, &id, Permission::ManageMembers)?;
    let view = state.accounts.view();
    let members = view.members_of(&id).filter_map(|member| Member::of(&view, member)).collect();
    Ok(answer(&Members { members }))
}

/// Gives a member another role.
#[utoipa::path(put, path = "/api/v1/organisations/{organisation}/members/{user}", tag = "accounts",
    params(("organisation" = String, Path), ("user" = String, Path)), request_body = Grants,
    responses((status = 200, body = Member), (status = 400, description = "not one role"), (status = 403, description = "not permitted, or a role above one's own"),
        (status = 404, description = "no such member"), (status = 409, description = "the last owner stays one")))]
async fn set(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, user)): Path<(String, String)>,
    JsonBody(wish): JsonBody<Grants>,
) -> Result<Response, Problem> {
    let (id, user) = (organisation(&id)?, user_id(&user)?);
    let [grant] = wish.grants.as_slice() else {
        return Err(Problem::new(Kind::BadRequest, "a person gives a member one role; DELETE removes the member"));
    };
    let role: Role = grant
        .role
        .parse()
        .map_err(|error: earcon_identity::role::UnknownRole| Problem::new(Kind::BadRequest, error.to_string()))?;
    let reach = reach(&id, grant.workspaces.as_deref())?;
    let member = state.accounts.set_member(&by, &id, user, (role, reach)).await?;
    let view = state.accounts.view();
    let member = Member::of(&view, &member).ok_or_else(|| Problem::new(Kind::NotFound, "there is no such member"))?;
    Ok(answer(&member))
}

/// Removes a member, or leaves. Their keys of the organisation end.
#[utoipa::path(delete, path = "/api/v1/organisations/{organisation}/members/{user}", tag = "accounts",
    params(("organisation" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "removed"), (status = 403, description = "not permitted"),
        (status = 404, description = "no such member"), (status = 409, description = "the last owner stays")))]
async fn remove(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    state.accounts.remove_member(&by, &organisation(&id)?, user_id(&user)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
