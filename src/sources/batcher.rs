//! Groups samples of a file into batches. Pure.

use super::SourceSample;

/// Samples due within this many milliseconds of each other share a batch. Viewers cannot see the
/// difference.
const TOGETHER_MS: f64 = 50.0;

/// Groups consecutive samples into batches.
///
/// A batch ends when it is full, or before a sample that is due noticeably later than the first of
/// the batch.
#[derive(Debug)]
pub struct Batcher {
    most: usize,
    span_ms: i64,
    batch: Vec<SourceSample>,
}

impl Batcher {
    /// At most `most` samples per batch. `speed` seconds of the file pass in one second. With 0, as
    /// fast as possible, all batches are full.
    pub fn new(most: usize, speed: f64) -> Self {
        let span_ms = if speed > 0.0 { (speed * TOGETHER_MS) as i64 } else { i64::MAX };
        Self { most: most.max(1), span_ms, batch: Vec::new() }
    }

    /// Adds a sample. Returns the previous batch if the sample starts a new one.
    pub fn push(&mut self, sample: SourceSample) -> Option<Vec<SourceSample>> {
        let belongs = self.batch.first().is_none_or(|first| {
            let later_ms = sample.sample.timestamp_ms.saturating_sub(first.sample.timestamp_ms);
            later_ms <= self.span_ms && self.batch.len() < self.most
        });
        let done = (!belongs).then(|| self.finish());
        self.batch.push(sample);
        done
    }

    /// Returns the last batch, which may be empty.
    pub fn finish(&mut self) -> Vec<SourceSample> {
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use earcon_model::{KpiName, Labels, Sample};

    fn batches(most: usize, speed: f64, times: &[i64]) -> Vec<Vec<i64>> {
        let mut batcher = Batcher::new(most, speed);
        let kpi = KpiName::new("a").unwrap();
        let sample = |timestamp_ms| SourceSample {
            kpi: kpi.clone(),
            labels: Labels::none(),
            sample: Sample { timestamp_ms, value: 0.0 },
        };
        let mut done: Vec<_> = times.iter().filter_map(|&time| batcher.push(sample(time))).collect();
        done.push(batcher.finish());
        done.into_iter().map(|batch| batch.iter().map(|s| s.sample.timestamp_ms).collect()).collect()
    }

    #[test]
    fn samples_of_one_time_share_a_batch() {
        assert_eq!(batches(1_000, 1.0, &[0, 0, 1_000, 1_000, 2_000]), [vec![0, 0], vec![1_000, 1_000], vec![2_000]]);
    }

    #[test]
    fn nearly_simultaneous_samples_share_a_batch_at_high_speed() {
        assert_eq!(batches(1_000, 100.0, &[0, 1_000, 5_000, 6_000]), [vec![0, 1_000, 5_000], vec![6_000]]);
    }

    #[test]
    fn speed_zero_fills_batches() {
        assert_eq!(batches(2, 0.0, &[0, 1_000_000, 2_000_000]), [vec![0, 1_000_000], vec![2_000_000]]);
    }

    proptest! {
        #[test]
        fn batching_keeps_all_samples_in_order(times in prop::collection::vec(any::<i64>(), 0..200), most in 1usize..20, speed in 0.0f64..1e9) {
            let batches = batches(most, speed, &times);
            prop_assert!(batches.iter().all(|batch| batch.len() <= most));
            prop_assert_eq!(batches.concat(), times);
        }
    }
}
