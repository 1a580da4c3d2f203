//! Deletes samples, series and KPIs.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::client::Workspace;
use crate::error::Error;
use crate::event::DeletedScope;
use crate::series::Labels;

/// What to delete of a KPI. Without times, whole series go; without any field, the whole KPI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeletionQuery {
    /// First time to delete: milliseconds or RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// First time to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only series that have all these labels, as `region:eu,zone:a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Only count.
    pub dry_run: bool,
}

/// The deleted part, or the part that would be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The KPI.
    pub kpi: String,
    /// The covered part.
    pub scope: DeletedScope,
    /// The labels that a series must have.
    pub labels: Labels,
    /// First time of the range. `None`: from the beginning.
    pub from: Option<i64>,
    /// First time after the range. `None`: to the end.
    pub to: Option<i64>,
    /// Number of series.
    pub series: u64,
    /// Number of samples in the history.
    pub samples: u64,
    /// Number of anomalies in the history.
    pub anomalies: u64,
    /// Whether it was only counted.
    pub dry_run: bool,
    /// The `deleted` event. `None` if it was only counted.
    pub seq: Option<u64>,
    /// The epoch that wrote the event.
    pub epoch: Option<String>,
    /// Whether the history has none of it any more. If not, the server goes on by itself.
    pub done: bool,
}

impl Workspace {
    /// Deletes samples or series of a KPI, or all of it.
    ///
    /// # Errors
    /// If the server cannot be reached, has no such KPI, or refuses the query.
    pub async fn delete(&self, kpi: &str, query: &DeletionQuery) -> Result<Deletion, Error> {
        let whole = query.from.is_none() && query.to.is_none() && query.labels.is_none();
        let path: &[&str] = if whole { &["kpis", kpi] } else { &["kpis", kpi, "samples"] };
        self.client.ask(self.client.http.delete(self.endpoint(path)).query(query)).await
    }

    /// Deletes the workspace with everything in it. Its name can be used again. Returns whether
    /// nothing of it is left. If not, a node of the cluster goes on with it.
    ///
    /// # Errors
    /// If the server cannot be reached, or has no such workspace.
    pub async fn delete_workspace(&self) -> Result<bool, Error> {
        let request = self.client.http.delete(self.endpoint(&[])).query(&[("confirm", self.name())]);
        let response = self.client.open(request.timeout(self.client.timeout)).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.client.refusal(response).await),
        }
    }
}
