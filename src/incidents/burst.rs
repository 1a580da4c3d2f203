//! Detects that unusually many KPIs become anomalous at once, which suggests a common cause.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use earcon_model::KpiName;

/// Largest time between two onsets of one burst, milliseconds.
pub(super) const BURST_MS: i64 = 60_000;
/// Fewest KPIs of a burst in a large workspace. In a smaller one it is half of its KPIs, …
const LEAST_KPIS: u32 = 8;
/// … but at least this many.
const FEWEST_KPIS: u32 = 3;
/// How many times the usual number of onsets per minute a burst has at least.
const TIMES_USUAL: f64 = 5.0;
/// Time constant of the mean that gives the usual number of onsets, milliseconds.
const MEMORY_MS: f64 = 86_400_000.0;
const MAX_RECENT: usize = 4_096;

/// The onsets of the last minute, and how many are usual.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bursts {
    /// In the order of arrival.
    recent: VecDeque<(i64, KpiName)>,
    /// Number of recent onsets of each KPI.
    kpis: BTreeMap<KpiName, u32>,
    /// Onsets per minute, exponentially averaged.
    usual: f64,
    newest_ms: Option<i64>,
}

impl Bursts {
    /// Counts an onset in a workspace with this many KPIs (0: unknown). Returns whether it is part
    /// of a burst.
    pub(super) fn record_onset(&mut self, onset_ms: i64, kpi: &KpiName, kpis: u32) -> bool {
        let least = if kpis == 0 { LEAST_KPIS } else { kpis.div_ceil(2).clamp(FEWEST_KPIS, LEAST_KPIS) };
        let threshold = (TIMES_USUAL * self.usual).max(f64::from(least));
        let newest = self.newest_ms.map_or(onset_ms, |newest| newest.max(onset_ms));
        let passed = self.newest_ms.map_or(0, |before| newest.saturating_sub(before)) as f64;
        self.usual = self.usual * (-passed / MEMORY_MS).exp() + 60_000.0 / MEMORY_MS;
        self.newest_ms = Some(newest);
        let is_old = |at: i64| newest.saturating_sub(at) > BURST_MS;
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

    #[test]
    fn eighth_kpi_within_a_minute_makes_a_burst() {
        let mut bursts = Bursts::default();
        let bursts_seen: Vec<_> = (0..10).map(|n| bursts.record_onset(n as i64 * 1_000, &kpi(n), 0)).collect();
        assert_eq!(bursts_seen.iter().position(|burst| *burst), Some(7));
        let mut slow = Bursts::default();
        assert!((0..100).all(|n| !slow.record_onset(n as i64 * 10_000, &kpi(n), 0)));
        let mut one = Bursts::default();
        assert!(
            (0..100).all(|n| !one.record_onset(n as i64, &kpi(0), 0)),
            "one KPI, however many series it has, is not many KPIs"
        );
    }

    #[test]
    fn frequent_onsets_raise_the_threshold() {
        let mut bursts = Bursts::default();
        // Six a minute for two days.
        for n in 0..2 * 1_440 * 6 {
            bursts.record_onset(n as i64 * 10_000, &kpi(n % 500), 0);
        }
        assert!((4.0..7.0).contains(&bursts.usual), "{}", bursts.usual);
        let begin = 2 * 1_440 * 60_000;
        assert!((0..15).all(|n| !bursts.record_onset(begin + n as i64, &kpi(n + 1_000), 0)));
        assert!((0..40).any(|n| bursts.record_onset(begin + n as i64, &kpi(n + 2_000), 0)));
    }
}
