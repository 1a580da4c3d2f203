//! Asking for the state and the history.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::anomaly::Anomaly;
use crate::client::Workspace;
use crate::error::Error;
use crate::series::{Kpi, Labels};

/// All KPIs after event `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KpiList {
    /// The newest event included.
    pub seq: u64,
    /// The epoch of the log.
    pub epoch: String,
    /// The KPIs.
    pub kpis: Vec<Kpi>,
}

/// Which history is wanted. Times are integer milliseconds UTC or RFC 3339, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryQuery {
    /// First time wanted; one hour before `to` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// First time not wanted; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `region:eu,zone:a`: series that carry all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Width of a row in milliseconds, at least 1,000; absent: every sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Most rows of a series, without `step`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The history of a KPI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The KPI.
    pub kpi: String,
    /// What the fields of each row are: those of a sample, or with `step` those of a rollup.
    pub columns: Vec<String>,
    /// By series.
    pub series: Vec<HistorySeries>,
}

/// The history of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistorySeries {
    /// The series.
    pub labels: Labels,
    /// Rows of as many numbers as there are columns; null where there is nothing to say.
    pub samples: Vec<Vec<Value>>,
    /// The newest rows are missing: ask again from after the last one.
    pub truncated: bool,
}

/// Which anomalies are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AnomaliesQuery {
    /// Of this KPI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kpi: Option<String>,
    /// Of series that carry all of these: `region:eu,zone:a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// That touch this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Opened before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only open, or only closed ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Only acknowledged ones, or only others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
    /// Most of them in one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// Some anomalies, latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyPage {
    /// The anomalies.
    pub anomalies: Vec<Anomaly>,
    /// Give it as `before` for the next page; `None` on the last.
    pub next: Option<String>,
}

impl Workspace {
    /// All KPIs with the newest sample of each series.
    ///
    /// # Errors
    /// The server cannot be reached or has no such workspace.
    pub async fn kpis(&self) -> Result<KpiList, Error> {
        self.ask(self.client.http.get(self.endpoint(&["kpis"]))).await
    }

    /// One KPI.
    ///
    /// # Errors
    /// The server cannot be reached or has no such KPI.
    pub async fn kpi(&self, kpi: &str) -> Result<Kpi, Error> {
        self.ask(self.client.http.get(self.endpoint(&["kpis", kpi]))).await
    }

    /// The history of a KPI.
    ///
    /// # Errors
    /// The server cannot be reached, has no such KPI, or refuses the query.
    pub async fn history(&self, kpi: &str, query: &HistoryQuery) -> Result<History, Error> {
        self.ask(self.client.http.get(self.endpoint(&["kpis", kpi, "samples"])).query(query)).await
    }

    /// A page of anomalies, latest first.
    ///
    /// # Errors
    /// The server cannot be reached, has no such workspace, or refuses the query.
    pub async fn anomalies(&self, query: &AnomaliesQuery) -> Result<AnomalyPage, Error> {
        self.ask(self.client.http.get(self.endpoint(&["anomalies"])).query(query)).await
    }

    /// Says that an anomaly has been seen.
    ///
    /// # Errors
    /// The server cannot be reached or has no such anomaly.
    pub async fn acknowledge(&self, anomaly: &str, note: Option<&str>) -> Result<Anomaly, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            note: Option<&'a str>,
        }
        let request = self.client.http.post(self.endpoint(&["anomalies", anomaly, "acknowledge"]));
        self.ask(request.json(&Body { note })).await
    }
}
