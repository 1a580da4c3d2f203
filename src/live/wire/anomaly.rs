//! The JSON of anomalies, in events and in answers.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::labels::{LabelMap, label_map};
use crate::live::sentence::{finding, sentence_of};
use earcon_model::{Acknowledgement, Anomaly, AnomalyEvent, EpisodeEnd, Feedback};

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::live) enum AnomalyData<'a> {
    Anomaly(Box<WireAnomaly<'a>>),
    Acknowledged { id: String, labels: LabelMap<'a>, acknowledged: WireAcknowledgement<'a> },
    Feedback { id: String, labels: LabelMap<'a>, feedback: WireFeedback<'a>, sensitivity: f32 },
}

impl<'a> AnomalyData<'a> {
    pub(super) fn from_event(event: &'a AnomalyEvent) -> Self {
        match event {
            AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) | AnomalyEvent::Closed(anomaly) => {
                AnomalyData::Anomaly(Box::new(WireAnomaly::from_anomaly(anomaly)))
            }
            AnomalyEvent::Acknowledged { id, labels, acknowledgement } => AnomalyData::Acknowledged {
                id: id.to_string(),
                labels: label_map(labels),
                acknowledged: WireAcknowledgement::from_acknowledgement(acknowledgement),
            },
            AnomalyEvent::Feedback { id, labels, feedback, sensitivity } => AnomalyData::Feedback {
                id: id.to_string(),
                labels: label_map(labels),
                feedback: WireFeedback::from_feedback(feedback),
                sensitivity: *sensitivity,
            },
        }
    }
}

/// An anomaly as of its latest event.
#[derive(Serialize, ToSchema)]
#[schema(as = Anomaly)]
pub struct WireAnomaly<'a> {
    id: String,
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: LabelMap<'a>,
    /// `open` or `closed`.
    state: &'static str,
    opened_at: i64,
    last_at: i64,
    closed_at: Option<i64>,
    peak: Peak,
    /// `above` or `below`; without a meaning if `reason` is `volatility`.
    #[schema(value_type = String)]
    direction: earcon_model::Direction,
    /// The feature that contributed most: `robust_z`, `residual_z`, `volatility`, `slope` or
    /// `loss`.
    #[schema(value_type = String)]
    reason: earcon_model::Feature,
    samples: u32,
    detector: &'a str,
    acknowledged: Option<WireAcknowledgement<'a>>,
    /// The last feedback.
    feedback: Option<WireFeedback<'a>>,
    /// The unit of the values, if it was stated.
    unit: Option<&'a str>,
    /// The sentence without times, the number of samples and the end: for readers who write times
    /// in a zone of their own.
    finding: String,
    /// The anomaly in words: series, value, expectation, start and end. Times are UTC.
    sentence: String,
    /// The name of the mute that suppresses its alert.
    muted: Option<&'a str>,
    /// Why it is over: `calm`, `series_ended`, `stalled` or `deleted`; null while open.
    end: Option<&'static str>,
}

impl<'a> WireAnomaly<'a> {
    /// The wire form of an anomaly.
    pub fn from_anomaly(anomaly: &'a Anomaly) -> Self {
        let finding = finding(anomaly);
        Self {
            id: anomaly.id.to_string(),
            kpi: anomaly.kpi.as_str(),
            labels: label_map(&anomaly.labels),
            state: if anomaly.closed_at_ms.is_some() { "closed" } else { "open" },
            opened_at: anomaly.opened_at_ms,
            last_at: anomaly.last_at_ms,
            closed_at: anomaly.closed_at_ms,
            peak: Peak::from_anomaly(anomaly),
            direction: anomaly.direction,
            reason: anomaly.reason,
            samples: anomaly.samples,
            detector: &anomaly.detector,
            acknowledged: anomaly.acknowledged.as_ref().map(WireAcknowledgement::from_acknowledgement),
            feedback: anomaly.feedback.as_ref().map(WireFeedback::from_feedback),
            unit: anomaly.unit.as_deref(),
            sentence: sentence_of(&finding, anomaly),
            finding,
            muted: anomaly.muted.as_deref(),
            end: anomaly.end.map(EpisodeEnd::as_str),
        }
    }
}

/// The most surprising sample of an anomaly.
#[derive(Serialize, ToSchema)]
pub struct Peak {
    timestamp: i64,
    value: f64,
    score: f32,
    #[serde(serialize_with = "finite")]
    #[schema(value_type = Option<f64>)]
    expected: f64,
    #[serde(serialize_with = "finite")]
    #[schema(value_type = Option<f64>)]
    lower: f64,
    #[serde(serialize_with = "finite")]
    #[schema(value_type = Option<f64>)]
    upper: f64,
}

impl Peak {
    /// The peak of an anomaly.
    pub fn from_anomaly(anomaly: &Anomaly) -> Self {
        Self {
            timestamp: anomaly.peak_at_ms,
            value: anomaly.peak_value,
            score: anomaly.peak_score,
            expected: anomaly.peak_expected,
            lower: anomaly.peak_lower,
            upper: anomaly.peak_upper,
        }
    }
}

/// Null in place of NaN, for formats that could write NaN.
fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(value).serialize(serializer)
}

/// A person's feedback on an anomaly.
#[derive(Serialize, ToSchema)]
#[schema(as = Feedback)]
pub struct WireFeedback<'a> {
    /// `real` or `false`.
    outcome: &'static str,
    at: i64,
    by: &'a str,
    note: Option<&'a str>,
}

impl<'a> WireFeedback<'a> {
    pub(super) fn from_feedback(feedback: &'a Feedback) -> Self {
        let Feedback { outcome, at_ms, by, note } = feedback;
        Self { outcome: outcome.as_str(), at: *at_ms, by, note: note.as_deref() }
    }
}

/// A person has seen an anomaly.
#[derive(Serialize, ToSchema)]
#[schema(as = Acknowledgement)]
pub struct WireAcknowledgement<'a> {
    at: i64,
    by: &'a str,
    note: Option<&'a str>,
}

impl<'a> WireAcknowledgement<'a> {
    pub(super) fn from_acknowledgement(acknowledgement: &'a Acknowledgement) -> Self {
        Self { at: acknowledgement.at_ms, by: &acknowledgement.by, note: acknowledgement.note.as_deref() }
    }
}
