//! The second factor of the signed-in user: codes of an authenticator app.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::state::AccountsState;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::Problem;
use crate::gateway::http::reply::json as answer;
use earcon_identity::totp::TotpSecret;

/// A secret for the app. Nothing is stored until a first code confirms it.
#[derive(Serialize, ToSchema)]
#[schema(as = OfferedTotp)]
struct Offered {
    /// The address that apps read.
    otpauth: String,
    /// The same secret, to be typed.
    secret: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTotp)]
struct Confirm {
    /// As it was offered.
    #[schema(value_type = String)]
    secret: TotpSecret,
    code: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
struct Confirmed {
    /// Each replaces a code once. They are not shown again.
    recovery_codes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RemoveTotp)]
struct Remove {
    password: String,
    code: String,
}

impl FromJson for Confirm {}
impl FromJson for Remove {}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(offer, confirm, remove))
}

/// Offers a secret for an authenticator app.
#[utoipa::path(post, path = "/api/v1/session/totp", tag = "accounts",
    responses((status = 200, body = Offered), (status = 403, description = "a key has no second factor")))]
async fn offer(State(state): State<AccountsState>, Known(by): Known) -> Result<Response, Problem> {
    let offered = state.accounts.begin_totp(&by)?;
    Ok(answer(&Offered { otpauth: offered.address, secret: offered.secret.reveal() }))
}

/// Makes an offered secret the second factor, with the password and a first code.
#[utoipa::path(put, path = "/api/v1/session/totp", tag = "accounts", request_body = Confirm,
    responses((status = 200, body = Confirmed), (status = 400, description = "the code is wrong"), (status = 401, description = "the password is wrong"), (status = 409, description = "there is one already")))]
async fn confirm(
    State(state): State<AccountsState>,
    Known(by): Known,
    JsonBody(wish): JsonBody<Confirm>,
) -> Result<Response, Problem> {
    let recovery_codes = state.accounts.confirm_totp(&by, &wish.password, wish.secret, &wish.code).await?;
    Ok(answer(&Confirmed { recovery_codes }))
}

/// Removes the second factor, with the password and a code.
#[utoipa::path(delete, path = "/api/v1/session/totp", tag = "accounts", request_body = Remove,
    responses((status = 204, description = "removed"), (status = 401, description = "the password or the code is wrong"), (status = 409, description = "there is none")))]
async fn remove(
    State(state): State<AccountsState>,
    Known(by): Known,
    JsonBody(wish): JsonBody<Remove>,
) -> Result<StatusCode, Problem> {
    state.accounts.remove_totp(&by, &wish.password, &wish.code).await?;
    Ok(StatusCode::NO_CONTENT)
}
