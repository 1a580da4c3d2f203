//! The JSON of `docs/protocol.md`. One place, used by the hub for events and by the gateway for answers.
//!
//! Values that are NaN in the model (nothing was expected yet) are `null` on the wire.

use std::collections::BTreeMap;

use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::view::{KpiRun, KpiView, SeriesView};
pub use super::wire_anomaly::{Peak, WireAcknowledgement, WireAnomaly, WireFeedback, WireRank};
use super::wire_incident::WireIncident;
use earcon_model::{
    Event, EventBody, Features, Incident, Labels, Sample, ScoredSample, Seq, SeriesSamples, SeriesStatus, WorkspaceId,
};

/// Column names of a sample row.
pub const SAMPLE_COLUMNS: [&str; 6] = ["timestamp", "value", "score", "expected", "lower", "upper"];

/// An event as it goes out.
pub fn event_json(event: &Event, workspace: &WorkspaceId, epoch: &str) -> String {
    to_json(&WireEvent::of(event, workspace, epoch))
}

/// What an event says besides to a follower that asked for a rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rated {
    /// Where to resume so that nothing held back is lost, unless that is the event's own `seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Seq>,
    /// How many events this one stands for, when it was put together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflated: Option<u64>,
}

/// An event as it goes out under a rate.
pub fn event_json_rated(event: &Event, workspace: &WorkspaceId, epoch: &str, rated: Rated) -> String {
    #[derive(Serialize)]
    struct Both<'a> {
        #[serde(flatten)]
        event: WireEvent<'a>,
        #[serde(flatten)]
        rated: Rated,
    }
    to_json(&Both { event: WireEvent::of(event, workspace, epoch), rated })
}

/// The snapshot message: the state after event `seq`.
pub fn snapshot_json<'a>(
    seq: Seq,
    epoch: &str,
    kpis: impl Iterator<Item = &'a KpiView> + Clone,
    incidents: impl Iterator<Item = &'a Incident>,
) -> String {
    let open = |kpi: &'a KpiView| kpi.series.values().filter_map(|series| series.anomaly.as_deref());
    to_json(&WireSnapshot {
        r#type: "snapshot",
        seq,
        epoch,
        anomalies: kpis.clone().flat_map(open).map(WireAnomaly::of).collect(),
        kpis: kpis.map(WireKpi::of).collect(),
        incidents: incidents.map(WireIncident::of).collect(),
    })
}

/// The first answer to a subscription.
pub fn subscribed_json(seq: Seq, epoch: &str, recovered: Option<bool>) -> String {
    to_json(&serde_json::json!({"type": "subscribed", "seq": seq, "epoch": epoch, "recovered": recovered}))
}

/// Events `from` to `to` inclusive were not sent. `resume` is given when more than that is missing.
pub fn gap_json(from: Seq, to: Seq, resume: Option<Seq>) -> String {
    let mut gap = serde_json::json!({"type": "gap", "from": from, "to": to});
    if let Some(resume) = resume {
        gap["resume"] = resume.into();
    }
    to_json(&gap)
}

/// A message of the client was not understood.
pub fn error_json(title: &str, detail: &str) -> String {
    to_json(&serde_json::json!({"type": "error", "title": title, "detail": detail}))
}

/// Serialises a wire type.
pub fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types have text keys only, so they always serialise")
}

#[derive(Serialize)]
struct WireEvent<'a> {
    seq: Seq,
    epoch: &'a str,
    time: i64,
    r#type: &'static str,
    workspace: &'a str,
    kpi: &'a str,
    data: Data<'a>,
}

impl<'a> WireEvent<'a> {
    fn of(event: &'a Event, workspace: &'a WorkspaceId, epoch: &'a str) -> Self {
        Self {
            seq: event.seq,
            epoch,
            time: event.time_ms,
            r#type: event.body.event_type().as_str(),
            workspace: workspace.as_str(),
            kpi: event.kpi.as_str(),
            data: Data::of(&event.body),
        }
    }
}

#[derive(Serialize)]
struct WireSnapshot<'a> {
    r#type: &'static str,
    seq: Seq,
    epoch: &'a str,
    kpis: Vec<WireKpi<'a>>,
    anomalies: Vec<WireAnomaly<'a>>,
    incidents: Vec<WireIncident<'a>>,
}

/// The `data` of an event.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Samples {
        series: Vec<WireSamples<'a>>,
    },
    Anomaly(WireAnomaly<'a>),
    Incident(WireIncident<'a>),
    Acknowledged {
        id: String,
        labels: LabelMap<'a>,
        acknowledged: WireAcknowledgement<'a>,
    },
    Judged {
        id: String,
        labels: LabelMap<'a>,
        verdict: WireFeedback<'a>,
        sensitivity: f32,
    },
    Backfilled {
        series: Vec<WireBackfilled<'a>>,
    },
    Stalled {
        labels: LabelMap<'a>,
        last_timestamp: i64,
    },
    /// Or ended.
    Restored {
        labels: LabelMap<'a>,
        timestamp: i64,
    },
    Parked {
        reason: &'a str,
    },
    Changed {
        live: String,
        shadow: Option<String>,
    },
    /// What was learned stays inside; how many series it is of does not.
    Trained {
        entry: String,
        detector: &'a str,
        series: usize,
    },
    Empty {},
}

impl<'a> Data<'a> {
    pub(super) fn of(body: &'a EventBody) -> Self {
        match body {
            EventBody::Samples(series) => Data::Samples { series: series.iter().map(WireSamples::of).collect() },
            EventBody::AnomalyOpened(anomaly)
            | EventBody::AnomalyUpdated(anomaly)
            | EventBody::AnomalyClosed(anomaly) => Data::Anomaly(WireAnomaly::of(anomaly)),
            EventBody::AnomalyAcknowledged { id, labels, acknowledgement } => Data::Acknowledged {
                id: id.to_string(),
                labels: label_map(labels),
                acknowledged: WireAcknowledgement::of(acknowledgement),
            },
            EventBody::AnomalyJudged { id, labels, feedback, sensitivity } => Data::Judged {
                id: id.to_string(),
                labels: label_map(labels),
                verdict: WireFeedback::of(feedback),
                sensitivity: *sensitivity,
            },
            EventBody::SeriesStalled { labels, last_timestamp_ms } => {
                Data::Stalled { labels: label_map(labels), last_timestamp: *last_timestamp_ms }
            }
            EventBody::Backfilled(series) => {
                Data::Backfilled { series: series.iter().map(WireBackfilled::of).collect() }
            }
            EventBody::SeriesRestored { labels, timestamp_ms } | EventBody::SeriesEnded { labels, timestamp_ms } => {
                Data::Restored { labels: label_map(labels), timestamp: *timestamp_ms }
            }
            EventBody::KpiParked { reason } => Data::Parked { reason },
            EventBody::KpiResumed => Data::Empty {},
            EventBody::DetectorChanged(arrangement) => Data::Changed {
                live: arrangement.live.to_string(),
                shadow: arrangement.shadow.as_ref().map(ToString::to_string),
            },
            EventBody::DetectorTrained { choice, detector, series } => {
                Data::Trained { entry: choice.to_string(), detector, series: series.len() }
            }
            EventBody::IncidentOpened(incident)
            | EventBody::IncidentUpdated(incident)
            | EventBody::IncidentClosed(incident) => Data::Incident(WireIncident::of(incident)),
        }
    }
}

type LabelMap<'a> = BTreeMap<&'a str, &'a str>;

/// Labels as a JSON object.
pub fn label_map(labels: &Labels) -> BTreeMap<&str, &str> {
    labels.pairs().collect()
}

#[derive(Serialize)]
pub(super) struct WireSamples<'a> {
    labels: LabelMap<'a>,
    samples: Vec<ScoredRow>,
    late: Vec<(i64, f64)>,
    state: &'static str,
    warming: Option<Warming>,
    features: Option<WireFeatures>,
}

impl<'a> WireSamples<'a> {
    fn of(series: &'a SeriesSamples) -> Self {
        Self {
            labels: label_map(&series.labels),
            samples: series.samples.iter().copied().map(ScoredRow).collect(),
            late: series.late.iter().map(|Sample { timestamp_ms, value }| (*timestamp_ms, *value)).collect(),
            state: state_name(series.status),
            warming: Warming::of(series.status),
            features: series.features.map(WireFeatures::of),
        }
    }
}

/// History is told of in numbers: whoever wants the samples asks for them.
#[derive(Serialize)]
pub(super) struct WireBackfilled<'a> {
    labels: LabelMap<'a>,
    samples: usize,
    late: usize,
    from: Option<i64>,
    to: Option<i64>,
    state: &'static str,
}

impl<'a> WireBackfilled<'a> {
    fn of(series: &'a SeriesSamples) -> Self {
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

fn state_name(status: SeriesStatus) -> &'static str {
    match status {
        SeriesStatus::Warming { .. } => "warming",
        SeriesStatus::Normal => "normal",
        SeriesStatus::Anomalous => "anomalous",
        SeriesStatus::Stalled => "stalled",
        SeriesStatus::Ended => "ended",
    }
}

/// How far a series is from being scored.
#[derive(Serialize, ToSchema)]
pub struct Warming {
    /// Samples seen.
    seen: u32,
    /// Samples needed.
    needed: u32,
}

impl Warming {
    fn of(status: SeriesStatus) -> Option<Self> {
        match status {
            SeriesStatus::Warming { seen, needed } => Some(Self { seen, needed }),
            _ => None,
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

impl WireFeatures {
    fn of(features: Features) -> Self {
        let Features { robust_z, residual_z, volatility, slope, level } = features;
        Self { robust_z, residual_z, volatility, slope, level }
    }
}

/// A KPI with the newest sample of each of its series.
#[derive(Serialize, ToSchema)]
#[schema(as = Kpi)]
pub struct WireKpi<'a> {
    kpi: &'a str,
    /// `running` or `parked`.
    state: &'static str,
    /// Why it is parked.
    reason: Option<&'a str>,
    series: Vec<WireSeries<'a>>,
}

impl<'a> WireKpi<'a> {
    /// The wire form of a view.
    pub fn of(view: &'a KpiView) -> Self {
        let (state, reason) = match &view.run {
            KpiRun::Running => ("running", None),
            KpiRun::Parked(reason) => ("parked", Some(reason.as_str())),
        };
        let series = view.series.iter().map(|(labels, series)| WireSeries::of(labels, series)).collect();
        Self { kpi: view.kpi.as_str(), state, reason, series }
    }
}

/// A series: its newest sample and what was said of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
pub struct WireSeries<'a> {
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
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
    /// What feedback multiplies the configured sensitivity with, 0.5 to 2, as of the last verdict or the last start.
    sensitivity: f32,
}

impl<'a> WireSeries<'a> {
    fn of(labels: &'a Labels, series: &'a SeriesView) -> Self {
        let last = series.last;
        Self {
            labels: label_map(labels),
            state: state_name(series.status),
            warming: Warming::of(series.status),
            timestamp: last.map(|last| last.timestamp_ms),
            value: last.map(|last| last.value),
            score: last.and_then(|last| last.score),
            expected: last.map_or(f64::NAN, |last| last.expected),
            lower: last.map_or(f64::NAN, |last| last.lower),
            upper: last.map_or(f64::NAN, |last| last.upper),
            features: series.features.map(WireFeatures::of),
            late: series.late,
            anomaly: series.anomaly.as_ref().map(|anomaly| anomaly.id.to_string()),
            sensitivity: series.sensitivity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::KpiName;

    #[test]
    fn a_warming_sample_has_nulls_where_nothing_was_said() {
        let sample = ScoredSample {
            timestamp_ms: 1_000,
            value: 12.5,
            score: None,
            expected: f64::NAN,
            lower: f64::NAN,
            upper: f64::NAN,
        };
        let series = SeriesSamples {
            labels: Labels::parse("region:eu").unwrap(),
            samples: vec![sample],
            late: vec![Sample { timestamp_ms: 5, value: 1.0 }],
            features: None,
            status: SeriesStatus::Warming { seen: 1, needed: 30 },
            counter: None,
        };
        let kpi = KpiName::new("checkout.revenue").unwrap();
        let event = Event { seq: 7, time_ms: 2_000, kpi, body: EventBody::Samples(vec![series]) };
        let json: serde_json::Value =
            serde_json::from_str(&event_json(&event, &WorkspaceId::new("local").unwrap(), "e1")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "seq": 7, "epoch": "e1", "time": 2000, "type": "samples", "workspace": "local",
                "kpi": "checkout.revenue",
                "data": {"series": [{
                    "labels": {"region": "eu"}, "samples": [[1000, 12.5, null, null, null, null]],
                    "late": [[5, 1.0]], "state": "warming", "warming": {"seen": 1, "needed": 30}, "features": null
                }]}
            })
        );
    }

    #[test]
    fn history_is_told_of_in_numbers() {
        let late = [40, 7].map(|timestamp_ms| Sample { timestamp_ms, value: 1.0 });
        let series = SeriesSamples {
            labels: Labels::none(),
            samples: Vec::new(),
            late: late.to_vec(),
            features: None,
            status: SeriesStatus::Ended,
            counter: None,
        };
        let kpi = KpiName::new("a").unwrap();
        let event = Event { seq: 7, time_ms: 2_000, kpi, body: EventBody::Backfilled(vec![series]) };
        let json: serde_json::Value =
            serde_json::from_str(&event_json(&event, &WorkspaceId::new("local").unwrap(), "e1")).unwrap();
        assert_eq!(json["type"], "samples.backfilled");
        let told = serde_json::json!({"series": [
            {"labels": {}, "samples": 0, "late": 2, "from": 7, "to": 40, "state": "ended"}
        ]});
        assert_eq!(json["data"], told);
    }

    #[test]
    fn a_snapshot_lists_open_anomalies() {
        let json = snapshot_json(3, "e1", [].iter(), [].iter());
        let empty = r#"{"type":"snapshot","seq":3,"epoch":"e1","kpis":[],"anomalies":[],"incidents":[]}"#;
        assert_eq!(json, empty);
    }
}
