//! The `data` of events about series, with the parts that answers share.

use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::labels::{LabelMap, label_map};
use earcon_model::{Features, Sample, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus};

/// Column names of a sample row.
pub const SAMPLE_COLUMNS: [&str; 6] = ["timestamp", "value", "score", "expected", "lower", "upper"];

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::live) enum SeriesData<'a> {
    Samples {
        series: Vec<WireSamples<'a>>,
    },
    Backfilled {
        series: Vec<WireBackfilled<'a>>,
    },
    Stalled {
        labels: LabelMap<'a>,
        last_timestamp: i64,
    },
    /// Restored or ended.
    Changed {
        labels: LabelMap<'a>,
        timestamp: i64,
    },
}

impl<'a> SeriesData<'a> {
    pub(super) fn from_event(event: &'a SeriesEvent) -> Self {
        match event {
            SeriesEvent::Samples(series) => {
                SeriesData::Samples { series: series.iter().map(WireSamples::new).collect() }
            }
            SeriesEvent::Backfilled(series) => {
                SeriesData::Backfilled { series: series.iter().map(WireBackfilled::new).collect() }
            }
            SeriesEvent::Stalled { labels, last_timestamp_ms } => {
                SeriesData::Stalled { labels: label_map(labels), last_timestamp: *last_timestamp_ms }
            }
            SeriesEvent::Restored { labels, timestamp_ms } | SeriesEvent::Ended { labels, timestamp_ms } => {
                SeriesData::Changed { labels: label_map(labels), timestamp: *timestamp_ms }
            }
        }
    }
}

#[derive(Serialize)]
pub(in crate::live) struct WireSamples<'a> {
    labels: LabelMap<'a>,
    samples: Vec<ScoredRow>,
    late: Vec<(i64, f64)>,
    state: &'static str,
    warming: Option<Warming>,
    features: Option<WireFeatures>,
}

impl<'a> WireSamples<'a> {
    fn new(series: &'a SeriesSamples) -> Self {
        Self {
            labels: label_map(&series.labels),
            samples: series.samples.iter().copied().map(ScoredRow).collect(),
            late: series.late.iter().map(|Sample { timestamp_ms, value }| (*timestamp_ms, *value)).collect(),
            state: state_name(series.status),
            warming: Warming::from_status(series.status),
            features: series.features.map(WireFeatures::from),
        }
    }
}

/// History is reported in numbers. Clients that want the samples query them.
#[derive(Serialize)]
pub(in crate::live) struct WireBackfilled<'a> {
    labels: LabelMap<'a>,
    samples: usize,
    late: usize,
    from: Option<i64>,
    to: Option<i64>,
    state: &'static str,
}

impl<'a> WireBackfilled<'a> {
    fn new(series: &'a SeriesSamples) -> Self {
        let scored = series.samples.iter().map(|sample| sample.timestamp_ms);
        let times = || scored.clone().chain(series.late.iter().map(|sample| sample.timestamp_ms));
        Self {
            labels: label_map(&series.labels),
            samples: series.samples.len(),
            late: series.late.len(),
            from: times().min(),
            to: times().max(),
            state: state_name(series.status),
        }
    }
}

/// `[timestamp, value, score, expected, lower, upper]`
struct ScoredRow(ScoredSample);

impl Serialize for ScoredRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(SAMPLE_COLUMNS.len())?;
        row.serialize_element(&self.0.timestamp_ms)?;
        row.serialize_element(&self.0.value)?;
        row.serialize_element(&self.0.score)?;
        // serde_json writes NaN and infinities as null.
        row.serialize_element(&self.0.expected)?;
        row.serialize_element(&self.0.lower)?;
        row.serialize_element(&self.0.upper)?;
        row.end()
    }
}

/// The name of a status on the wire.
pub(super) fn state_name(status: SeriesStatus) -> &'static str {
    match status {
        SeriesStatus::Warming { .. } => "warming",
        SeriesStatus::Normal => "normal",
        SeriesStatus::Anomalous => "anomalous",
        SeriesStatus::Stalled => "stalled",
        SeriesStatus::Ended => "ended",
    }
}

/// How many samples a series needs to be scored.
#[derive(Serialize, ToSchema)]
pub struct Warming {
    /// Samples seen.
    seen: u32,
    /// Samples needed.
    needed: u32,
}

impl Warming {
    pub(super) fn from_status(status: SeriesStatus) -> Option<Self> {
        match status {
            SeriesStatus::Warming { seen, needed } => Some(Self { seen, needed }),
            SeriesStatus::Normal | SeriesStatus::Anomalous | SeriesStatus::Stalled | SeriesStatus::Ended => None,
        }
    }
}

/// The feature values behind the last score.
#[derive(Serialize, ToSchema)]
#[schema(as = Features)]
pub struct WireFeatures {
    #[schema(value_type = Option<f64>)]
    robust_z: f32,
    #[schema(value_type = Option<f64>)]
    residual_z: f32,
    #[schema(value_type = Option<f64>)]
    volatility: f32,
    #[schema(value_type = Option<f64>)]
    slope: f32,
    #[schema(value_type = Option<f64>)]
    level: f32,
}

impl From<Features> for WireFeatures {
    fn from(features: Features) -> Self {
        let Features { robust_z, residual_z, volatility, slope, level } = features;
        Self { robust_z, residual_z, volatility, slope, level }
    }
}
