//! When samples of a file are due, and which of them travel together. Pure: the time that has passed is handed in.

use std::time::Duration;

use crate::sources::SourceSample;

/// Samples that are due within this many milliseconds of each other travel together; nobody sees the difference.
const TOGETHER_MS: f64 = 50.0;

/// Says how long to wait until a batch is due.
///
/// Counts from the first batch and not from the one before, so that late batches are caught up with and no error adds up.
#[derive(Debug, Clone)]
pub struct Pacer {
    speed: f64,
    origin_ms: Option<i64>,
}

impl Pacer {
    /// `speed` seconds of the file pass in one second; 0 is as fast as possible.
    pub fn new(speed: f64) -> Self {
        Self { speed, origin_ms: None }
    }

    /// How long to wait until a batch with samples up to `timestamp_ms` is due, `elapsed` after the start.
    ///
    /// Nothing for the first batch, for one that is overdue, and for one that goes back in time.
    pub fn wait(&mut self, timestamp_ms: i64, elapsed: Duration) -> Duration {
        let origin = *self.origin_ms.get_or_insert(timestamp_ms);
        let ahead_ms = timestamp_ms.saturating_sub(origin);
        if self.speed <= 0.0 || ahead_ms <= 0 {
            return Duration::ZERO;
        }
        let due = Duration::try_from_secs_f64(ahead_ms as f64 / 1e3 / self.speed).unwrap_or(Duration::MAX);
        due.saturating_sub(elapsed)
    }
}

/// Puts samples that follow each other into batches.
///
/// A batch ends when it is full, or when a sample comes that is due noticeably later than the batch's first.
#[derive(Debug)]
pub struct Batcher {
    most: usize,
    span_ms: i64,
    batch: Vec<SourceSample>,
}

impl Batcher {
    /// At most `most` samples a batch, at `speed` as in [`Pacer::new`]; as fast as possible means full batches.
    pub fn new(most: usize, speed: f64) -> Self {
        let span_ms = if speed > 0.0 { (speed * TOGETHER_MS) as i64 } else { i64::MAX };
        Self { most: most.max(1), span_ms, batch: Vec::new() }
    }

    /// Takes a sample; gives back the batch before it when the sample does not belong to it any more.
    pub fn push(&mut self, sample: SourceSample) -> Option<Vec<SourceSample>> {
        let belongs = self.batch.first().is_none_or(|first| {
            let later_ms = sample.sample.timestamp_ms.saturating_sub(first.sample.timestamp_ms);
            later_ms <= self.span_ms && self.batch.len() < self.most
        });
        let done = (!belongs).then(|| self.finish());
        self.batch.push(sample);
        done
    }

    /// Gives back what is left, which may be nothing.
    pub fn finish(&mut self) -> Vec<SourceSample> {
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use earcon_model::{KpiName, Labels, Sample};

    const SECOND: Duration = Duration::from_secs(1);

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
    fn a_batch_is_due_when_its_time_has_come() {
        let mut pacer = Pacer::new(1.0);
        assert_eq!(pacer.wait(5_000, Duration::ZERO), Duration::ZERO);
        assert_eq!(pacer.wait(8_000, SECOND), 2 * SECOND);
        assert_eq!(pacer.wait(8_000, 4 * SECOND), Duration::ZERO);
        assert_eq!(pacer.wait(9_000, 2 * SECOND), 2 * SECOND);
    }

    #[test]
    fn speed_divides_the_wait() {
        let mut pacer = Pacer::new(60.0);
        pacer.wait(0, Duration::ZERO);
        assert_eq!(pacer.wait(3_600_000, SECOND), 59 * SECOND);
    }

    #[test]
    fn as_fast_as_possible_never_waits() {
        let mut pacer = Pacer::new(0.0);
        pacer.wait(0, Duration::ZERO);
        assert_eq!(pacer.wait(i64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn going_back_in_time_does_not_wait_and_shifts_nothing() {
        let mut pacer = Pacer::new(1.0);
        pacer.wait(10_000, Duration::ZERO);
        assert_eq!(pacer.wait(2_000, SECOND), Duration::ZERO);
        assert_eq!(pacer.wait(12_000, SECOND), SECOND);
    }

    #[test]
    fn absurd_spans_wait_long_instead_of_panicking() {
        let mut pacer = Pacer::new(1e-300);
        pacer.wait(i64::MIN, Duration::ZERO);
        assert_eq!(pacer.wait(i64::MAX, Duration::ZERO), Duration::MAX);
    }

    #[test]
    fn samples_of_one_time_travel_together() {
        assert_eq!(batches(1_000, 1.0, &[0, 0, 1_000, 1_000, 2_000]), [vec![0, 0], vec![1_000, 1_000], vec![2_000]]);
    }

    #[test]
    fn at_high_speed_what_is_due_at_nearly_one_moment_travels_together() {
        assert_eq!(batches(1_000, 100.0, &[0, 1_000, 5_000, 6_000]), [vec![0, 1_000, 5_000], vec![6_000]]);
    }

    #[test]
    fn as_fast_as_possible_fills_batches() {
        assert_eq!(batches(2, 0.0, &[0, 1_000_000, 2_000_000]), [vec![0, 1_000_000], vec![2_000_000]]);
    }

    proptest! {
        #[test]
        fn batching_keeps_every_sample_in_its_order(times in prop::collection::vec(any::<i64>(), 0..200), most in 1usize..20, speed in 0.0f64..1e9) {
            let batches = batches(most, speed, &times);
            prop_assert!(batches.iter().all(|batch| batch.len() <= most));
            prop_assert_eq!(batches.concat(), times);
        }
    }
}
