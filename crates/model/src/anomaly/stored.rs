//! The byte form of [`Anomaly`] in logs, snapshots, the history and messages between nodes.
//!
//! All of these are kept for long and read by newer programs, and the format names no fields. What was added since the first
//! version therefore hides in the last field, the acknowledgement: where it was absent or present, a third case carries it
//! together with the rest. Anomalies from before read as they are. Whatever comes next needs a fourth case.

use serde::{Deserialize, Serialize, Serializer};

use super::{Acknowledgement, Anomaly, AnomalyId, Direction, Feature, Feedback, Rank};
use crate::ids::{KpiName, Labels};

/// The fields of the first version but the last one, in its order.
#[derive(Serialize, Deserialize)]
struct Head<Name, Set, Text> {
    id: AnomalyId,
    kpi: Name,
    labels: Set,
    opened_at_ms: i64,
    last_at_ms: i64,
    closed_at_ms: Option<i64>,
    peak_score: f32,
    peak_at_ms: i64,
    peak_value: f64,
    peak_expected: f64,
    peak_lower: f64,
    peak_upper: f64,
    direction: Direction,
    reason: Feature,
    samples: u32,
    detector: Text,
}

/// The first two cases are those of the `Option<Acknowledgement>` that stood here alone.
#[derive(Serialize, Deserialize)]
enum Tail<Seen, Judged, Text> {
    New,
    Acknowledged(Seen),
    More { acknowledged: Option<Seen>, rank: Option<Rank>, feedback: Option<Judged>, muted: Option<Text> },
}

#[derive(Deserialize)]
pub(super) struct Stored {
    head: Head<KpiName, Labels, String>,
    tail: Tail<Acknowledgement, Feedback, String>,
}

impl Serialize for Anomaly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            head: Head<&'a KpiName, &'a Labels, &'a str>,
            tail: Tail<&'a Acknowledgement, &'a Feedback, &'a str>,
        }
        let acknowledged = self.acknowledged.as_ref();
        let tail = match (acknowledged, self.rank, self.feedback.as_ref(), self.muted.as_deref()) {
            (None, None, None, None) => Tail::New,
            (Some(seen), None, None, None) => Tail::Acknowledged(seen),
            (acknowledged, rank, feedback, muted) => Tail::More { acknowledged, rank, feedback, muted },
        };
        let head = Head {
            id: self.id,
            kpi: &self.kpi,
            labels: &self.labels,
            opened_at_ms: self.opened_at_ms,
            last_at_ms: self.last_at_ms,
            closed_at_ms: self.closed_at_ms,
            peak_score: self.peak_score,
            peak_at_ms: self.peak_at_ms,
            peak_value: self.peak_value,
            peak_expected: self.peak_expected,
            peak_lower: self.peak_lower,
            peak_upper: self.peak_upper,
            direction: self.direction,
            reason: self.reason,
            samples: self.samples,
            detector: self.detector.as_str(),
        };
        Borrowed { head, tail }.serialize(serializer)
    }
}

impl From<Stored> for Anomaly {
    fn from(Stored { head, tail }: Stored) -> Self {
        let (acknowledged, rank, feedback, muted) = match tail {
            Tail::New => (None, None, None, None),
            Tail::Acknowledged(seen) => (Some(seen), None, None, None),
            Tail::More { acknowledged, rank, feedback, muted } => (acknowledged, rank, feedback, muted),
        };
        Self {
            id: head.id,
            kpi: head.kpi,
            labels: head.labels,
            opened_at_ms: head.opened_at_ms,
            last_at_ms: head.last_at_ms,
            closed_at_ms: head.closed_at_ms,
            peak_score: head.peak_score,
            peak_at_ms: head.peak_at_ms,
            peak_value: head.peak_value,
            peak_expected: head.peak_expected,
            peak_lower: head.peak_lower,
            peak_upper: head.peak_upper,
            direction: head.direction,
            reason: head.reason,
            samples: head.samples,
            detector: head.detector,
            acknowledged,
            rank,
            feedback,
            muted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeedbackOutcome;

    /// The structure as it was before anything was added.
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct First {
        id: AnomalyId,
        kpi: KpiName,
        labels: Labels,
        opened_at_ms: i64,
        last_at_ms: i64,
        closed_at_ms: Option<i64>,
        peak_score: f32,
        peak_at_ms: i64,
        peak_value: f64,
        peak_expected: f64,
        peak_lower: f64,
        peak_upper: f64,
        direction: Direction,
        reason: Feature,
        samples: u32,
        detector: String,
        acknowledged: Option<Acknowledgement>,
    }

    fn first(acknowledged: Option<Acknowledgement>) -> First {
        First {
            id: AnomalyId(uuid::Uuid::from_u128(7)),
            kpi: KpiName::new("k").unwrap(),
            labels: Labels::parse("a:b").unwrap(),
            opened_at_ms: -5,
            last_at_ms: 6,
            closed_at_ms: Some(7),
            peak_score: 0.75,
            peak_at_ms: 1,
            peak_value: 1e300,
            peak_expected: 0.1,
            peak_lower: -0.0,
            peak_upper: 3.5,
            direction: Direction::Below,
            reason: Feature::Slope,
            samples: 300,
            detector: "d-1".into(),
            acknowledged,
        }
    }

    fn seen() -> Acknowledgement {
        Acknowledgement { at_ms: 9, by: "ann".into(), note: Some("ok".into()) }
    }

    #[test]
    fn anomalies_from_before_read_as_they_are_and_new_ones_without_news_are_the_same_bytes() {
        for acknowledged in [None, Some(seen())] {
            let old = first(acknowledged.clone());
            let bytes = postcard::to_stdvec(&old).unwrap();
            let read: Anomaly = postcard::from_bytes(&bytes).unwrap();
            assert_eq!((&read.acknowledged, read.rank, &read.feedback), (&acknowledged, None, &None));
            assert_eq!((read.samples, read.detector.as_str(), read.closed_at_ms), (300, "d-1", Some(7)));
            assert_eq!(postcard::to_stdvec(&read).unwrap(), bytes);
        }
    }

    #[test]
    fn anomalies_come_back_as_they_were() {
        let feedback = Feedback { outcome: FeedbackOutcome::False, at_ms: 3, by: "ben".into(), note: None };
        let plain: Anomaly = postcard::from_bytes(&postcard::to_stdvec(&first(None)).unwrap()).unwrap();
        for acknowledged in [None, Some(seen())] {
            for rank in [None, Some(Rank { reached: 2, of: 8_000 })] {
                for feedback in [None, Some(feedback.clone())] {
                    let muted = rank.map(|_| "backup".to_owned());
                    let anomaly =
                        Anomaly { acknowledged: acknowledged.clone(), rank, feedback, muted, ..plain.clone() };
                    // Something follows it, as in a list.
                    let bytes = postcard::to_stdvec(&(anomaly.clone(), 77u8)).unwrap();
                    assert_eq!(postcard::from_bytes::<(Anomaly, u8)>(&bytes).unwrap(), (anomaly, 77));
                }
            }
        }
    }
}
