//! The JSON of anomalies, in events and in answers.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::sentence::sentence;
use super::wire::label_map;
use earcon_model::{Acknowledgement, Anomaly, Feedback, Rank};

/// An anomaly as it stands after its latest event.
#[derive(Serialize, ToSchema)]
#[schema(as = Anomaly)]
pub struct WireAnomaly<'a> {
    id: String,
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    /// `open` or `closed`.
    state: &'static str,
    opened_at: i64,
    last_at: i64,
    closed_at: Option<i64>,
    peak: Peak,
    /// `above` or `below`.
    #[schema(value_type = String)]
    direction: earcon_model::Direction,
    /// The feature that contributed most: `robust_z`, `residual_z`, `volatility` or `slope`.
    #[schema(value_type = String)]
    reason: earcon_model::Feature,
    samples: u32,
    detector: &'a str,
    acknowledged: Option<WireAcknowledgement<'a>>,
    /// The last verdict.
    verdict: Option<WireFeedback<'a>>,
    /// How rare the reason was at the peak; null in anomalies of older versions.
    rank: Option<WireRank>,
    /// Why, in a sentence.
    sentence: String,
    /// The name of the mute that keeps it quiet: nobody was alerted.
    muted: Option<&'a str>,
}

impl<'a> WireAnomaly<'a> {
    /// The wire form of an anomaly.
    pub fn of(anomaly: &'a Anomaly) -> Self {
        Self {
            id: anomaly.id.to_string(),
            kpi: anomaly.kpi.as_str(),
            labels: label_map(&anomaly.labels),
            state: if anomaly.closed_at_ms.is_some() { "closed" } else { "open" },
            opened_at: anomaly.opened_at_ms,
            last_at: anomaly.last_at_ms,
            closed_at: anomaly.closed_at_ms,
            peak: Peak::of(anomaly),
            direction: anomaly.direction,
            reason: anomaly.reason,
            samples: anomaly.samples,
            detector: &anomaly.detector,
            acknowledged: anomaly.acknowledged.as_ref().map(WireAcknowledgement::of),
            verdict: anomaly.feedback.as_ref().map(WireFeedback::of),
            rank: anomaly.rank.map(|Rank { reached, of }| WireRank { reached, of }),
            sentence: sentence(anomaly),
            muted: anomaly.muted.as_deref(),
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
    /// That of an anomaly.
    pub fn of(anomaly: &Anomaly) -> Self {
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

/// Nothing where there is no number, in forms that could write NaN as well.
fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(value).serialize(serializer)
}

/// How rare a feature was, by what the detector remembers of its series.
#[derive(Serialize, ToSchema)]
#[schema(as = Rank)]
pub struct WireRank {
    /// How often it was as extreme.
    reached: u32,
    /// Among how many earlier samples.
    of: u32,
}

/// What an anomaly was, who says so, and when.
#[derive(Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct WireFeedback<'a> {
    /// `real` or `false`.
    verdict: &'static str,
    at: i64,
    by: &'a str,
    note: Option<&'a str>,
}

impl<'a> WireFeedback<'a> {
    pub(super) fn of(feedback: &'a Feedback) -> Self {
        let Feedback { outcome, at_ms, by, note } = feedback;
        Self { verdict: outcome.as_str(), at: *at_ms, by, note: note.as_deref() }
    }
}

/// Who has seen an anomaly, and when.
#[derive(Serialize, ToSchema)]
#[schema(as = Acknowledgement)]
pub struct WireAcknowledgement<'a> {
    at: i64,
    by: &'a str,
    note: Option<&'a str>,
}

impl<'a> WireAcknowledgement<'a> {
    pub(super) fn of(acknowledgement: &'a Acknowledgement) -> Self {
        Self { at: acknowledgement.at_ms, by: &acknowledgement.by, note: acknowledgement.note.as_deref() }
    }
}
