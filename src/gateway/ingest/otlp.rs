//! OTLP/HTTP metrics at `/v1/metrics`, in protobuf and JSON. The answer comes in the encoding of the request, and what was
//! refused point by point is a partial success, as the protocol has it. Senders try again after 429 and 503.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::http::{Body, Outcome, commit, content_type, gather};
use super::target::Sender;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::Gateway;
use earcon_intake::otlp::{parse_json, parse_protobuf};

/// At most this many refused points are named in an answer.
const NAMED: usize = 5;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Takes metrics in from an OpenTelemetry SDK or collector.
#[utoipa::path(post, path = "/v1/metrics", tag = "ingest",
    request_body(content((Vec<u8> = "application/x-protobuf"), (String = "application/json")), description = "an ExportMetricsServiceRequest"),
    responses((status = 200, description = "durable; `partial_success` says what was refused"), (status = 400, description = "not understood"),
        (status = 413, description = "too many samples or bytes"), (status = 415, description = "another content type"),
        (status = 429, description = "nothing was taken; try again")))]
pub(crate) async fn metrics(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let json = content_type(&headers) == JSON && headers.contains_key(header::CONTENT_TYPE);
    match take(state, sender, &headers, body).await {
        Ok(outcome) => success(json, &outcome),
        Err(problem) => failure(json, problem),
    }
}

/// [`metrics`] for a workspace named in the address.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/v1/metrics", tag = "ingest", params(("workspace" = String, Path)),
    request_body(content((Vec<u8> = "application/x-protobuf"), (String = "application/json"))),
    responses((status = 200, description = "as /v1/metrics")))]
pub(crate) async fn metrics_to(
    state: State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    metrics(state, sender, headers, body).await
}

async fn take(
    State(gateway): State<Gateway>,
    sender: Result<Sender, Problem>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Problem> {
    let sender = sender?;
    let body = body.plain(headers)?;
    let gathered = match headers.get(header::CONTENT_TYPE).map(|_| content_type(headers)) {
        Some(PROTOBUF) => gather(&gateway, &sender.authorized, |batch| parse_protobuf(&body, batch).map(drop)).await?,
        Some(JSON) => gather(&gateway, &sender.authorized, |batch| parse_json(&body, batch).map(drop)).await?,
        other => {
            let detail = format!("send {PROTOBUF} or {JSON}, not {:?}", other.unwrap_or_default());
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
    };
    commit(&gateway, &sender, gathered).await
}

/// An `ExportMetricsServiceResponse`; empty when everything was taken.
fn success(json: bool, outcome: &Outcome) -> Response {
    let mut rows: Vec<u32> = outcome.rejected.iter().map(|rejected| rejected.row).collect();
    rows.dedup();
    let named: Vec<String> =
        outcome.rejected.iter().take(NAMED).map(|row| format!("data point {}: {}", row.row, row.error)).collect();
    let message = named.join("; ");
    if json {
        let body = if rows.is_empty() {
            json!({})
        } else {
            json!({"partialSuccess": {"rejectedDataPoints": rows.len().to_string(), "errorMessage": message}})
        };
        return ([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response();
    }
    let mut body = Vec::new();
    if !rows.is_empty() {
        let mut partial = Vec::new();
        partial.push(1 << 3);
        varint(&mut partial, rows.len() as u64);
        text(&mut partial, 2, message.as_bytes());
        text(&mut body, 1, &partial);
    }
    ([(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
}

/// A `google.rpc.Status`.
fn failure(json: bool, problem: Problem) -> Response {
    let detail = problem.detail().to_owned();
    let answer = problem.into_response();
    let again = answer.headers().get(header::RETRY_AFTER).cloned();
    let code = grpc_code(answer.status());
    let mut response = if json {
        let body = json!({"code": code, "message": detail}).to_string();
        (answer.status(), [(header::CONTENT_TYPE, JSON)], body).into_response()
    } else {
        let mut body = vec![1 << 3];
        varint(&mut body, code);
        text(&mut body, 2, detail.as_bytes());
        (answer.status(), [(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
    };
    again.map(|again| response.headers_mut().insert(header::RETRY_AFTER, again));
    response
}

/// The status code of gRPC that says the same (google/rpc/code.proto).
fn grpc_code(status: StatusCode) -> u64 {
    match status {
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
