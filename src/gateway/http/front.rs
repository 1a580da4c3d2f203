//! What happens to every request and every answer, whatever its route.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answering::counted;
use super::arriving::Arriving;
use super::connection::Peer;
use super::guard;
use super::gunzip::Encoding;
use super::hosts::Hosts;
use super::policy::POLICY;
use super::problem::no_room;
use super::refusals::Refusals;
use super::room::Budget;
use crate::telemetry::{Metric, count};

/// What the front needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    /// The names of this server.
    pub(crate) hosts: Arc<Hosts>,
    /// Room for answers.
    pub(crate) answers: Budget,
    /// Lines about refused requests.
    pub(crate) refusals: Refusals,
}

/// Checks a request, decodes and times its body, and gives every answer its headers.
pub(crate) async fn pass(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|ConnectInfo(peer)| peer.clone());
    let checked = guard::check(&front.hosts, &parts.method, &parts.uri, parts.version, &parts.headers);
    let encoding = Encoding::of(&parts.headers);
    if encoding != Encoding::Other {
        // The body that the route sees is plain.
        parts.headers.remove(header::CONTENT_ENCODING);
    }
    if encoding == Encoding::Gzip {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let (method, path) = (parts.method.clone(), parts.uri.clone());
    let body = Body::new(Arriving::new(body, peer.clone(), encoding == Encoding::Gzip));
    let mut response = match checked {
        // A client that reads nothing must not have one answer after another made in vain.
        Ok(()) if is_query(&parts) && front.answers.is_tight() => {
            count(Metric::RoomRefused, 1);
            no_room().into_response()
        }
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    };
    front.refusals.log(&method, path.path(), &response);
    secure(response.headers_mut());
    counted(response, peer, &front.answers)
}

/// Whether a request may get a large answer. WebSockets and followers begin small.
fn is_query(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.uri.path().starts_with("/api/") && !parts.uri.path().ends_with("/events")
}

/// Tells browsers to take no answer for something else, and to show none inside of another page.
fn secure(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
