//! The audit log of an organisation.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Known;
use super::organisations::organisation;
use super::state::AccountsState;
use super::wire::at;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad, time};
use crate::gateway::http::reply::json as answer;
use earcon_accounts::AuditTrail;
use earcon_identity::Permission;
use earcon_identity::audit::{Actor, AuditRecord, Hash, Outcome};

/// Lines that one request looks at, at most. A filter may leave few of them.
const MOST_READ: usize = 2_000;
const USUAL: usize = 100;
const PAGE: usize = 200;

#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
struct Audit {
    /// In the order in which they were written.
    records: Vec<WireRecord>,
    /// Where to go on (`after`); `null` at the end.
    next: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecord)]
struct WireRecord {
    seq: u64,
    at: String,
    who: String,
    what: String,
    target: String,
    detail: Option<String>,
    /// The address of the request.
    from: Option<String>,
    /// `done`, `refused` or `failed`.
    outcome: &'static str,
    /// The version of the program.
    version: String,
    /// Of this record and, through it, of all before it.
    hash: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AuditParams {
    /// Times from this on.
    from: Option<String>,
    /// Times before this.
    to: Option<String>,
    /// A part of the name.
    who: Option<String>,
    /// The beginning of the action, such as `key.`.
    what: Option<String>,
    /// Only records with a higher number.
    #[serde(default)]
    after: u64,
    /// At most this many, 1 to 500.
    limit: Option<usize>,
}

/// The routes of this topic.
pub(super) fn routes() -> OpenApiRouter<AccountsState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who did what. Nothing changes or removes a record.
#[utoipa::path(get, path = "/api/v1/organisations/{organisation}/audit", tag = "accounts", params(("organisation" = String, Path), AuditParams),
    responses((status = 200, body = Audit), (status = 400, description = "a wrong parameter"), (status = 403, description = "not permitted"), (status = 404, description = "not an organisation of the caller")))]
async fn list(
    State(state): State<AccountsState>,
    Known(by): Known,
    Path(id): Path<String>,
    Params(params): Params<AuditParams>,
) -> Result<Response, Problem> {
    let id = organisation(&id)?;
    state.accounts.check(&by, &id, Permission::ReadAudit)?;
    let from_ms = time("from", params.from.as_deref())?.unwrap_or(i64::MIN);
    let to_ms = time("to", params.to.as_deref())?.unwrap_or(i64::MAX);
    if i64::try_from(params.after).is_err() {
        return Err(bad("after is the number of a record"));
    }
    let limit = params.limit.unwrap_or(USUAL).clamp(1, 500);
    let (mut records, mut after, mut read) = (Vec::new(), params.after, 0);
    let next = loop {
        let lines = state.accounts.audit().read(&id, after.saturating_add(1), PAGE).await?;
        let is_last = lines.len() < PAGE;
        for line in &lines {
            if records.len() == limit {
                break;
            }
            after = line.seq;
            let record = AuditTrail::record(line)?;
            let entry = &record.entry;
            let is_in_time = (from_ms..to_ms).contains(&entry.at_ms);
            let who = who(&entry.actor);
            let is_wanted = params.who.as_ref().is_none_or(|part| who.to_lowercase().contains(&part.to_lowercase()))
                && params.what.as_ref().is_none_or(|beginning| entry.action.starts_with(beginning.as_str()));
            if is_in_time && is_wanted {
                records.push(WireRecord::of(record, who, &Hash::of(line.line.as_bytes()).to_string()));
            }
        }
        read += lines.len();
        let is_whole = lines.last().is_none_or(|line| line.seq == after);
        if is_last && is_whole {
            break None;
        }
        if records.len() == limit || read >= MOST_READ {
            break Some(after);
        }
    };
    Ok(answer(&Audit { records, next }))
}

impl WireRecord {
    fn of(record: AuditRecord, who: String, hash: &str) -> Self {
        let entry = record.entry;
        Self {
            seq: record.seq,
            at: at(entry.at_ms),
            who,
            what: entry.action,
            target: entry.target,
            detail: entry.detail,
            from: entry.from,
            outcome: match entry.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Failed => "failed",
            },
            version: entry.code,
            hash: hash.to_owned(),
        }
    }
}

/// The name of an actor, for people.
fn who(actor: &Actor) -> String {
    match actor {
        Actor::User { name, .. } => name.clone(),
        Actor::UserKey { name, .. } | Actor::ServiceKey { name, .. } => format!("key {name}"),
        Actor::Loopback => "local".to_owned(),
        Actor::System => "system".to_owned(),
        Actor::Unknown { name } => format!("unknown: {name}"),
    }
}
