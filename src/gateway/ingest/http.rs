//! Samples over HTTP. Here: `POST …/kpis/ingest` in JSON and NDJSON, and what all protocols share; one file a protocol below.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::target::Sender;
use crate::actors::admission::Receipt;
use crate::actors::directory::Submission;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::Params;
use crate::gateway::http::state::Gateway;
use crate::live::wire::to_json;
use crate::telemetry::{Metric, count};
use earcon_intake::{Batch, IntakeError, ParsedBatch, json};
use earcon_model::{Arrival, RejectedRow};
use earcon_tenancy::WorkspacePass;

/// The answer after the commit.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted<'a> {
    /// Samples that are durable now.
    accepted: u64,
    /// How many of them were late: not newer than one already seen, so not scored.
    late: u64,
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

/// What every way to send samples over HTTP takes in its query.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IngestParams {
    /// The samples are history: they train the baseline, and nobody is alerted by them.
    #[serde(default)]
    backfill: bool,
}

impl IngestParams {
    /// How the samples come in.
    pub(crate) fn arrival(self) -> Arrival {
        if self.backfill { Arrival::Backfill } else { Arrival::Live }
    }
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
    params(("workspace" = String, Path), IngestParams),
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
    Params(params): Params<IngestParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body.plain(&headers)?;
    let rows = parse(&gateway, &authorized, content_type(&headers), &body).await?;
    let answer = take(&gateway, &authorized, rows, params.arrival()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

/// A request's body, or why there is none: each protocol says so in its own words.
pub(crate) struct Body(Result<Bytes, Problem>);

impl FromRequest<Gateway> for Body {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Self::Rejection> {
        Ok(Self(body::Body::from_request(request, gateway).await.map(|body::Body(bytes)| bytes)))
    }
}

impl Body {
    /// The bytes, which must not be encoded any more.
    pub(crate) fn plain(self, headers: &HeaderMap) -> Result<Bytes, Problem> {
        // What the server can decode it has decoded before, and has taken the header away.
        match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => self.bytes(),
            Some(encoding) => {
                let detail = format!("send gzip or no encoding, not {:?}", String::from_utf8_lossy(encoding));
                Err(Problem::new(Kind::UnsupportedMediaType, detail))
            }
        }
    }

    /// The bytes as they came.
    pub(crate) fn bytes(self) -> Result<Bytes, Problem> {
        self.0
    }
}

/// Parses a body of Earcon's own protocol.
///
/// # Errors
/// When nothing of it can be understood, or there are too many rows.
pub(crate) async fn parse(
    gateway: &Gateway,
    authorized: &Authorized,
    content_type: &str,
    body: &[u8],
) -> Result<ParsedBatch, Problem> {
    match content_type {
        "application/json" => gather(gateway, authorized, |batch| json::parse_document(body, batch)).await,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            gather(gateway, authorized, |batch| json::parse_lines(body, batch)).await
        }
        other => {
            let detail = format!("send application/json or application/x-ndjson, not {other:?}");
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// Gathers rows under the workspace's rules.
///
/// # Errors
/// Those of `parse`, and when the rules cannot be read.
pub(crate) async fn gather(
    gateway: &Gateway,
    authorized: &Authorized,
    parse: impl FnOnce(&mut Batch<'_>) -> Result<(), IntakeError>,
) -> Result<ParsedBatch, Problem> {
    let series = gateway.rules.series_cache(authorized.pass()).await?;
    let mut batch = Batch::new(&series, gateway.clock.now_ms(), gateway.limits.max_batch_samples);
    parse(&mut batch)?;
    Ok(batch.finish())
}

/// What became of an agent's request, after the commit.
pub(crate) struct Outcome {
    /// Rows that were not taken, in order.
    pub(crate) rejected: Vec<RejectedRow>,
}

/// Commits what was gathered. Agents that sent nothing of use have not failed.
///
/// # Errors
/// When nothing was taken, or some could not be committed: sending it all again is harmless.
pub(crate) async fn commit(gateway: &Gateway, sender: &Sender, gathered: ParsedBatch) -> Result<Outcome, Problem> {
    count(Metric::IngestIgnored, gathered.ignored as u64);
    count(Metric::IngestRejected, gathered.rejected.len() as u64);
    let mut rejected = gathered.rejected;
    if !gathered.batches.is_empty() {
        let (receipt, _) = gateway.directory.ingest(sender.authorized.pass(), gathered.batches, sender.arrival).await?;
        if receipt.failed > 0 {
            return Err(failed(&receipt));
        }
        rejected.extend(receipt.rejected);
    }
    rejected.sort_by_key(|rejected| rejected.row);
    Ok(Outcome { rejected })
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let kind = match error {
            IntakeError::Malformed(_) => Kind::BadRequest,
            IntakeError::TooMany { .. } => Kind::TooLarge,
        };
        Problem::new(kind, error.to_string())
    }
}

/// Commits the rows; the answer as JSON.
///
/// # Errors
/// When none was accepted, or some could not be committed.
pub(crate) async fn take(
    gateway: &Gateway,
    authorized: &Authorized,
    rows: ParsedBatch,
    arrival: Arrival,
) -> Result<String, Problem> {
    send(gateway, authorized.pass(), rows, arrival).await?.answer().await
}

/// Rows on their way to the log.
pub(crate) struct Committing {
    sent: Submission,
    rejected: Vec<RejectedRow>,
}

/// Sends the rows on their way, in the order of the calls.
///
/// # Errors
/// When there is nothing to send, or nothing was taken.
pub(crate) async fn send(
    gateway: &Gateway,
    pass: &WorkspacePass,
    rows: ParsedBatch,
    arrival: Arrival,
) -> Result<Committing, Problem> {
    if rows.batches.is_empty() {
        return Err(nothing_accepted(rows.rejected));
    }
    count(Metric::IngestIgnored, rows.ignored as u64);
    let sent = gateway.directory.send(pass, rows.batches, arrival).await?;
    Ok(Committing { sent, rejected: rows.rejected })
}

impl Committing {
    /// Waits for the commit; the answer as JSON.
    ///
    /// # Errors
    /// When none was accepted, or some could not be committed.
    pub(crate) async fn answer(self) -> Result<String, Problem> {
        let (mut receipt, epoch) = self.sent.receipt().await;
        receipt.rejected.extend(self.rejected);
        receipt.rejected.sort_by_key(|rejected| rejected.row);
        respond(receipt, &epoch)
    }
}

pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    essence(text)
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or(content_type).trim()
}

fn respond(receipt: Receipt, epoch: &str) -> Result<String, Problem> {
    if receipt.failed > 0 {
        return Err(failed(&receipt));
    }
    // A request may hold nothing but the word that series end.
    if receipt.accepted == 0 && !receipt.rejected.is_empty() {
        return Err(nothing_accepted(receipt.rejected));
    }
    let rejected_total = receipt.rejected.len();
    let rejected = list(receipt.rejected);
    let Receipt { accepted, late, seq, .. } = receipt;
    Ok(to_json(&Accepted { accepted, late, rejected, rejected_total, seq, epoch }))
}

fn failed(receipt: &Receipt) -> Problem {
    let detail = format!(
        "{} samples were committed and {} were not, because their stream or the log failed; \
         send the batch again, samples already there replace themselves",
        receipt.accepted, receipt.failed
    );
    Problem::new(Kind::Unavailable, detail)
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
