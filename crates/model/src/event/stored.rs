//! The byte form of [`SeriesSamples`] in logs and messages between nodes.
//!
//! Logs are kept for days and are read by newer programs, and the format names no fields. What samples of a counter add
//! therefore hides in the last field: a status that is none of the plain ones carries the status and the counter. Samples
//! of gauges take not a byte more, and logs from before counters read as they are.

use serde::{Deserialize, Serialize, Serializer};

use super::{CounterSamples, SeriesSamples, SeriesStatus};
use crate::ids::Labels;
use crate::sample::{Features, Sample, ScoredSample};

#[derive(Serialize)]
struct Borrowed<'a> {
    labels: &'a Labels,
    samples: &'a [ScoredSample],
    late: &'a [Sample],
    features: Option<Features>,
    tail: Tail,
}

#[derive(Deserialize)]
pub(super) struct Stored {
    labels: Labels,
    samples: Vec<ScoredSample>,
    late: Vec<Sample>,
    features: Option<Features>,
    tail: Tail,
}

/// The first variants are those of [`SeriesStatus`] when there was nothing else. A new status goes to the end.
#[derive(Serialize, Deserialize)]
enum Tail {
    Warming { seen: u32, needed: u32 },
    Normal,
    Anomalous,
    Stalled,
    Ended,
    Counter(SeriesStatus, CounterSamples),
}

impl Serialize for SeriesSamples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tail = match (self.counter, self.status) {
            (Some(counter), status) => Tail::Counter(status, counter),
            (None, SeriesStatus::Warming { seen, needed }) => Tail::Warming { seen, needed },
            (None, SeriesStatus::Normal) => Tail::Normal,
            (None, SeriesStatus::Anomalous) => Tail::Anomalous,
            (None, SeriesStatus::Stalled) => Tail::Stalled,
            (None, SeriesStatus::Ended) => Tail::Ended,
        };
        let Self { labels, samples, late, features, .. } = self;
        Borrowed { labels, samples, late, features: *features, tail }.serialize(serializer)
    }
}

impl From<Stored> for SeriesSamples {
    fn from(stored: Stored) -> Self {
        let Stored { labels, samples, late, features, tail } = stored;
        let (status, counter) = match tail {
            Tail::Warming { seen, needed } => (SeriesStatus::Warming { seen, needed }, None),
            Tail::Normal => (SeriesStatus::Normal, None),
            Tail::Anomalous => (SeriesStatus::Anomalous, None),
            Tail::Stalled => (SeriesStatus::Stalled, None),
            Tail::Ended => (SeriesStatus::Ended, None),
            Tail::Counter(status, counter) => (status, Some(counter)),
        };
        Self { labels, samples, late, features, status, counter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SeriesStatus; 5] = [
        SeriesStatus::Warming { seen: 3, needed: 30 },
        SeriesStatus::Normal,
        SeriesStatus::Anomalous,
        SeriesStatus::Stalled,
        SeriesStatus::Ended,
    ];

    fn samples(status: SeriesStatus, counter: Option<CounterSamples>) -> SeriesSamples {
        let scored =
            ScoredSample { timestamp_ms: 5, value: 0.1, score: Some(0.5), expected: 1.0, lower: 0.0, upper: 2.0 };
        SeriesSamples {
            labels: Labels::parse("a:b").expect("legal labels"),
            samples: vec![scored],
            late: vec![Sample { timestamp_ms: 1, value: 2.0 }],
            features: None,
            status,
            counter,
        }
    }

    #[test]
    fn samples_come_back_as_they_were() {
        let start = Some(Sample { timestamp_ms: -1, value: 7.5 });
        for status in ALL {
            for counter in [None, Some(CounterSamples { start, raw: Some(1e300), late: 9 })] {
                let whole = vec![samples(status, counter), samples(status, None)];
                let bytes = postcard::to_stdvec(&whole).unwrap();
                assert_eq!(postcard::from_bytes::<Vec<SeriesSamples>>(&bytes).unwrap(), whole);
            }
        }
    }

    /// As the structure was before counters.
    #[derive(Serialize)]
    struct BeforeCounters {
        labels: Labels,
        samples: Vec<ScoredSample>,
        late: Vec<Sample>,
        features: Option<Features>,
        status: SeriesStatus,
    }

    #[test]
    fn bytes_from_before_counters_are_read_and_written_alike() {
        for status in ALL {
            let SeriesSamples { labels, samples: scored, late, features, status, .. } = samples(status, None);
            let old = postcard::to_stdvec(&BeforeCounters { labels, samples: scored, late, features, status }).unwrap();
            assert_eq!(postcard::from_bytes::<SeriesSamples>(&old).unwrap(), samples(status, None));
            assert_eq!(postcard::to_stdvec(&samples(status, None)).unwrap(), old);
        }
    }
}
