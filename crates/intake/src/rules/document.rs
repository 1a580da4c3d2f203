//! The JSON document of the rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::raw_series::Protocol;

/// A workspace's rules as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesDocument {
    /// Whether the shipped rules apply before these.
    #[serde(default = "yes")]
    pub defaults: bool,
    /// OTLP resource attributes that become labels; patterns with `*`.
    #[serde(default = "resource_labels")]
    pub resource_labels: Vec<String>,
    /// Applied in order to the raw series.
    #[serde(default)]
    pub rules: Vec<RuleDocument>,
}

/// One rule as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Pattern with `*` for the raw name.
    pub name: String,
    /// `native`, `influx`, `prometheus`, `otlp`; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<Protocol>,
    /// Drop such series without an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// `gauge` or `counter`; overrides the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingName>,
    /// Maximum number of series of the KPI: samples of further ones are rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_series: Option<u32>,
    /// The KPI's name: each `*` is replaced by the capture of the pattern's star, `{label}` by the
    /// value of a label. The label is then removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi: Option<String>,
    /// Patterns of the labels to keep; all others are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_labels: Option<Vec<String>>,
    /// Patterns of labels to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_labels: Vec<String>,
    /// New label keys by their old ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename_labels: BTreeMap<String, String>,
}

/// A reading by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadingName {
    /// Values are measurements.
    Gauge,
    /// Values are totals; their increase per second is the measurement.
    Counter,
}

fn yes() -> bool {
    true
}

fn resource_labels() -> Vec<String> {
    ["service.name", "service.namespace", "deployment.environment*", "host.name"].map(str::to_owned).into()
}

impl Default for RulesDocument {
    fn default() -> Self {
        Self { defaults: true, resource_labels: resource_labels(), rules: Vec::new() }
    }
}

impl RulesDocument {
    /// The rules that apply before a workspace's own: in Prometheus, a suffix marks counters.
    pub fn shipped() -> Vec<RuleDocument> {
        let counter = |name: &str| RuleDocument {
            name: name.to_owned(),
            protocols: vec![Protocol::Prometheus],
            drop: false,
            reading: Some(ReadingName::Counter),
            max_series: None,
            kpi: None,
            keep_labels: None,
            drop_labels: Vec::new(),
            rename_labels: BTreeMap::new(),
        };
        ["*_total", "*_count", "*_sum", "*_bucket"].map(counter).into()
    }
}
