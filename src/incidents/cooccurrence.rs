//! Counts over past episodes which series become anomalous together, and which of the two first.
//!
//! A cheap substitute for correlating residuals: only onsets are compared, so it costs nothing
//! between anomalies. The number of series and of pairs is bounded.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use earcon_model::SeriesId;

/// Largest time between onsets that count as simultaneous, milliseconds.
const TOGETHER_MS: i64 = 60_000;
/// Each onset is compared with at most this many before it, so that a storm cannot fill the table.
const NEIGHBOURS: usize = 16;
const MAX_SERIES: usize = 20_000;
const MAX_PAIRS: usize = 20_000;
/// Counts are halved when one of them reaches this, so that old episodes lose weight.
const FADE_AT: u16 = 64;
/// Companions were simultaneous at least this often, …
const LEAST: u16 = 3;
/// … in at least this share of the episodes of the series with fewer episodes, …
const SHARE: f64 = 0.6;
/// … and this many times as often as chance predicts.
const LIFT: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct SeriesStats {
    episodes: u16,
    last_onset_ms: i64,
    /// Onset of the first counted episode. Together with `episodes` it gives their rate.
    since_ms: i64,
    /// Usual time between samples, milliseconds. 0 while unknown.
    spacing_ms: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct PairStats {
    together: u16,
    /// How often the series with the smaller identifier came first.
    smaller_first: u16,
    greater_first: u16,
}

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CooccurrenceStats {
    series: BTreeMap<SeriesId, SeriesStats>,
    pairs: BTreeMap<(SeriesId, SeriesId), PairStats>,
    recent: VecDeque<(SeriesId, i64)>,
}

impl CooccurrenceStats {
    /// Counts the onset of an episode.
    pub(super) fn record_onset(&mut self, id: SeriesId, onset_ms: i64) {
        self.make_room();
        let stats = self.series.entry(id).or_insert(SeriesStats {
            episodes: 0,
            last_onset_ms: onset_ms,
            since_ms: onset_ms,
            spacing_ms: 0,
        });
        stats.episodes = stats.episodes.saturating_add(1);
        stats.last_onset_ms = stats.last_onset_ms.max(onset_ms);
        stats.since_ms = stats.since_ms.min(onset_ms);
        let fade = stats.episodes >= FADE_AT;
        if fade {
            // Keeps the rate: half as many episodes in half the time.
            stats.episodes /= 2;
            stats.since_ms += (stats.last_onset_ms - stats.since_ms) / 2;
        }
        for &(other, at_ms) in &self.recent {
            if other == id || onset_ms.saturating_sub(at_ms).saturating_abs() > TOGETHER_MS {
                continue;
            }
            let pair = self.pairs.entry((id.min(other), id.max(other))).or_default();
            pair.together = pair.together.saturating_add(1);
            let first = match at_ms.cmp(&onset_ms) {
                std::cmp::Ordering::Less => Some(other),
                std::cmp::Ordering::Greater => Some(id),
                std::cmp::Ordering::Equal => None,
            };
            match first {
                Some(first) if first == id.min(other) => pair.smaller_first = pair.smaller_first.saturating_add(1),
                Some(_) => pair.greater_first = pair.greater_first.saturating_add(1),
                None => {}
            }
            if pair.together >= FADE_AT {
                *pair = PairStats {
                    together: pair.together / 2,
                    smaller_first: pair.smaller_first / 2,
                    greater_first: pair.greater_first / 2,
                };
            }
        }
        self.recent.retain(|(other, _)| *other != id);
        self.recent.push_back((id, onset_ms));
        if self.recent.len() > NEIGHBOURS {
            self.recent.pop_front();
        }
    }

    /// Estimates from an episode how often a series sends samples.
    pub(super) fn learn_spacing(&mut self, id: SeriesId, opened_at_ms: i64, last_at_ms: i64, samples: u32) {
        if samples >= 2
            && let Some(stats) = self.series.get_mut(&id)
        {
            stats.spacing_ms = last_at_ms.saturating_sub(opened_at_ms) / i64::from(samples - 1);
        }
    }

    /// Usual time between the samples of a series, milliseconds; 0 while unknown.
    pub(super) fn spacing_ms(&self, id: SeriesId) -> i64 {
        self.series.get(&id).map_or(0, |stats| stats.spacing_ms)
    }

    /// Whether two series became anomalous together more often than chance explains.
    pub(super) fn are_companions(&self, a: SeriesId, b: SeriesId) -> bool {
        let (Some(pair), Some(x), Some(y)) =
            (self.pairs.get(&(a.min(b), a.max(b))), self.series.get(&a), self.series.get(&b))
        else {
            return false;
        };
        let together = f64::from(pair.together);
        let span_ms = (x.last_onset_ms.max(y.last_onset_ms) - x.since_ms.min(y.since_ms)).max(TOGETHER_MS) as f64;
        let by_chance = f64::from(x.episodes) * f64::from(y.episodes) * (2 * TOGETHER_MS) as f64 / span_ms;
        pair.together >= LEAST
            && together >= SHARE * f64::from(x.episodes.min(y.episodes))
            && together >= (LIFT * by_chance).min(f64::from(FADE_AT))
    }

    /// The series with the latest onsets.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = SeriesId> {
        self.recent.iter().map(|(id, _)| *id)
    }

    /// The number of episodes in which `a` came before `b`, minus those in which it came after.
    pub(super) fn precedence(&self, a: SeriesId, b: SeriesId) -> i32 {
        let Some(pair) = self.pairs.get(&(a.min(b), a.max(b))) else { return 0 };
        let smaller = i32::from(pair.smaller_first) - i32::from(pair.greater_first);
        if a < b { smaller } else { -smaller }
    }

    /// If there is no room, removes a quarter: the rarest pairs, and the series whose last onset is
    /// oldest.
    fn make_room(&mut self) {
        if self.pairs.len() + NEIGHBOURS > MAX_PAIRS {
            let mut pairs: Vec<_> = self.pairs.iter().map(|(key, pair)| (pair.together, *key)).collect();
            pairs.sort_unstable();
            for (_, key) in &pairs[..MAX_PAIRS / 4] {
                self.pairs.remove(key);
            }
        }
        if self.series.len() >= MAX_SERIES {
            let mut onsets: Vec<_> = self.series.iter().map(|(id, stats)| (stats.last_onset_ms, *id)).collect();
            onsets.sort_unstable();
            for (_, id) in &onsets[..MAX_SERIES / 4] {
                self.series.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn id(n: u128) -> SeriesId {
        SeriesId(n)
    }

    #[test]
    fn series_with_repeated_common_onsets_are_companions() {
        let mut counts = CooccurrenceStats::default();
        for hour in 0..3 {
            assert!(!counts.are_companions(id(1), id(2)));
            counts.record_onset(id(1), hour * HOUR);
            counts.record_onset(id(2), hour * HOUR + 5_000);
            counts.record_onset(id(3), hour * HOUR + 30 * 60_000);
        }
        assert!(counts.are_companions(id(1), id(2)) && counts.are_companions(id(2), id(1)));
        assert!(!counts.are_companions(id(1), id(3)));
        assert_eq!((counts.precedence(id(1), id(2)), counts.precedence(id(2), id(1))), (3, -3));
    }

    #[test]
    fn constantly_anomalous_series_are_no_companions() {
        let mut counts = CooccurrenceStats::default();
        for minute in 0..200 {
            counts.record_onset(id(1), minute * 60_000);
            counts.record_onset(id(2), minute * 60_000 + 25_000);
        }
        assert!(!counts.are_companions(id(1), id(2)));
    }

    #[test]
    fn tables_are_bounded() {
        let mut counts = CooccurrenceStats::default();
        for n in 0..60_000 {
            counts.record_onset(id(n), n as i64);
        }
        assert!(
            counts.pairs.len() <= MAX_PAIRS && counts.series.len() <= MAX_SERIES && counts.recent.len() <= NEIGHBOURS
        );
    }
}
