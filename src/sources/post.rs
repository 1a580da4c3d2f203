//! Posts samples to a server over HTTP, like any client, with retries where they can help.
//!
//! A batch that may have arrived is sent again: on the server, a sample replaces the same sample.
//! Deliberately absent: a queue (one batch is in flight at a time, so that samples of a series
//! arrive in order) and TLS (the server has none).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use earcon_client::Key;
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize, Serializer};

use super::SourceSample;
use crate::live::wire::WireTooOld;
use earcon_client::Trust;
use earcon_model::{Arrival, Labels, WorkspaceId};

mod error;

pub use error::PostError;

/// Longest wait for an answer. A commit takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a 429 without a retry-after header, and the longest pause that a header can
/// request.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The result of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// Number of committed samples.
    #[serde(default)]
    pub accepted: u64,
    /// Number of them that were not newer than the newest of their series: stored, but not scored.
    #[serde(default)]
    pub late: u64,
    /// The first refused rows.
    #[serde(default)]
    pub rejected: Vec<RejectedRow>,
    /// Number of all refused rows.
    #[serde(default)]
    pub rejected_total: u64,
    /// Those of them that are older than the server's history keeps.
    #[serde(default)]
    pub too_old: Option<WireTooOld>,
    /// What to know about rows that were taken.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A row that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RejectedRow {
    /// Its index in the batch, from 0.
    pub row: usize,
    /// The problem.
    pub error: String,
}

/// When to retry a batch after a failed attempt.
#[derive(Debug, Clone, Copy)]
struct Retries {
    first_pause: Duration,
    longest_pause: Duration,
    /// Attempts before the first answer. Few, because the URL is probably wrong.
    attempts_before_contact: u32,
    /// Attempts after the first answer. Enough to outlast a restart.
    attempts_after_contact: u32,
}

const RETRIES: Retries = Retries {
    first_pause: Duration::from_millis(100),
    longest_pause: Duration::from_secs(5),
    attempts_before_contact: 3,
    attempts_after_contact: 14,
};

impl Retries {
    /// The pause after failure number `attempt`, counted from 1. Doubles each time, up to the
    /// longest.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled.min(self.longest_pause)
    }
}

/// Sends batches of samples to one workspace of one server.
#[derive(Debug)]
pub struct Poster {
    client: reqwest::Client,
    endpoint: Url,
    server: String,
    retries: Retries,
    in_contact: AtomicBool,
}

/// The result of one attempt.
enum Attempt {
    Delivered(Receipt),
    Wait(Duration),
    Failed(PostError),
}

impl Poster {
    /// A poster to the server at `url`, such as `http://127.0.0.1:8080`. The scheme is optional.
    /// Of an `https` URL, the certificate must be from an authority of `trust`. `key` goes with each
    /// request. `arrival` is the kind of the samples: live or history.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn new(
        url: &str,
        (trust, key): (&Trust, Option<&Key>),
        workspace: &WorkspaceId,
        arrival: Arrival,
    ) -> Result<Self, PostError> {
        let server = parse_server_url(url)?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.authorization());
        }
        // Ignores proxies of the environment: the server is in the same network.
        let client = reqwest::Client::builder()
            .no_proxy()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .tls_backend_preconfigured((*trust.config()).clone())
            .build()
            .map_err(PostError::Client)?;
        let mut endpoint = server.clone();
        let path = format!("{}/api/v1/workspaces/{workspace}/kpis/ingest", server.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        if arrival == Arrival::Backfill {
            endpoint.set_query(Some("backfill=true"));
        }
        let server = server.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, endpoint, server, retries: RETRIES, in_contact: AtomicBool::new(false) })
    }

    /// The URL of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Delivers a batch. Returns after the server has committed it, or refused each of its rows.
    ///
    /// After a 429 this waits as long as the server requests. Failed connections and 5xx answers
    /// (as during a restart behind a proxy) are retried with growing pauses.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses, or is not an Earcon server.
    pub async fn post(&self, samples: &[SourceSample]) -> Result<Receipt, PostError> {
        let body = body_of(samples);
        let mut failures = 0;
        loop {
            match self.attempt(body.clone()).await? {
                Attempt::Delivered(receipt) => return Ok(receipt),
                Attempt::Wait(pause) => tokio::time::sleep(pause).await,
                Attempt::Failed(error) => {
                    failures += 1;
                    if failures >= self.attempts_allowed() {
                        return Err(error);
                    }
                    tokio::time::sleep(self.retries.pause(failures)).await;
                }
            }
        }
    }

    fn attempts_allowed(&self) -> u32 {
        if self.in_contact.load(Ordering::Relaxed) {
            self.retries.attempts_after_contact
        } else {
            self.retries.attempts_before_contact
        }
    }

    async fn attempt(&self, body: bytes::Bytes) -> Result<Attempt, PostError> {
        let request = self.client.post(self.endpoint.clone()).header("content-type", "application/json").body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if Trust::refused(&error) => {
                return Err(PostError::Untrusted { url: self.server.clone(), reason: root_cause(&error) });
            }
            Err(error) => return Ok(Attempt::Failed(self.unreachable(&error))),
        };
        let status = response.status();
        let pause = retry_after(&response);
        let text = match response.bytes().await {
            Ok(text) => text,
            Err(error) => return Ok(Attempt::Failed(self.unreachable(&error))),
        };
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            return Ok(Attempt::Failed(self.refused(status, &text)));
        }
        self.in_contact.store(true, Ordering::Relaxed);
        match status {
            StatusCode::OK => self.receipt(&text).map(Attempt::Delivered),
            StatusCode::TOO_MANY_REQUESTS => Ok(Attempt::Wait(pause)),
            _ => self.refusal(status, &text),
        }
    }

    fn receipt(&self, text: &[u8]) -> Result<Receipt, PostError> {
        let not_earcon = |reason: String| PostError::NotEarcon { url: self.server.clone(), reason };
        let answer: serde_json::Value =
            serde_json::from_slice(text).map_err(|_| not_earcon("its answer is not JSON".to_owned()))?;
        if answer.get("accepted").is_none() {
            return Err(not_earcon("its answer does not contain the number of accepted samples".to_owned()));
        }
        let mut receipt: Receipt = serde_json::from_value(answer).map_err(|error| not_earcon(error.to_string()))?;
        receipt.rejected_total = receipt.rejected_total.max(receipt.rejected.len() as u64);
        Ok(receipt)
    }

    /// A refusal that names rows is a delivered batch without valid rows. Any other refusal is an
    /// error.
    fn refusal(&self, status: StatusCode, text: &[u8]) -> Result<Attempt, PostError> {
        if status == StatusCode::BAD_REQUEST
            && let Ok(mut receipt) = serde_json::from_slice::<Receipt>(text)
            && !receipt.rejected.is_empty()
        {
            receipt.rejected_total = receipt.rejected_total.max(receipt.rejected.len() as u64);
            return Ok(Attempt::Delivered(receipt));
        }
        if status == StatusCode::NOT_FOUND && detail_of(text).is_none() {
            let reason = "there is no ingest path".to_owned();
            return Err(PostError::NotEarcon { url: self.server.clone(), reason });
        }
        Err(self.refused(status, text))
    }

    fn refused(&self, status: StatusCode, text: &[u8]) -> PostError {
        let detail = detail_of(text).unwrap_or_else(|| "it gives no reason".to_owned());
        PostError::Refused { url: self.server.clone(), status, detail }
    }

    fn unreachable(&self, error: &reqwest::Error) -> PostError {
        PostError::Unreachable { url: self.server.clone(), reason: root_cause(error) }
    }
}

/// Parses the URL of a server. The scheme is optional.
fn parse_server_url(text: &str) -> Result<Url, PostError> {
    let refuse = |reason: &str| PostError::Url { url: text.to_owned(), reason: reason.to_owned() };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&full).map_err(|error| refuse(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => {
            url.set_query(None);
            url.set_fragment(None);
            Ok(url)
        }
        _ => Err(refuse("its scheme is neither http nor https")),
    }
}

/// The pause that a 429 requests, in whole seconds. The date form would need synchronised clocks.
fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).min(LONGEST_RETRY_AFTER)
}

/// The `detail` (or `title`) of a problem+json answer. `None` for other answers.
fn detail_of(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
    }
    let problem: Problem = serde_json::from_slice(text).ok()?;
    problem.detail.or(problem.title)
}

/// The innermost cause, such as "Connection refused".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn body_of(samples: &[SourceSample]) -> bytes::Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        samples: Vec<Row<'a>>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        kpi: &'a str,
        #[serde(serialize_with = "label_map", skip_serializing_if = "Labels::is_empty")]
        labels: &'a Labels,
        timestamp: i64,
        value: f64,
    }
    fn label_map<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.pairs())
    }
    let rows = samples.iter().map(|source| Row {
        kpi: source.kpi.as_str(),
        labels: &source.labels,
        timestamp: source.sample.timestamp_ms,
        value: source.sample.value,
    });
    let body = Body { samples: rows.collect() };
    serde_json::to_vec(&body).expect("strings and numbers always serialise").into()
}

#[cfg(test)]
mod tests;
