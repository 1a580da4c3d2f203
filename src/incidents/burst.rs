//! Detects that unusually many KPIs become anomalous at once, which suggests a common cause.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use earcon_model::KpiName;

/// Largest time between two onsets of one burst, milliseconds.
pub(super) const BURST_MS: i64 = 60_000;
/// The same for weak onsets. A slight change of many KPIs is noticed in each after another number
/// of samples.
pub(super) const SLOW_BURST_MS: i64 = 900_000;
/// Fewest KPIs of a burst in a large workspace. In a smaller one it is half of its KPIs, …
const LEAST_KPIS: u32 = 8;
/// … but at least this many.
const FEWEST_KPIS: u32 = 3;
/// How many times the usual number of onsets a burst has at least.
const TIMES_USUAL: f64 = 5.0;
/// Time constant of the mean that gives the usual number of onsets, milliseconds.
const MEMORY_MS: f64 = 86_400_000.0;
const MAX_RECENT: usize = 4_096;

/// The recent onsets: all of the last minute, and the weak ones of the last quarter of an hour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bursts {
    all: Onsets,
    weak: Onsets,
}

/// The onsets of a span of time, and how many are usual.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Onsets {
    /// In the order of arrival.
    recent: VecDeque<(i64, KpiName)>,
    /// Number of recent onsets of each KPI.
    kpis: BTreeMap<KpiName, u32>,
    /// Onsets per span, exponentially averaged.
    usual: f64,
    newest_ms: Option<i64>,
}

impl Bursts {
    /// Counts an onset in a workspace with this many KPIs (0: unknown). Returns the span of the
    /// burst that it is part of, if any, in milliseconds.
    pub(super) fn record_onset(&mut self, onset_ms: i64, kpi: &KpiName, weak: bool, kpis: u32) -> Option<i64> {
        let least = if kpis == 0 { LEAST_KPIS } else { kpis.div_ceil(2).clamp(FEWEST_KPIS, LEAST_KPIS) };
        let fast = self.all.record(onset_ms, kpi, BURST_MS, least);
        // A quarter of an hour is long enough for eight chances in a large workspace.
        let half = if kpis == 0 { u32::MAX } else { kpis.div_ceil(2).max(FEWEST_KPIS) };
        let slow = weak && self.weak.record(onset_ms, kpi, SLOW_BURST_MS, half);
        fast.then_some(BURST_MS).or(slow.then_some(SLOW_BURST_MS))
    }
}

impl Onsets {
    /// Counts an onset. Returns whether the span holds unusually many, of at least so many KPIs.
    fn record(&mut self, onset_ms: i64, kpi: &KpiName, span_ms: i64, least: u32) -> bool {
        let threshold = (TIMES_USUAL * self.usual).max(f64::from(least));
        let newest = self.newest_ms.map_or(onset_ms, |newest| newest.max(onset_ms));
        let passed = self.newest_ms.map_or(0, |before| newest.saturating_sub(before)) as f64;
        self.usual = self.usual * (-passed / MEMORY_MS).exp() + span_ms as f64 / MEMORY_MS;
        self.newest_ms = Some(newest);
        let is_old = |at: i64| newest.saturating_sub(at) > span_ms;
        while self.recent.front().is_some_and(|(at, _)| is_old(*at)) || self.recent.len() >= MAX_RECENT {
            let Some((_, kpi)) = self.recent.pop_front() else { break };
            if let Some(count) = self.kpis.get_mut(&kpi) {
                *count -= 1;
                if *count == 0 {
                    self.kpis.remove(&kpi);
                }
            }
        }
        if is_old(onset_ms) {
            return false;
        }
        self.recent.push_back((onset_ms, kpi.clone()));
        *self.kpis.entry(kpi.clone()).or_default() += 1;
        self.kpis.len() as f64 >= threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kpi(n: usize) -> KpiName {
        KpiName::new(&format!("k{n}")).unwrap()
    }

    fn strong(bursts: &mut Bursts, onset_ms: i64, n: usize) -> bool {
        bursts.record_onset(onset_ms, &kpi(n), false, 0).is_some()
    }

    #[test]
    fn eighth_kpi_within_a_minute_makes_a_burst() {
        let mut bursts = Bursts::default();
        let bursts_seen: Vec<_> = (0..10).map(|n| strong(&mut bursts, n as i64 * 1_000, n)).collect();
        assert_eq!(bursts_seen.iter().position(|burst| *burst), Some(7));
        let mut slow = Bursts::default();
        assert!((0..100).all(|n| !strong(&mut slow, n as i64 * 10_000, n)));
        let mut one = Bursts::default();
        assert!(
            (0..100).all(|n| !strong(&mut one, n as i64, 0)),
            "one KPI, however many series it has, is not many KPIs"
        );
    }

    #[test]
    fn weak_onsets_of_half_the_kpis_within_a_quarter_of_an_hour_are_a_slow_burst() {
        let mut bursts = Bursts::default();
        let onset = |bursts: &mut Bursts, minute: i64, n: usize, weak: bool| {
            bursts.record_onset(minute * 60_000, &kpi(n), weak, 8)
        };
        let seen: Vec<_> = (0..4).map(|n| onset(&mut bursts, 3 * n as i64, n, true)).collect();
        assert_eq!(seen, [None, None, None, Some(SLOW_BURST_MS)]);
        let mut strong = Bursts::default();
        assert!((0..8).all(|n| onset(&mut strong, 3 * n as i64, n, false).is_none()));
        let mut apart = Bursts::default();
        assert!((0..8).all(|n| onset(&mut apart, 6 * n as i64, n, true).is_none()));
    }

    #[test]
    fn frequent_onsets_raise_the_threshold() {
        let mut bursts = Bursts::default();
        // Six a minute for two days.
        for n in 0..2 * 1_440 * 6 {
            strong(&mut bursts, n as i64 * 10_000, n % 500);
        }
        assert!((4.0..7.0).contains(&bursts.all.usual), "{}", bursts.all.usual);
        let begin = 2 * 1_440 * 60_000;
        assert!((0..15).all(|n| !strong(&mut bursts, begin + n as i64, n + 1_000)));
        assert!((0..40).any(|n| strong(&mut bursts, begin + n as i64, n + 2_000)));
    }
}
