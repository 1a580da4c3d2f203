//! Answers: JSON bodies, and the revision that `If-Match` names.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::bad;
use crate::live::wire;

/// Tells proxies such as nginx to pass each piece of an answer on at once, with the value `no`.
pub(crate) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The value as a JSON answer.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    let mut text = wire::to_json(value);
    // What waits for a slow client is counted by its length.
    text.shrink_to_fit();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The value as a JSON answer, with its revision as `ETag`.
pub(crate) fn json_with_revision<T: Serialize>(status: StatusCode, value: &T, revision: u64) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, format!("\"{revision}\""))];
    (status, headers, wire::to_json(value)).into_response()
}

/// The revision that `If-Match` expects; `None` for any.
pub(crate) fn expected_revision(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text.trim_matches('"').parse().map_err(|_| bad("If-Match must be a revision in quotes, or *"))?;
    Ok(Some(revision))
}
