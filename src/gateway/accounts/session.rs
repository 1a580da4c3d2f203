//! Signing in and out, and the signed-in user.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{From, Known, by};
use super::cookies;
use super::state::AccountsState;
use super::wire::{WireUser, at, names, workspaces};
use crate::gateway::http::access::{Access, csrf};
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::{By, Caller, NewUser, SignedIn};
use earcon_identity::name::{Email, Name};
use earcon_identity::{AccountsView, Permissions, Principal, Reach};

/// The caller and their rights.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// `local` (a program or browser of this machine, without accounts), `user` or `key`.
    kind: &'static str,
    user: Option<WireUser>,
    /// To be sent as `X-Earcon-CSRF` with each change; `null` without a cookie.
    csrf: Option<String>,
    /// When the access token ends.
    expires_at: Option<String>,
    organisations: Vec<Rights>,
}

/// The rights in an organisation. One with several roles appears several times.
#[derive(Serialize, ToSchema)]
struct Rights {
    id: String,
    name: String,
    role: Option<&'static str>,
    permissions: Vec<&'static str>,
    /// These workspaces; `null` for all.
    workspaces: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    login: String,
    password: String,
    /// Of the authenticator app, or a recovery code.
    code: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Of the owner link (`eo_…`), or of an invitation (`ei_…`).
    secret: String,
    /// For a new user. A signed-in user leaves these out.
    login: Option<String>,
    name: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: String,
    new: String,
}

impl FromJson for SignIn {}
impl FromJson for Claim {}
impl FromJson for NewPassword {}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new()
        .routes(routes!(show, sign_in, sign_out))
        .routes(routes!(refresh))
        .routes(routes!(claim))
        .routes(routes!(change_password))
}

/// The caller and their rights.
#[utoipa::path(get, path = "/api/v1/session", tag = "accounts",
    responses((status = 200, body = Session), (status = 401, description = "nobody; `unclaimed` says that there is no owner yet")))]
async fn show(
    State(state): State<AccountsState>,
    access: Access,
    from: From,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match by(&access, &from) {
        Ok(by) => Ok(answer(&describe(&state, &by, access.cookie(&headers), None))),
        Err(problem) => {
            let unclaimed = !state.accounts.view().has_owner();
            Err(problem.with("accounts_required", json!(true)).with("unclaimed", json!(unclaimed)))
        }
    }
}

/// Signs in with a password, and with a code if the user has an authenticator app.
#[utoipa::path(post, path = "/api/v1/session", tag = "accounts", request_body = SignIn,
    responses((status = 200, body = Session), (status = 401, description = "wrong; `code_required` if only a code is missing"),
        (status = 429, description = "too many attempts"), (status = 503, description = "too many at once")))]
async fn sign_in(
    State(state): State<AccountsState>,
    from: From,
    JsonBody(wish): JsonBody<SignIn>,
) -> Result<Response, Problem> {
    let code = wish.code.as_deref().filter(|code| !code.is_empty());
    let (address, secure) = (from.address, from.secure);
    let signed_in = state.accounts.sign_in(&wish.login, &wish.password, code, (address, from.device)).await?;
    Ok(begun(&state, StatusCode::OK, &signed_in, secure))
}

/// Signs out. The session ends on all nodes.
#[utoipa::path(delete, path = "/api/v1/session", tag = "accounts", responses((status = 204, description = "signed out"), (status = 403, description = "a key has no session")))]
async fn sign_out(State(state): State<AccountsState>, Known(by): Known) -> Result<Response, Problem> {
    state.accounts.sign_out(&by).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut());
    Ok(response)
}

/// New tokens for the refresh token in the cookie.
#[utoipa::path(post, path = "/api/v1/session/refresh", tag = "accounts",
    responses((status = 200, body = Session), (status = 401, description = "the session has ended")))]
async fn refresh(State(state): State<AccountsState>, from: From, headers: HeaderMap) -> Result<Response, Problem> {
    let token = cookies::refresh_token(&headers);
    let token = token.ok_or_else(|| Problem::new(Kind::Unauthorised, "there is no session; sign in"))?;
    match state.accounts.refresh_session(token, Some(from.address.to_string())).await {
        Ok(renewed) => {
            let earcon_accounts::Renewed { user, session, refresh_token, access_token, access_expires_ms } = renewed;
            let signed_in = SignedIn { user, session, refresh_token, access_token, access_expires_ms };
            Ok(begun(&state, StatusCode::OK, &signed_in, from.secure))
        }
        Err(error) => {
            let mut response = Problem::from(error).into_response();
            cookies::clear(response.headers_mut());
            Ok(response)
        }
    }
}

/// Uses an owner link or an invitation: makes a user and signs them in, or adds the signed-in user.
#[utoipa::path(post, path = "/api/v1/session/claim", tag = "accounts", request_body = Claim,
    responses((status = 200, body = Session, description = "added"), (status = 201, body = Session, description = "a new user"),
        (status = 400, description = "the name or the password is not accepted"), (status = 403, description = "the link was used, or has expired"), (status = 409, description = "the name is taken")))]
async fn claim(
    State(state): State<AccountsState>,
    access: Access,
    from: From,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<Claim>,
) -> Result<Response, Problem> {
    let Some(login) = wish.login.clone() else {
        let by = by(&access, &from)?;
        state.accounts.accept_as_user(&by, &wish.secret).await?;
        return Ok(answer(&describe(&state, &by, access.cookie(&headers), None)));
    };
    let user = new_user(login, wish.name, wish.email, wish.password)?;
    let signed_in = if wish.secret.starts_with("eo_") {
        state.accounts.claim_owner_link(&wish.secret, user, from.device).await?
    } else {
        state.accounts.accept_as_new_user(&wish.secret, user, from.device).await?
    };
    Ok(begun(&state, StatusCode::CREATED, &signed_in, from.secure))
}

/// Changes the own password. Other sessions of the user end.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "accounts", request_body = NewPassword,
    responses((status = 204, description = "changed"), (status = 400, description = "the password is not accepted"), (status = 401, description = "the present one is wrong")))]
async fn change_password(
    State(state): State<AccountsState>,
    Known(by): Known,
    JsonBody(wish): JsonBody<NewPassword>,
) -> Result<StatusCode, Problem> {
    state.accounts.change_password(&by, &wish.current, wish.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_user(
    login: String,
    name: Option<String>,
    email: Option<String>,
    password: Option<String>,
) -> Result<NewUser, Problem> {
    let bad = |detail: String| Problem::new(Kind::BadRequest, detail);
    let name = Name::new(name.as_deref().unwrap_or(&login)).map_err(|error| bad(error.to_string()))?;
    let email = email.filter(|text| !text.is_empty()).map(|text| Email::new(&text)).transpose();
    let email = email.map_err(|error| bad(error.to_string()))?;
    let password = password.ok_or_else(|| bad("a new user needs a password".to_owned()))?;
    Ok(NewUser { sign_in_name: login, name, email, password })
}

/// The answer to a sign-in, with its cookies.
fn begun(state: &AccountsState, status: StatusCode, signed_in: &SignedIn, secure: bool) -> Response {
    let principal = Principal::User { user: signed_in.user, session: signed_in.session };
    let by = By::principal(principal, None);
    let session = describe(state, &by, Some(&signed_in.access_token), Some(signed_in.access_expires_ms));
    let now_ms = state.clock.now_ms();
    let seconds = |ends_ms: i64| ((ends_ms - now_ms) / 1_000).max(0);
    let session_ends_ms = {
        let view = state.accounts.view();
        view.session(signed_in.session).map_or(now_ms, |session| session.expires_ms(view.policy()))
    };
    let mut response = (status, answer(&session)).into_response();
    let access = (signed_in.access_token.as_str(), seconds(signed_in.access_expires_ms));
    let refresh = (signed_in.refresh_token.as_str(), seconds(session_ends_ms));
    cookies::set(response.headers_mut(), secure, access, refresh);
    response
}

fn describe(state: &AccountsState, by: &By, cookie: Option<&str>, expires_ms: Option<i64>) -> Session {
    let expires_ms = expires_ms.or_else(|| cookie.and_then(|token| state.accounts.token_ends_ms(token)));
    let view = state.accounts.view();
    let (kind, user, organisations) = match by.caller {
        Caller::Of(Principal::User { user, session: _ }) => {
            ("user", view.user(user).map(WireUser::of), of_user(&view, user))
        }
        Caller::Of(Principal::Key(id)) => ("key", None, of_key(&view, id)),
        Caller::Loopback | Caller::System => ("local", None, of_everybody(&view)),
    };
    Session { kind, user, csrf: cookie.map(csrf::text), expires_at: expires_ms.map(at), organisations }
}

fn of_everybody(view: &AccountsView) -> Vec<Rights> {
    let all = |organisation: &earcon_identity::Organisation| Rights {
        id: organisation.id.to_string(),
        name: organisation.name.to_string(),
        role: None,
        permissions: names(Permissions::ALL),
        workspaces: None,
    };
    view.organisations().map(all).collect()
}

fn of_user(view: &AccountsView, user: earcon_identity::UserId) -> Vec<Rights> {
    let grants = view.memberships_of(user).flat_map(|member| member.grants.iter().map(move |grant| (member, grant)));
    let rights = grants.filter_map(|(member, grant)| {
        let organisation = view.organisation(&member.organisation)?;
        let all = grant.role.permissions_in(&member.organisation);
        let permissions = if grant.reach == Reach::All { all } else { all.without(Permissions::ORGANISATION) };
        Some(Rights {
            id: organisation.id.to_string(),
            name: organisation.name.to_string(),
            role: Some(grant.role.as_str()),
            permissions: names(permissions),
            workspaces: workspaces(&grant.reach),
        })
    });
    rights.collect()
}

fn of_key(view: &AccountsView, id: earcon_identity::KeyId) -> Vec<Rights> {
    let Some(key) = view.api_key(id) else { return Vec::new() };
    let name = view.organisation(&key.organisation).map(|organisation| organisation.name.to_string());
    vec![Rights {
        id: key.organisation.to_string(),
        name: name.unwrap_or_default(),
        role: None,
        permissions: names(key.scope.permissions),
        workspaces: workspaces(&key.reach),
    }]
}
