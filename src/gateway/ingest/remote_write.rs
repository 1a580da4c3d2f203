//! Prometheus remote write 1.0 and 2.0 at `/api/v1/write`.
//!
//! Prometheus sends a batch again after 5xx. It drops the batch after any other refusal, unless
//! `retry_on_http_429` adds 429 to the first kind. So overload is answered with 503 here. Refused
//! rows are answered with 400, after the other rows have been taken; Prometheus logs the reason.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agent::{AgentRequest, at_both_paths, commit};
use super::commit::RefusedRows;
use super::state::IngestState;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_intake::Batch;
use earcon_intake::remote_write::{DecompressError, Sent, Version, decompress, parse};

/// At most this many refused series are named in an answer.
const NAMED: usize = 5;

/// The message of version 1, as content types name it.
const V1: &str = "prometheus.WriteRequest";
/// The message of version 2.
const V2: &str = "io.prometheus.write.v2.Request";

// The headers of the specification of remote write 2.0, "Required Written Response Headers".
const SAMPLES: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS: &str = "x-prometheus-remote-write-histograms-written";
const EXEMPLARS: &str = "x-prometheus-remote-write-exemplars-written";

/// The routes of this protocol.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    at_both_paths(routes!(write))
}

/// Takes samples in from Prometheus and other senders of remote write 1.0 and 2.0.
#[utoipa::path(post, path = "/api/v1/write", tag = "ingest",
    request_body(content_type = "application/x-protobuf", content = Vec<u8>,
        description = "a snappy block around a WriteRequest (1.0), or a Request with `proto=io.prometheus.write.v2.Request`"),
    responses((status = 204, description = "durable"), (status = 400, description = "some series were refused; the others are durable"),
        (status = 413, description = "too many samples or bytes"), (status = 415, description = "not remote write 1.0 or 2.0"),
        (status = 503, description = "too many samples in flight, or a part was not committed; try again")))]
pub(crate) async fn write(request: AgentRequest) -> Response {
    let named = version(&request.headers);
    let counts = matches!(named, Ok(Version::V2));
    let taken = match named {
        Ok(version) => ingest(request, version).await,
        // A target of another workspace is refused first.
        Err(problem) => request.raw().and(Err(problem)),
    };
    let (mut answer, samples, histograms) = match taken {
        Ok(Taken { refused, samples, histograms }) if refused.rows.is_empty() => {
            (StatusCode::NO_CONTENT.into_response(), samples, histograms)
        }
        Ok(Taken { refused, samples, histograms }) => {
            ((StatusCode::BAD_REQUEST, reasons(&refused)).into_response(), samples, histograms)
        }
        // Prometheus logs the first line of an answer, so it is a sentence and not JSON.
        Err(problem) => {
            let status = match problem.status() {
                StatusCode::TOO_MANY_REQUESTS => StatusCode::SERVICE_UNAVAILABLE,
                status => status,
            };
            (problem.respond_as(status, format!("{}\n", problem.detail())), 0, 0)
        }
    };
    if counts {
        // Without these, a sender of version 2 takes its samples for lost.
        for (name, number) in [(SAMPLES, samples), (HISTOGRAMS, histograms), (EXEMPLARS, 0)] {
            answer.headers_mut().insert(name, HeaderValue::from(number));
        }
    }
    answer
}

/// The result of a request.
struct Taken {
    refused: RefusedRows,
    samples: usize,
    histograms: usize,
}

async fn ingest(request: AgentRequest, version: Version) -> Result<Taken, Problem> {
    let (state, target, body) = request.raw()?;
    let request = decompress(&body, state.max_body_bytes).map_err(|error| {
        let kind = match error {
            DecompressError::Damaged(_) => Kind::BadRequest,
            DecompressError::TooLarge { .. } => Kind::TooLarge,
        };
        Problem::new(kind, error.to_string())
    })?;
    let mut sent = Sent::default();
    let parse = |batch: &mut Batch<'_>| {
        sent = parse(version, &request, batch)?;
        Ok(())
    };
    let refused = commit(&state, &target, parse).await?;
    let (samples, histograms) = sent.taken(&refused.rows);
    Ok(Taken { refused, samples, histograms })
}

/// The version that the content type names; 1.0 if it names none.
fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let snappy = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"snappy"));
    let named = MediaType::of(headers);
    let proto = named.as_ref().and_then(|named| named.parameter("proto")).unwrap_or(V1);
    match proto {
        proto if snappy && proto.eq_ignore_ascii_case(V1) => Ok(Version::V1),
        proto if snappy && proto.eq_ignore_ascii_case(V2) => Ok(Version::V2),
        _ => {
            let detail = format!(
                "send remote write 1.0 or 2.0: content-type application/x-protobuf without proto, or with {V1} or {V2}; \
                 content-encoding snappy"
            );
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

fn reasons(refused: &RefusedRows) -> String {
    let reasons = refused.reasons(NAMED, |row| format!("time series {row}"));
    format!("{} refused and the others taken: {reasons}\n", refused.counted("sample was", "samples were"))
}
