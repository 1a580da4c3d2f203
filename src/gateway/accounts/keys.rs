//! API keys of an organisation.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::organisations::organisation;
use super::state::AccountsState;
use super::wire::{WireOwner, at, names, reach, workspaces};
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::{Caller, NewKey};
use earcon_identity::api_key::KpiPattern;
use earcon_identity::name::Name;
use earcon_identity::{AccountsView, ApiKey, KeyId, KeyOwner, Permission, Permissions, Principal, Scope};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Longest life of a key with an end: ten years.
const MOST_DAYS: u32 = 3_650;

#[derive(Serialize, ToSchema)]
struct Keys {
    keys: Vec<WireKey>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct WireKey {
    id: String,
    /// The beginning of the key's text.
    prefix: String,
    name: String,
    owner: WireOwner,
    permissions: Vec<&'static str>,
    /// These workspaces; `null` for all.
    workspaces: Option<Vec<String>>,
    /// A name, or the beginning of names and `*`; `null` for all.
    kpis: Option<String>,
    /// The only mix; `null` for all.
    mix: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    /// To the hour.
    last_used_at: Option<String>,
    revoked_at: Option<String>,
    /// Until when the secret before the last rotation is valid.
    previous_until: Option<String>,
}

/// The text of the key is not shown again.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyMade)]
struct Made {
    key: String,
    #[serde(flatten)]
    listed: WireKey,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
struct Wish {
    name: String,
    /// Such as `ingest`, `read`, `listen`.
    permissions: Vec<String>,
    workspaces: Option<Vec<String>>,
    kpis: Option<String>,
    mix: Option<String>,
    /// Life of the key; without it, it has no end.
    days: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
struct Rotation {
    /// How long the present secret stays valid; at most 720.
    #[serde(default)]
    overlap_hours: u32,
}

impl FromJson for Wish {}
impl FromJson for Rotation {}

impl WireKey {
    fn of(view: &AccountsView, key: &ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            prefix: key.prefix(),
            name: key.name.to_string(),
            owner: WireOwner::of(view, key.owner),
            permissions: names(key.scope.permissions),
            workspaces: workspaces(&key.reach),
            kpis: key.scope.kpis.as_ref().map(|pattern| pattern.as_str().to_owned()),
            mix: key.scope.mix.as_ref().map(ToString::to_string),
            created_at: at(key.created_ms),
            expires_at: key.expires_ms.map(at),
            last_used_at: key.last_used_ms.map(at),
            revoked_at: key.revoked_ms.map(at),
            previous_until: key.previous.as_ref().map(|previous| at(previous.until_ms)),
        }
    }
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(rotate)).routes(routes!(revoke))
}

fn key_id(text: &str) -> Result<KeyId, Problem> {
    KeyId::parse(text).map_err(|error| bad(error.to_string()))
}

fn bad(detail: String) -> Problem {
    Problem::new(Kind::BadRequest, detail)
}

/// The keys of the caller, or all of the organisation for those who manage them.
#[utoipa::path(get, path = "/api/v1/organisations/{organisation}/keys", tag = "accounts", params(("organisation" = String, Path)),
    responses((status = 200, body = Keys), (status = 404, description = "not an organisation of the caller")))]
async fn list(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    let manages = match state.accounts.check(&by, &id, Permission::ManageKeys) {
        Ok(()) => true,
        Err(earcon_accounts::AccountsError::Forbidden(_)) => false,
        Err(error) => return Err(error.into()),
    };
    let own = match by.caller {
        Caller::Of(Principal::User { user, .. }) => Some(KeyOwner::User(user)),
        _ => None,
    };
    let view = state.accounts.view();
    let mut keys: Vec<_> = view.api_keys_of(&id).filter(|key| manages || Some(key.owner) == own).collect();
    keys.sort_by_key(|key| (key.created_ms, key.id));
    Ok(answer(&Keys { keys: keys.into_iter().map(|key| WireKey::of(&view, key)).collect() }))
}

/// Makes a key of the caller, which permits no more than they may do.
#[utoipa::path(post, path = "/api/v1/organisations/{organisation}/keys", tag = "accounts", params(("organisation" = String, Path)), request_body = Wish,
    responses((status = 201, body = Made), (status = 400, description = "not permissions, or more than the caller has"),
        (status = 403, description = "not permitted"), (status = 404, description = "not an organisation of the caller"), (status = 409, description = "too many keys")))]
async fn create(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    let mut permissions = Permissions::NONE;
    for text in &wish.permissions {
        let found = Permission::ALL.iter().find(|permission| permission.as_str() == text);
        let found = found.ok_or_else(|| {
            let all: Vec<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
            bad(format!("{text:?} is no permission; there are {}", all.join(", ")))
        })?;
        permissions = permissions.and(Permissions::of(&[*found]));
    }
    if wish.days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(bad(format!("a key lasts 1 to {MOST_DAYS} days, or has no end")));
    }
    let kpis = wish.kpis.as_deref().map(KpiPattern::new).transpose().map_err(|error| bad(error.to_string()))?;
    let wish = NewKey {
        name: Name::new(&wish.name).map_err(|error| bad(error.to_string()))?,
        owner: None,
        reach: reach(&id, wish.workspaces.as_deref())?,
        scope: Scope { permissions, mix: wish.mix.map(Into::into), kpis },
        expires_ms: wish.days.map(|days| state.clock.now_ms() + i64::from(days) * DAY_MS),
    };
    let (key, text) = state.accounts.create_key(&by, &id, wish).await?;
    let listed = WireKey::of(&state.accounts.view(), &key);
    Ok((StatusCode::CREATED, answer(&Made { key: text, listed })).into_response())
}

/// Gives a key another secret. The present one stays valid for a while.
#[utoipa::path(post, path = "/api/v1/organisations/{organisation}/keys/{key}/rotate", tag = "accounts",
    params(("organisation" = String, Path), ("key" = String, Path)), request_body = Rotation,
    responses((status = 200, body = Made), (status = 403, description = "not permitted"), (status = 404, description = "no such key"), (status = 409, description = "it was revoked, or has expired")))]
async fn rotate(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, key)): Path<(String, String)>,
    JsonBody(wish): JsonBody<Rotation>,
) -> Result<Response, Problem> {
    let overlap_ms = i64::from(wish.overlap_hours) * HOUR_MS;
    let (key, text) = state.accounts.rotate_key(&by, &organisation(&id)?, key_id(&key)?, overlap_ms).await?;
    let listed = WireKey::of(&state.accounts.view(), &key);
    Ok(answer(&Made { key: text, listed }))
}

/// Revokes a key. Open streams of it end within seconds.
#[utoipa::path(delete, path = "/api/v1/organisations/{organisation}/keys/{key}", tag = "accounts",
    params(("organisation" = String, Path), ("key" = String, Path)),
    responses((status = 204, description = "revoked"), (status = 403, description = "not permitted"), (status = 404, description = "no such key")))]
async fn revoke(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    state.accounts.revoke_key(&by, &organisation(&id)?, key_id(&key)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
