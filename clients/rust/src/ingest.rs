//! Sending samples.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::client::Workspace;
use crate::error::{Error, root_cause};
use crate::http::retry_after;
use crate::series::Labels;

/// A sample to send.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The KPI; the server makes it with its first sample.
    pub kpi: String,
    /// The series of that KPI.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Milliseconds since the Unix epoch, UTC; `None` means now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// The measured value; finite.
    pub value: f64,
}

impl Sample {
    /// A sample of now, without labels.
    pub fn new(kpi: impl Into<String>, value: f64) -> Self {
        Self { kpi: kpi.into(), labels: Labels::new(), timestamp: None, value }
    }

    /// The same with one more label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// The same at another time, milliseconds since the Unix epoch, UTC.
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// How many samples are committed.
    #[serde(default)]
    pub accepted: u64,
    /// The first of those that were not taken.
    #[serde(default)]
    pub rejected: Vec<RejectedRow>,
    /// How many were not taken in all.
    #[serde(default)]
    pub rejected_total: u64,
    /// The last event they became part of.
    #[serde(default)]
    pub seq: Option<u64>,
    /// The epoch of the log that `seq` belongs to.
    #[serde(default)]
    pub epoch: Option<Arc<str>>,
}

/// A sample that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RejectedRow {
    /// Its place in the batch, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub error: String,
}

impl Workspace {
    /// Sends samples, once; returns when the server has committed them, or has refused every one of them by name.
    ///
    /// # Errors
    /// The server cannot be reached or refuses. Sending the same samples again is harmless: each replaces itself.
    pub async fn ingest(&self, samples: &[Sample]) -> Result<Receipt, Error> {
        self.post(body_of(samples)).await
    }

    /// Like [`ingest`](Self::ingest), trying again while that can help, at most `attempts` times: it waits as long as
    /// a full server asks for, and in growing pauses for one that is away or restarts.
    ///
    /// # Errors
    /// The last attempt failed, or the server refused for good.
    pub async fn ingest_patiently(&self, samples: &[Sample], attempts: u32) -> Result<Receipt, Error> {
        let body = body_of(samples);
        let mut backoff = Backoff::default();
        loop {
            match self.post(body.clone()).await {
                Err(error) if error.is_temporary() && backoff.failures() + 1 < attempts => {
                    let pause = backoff.failed();
                    let asked = if let Error::Refused { retry_after, .. } = error { retry_after } else { None };
                    tokio::time::sleep(asked.unwrap_or(pause)).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<Receipt, Error> {
        let request = self.client.http.post(self.endpoint(&["kpis", "ingest"])).timeout(self.client.timeout);
        let response = self.open(request.header(CONTENT_TYPE, "application/json").body(body)).await?;
        let (status, pause) = (response.status(), retry_after(&response));
        let text = response.bytes().await.map_err(|error| self.unreachable(root_cause(&error)))?;
        let receipt = serde_json::from_slice::<Receipt>(&text).map(|mut receipt| {
            receipt.rejected_total = receipt.rejected_total.max(receipt.rejected.len() as u64);
            receipt
        });
        match (status, receipt) {
            (StatusCode::OK, Ok(receipt)) => Ok(receipt),
            (StatusCode::OK, Err(error)) => Err(Error::NotEarcon { url: self.url(), reason: error.to_string() }),
            // A refusal that names every row is a delivered batch of which nothing was good.
            (StatusCode::BAD_REQUEST, Ok(receipt)) if !receipt.rejected.is_empty() => Ok(receipt),
            _ => Err(self.refused(status, pause, &text)),
        }
    }
}

fn body_of(samples: &[Sample]) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        samples: &'a [Sample],
    }
    // Texts and numbers always serialise; a value that is not finite becomes null, which the server names.
    serde_json::to_vec(&Body { samples }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_server_reads_them() {
        let samples = [Sample::new("a", 12.5).label("region", "eu").at(1_000), Sample::new("b", f64::NAN)];
        let body = String::from_utf8(body_of(&samples).to_vec()).unwrap();
        assert_eq!(
            body,
            r#"{"samples":[{"kpi":"a","labels":{"region":"eu"},"timestamp":1000,"value":12.5},{"kpi":"b","value":null}]}"#
        );
    }
}
