//! `POST …/kpis/ingest`: JSON and NDJSON.

mod group;
mod json;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Gateway;
use super::authorized::Authorized;
use super::body::Body;
use super::problem::{Kind, Problem};
use crate::actors::ingest::{KpiBatch, Receipt, RejectedRow};
use crate::live::wire::to_json;
use group::Batch;

/// The answer after the commit.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted<'a> {
    /// Samples that are durable now.
    accepted: u64,
    /// The first hundred rows that were refused.
    rejected: Vec<Rejected>,
    rejected_total: usize,
    /// The last event the samples became part of.
    seq: u64,
    epoch: &'a str,
}

/// A row that was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rejected {
    /// Counts from 0.
    row: u32,
    error: String,
}

/// What a client sends; described here for the OpenAPI document, parsed without intermediate trees in `json`.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body for the OpenAPI document only")]
pub(crate) struct IngestBody {
    samples: Vec<IngestSample>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body for the OpenAPI document only")]
struct IngestSample {
    kpi: String,
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    labels: (),
    /// Integer milliseconds since 1970 UTC, or an RFC 3339 string; absent means now.
    #[schema(value_type = Option<i64>)]
    timestamp: (),
    value: f64,
}

/// At most this many refused rows are listed.
const LISTED: usize = 100;

/// Takes samples in; answers when they are durable.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/kpis/ingest", tag = "ingest",
    params(("workspace" = String, Path)),
    request_body(content((IngestBody = "application/json"), (IngestSample = "application/x-ndjson"))),
    responses(
        (status = 200, description = "durable", body = Accepted),
        (status = 400, description = "not understood, or no row was good"),
        (status = 413, description = "too many samples or bytes"),
        (status = 415, description = "another content type"),
        (status = 429, description = "too many samples in flight; nothing was taken"),
        (status = 503, description = "some rows were not committed; send the batch again")))]
pub(crate) async fn ingest(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let rows = parse(&gateway, content_type(&headers), &body)?;
    let answer = take(&gateway, &authorized, rows).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Rows out of a request, by KPI, and those that were refused.
pub(crate) struct Rows {
    /// The good ones.
    pub(crate) batches: Vec<KpiBatch>,
    /// The others, with what is wrong with them.
    pub(crate) rejected: Vec<RejectedRow>,
}

/// Parses a body.
///
/// # Errors
/// When nothing of it can be understood, or there are too many rows.
pub(crate) fn parse(gateway: &Gateway, content_type: &str, body: &[u8]) -> Result<Rows, Problem> {
    let mut batch = Batch::new(gateway.clock.now_ms(), gateway.limits.max_batch_samples);
    match content_type {
        "application/json" => json::parse_document(body, &mut batch)?,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => json::parse_lines(body, &mut batch)?,
        other => {
            let detail = format!("send application/json or application/x-ndjson, not {other:?}");
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
    }
    let (batches, rejected) = batch.finish();
    Ok(Rows { batches, rejected })
}

/// Commits the rows; the answer as JSON.
///
/// # Errors
/// When none was accepted, or some could not be committed.
pub(crate) async fn take(gateway: &Gateway, authorized: &Authorized, rows: Rows) -> Result<String, Problem> {
    if rows.batches.is_empty() {
        return Err(nothing_accepted(rows.rejected));
    }
    let (mut receipt, epoch) = gateway.directory.ingest(authorized.pass(), rows.batches).await?;
    receipt.rejected.extend(rows.rejected);
    receipt.rejected.sort_by_key(|rejected| rejected.row);
    respond(receipt, &epoch)
}

fn content_type(headers: &HeaderMap) -> &str {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    essence(text)
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or(content_type).trim()
}

fn respond(receipt: Receipt, epoch: &str) -> Result<String, Problem> {
    if receipt.failed > 0 {
        let detail = format!(
            "{} samples were committed and {} were not, because their stream or the log failed; \
             send the batch again, samples already there replace themselves",
            receipt.accepted, receipt.failed
        );
        return Err(Problem::new(Kind::Unavailable, detail));
    }
    if receipt.accepted == 0 {
        return Err(nothing_accepted(receipt.rejected));
    }
    let rejected_total = receipt.rejected.len();
    let rejected = list(receipt.rejected);
    Ok(to_json(&Accepted { accepted: receipt.accepted, rejected, rejected_total, seq: receipt.seq, epoch }))
}

fn nothing_accepted(rejected: Vec<RejectedRow>) -> Problem {
    let total = rejected.len();
    let detail = if total == 0 { "the batch holds no samples" } else { "every row was refused" };
    Problem::new(Kind::NothingAccepted, detail)
        .with("rejected", serde_json::to_value(list(rejected)).unwrap_or_default())
        .with("rejected_total", total.into())
}

fn list(rejected: Vec<RejectedRow>) -> Vec<Rejected> {
    rejected.into_iter().take(LISTED).map(|RejectedRow { row, error }| Rejected { row, error }).collect()
}
