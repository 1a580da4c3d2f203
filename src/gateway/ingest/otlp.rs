//! OTLP/HTTP metrics at `/v1/metrics`, in protobuf and JSON.
//!
//! The answer has the encoding of the request. Refused points are a partial success, as the
//! protocol says. Senders try again after 429 and 503.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::agent::{AgentRequest, at_both_paths, commit};
use super::commit::RefusedRows;
use super::state::IngestState;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use earcon_intake::otlp::{parse_json, parse_protobuf};

/// At most this many refused points are named in an answer.
const NAMED: usize = 5;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// The routes of this protocol.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    at_both_paths(routes!(metrics))
}

/// Takes metrics in from an OpenTelemetry SDK or collector.
#[utoipa::path(post, path = "/v1/metrics", tag = "ingest",
    request_body(content((Vec<u8> = "application/x-protobuf"), (String = "application/json")), description = "an ExportMetricsServiceRequest"),
    responses((status = 200, description = "durable; `partial_success` names refused points"), (status = 400, description = "not understood"),
        (status = 413, description = "too many samples or bytes"), (status = 415, description = "another content type"),
        (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn metrics(request: AgentRequest) -> Response {
    let json = encoding(&request.headers).as_deref() == Some(JSON);
    match ingest(request).await {
        Ok(refused) => success(json, &refused),
        Err(problem) => failure(json, &problem),
    }
}

async fn ingest(request: AgentRequest) -> Result<RefusedRows, Problem> {
    let headers = request.headers.clone();
    let (state, target, body) = request.plain()?;
    match encoding(&headers).as_deref() {
        Some(PROTOBUF) => commit(&state, &target, |batch| parse_protobuf(&body, batch).map(drop)).await,
        Some(JSON) => commit(&state, &target, |batch| parse_json(&body, batch).map(drop)).await,
        other => {
            let detail = format!("send {PROTOBUF} or {JSON}, not {:?}", other.unwrap_or_default());
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// The content type, if the request names one.
fn encoding(headers: &HeaderMap) -> Option<String> {
    MediaType::of(headers).map(|named| named.essence().to_owned())
}

/// An `ExportMetricsServiceResponse`; empty when every point was taken and nothing is to be said
/// about them. A message without refused points is a warning, as the protocol says.
fn success(json: bool, refused: &RefusedRows) -> Response {
    let mut rows: Vec<u32> = refused.rows.iter().map(|rejected| rejected.row).collect();
    rows.dedup();
    let reasons = Some(refused.reasons(NAMED, |row| format!("data point {row}"))).filter(|reasons| !reasons.is_empty());
    let notes = refused.notes.iter().take(NAMED).cloned();
    let message = reasons.into_iter().chain(notes).collect::<Vec<_>>().join("; ");
    if json {
        let body = if message.is_empty() {
            json!({})
        } else {
            json!({"partialSuccess": {"rejectedDataPoints": rows.len().to_string(), "errorMessage": message}})
        };
        return ([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response();
    }
    let mut body = Vec::new();
    if !message.is_empty() {
        let mut partial = vec![1 << 3];
        varint(&mut partial, rows.len() as u64);
        text(&mut partial, 2, message.as_bytes());
        text(&mut body, 1, &partial);
    }
    ([(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
}

/// A `google.rpc.Status`.
fn failure(json: bool, problem: &Problem) -> Response {
    let (status, detail) = (problem.status(), problem.detail());
    let code = grpc_code(status);
    if json {
        let body = json!({"code": code, "message": detail}).to_string();
        problem.respond_as(status, ([(header::CONTENT_TYPE, JSON)], body))
    } else {
        let mut body = vec![1 << 3];
        varint(&mut body, code);
        text(&mut body, 2, detail.as_bytes());
        problem.respond_as(status, ([(header::CONTENT_TYPE, PROTOBUF)], body))
    }
}

/// The corresponding status code of gRPC (google/rpc/code.proto).
fn grpc_code(status: StatusCode) -> u64 {
    match status {
        StatusCode::NOT_FOUND => 5,
        StatusCode::FORBIDDEN => 7,
        StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        status if status.is_client_error() => 3,
        _ => 13,
    }
}

/// A field of bytes.
fn text(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
