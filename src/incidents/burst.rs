//! Noticing that unusually many KPIs become anomalous at once: a common cause, whatever they have in common.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use earcon_model::KpiName;

/// Onsets at most so far apart can be of one burst, milliseconds.
pub(super) const BURST_MS: i64 = 60_000;
/// At least so many KPIs, …
const LEAST_KPIS: usize = 8;
/// … and so many times what a minute usually brings.
const TIMES_USUAL: f64 = 5.0;
/// The usual number of onsets is a mean over about this time.
const MEMORY_MS: f64 = 86_400_000.0;
const MAX_RECENT: usize = 4_096;

/// The onsets of the last minute, and how many are usual.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bursts {
    /// In the order they were heard of.
    recent: VecDeque<(i64, KpiName)>,
    /// How many of them each KPI has.
    kpis: BTreeMap<KpiName, u32>,
    /// Onsets a minute, exponentially averaged.
    usual: f64,
    newest_ms: Option<i64>,
}

impl Bursts {
    /// Counts an onset; says whether it is part of a burst.
    pub(super) fn note(&mut self, onset_ms: i64, kpi: &KpiName) -> bool {
        let threshold = (TIMES_USUAL * self.usual).max(LEAST_KPIS as f64);
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
    fn eight_kpis_within_a_minute_are_a_burst_and_seven_are_not() {
        let mut bursts = Bursts::default();
        let said: Vec<_> = (0..10).map(|n| bursts.note(n as i64 * 1_000, &kpi(n))).collect();
        assert_eq!(said.iter().position(|burst| *burst), Some(7));
        let mut slow = Bursts::default();
        assert!((0..100).all(|n| !slow.note(n as i64 * 10_000, &kpi(n))));
        let mut one = Bursts::default();
        assert!(
            (0..100).all(|n| !one.note(n as i64, &kpi(0))),
            "one KPI, however many series it has, is not many KPIs"
        );
    }

    #[test]
    fn where_much_happens_all_the_time_it_takes_more() {
        let mut bursts = Bursts::default();
        // Six a minute for two days.
        for n in 0..2 * 1_440 * 6 {
            bursts.note(n as i64 * 10_000, &kpi(n % 500));
        }
        assert!((4.0..7.0).contains(&bursts.usual), "{}", bursts.usual);
        let begin = 2 * 1_440 * 60_000;
        assert!((0..15).all(|n| !bursts.note(begin + n as i64, &kpi(n + 1_000))));
        assert!((0..40).any(|n| bursts.note(begin + n as i64, &kpi(n + 2_000))));
    }
}
