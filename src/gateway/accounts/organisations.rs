//! Organisations.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::state::AccountsState;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::{AccountsError, Caller};
use earcon_identity::name::Name;
use earcon_model::OrganisationId;

#[derive(Serialize, ToSchema)]
struct Organisations {
    organisations: Vec<Organisation>,
}

#[derive(Serialize, ToSchema)]
struct Organisation {
    id: String,
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganisationName)]
struct Named {
    name: String,
}

impl FromJson for Named {}

impl Organisation {
    fn of(organisation: &earcon_identity::Organisation) -> Self {
        Self { id: organisation.id.to_string(), name: organisation.name.to_string() }
    }
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put))
}

/// Reads the identifier of an organisation in an address.
pub(super) fn organisation(text: &str) -> Result<OrganisationId, Problem> {
    OrganisationId::new(text).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))
}

/// The organisations of the caller.
#[utoipa::path(get, path = "/api/v1/organisations", tag = "accounts", responses((status = 200, body = Organisations)))]
async fn list(State(state): State<AccountsState>, Known(by): Known) -> Response {
    let view = state.accounts.view();
    let knows = |organisation: &&earcon_identity::Organisation| match by.caller {
        Caller::Loopback | Caller::System => true,
        Caller::Of(principal) => view.knows_organisation(&principal, &organisation.id),
    };
    let organisations = view.organisations().filter(knows).map(Organisation::of).collect();
    answer(&Organisations { organisations })
}

/// Makes an organisation, or gives one another name.
#[utoipa::path(put, path = "/api/v1/organisations/{organisation}", tag = "accounts", params(("organisation" = String, Path)), request_body = Named,
    responses((status = 200, body = Organisation, description = "renamed"), (status = 201, body = Organisation, description = "made"),
        (status = 403, description = "not permitted"), (status = 404, description = "not an organisation of the caller")))]
async fn put(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
    JsonBody(wish): JsonBody<Named>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    let name = Name::new(&wish.name).map_err(|error| Problem::new(Kind::BadRequest, error.to_string()))?;
    let exists = state.accounts.view().organisation(&id).is_some();
    let (status, organisation) = if exists {
        (StatusCode::OK, state.accounts.rename_organisation(&by, &id, name).await?)
    } else {
        // Others must not learn by another answer that an organisation exists.
        let made = state.accounts.create_organisation(&by, id, name).await.map_err(|error| match error {
            AccountsError::Forbidden(_) => AccountsError::NotFound("organisation"),
            error => error,
        });
        (StatusCode::CREATED, made?)
    };
    Ok((status, answer(&Organisation::of(&organisation))).into_response())
}
