//! Samples of one request that replace each other: they have the same series and time.

use earcon_model::wording::counted;
use earcon_model::{KpiBatch, Reading, rfc3339};

/// Samples that replace an earlier one of their request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// How many.
    pub(crate) count: u64,
    /// The series and the time of one of them, as messages name it.
    pub(crate) example: String,
}

impl Replaced {
    /// Counts them. Totals of a counter replace nothing.
    pub(crate) fn of(batches: &[KpiBatch]) -> Self {
        let mut found = Self::default();
        for batch in batches {
            for series in batch.series.iter().filter(|series| series.reading == Reading::Gauge) {
                let times = series.rows.iter().map(|(_, sample)| sample.timestamp_ms);
                if times.clone().is_sorted_by(|a, b| a < b) {
                    continue;
                }
                let mut times: Vec<i64> = times.collect();
                times.sort_unstable();
                let repeated = times.windows(2).filter(|pair| pair[0] == pair[1]);
                let mut repeated = repeated.map(|pair| pair[0]).peekable();
                if let (0, Some(first)) = (found.count, repeated.peek()) {
                    let labels =
                        if series.labels.is_empty() { String::new() } else { format!("{{{}}}", series.labels) };
                    found.example = format!("{}{labels} at {}", batch.kpi, rfc3339(*first));
                }
                found.count += repeated.count() as u64;
            }
        }
        found
    }

    /// A sentence about them. `None` if there are none.
    pub(crate) fn note(&self) -> Option<String> {
        let samples = counted(self.count, "sample has", "samples have");
        (self.count > 0).then(|| {
            format!(
                "{samples} the same series and time as an earlier one of the request, such as {}: the later value \
                 replaces the earlier one; `late` counts them too",
                self.example
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiName, Labels, Sample, SeriesBatch};

    #[test]
    fn samples_of_one_series_and_time_are_counted() {
        let series = |labels: &str, reading, times: &[i64]| SeriesBatch {
            reading,
            rows: times.iter().map(|at| (0, Sample { timestamp_ms: *at, value: 1.0 })).collect(),
            ..SeriesBatch::gauge(Labels::parse(labels).unwrap(), None)
        };
        let batch = |series| vec![KpiBatch { kpi: KpiName::new("a").unwrap(), series }];
        let apart = batch(vec![series("", Reading::Gauge, &[1, 2, 0]), series("r:eu", Reading::Gauge, &[1, 2])]);
        assert_eq!(Replaced::of(&apart).note(), None);
        let alike = batch(vec![
            series("", Reading::Counter, &[1, 1]),
            series("r:eu", Reading::Gauge, &[0, 5, 0, 5, 5]),
            series("r:us", Reading::Gauge, &[7, 7]),
        ]);
        let note = Replaced::of(&alike).note().unwrap();
        assert!(note.starts_with("4 samples have the same series and time"), "{note}");
        assert!(note.contains("such as a{r:eu} at 1970-01-01T00:00:00Z: the later value replaces"), "{note}");
    }
}
