//! The caller of a request, and the right that its route needs.
//!
//! [`check`] runs before every route. It reads the credentials once, and looks the need
//! of the route up in one table, so a route without an entry is refused. Handlers get passes from
//! [`Authorized`](super::auth::Authorized), which asks for exactly that right.

mod credentials;
pub(crate) mod csrf;
pub(crate) mod routes;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::connection::Peer;
use super::problem::{Kind, Problem};
use crate::telemetry::{Metric, count};
use credentials::Credentials;
pub(crate) use credentials::{COOKIE, SECURE_COOKIE, cookie_named};
use earcon_identity::Permission;
use earcon_identity::token::Purpose;
use earcon_model::{Clock, WorkspaceId};
use earcon_tenancy::{Authorizer, Caller, Denied, Shown};
use routes::Need;

/// The parts of the check. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Knows the accounts.
    pub(crate) access: Authorizer,
    /// Keys and sessions expire.
    pub(crate) clock: Arc<dyn Clock>,
}

/// The caller of a request, and the need of its route. An extension of every request to a route.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    caller: Result<Caller, Denied>,
    need: Need,
}

impl Access {
    /// The caller.
    ///
    /// # Errors
    /// 401 if the credentials are missing or wrong.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().map_err(|denied| denied.clone().into())
    }

    /// The access token in the cookie that the caller is known by, if it is one.
    pub(crate) fn cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let is_account = self.caller.as_ref().is_ok_and(|caller| caller.principal().account().is_some());
        let from_header = headers.contains_key(header::AUTHORIZATION);
        (is_account && !from_header).then(|| cookie_named(headers, &[SECURE_COOKIE, COOKIE])).flatten()
    }

    /// The right that the route needs in a workspace.
    ///
    /// # Errors
    /// 500 for a route without one: its handler asks for a pass that the table does not foresee.
    pub(crate) fn permission(&self) -> Result<Permission, Problem> {
        match self.need {
            Need::Workspace(permission) => Ok(permission),
            Need::Nothing | Need::Perhaps | Need::Caller | Need::Server(_) => {
                Err(Problem::new(Kind::Internal, "the server does not know what this address needs"))
            }
        }
    }
}

/// Identifies the caller of a request. Refuses a caller whom its route does not admit.
pub(crate) async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    // Without a route it is the dashboard's page or 404, which are for everybody.
    let Some(route) = request.extensions().get::<MatchedPath>() else { return next.run(request).await };
    let Some(need) = routes::need(request.method(), route.as_str()) else {
        return not_allowed(route.as_str()).into_response();
    };
    let (mut parts, body) = request.into_parts();
    match admit(&gate, need, &parts) {
        Ok(access) => {
            parts.extensions.insert(access);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The caller of a request, if it may go on. Rights in workspaces are checked when a handler takes
/// its pass, those over organisations by the service of accounts.
fn admit(gate: &Gate, need: Need, parts: &Parts) -> Result<Access, Problem> {
    let now_ms = gate.clock.now_ms();
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.address().ip());
    let peer =
        peer.ok_or_else(|| Problem::new(Kind::Internal, "the server does not know where the request came from"))?;
    if need == Need::Nothing {
        return Ok(Access { caller: Err(Denied::NoCredentials), need });
    }
    let caller = identify(gate, peer, need, parts)?;
    match (&caller, need) {
        (Ok(caller), Need::Server(permission)) => gate.access.admit_to_server(caller, permission, now_ms)?,
        (Err(denied), need) if need != Need::Perhaps => {
            count(Metric::CallersRefused, 1);
            // Handlers of agents' protocols word the refusal themselves.
            if need != Need::Workspace(Permission::Ingest) {
                return Err(denied.clone().into());
            }
        }
        _ => {}
    }
    Ok(Access { caller, need })
}

/// The stream that a request with a ticket asks for. `None` for other requests.
fn ticket_target(need: Need, parts: &Parts) -> Option<(WorkspaceId, Purpose)> {
    let rest = parts.uri.path().strip_prefix("/api/v1/workspaces/")?;
    let (workspace, route) = rest.split_once('/')?;
    let purpose = match (need, route) {
        (Need::Workspace(Permission::Read), "events") => Purpose::Events,
        (Need::Workspace(Permission::Ingest), "kpis/ingest") => Purpose::Ingest,
        (Need::Workspace(Permission::Listen), route) if route.ends_with("/live") || route.ends_with("/live.ogg") => {
            Purpose::Audio
        }
        _ => return None,
    };
    Some((WorkspaceId::new(workspace).ok()?, purpose))
}

fn identify(gate: &Gate, peer: IpAddr, need: Need, parts: &Parts) -> Result<Result<Caller, Denied>, Problem> {
    // Agents and proxies send credentials of their own, which mean nothing here.
    if !gate.access.are_accounts_required() {
        return Ok(gate.access.identify(peer, &Shown::Nothing));
    }
    let shown = Credentials::of(&parts.method, &parts.uri, &parts.headers)?;
    let target = ticket_target(need, parts);
    let shown = match (&shown, &target) {
        (Credentials::None, _) => Shown::Nothing,
        (Credentials::Key(secret), _) => Shown::Key(secret.reveal()),
        (Credentials::Token(secret), _) => Shown::Token(secret.reveal()),
        (Credentials::Cookie(secret), _) => Shown::Cookie(secret.reveal()),
        (Credentials::Ticket(secret), Some((workspace, purpose))) => {
            Shown::Ticket(secret.reveal(), workspace, *purpose)
        }
        (Credentials::Ticket(_), None) => {
            return Ok(Err(Denied::Unknown("a ticket opens a stream and nothing else".to_owned())));
        }
    };
    let caller = gate.access.identify(peer, &shown);
    if let (Ok(_), Shown::Cookie(token)) = (&caller, &shown) {
        csrf::check(token, &parts.method, &parts.headers)?;
    }
    Ok(caller)
}

/// 405 with the methods that the table has for the route.
fn not_allowed(route: &str) -> Response {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let known = methods.iter().filter(|method| routes::need(method, route).is_some());
    let mut allow: Vec<&str> = known.map(Method::as_str).collect();
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    let problem = Problem::new(Kind::MethodNotAllowed, "see /api/v1/openapi.json for what each address takes");
    ([(header::ALLOW, allow.join(","))], problem).into_response()
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let kind = match denied {
            Denied::NoCredentials | Denied::Unknown(_) => Kind::Unauthorised,
            Denied::Elsewhere(_) | Denied::Lacks(_) => Kind::Forbidden,
            Denied::Hidden => Kind::NotFound,
        };
        Problem::new(kind, denied.to_string())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let access = parts.extensions.get::<Access>().cloned();
        access.ok_or_else(|| Problem::new(Kind::Internal, "the server did not check who asks"))
    }
}
