//! Queries of the state and the history, and actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::anomaly::Anomaly;
use crate::client::{Client, Workspace};
use crate::error::Error;
use crate::series::{Kpi, Labels};

/// All KPIs after event `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiList {
    /// The newest event that the list includes.
    pub seq: u64,
    /// The epoch of the log.
    pub epoch: String,
    /// The KPIs.
    pub kpis: Vec<Kpi>,
}

/// A query of the history. Times are integer milliseconds UTC or RFC 3339, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryQuery {
    /// Start, inclusive. The default is one hour before `to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// End, exclusive. The default is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only series that have all these labels, as `region:eu,zone:a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Width of a rollup in milliseconds, at least 1,000. `None` returns single samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Maximum number of rows per series, without `step`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The history of a KPI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The KPI.
    pub kpi: String,
    /// The names of the fields of a row: those of a sample, or with `step` those of a rollup.
    pub columns: Vec<String>,
    /// The rows of each series.
    pub series: Vec<HistorySeries>,
}

/// The history of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistorySeries {
    /// The series.
    pub labels: Labels,
    /// Rows with one number per column, or null where there is no value.
    pub samples: Vec<Vec<Value>>,
    /// Whether newer rows are missing. Query again from after the last row.
    pub truncated: bool,
}

/// A filter of anomalies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AnomaliesQuery {
    /// Only anomalies of this KPI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kpi: Option<String>,
    /// Only series that have all these labels, as `region:eu,zone:a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Only anomalies that last until this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only anomalies opened before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `true`: only open anomalies. `false`: only closed anomalies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// `true`: only acknowledged anomalies. `false`: only others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
    /// Maximum number of anomalies in a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A page of anomalies, latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyPage {
    /// The anomalies.
    pub anomalies: Vec<Anomaly>,
    /// The value of `before` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// The unit and the description of a KPI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KpiSettings {
    /// The unit as it was stated, such as `By/s`.
    pub unit: Option<String>,
    /// The unit as people write it, such as `B/s`. Empty for a plain number.
    pub symbol: String,
    /// A sentence about the KPI.
    pub description: Option<String>,
    /// `sender` or `person`. `None` if nothing was stated.
    pub stated_by: Option<String>,
}

/// The units and descriptions of a workspace's KPIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Grows with each change.
    pub revision: u64,
    /// By name; only KPIs of which something was stated.
    pub kpis: BTreeMap<String, KpiSettings>,
}

impl Client {
    /// Returns the names of all workspaces.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn workspaces(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Named {
            id: String,
        }
        #[derive(Deserialize)]
        struct All {
            workspaces: Vec<Named>,
        }
        let all: All = self.ask(self.http.get(self.endpoint(&["api", "v1", "workspaces"]))).await?;
        Ok(all.workspaces.into_iter().map(|workspace| workspace.id).collect())
    }
}

impl Workspace {
    /// Returns the units and descriptions of all KPIs of which some were stated.
    ///
    /// # Errors
    /// If the server cannot be reached or has no such workspace.
    pub async fn units(&self) -> Result<Units, Error> {
        self.client.ask(self.client.http.get(self.endpoint(&["units"]))).await
    }

    /// Creates the workspace. Returns false if it existed already.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not allow it.
    pub async fn create(&self) -> Result<bool, Error> {
        let request = self.client.http.put(self.endpoint(&[])).timeout(self.client.timeout);
        let response = self.client.open(request).await?;
        if response.status().is_success() {
            Ok(response.status() == 201)
        } else {
            Err(self.client.refusal(response).await)
        }
    }

    /// Returns all KPIs with the newest sample of each series.
    ///
    /// # Errors
    /// If the server cannot be reached or has no such workspace.
    pub async fn kpis(&self) -> Result<KpiList, Error> {
        self.client.ask(self.client.http.get(self.endpoint(&["kpis"]))).await
    }

    /// Returns one KPI.
    ///
    /// # Errors
    /// If the server cannot be reached or has no such KPI.
    pub async fn kpi(&self, kpi: &str) -> Result<Kpi, Error> {
        self.client.ask(self.client.http.get(self.endpoint(&["kpis", kpi]))).await
    }

    /// Returns the history of a KPI.
    ///
    /// # Errors
    /// If the server cannot be reached, has no such KPI, or refuses the query.
    pub async fn history(&self, kpi: &str, query: &HistoryQuery) -> Result<History, Error> {
        self.client.ask(self.client.http.get(self.endpoint(&["kpis", kpi, "samples"])).query(query)).await
    }

    /// Returns a page of anomalies, latest first.
    ///
    /// # Errors
    /// If the server cannot be reached, has no such workspace, or refuses the query.
    pub async fn anomalies(&self, query: &AnomaliesQuery) -> Result<AnomalyPage, Error> {
        self.client.ask(self.client.http.get(self.endpoint(&["anomalies"])).query(query)).await
    }

    /// Acknowledges an anomaly.
    ///
    /// # Errors
    /// If the server cannot be reached or has no such anomaly.
    pub async fn acknowledge(&self, anomaly: &str, note: Option<&str>) -> Result<Anomaly, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            note: Option<&'a str>,
        }
        let request = self.client.http.post(self.endpoint(&["anomalies", anomaly, "acknowledge"]));
        self.client.ask(request.json(&Body { note })).await
    }
}
