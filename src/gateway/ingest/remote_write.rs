//! Prometheus remote write 1.0 at `/api/v1/write`.
//!
//! Prometheus sends a batch again after 5xx and drops it after any other refusal, 429 included unless it is told otherwise
//! (`retry_on_http_429`). So overload is answered with 503 here; and what is refused row by row with 400 and its reason, which
//! Prometheus logs, after the other rows have been taken.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::http::{Body, Outcome, commit, gather};
use super::target::Sender;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::Gateway;
use earcon_intake::remote_write::{DecompressError, decompress, parse};

/// At most this many refused series are named in an answer.
const NAMED: usize = 5;

/// Takes samples in from Prometheus and whoever speaks its remote write 1.0.
#[utoipa::path(post, path = "/api/v1/write", tag = "ingest",
    request_body(content_type = "application/x-protobuf", content = Vec<u8>, description = "a snappy block around a WriteRequest"),
    responses((status = 204, description = "durable"), (status = 400, description = "some series were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 415, description = "not remote write 1.0"),
        (status = 503, description = "too many samples in flight, or a part was not committed; try again")))]
pub(crate) async fn write(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(state, sender, &headers, body).await {
        Ok(outcome) if outcome.rejected.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(outcome) => (StatusCode::BAD_REQUEST, refused(&outcome)).into_response(),
        // The first line of an answer is what Prometheus logs; it shall be words and not JSON.
        Err(problem) => {
            let detail = problem.detail().to_owned();
            let response = problem.into_response();
            let again = response.headers().get(header::RETRY_AFTER).cloned();
            let status = match response.status() {
                StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
                status => status,
            };
            let mut response = (status, format!("{detail}\n")).into_response();
            again.map(|again| response.headers_mut().insert(header::RETRY_AFTER, again));
            response
        }
    }
}

/// [`write`] for a workspace named in the address.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/api/v1/write", tag = "ingest", params(("workspace" = String, Path)),
    request_body(content_type = "application/x-protobuf", content = Vec<u8>), responses((status = 204, description = "as /api/v1/write")))]
pub(crate) async fn write_to(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    write(state, sender, headers, body).await
}

async fn take(
    State(gateway): State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Problem> {
    let sender = sender?;
    understood(headers)?;
    let request = decompress(&body.bytes()?, gateway.limits.max_body_bytes).map_err(|error| {
        let kind = match error {
            DecompressError::Damaged(_) => Kind::BadRequest,
            DecompressError::TooLarge { .. } => Kind::TooLarge,
        };
        Problem::new(kind, error.to_string())
    })?;
    let gathered = gather(&gateway, &sender.authorized, |batch| parse(&request, batch)).await?;
    commit(&gateway, &sender, gathered).await
}

/// Version 2 says so in the content type; its senders fall back when it is refused.
fn understood(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or_else(|| "snappy".to_owned());
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let other_version = content_type.contains("proto=") && !content_type.contains("proto=prometheus.writerequest");
    if encoding != "snappy" || other_version {
        let detail = "send remote write 1.0: content-type application/x-protobuf, content-encoding snappy";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(())
}

fn refused(outcome: &Outcome) -> String {
    let rejected = &outcome.rejected;
    let named: Vec<String> =
        rejected.iter().take(NAMED).map(|row| format!("time series {}: {}", row.row, row.error)).collect();
    format!("{} samples were refused and the others taken: {}\n", rejected.len(), named.join("; "))
}
