//! The `data` of KPI events, and a KPI with its series in answers and snapshots.

use serde::Serialize;
use utoipa::ToSchema;

use super::labels::{LabelMap, label_map};
use super::series::{Warming, WireFeatures, state_name};
use crate::live::view::{KpiRun, KpiView, SeriesView};
use earcon_model::{Deletion, KpiEvent, Labels, LooksLike, Meaning};

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::live) enum KpiData<'a> {
    Parked { reason: &'a str },
    Resumed {},
    Deleted(Box<WireDeletion<'a>>),
}

/// The deleted part of a KPI.
#[derive(Serialize)]
pub(in crate::live) struct WireDeletion<'a> {
    scope: &'static str,
    labels: LabelMap<'a>,
    from: Option<i64>,
    to: Option<i64>,
    by: &'a str,
}

impl<'a> WireDeletion<'a> {
    fn from_deletion(deletion: &'a Deletion) -> Self {
        let (from, to) = deletion.scope.range();
        let labels = deletion.scope.labels().map(label_map).unwrap_or_default();
        Self { scope: deletion.scope.as_str(), labels, from, to, by: &deletion.by }
    }
}

impl<'a> KpiData<'a> {
    pub(super) fn from_event(event: &'a KpiEvent) -> Self {
        match event {
            KpiEvent::Parked { reason } => KpiData::Parked { reason },
            KpiEvent::Resumed => KpiData::Resumed {},
            KpiEvent::Deleted(deletion) => KpiData::Deleted(Box::new(WireDeletion::from_deletion(deletion))),
        }
    }
}

/// A KPI with the newest sample of each of its series.
#[derive(Serialize, ToSchema)]
#[schema(as = Kpi)]
pub struct WireKpi<'a> {
    kpi: &'a str,
    /// The unit of its values as it was stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    /// A sentence about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// `running` or `parked`.
    state: &'static str,
    /// Why it is parked.
    reason: Option<&'a str>,
    series: Vec<WireSeries<'a>>,
}

impl<'a> WireKpi<'a> {
    /// The wire form of a view.
    pub fn from_view(view: &'a KpiView) -> Self {
        let (state, reason) = match &view.run {
            KpiRun::Running => ("running", None),
            KpiRun::Parked(reason) => ("parked", Some(reason.as_str())),
        };
        let series = view.series.by_labels().map(|(labels, series)| WireSeries::from_view(labels, series)).collect();
        Self { kpi: view.kpi.as_str(), unit: None, description: None, state, reason, series }
    }

    /// The KPI with its meaning, if something is stated about it.
    #[must_use]
    pub fn with(self, meaning: Option<&'a Meaning>) -> Self {
        let Some(Meaning { unit, description }) = meaning else { return self };
        Self { unit: unit.as_deref(), description: description.as_deref(), ..self }
    }
}

/// A series: its newest sample, its score and its open anomaly.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
pub struct WireSeries<'a> {
    #[schema(value_type = BTreeMap<String, String>)]
    labels: LabelMap<'a>,
    /// `warming`, `normal`, `anomalous`, `stalled` or `ended`.
    state: &'static str,
    warming: Option<Warming>,
    timestamp: Option<i64>,
    value: Option<f64>,
    score: Option<f32>,
    #[schema(value_type = Option<f64>)]
    expected: f64,
    #[schema(value_type = Option<f64>)]
    lower: f64,
    #[schema(value_type = Option<f64>)]
    upper: f64,
    features: Option<WireFeatures>,
    /// Late samples since the process started.
    late: u64,
    /// The open anomaly.
    anomaly: Option<String>,
    /// The factor that feedback applies to the configured sensitivity, 0.5 to 2, as of the last
    /// feedback or the last start.
    sensitivity: f32,
    /// `counter` if its values are sent as measurements and seem to be the totals of a counter,
    /// `clock` if they grow as time does.
    looks_like: Option<&'static str>,
}

impl<'a> WireSeries<'a> {
    fn from_view(labels: &'a Labels, series: &'a SeriesView) -> Self {
        let last = series.last;
        Self {
            labels: label_map(labels),
            state: state_name(series.status),
            warming: Warming::from_status(series.status),
            timestamp: last.map(|last| last.timestamp_ms),
            value: last.map(|last| last.value),
            score: last.and_then(|last| last.score),
            expected: last.map_or(f64::NAN, |last| last.expected),
            lower: last.map_or(f64::NAN, |last| last.lower),
            upper: last.map_or(f64::NAN, |last| last.upper),
            features: series.features.map(WireFeatures::from),
            late: series.late,
            anomaly: series.anomaly.as_ref().map(|anomaly| anomaly.id.to_string()),
            sensitivity: series.sensitivity,
            looks_like: series.looks_like.map(LooksLike::as_str),
        }
    }
}
