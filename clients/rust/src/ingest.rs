//! Ingests samples.

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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sample {
    /// The KPI. Its first sample creates it.
    pub kpi: String,
    /// The labels of the series.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Milliseconds since the Unix epoch, UTC. `None` means the time of arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// The measured value. It must be finite. `None` only with `ended`.
    #[serde(skip_serializing_if = "is_absent")]
    pub value: Option<f64>,
    /// Whether the value is a total that only grows: its increase per second is scored. `None`
    /// leaves that to the rules of the server. Say it with each sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<bool>,
    /// Whether the series ends with this sample: its silence is no stall.
    #[serde(skip_serializing_if = "is_false")]
    pub ended: bool,
    /// The unit of the KPI, such as `ms` or `By`. The first statement stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A sentence about the KPI. The first statement stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A value that is not finite is sent as null, which the server rejects.
fn is_absent(value: &Option<f64>) -> bool {
    value.is_none()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Sample {
    /// A sample without timestamp and labels.
    pub fn new(kpi: impl Into<String>, value: f64) -> Self {
        Self { kpi: kpi.into(), value: Some(value), ..Self::default() }
    }

    /// The end of a series, without a value.
    pub fn end(kpi: impl Into<String>) -> Self {
        Self { kpi: kpi.into(), ended: true, ..Self::default() }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Says whether the value is a total that only grows.
    #[must_use]
    pub fn counter(mut self, counter: bool) -> Self {
        self.counter = Some(counter);
        self
    }

    /// States the unit of the KPI.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// States a sentence about the KPI.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the timestamp, milliseconds since the Unix epoch, UTC.
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }
}

/// The result of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// The number of committed samples.
    #[serde(default)]
    pub accepted: u64,
    /// The first rejected samples.
    #[serde(default)]
    pub rejected: Vec<RejectedRow>,
    /// The number of all rejected samples.
    #[serde(default)]
    pub rejected_total: u64,
    /// The last event that contains samples of the batch.
    #[serde(default)]
    pub seq: Option<u64>,
    /// The epoch of the log that `seq` belongs to.
    #[serde(default)]
    pub epoch: Option<Arc<str>>,
}

/// A rejected sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RejectedRow {
    /// The index in the batch, from 0.
    pub row: usize,
    /// The reason.
    pub error: String,
}

impl Workspace {
    /// Sends samples without retries. Returns once each sample is committed or rejected.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses the request. Sending the same samples again is
    /// safe, because a sample replaces an equal one.
    pub async fn ingest(&self, samples: &[Sample]) -> Result<Receipt, Error> {
        self.post(body_of(samples)).await
    }

    /// Like [`ingest`](Self::ingest), with at most `attempts` attempts. It retries temporary errors
    /// after the pause that the server asks for, else after growing pauses.
    ///
    /// # Errors
    /// If the last attempt failed, or an error is permanent.
    pub async fn ingest_with_retries(&self, samples: &[Sample], attempts: u32) -> Result<Receipt, Error> {
        let body = body_of(samples);
        let mut backoff = Backoff::default();
        loop {
            match self.post(body.clone()).await {
                Err(error) if error.is_temporary() && backoff.failures() + 1 < attempts => {
                    let pause = backoff.failed();
                    let requested = if let Error::Refused { retry_after, .. } = error { retry_after } else { None };
                    tokio::time::sleep(requested.unwrap_or(pause)).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<Receipt, Error> {
        let request = self.client.http.post(self.endpoint(&["kpis", "ingest"])).timeout(self.client.timeout);
        let response = self.client.open(request.header(CONTENT_TYPE, "application/json").body(body)).await?;
        let (status, pause) = (response.status(), retry_after(&response));
        let text = response.bytes().await.map_err(|error| self.client.unreachable(root_cause(&error)))?;
        let receipt = serde_json::from_slice::<Receipt>(&text).map(|mut receipt| {
            receipt.rejected_total = receipt.rejected_total.max(receipt.rejected.len() as u64);
            receipt
        });
        match (status, receipt) {
            (StatusCode::OK, Ok(receipt)) => Ok(receipt),
            (StatusCode::OK, Err(error)) => {
                Err(Error::NotEarcon { url: self.client.url().to_owned(), reason: error.to_string() })
            }
            // A 400 that lists the rows means: the batch was read, and each row was rejected.
            (StatusCode::BAD_REQUEST, Ok(receipt)) if !receipt.rejected.is_empty() => Ok(receipt),
            _ => Err(self.client.refused(status, pause, &text)),
        }
    }
}

fn body_of(samples: &[Sample]) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        samples: &'a [Sample],
    }
    // Strings and numbers always serialise. A non-finite value becomes null, which the server
    // rejects.
    serde_json::to_vec(&Body { samples }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_serialize_to_the_ingest_format() {
        let samples = [Sample::new("a", 12.5).label("region", "eu").at(1_000), Sample::new("b", f64::NAN)];
        let body = String::from_utf8(body_of(&samples).to_vec()).unwrap();
        assert_eq!(
            body,
            r#"{"samples":[{"kpi":"a","labels":{"region":"eu"},"timestamp":1000,"value":12.5},{"kpi":"b","value":null}]}"#
        );
        let stated = Sample::new("a", 7.0).counter(true).unit("By").description("Sent");
        let body = String::from_utf8(body_of(&[stated, Sample::end("a").at(9)]).to_vec()).unwrap();
        assert_eq!(
            body,
            r#"{"samples":[{"kpi":"a","value":7.0,"counter":true,"unit":"By","description":"Sent"},{"kpi":"a","timestamp":9,"ended":true}]}"#
        );
    }
}
