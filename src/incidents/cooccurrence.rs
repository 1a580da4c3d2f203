//! Which series tend to become anomalous together, and which of the two first: counts over past episodes.
//!
//! Stands in for the correlation of residuals: what is compared are the few moments that matter, and it costs nothing while
//! nothing happens. Bounded in series and in pairs.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use earcon_model::SeriesId;

/// Onsets at most so far apart are together, milliseconds.
const TOGETHER_MS: i64 = 60_000;
/// An onset is compared with at most so many before it, so that a storm does not fill the table.
const NEIGHBOURS: usize = 16;
const MAX_SERIES: usize = 20_000;
const MAX_PAIRS: usize = 20_000;
/// Counts are halved when one reaches this, so that what is long ago fades.
const FADE_AT: u16 = 64;
/// Together at least so often …
const LEAST: u16 = 3;
/// … in at least this share of the episodes of the one with fewer …
const SHARE: f64 = 0.6;
/// … and so many times as often as chance would have it.
const LIFT: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Known {
    episodes: u16,
    last_onset_ms: i64,
    /// Onset of the first counted episode: with `episodes` it gives how often they come.
    since_ms: i64,
    /// Usual time between its samples; 0 while unknown.
    spacing_ms: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Pair {
    together: u16,
    /// How often the one with the smaller identifier came first.
    smaller_first: u16,
    greater_first: u16,
}

/// The counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CooccurrenceStats {
    series: BTreeMap<SeriesId, Known>,
    pairs: BTreeMap<(SeriesId, SeriesId), Pair>,
    recent: VecDeque<(SeriesId, i64)>,
}

impl CooccurrenceStats {
    /// Counts the onset of an episode.
    pub(super) fn note(&mut self, id: SeriesId, onset_ms: i64) {
        self.make_room();
        let known = self.series.entry(id).or_insert(Known {
            episodes: 0,
            last_onset_ms: onset_ms,
            since_ms: onset_ms,
            spacing_ms: 0,
        });
        known.episodes = known.episodes.saturating_add(1);
        known.last_onset_ms = known.last_onset_ms.max(onset_ms);
        known.since_ms = known.since_ms.min(onset_ms);
        let fade = known.episodes >= FADE_AT;
        if fade {
            // The rate stays what it was: half as many in half the time.
            known.episodes /= 2;
            known.since_ms += (known.last_onset_ms - known.since_ms) / 2;
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
                *pair = Pair {
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

    /// Learns how often a series sends, from an episode.
    pub(super) fn learn_spacing(&mut self, id: SeriesId, opened_at_ms: i64, last_at_ms: i64, samples: u32) {
        if samples >= 2
            && let Some(known) = self.series.get_mut(&id)
        {
            known.spacing_ms = last_at_ms.saturating_sub(opened_at_ms) / i64::from(samples - 1);
        }
    }

    /// Usual time between the samples of a series, milliseconds; 0 while unknown.
    pub(super) fn spacing_ms(&self, id: SeriesId) -> i64 {
        self.series.get(&id).map_or(0, |known| known.spacing_ms)
    }

    /// Whether two series have usually become anomalous together, more than chance explains.
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

    /// The series that became anomalous last.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = SeriesId> {
        self.recent.iter().map(|(id, _)| *id)
    }

    /// By how many episodes `a` came before `b` more often than after it.
    pub(super) fn precedence(&self, a: SeriesId, b: SeriesId) -> i32 {
        let Some(pair) = self.pairs.get(&(a.min(b), a.max(b))) else { return 0 };
        let smaller = i32::from(pair.smaller_first) - i32::from(pair.greater_first);
        if a < b { smaller } else { -smaller }
    }

    /// Forgets a quarter of the pairs, those met least first, and of the series, those quiet for longest, when there is no room.
    fn make_room(&mut self) {
        if self.pairs.len() + NEIGHBOURS > MAX_PAIRS {
            let mut counts: Vec<_> = self.pairs.iter().map(|(key, pair)| (pair.together, *key)).collect();
            counts.sort_unstable();
            for (_, key) in &counts[..MAX_PAIRS / 4] {
                self.pairs.remove(key);
            }
        }
        if self.series.len() >= MAX_SERIES {
            let mut onsets: Vec<_> = self.series.iter().map(|(id, known)| (known.last_onset_ms, *id)).collect();
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
    fn series_that_opened_together_before_are_companions() {
        let mut seen = CooccurrenceStats::default();
        for hour in 0..3 {
            assert!(!seen.are_companions(id(1), id(2)));
            seen.note(id(1), hour * HOUR);
            seen.note(id(2), hour * HOUR + 5_000);
            seen.note(id(3), hour * HOUR + 30 * 60_000);
        }
        assert!(seen.are_companions(id(1), id(2)) && seen.are_companions(id(2), id(1)));
        assert!(!seen.are_companions(id(1), id(3)));
        assert_eq!((seen.precedence(id(1), id(2)), seen.precedence(id(2), id(1))), (3, -3));
    }

    #[test]
    fn series_that_are_anomalous_all_the_time_meet_by_chance() {
        let mut seen = CooccurrenceStats::default();
        for minute in 0..200 {
            seen.note(id(1), minute * 60_000);
            seen.note(id(2), minute * 60_000 + 25_000);
        }
        assert!(!seen.are_companions(id(1), id(2)));
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut seen = CooccurrenceStats::default();
        for n in 0..60_000 {
            seen.note(id(n), n as i64);
        }
        assert!(seen.pairs.len() <= MAX_PAIRS && seen.series.len() <= MAX_SERIES && seen.recent.len() <= NEIGHBOURS);
    }
}
