//! Prometheus remote write 1.0 at `/api/v1/write`.
//!
//! Prometheus sends a batch again after 5xx. It drops the batch after any other refusal, unless
//! `retry_on_http_429` adds 429 to the first kind. So overload is answered with 503 here. Refused
//! rows are answered with 400, after the other rows have been taken; Prometheus logs the reason.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agent::{AgentRequest, at_both_paths, commit};
use super::state::IngestState;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_intake::remote_write::{DecompressError, decompress, parse};
use earcon_model::RejectedRow;

/// At most this many refused series are named in an answer.
const NAMED: usize = 5;

/// The routes of this protocol.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    at_both_paths(routes!(write))
}

/// Takes samples in from Prometheus and other senders of remote write 1.0.
#[utoipa::path(post, path = "/api/v1/write", tag = "ingest",
    request_body(content_type = "application/x-protobuf", content = Vec<u8>, description = "a snappy block around a WriteRequest"),
    responses((status = 204, description = "durable"), (status = 400, description = "some series were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 415, description = "not remote write 1.0"),
        (status = 503, description = "too many samples in flight, or a part was not committed; try again")))]
pub(crate) async fn write(request: AgentRequest) -> Response {
    match ingest(request).await {
        Ok(rejected) if rejected.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(rejected) => (StatusCode::BAD_REQUEST, refused(&rejected)).into_response(),
        // Prometheus logs the first line of an answer, so it is a sentence and not JSON.
        Err(problem) => {
            let status = match problem.status() {
                StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
                status => status,
            };
            problem.respond_as(status, format!("{}\n", problem.detail()))
        }
    }
}

async fn ingest(request: AgentRequest) -> Result<Vec<RejectedRow>, Problem> {
    let version = check_version(&request.headers);
    let (state, target, body) = request.raw()?;
    version?;
    let request = decompress(&body, state.max_body_bytes).map_err(|error| {
        let kind = match error {
            DecompressError::Damaged(_) => Kind::BadRequest,
            DecompressError::TooLarge { .. } => Kind::TooLarge,
        };
        Problem::new(kind, error.to_string())
    })?;
    commit(&state, &target, |batch| parse(&request, batch)).await
}

/// Refuses version 2, which the content type names. Its senders then fall back to version 1.
fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or_else(|| "snappy".to_owned());
    let named = MediaType::of(headers);
    let proto = named.as_ref().and_then(|named| named.parameter("proto"));
    let other_version = proto.is_some_and(|proto| !proto.eq_ignore_ascii_case("prometheus.WriteRequest"));
    if encoding != "snappy" || other_version {
        let detail = "send remote write 1.0: content-type application/x-protobuf, content-encoding snappy";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(())
}

fn refused(rejected: &[RejectedRow]) -> String {
    let named: Vec<String> =
        rejected.iter().take(NAMED).map(|row| format!("time series {}: {}", row.row, row.error)).collect();
    format!("{} samples were refused and the others taken: {}\n", rejected.len(), named.join("; "))
}
