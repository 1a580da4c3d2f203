//! Rows that a KPI refuses one by one, with the reasons.

use earcon_model::{KpiBatch, KpiName, RejectedRow, SeriesBatch, TooOld};
use earcon_streams::{Rejection, StreamSettings, check_sample};

/// Refused rows, and those among them that history does not keep.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// Each row with its reason.
    pub rows: Vec<RejectedRow>,
    /// The rows that are too old.
    pub too_old: Option<TooOld>,
    /// How many of the rows hold no sample, but end a series.
    pub ends: u64,
    /// How many of the rows would have begun a series or a KPI beyond a limit.
    pub limited: u64,
}

impl Refusals {
    /// The rows of a KPI that its scoring refused.
    pub fn of(kpi: &KpiName, rejected: Vec<(u32, Rejection)>, ends: u64) -> Self {
        let too_old = rejected.iter().filter_map(|(row, rejection)| match *rejection {
            Rejection::TooOld { timestamp_ms, max_age_ms } => {
                Some(TooOld { count: 1, oldest_ms: timestamp_ms, kpi: kpi.clone(), row: *row, max_age_ms })
            }
            _ => None,
        });
        let too_old = too_old.fold(None, |all, one| TooOld::merge(all, Some(one)));
        let is_limit =
            |rejection: &Rejection| matches!(rejection, Rejection::NoRoom(_) | Rejection::TooManySeries { .. });
        let limited = rejected.iter().filter(|(_, rejection)| is_limit(rejection)).count() as u64;
        let row = |(row, reason): (u32, Rejection)| RejectedRow { row, error: reason.to_string() };
        Self { rows: rejected.into_iter().map(row).collect(), too_old, ends, limited }
    }

    /// The rows of a new KPI that a limit refuses.
    pub fn of_new_kpi(batch: &KpiBatch, reason: &str) -> Self {
        let rows = batch.rows().chain(batch.end_rows());
        let rows: Vec<_> = rows.map(|row| RejectedRow { row, error: reason.to_owned() }).collect();
        let ends = batch.end_rows().count() as u64;
        let limited = rows.len() as u64 - ends;
        Self { rows, too_old: None, ends, limited }
    }

    /// Adds others of the same request.
    pub fn add(&mut self, other: Refusals) {
        self.rows.extend(other.rows);
        self.ends += other.ends;
        self.limited += other.limited;
        self.too_old = TooOld::merge(self.too_old.take(), other.too_old);
    }
}

/// Whether a sample of the batch would be taken at `now_ms`. If none is, the batch creates nothing.
pub fn has_good_sample(batch: &KpiBatch, settings: &StreamSettings, now_ms: i64) -> bool {
    batch.series.iter().any(|series| {
        series.rows.iter().any(|(_, sample)| check_sample(settings, *sample, series.reading, now_ms).is_ok())
    })
}

/// The refusals of all samples of a batch that has no good one.
pub fn refusals(batch: &KpiBatch, settings: &StreamSettings, now_ms: i64) -> Refusals {
    let of_series = |series: &SeriesBatch| {
        let reading = series.reading;
        let check = |&(row, sample)| Some((row, check_sample(settings, sample, reading, now_ms).err()?));
        let end = series.ended_row.map(|row| (row, Rejection::NoSuchSeries));
        series.rows.iter().filter_map(check).chain(end).collect::<Vec<_>>()
    };
    let ends = batch.end_rows().count() as u64;
    Refusals::of(&batch.kpi, batch.series.iter().flat_map(of_series).collect(), ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{Labels, Sample};
    use earcon_streams::StreamOptions;

    fn batch(kpi: &str, times: &[i64]) -> KpiBatch {
        let sample =
            |(row, timestamp_ms): (usize, &i64)| (row as u32, Sample { timestamp_ms: *timestamp_ms, value: 1.0 });
        let series = vec![SeriesBatch::gauge(Labels::none(), times.iter().enumerate().map(sample))];
        KpiBatch { kpi: KpiName::new(kpi).unwrap(), series }
    }

    #[test]
    fn rows_beyond_a_limit_of_series_or_kpis_are_counted() {
        let kpi = KpiName::new("a").unwrap();
        let rejected =
            [Rejection::TooManySeries { max_series: 1 }, Rejection::NotFinite, Rejection::NoRoom("full".into())];
        let mut all = Refusals::of(&kpi, (0..).zip(rejected).collect(), 0);
        assert_eq!((all.rows.len(), all.limited), (3, 2));
        let mut new = batch("b", &[1, 2]);
        new.series[0].ended_row = Some(2);
        all.add(Refusals::of_new_kpi(&new, "too many"));
        assert_eq!((all.rows.len(), all.ends, all.limited), (6, 1, 4));
    }

    #[test]
    fn samples_that_are_too_old_are_counted_with_the_oldest_and_the_first() {
        let options = StreamOptions { max_age_ms: 1_000, ..StreamOptions::default() };
        let (settings, now_ms) = (StreamSettings::try_from(options).unwrap(), 10_000);
        let late = batch("late", &[9_000, 8_999]);
        assert!(has_good_sample(&late, &settings, now_ms));
        let mut all = refusals(&late, &settings, now_ms);
        assert_eq!(all.rows.iter().map(|refused| refused.row).collect::<Vec<_>>(), [1]);
        let old = batch("old", &[5, 7, i64::MAX]);
        assert!(!has_good_sample(&old, &settings, now_ms));
        all.add(refusals(&old, &settings, now_ms));
        assert_eq!(all.rows.len(), 4);
        let too_old = all.too_old.unwrap();
        assert_eq!((too_old.count, too_old.oldest_ms, too_old.kpi.as_str(), too_old.row), (3, 5, "old", 0));
    }
}
