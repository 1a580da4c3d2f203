//! Limits how many incidents a day are alerted, and selects the most surprising ones.
//!
//! Both rules look at any 24 hours of the samples' time, not at calendar days. An incident has its
//! place at the newest of its samples when it is decided on, so a replay decides as the live course
//! did, however fast it is:
//!
//! * **Ordinary slots**: four fifths of the budget. An incident gets one if it ranks among the
//!   strongest of the last seven days, as many a day as there are slots. While there were fewer
//!   incidents than slots, every incident gets one.
//! * **Reserve slots**: the rest. An incident gets one if it is clearly stronger
//!   ([`RESERVE_FACTOR`] times) than the median of those alerted on ordinary slots. A storm of weak
//!   incidents therefore cannot use up the slots of strong ones.
//!
//! Pure and deterministic: times and strengths come in, decisions go out. The state is bounded and
//! serialisable.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use earcon_model::IncidentId;

/// The sliding window of the budget, milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// The time over which incidents are ranked, milliseconds.
const HISTORY_MS: i64 = 7 * DAY_MS;
/// Most incidents remembered besides those alerted within a day. The oldest are removed first.
const MAX_HISTORY: usize = 2_000;
/// How many times stronger than the median ordinary alert an incident on a reserve slot must be.
const RESERVE_FACTOR: f64 = 2.5;
/// A strength that always suffices for a reserve slot, in bits. Scores hardly exceed it.
const RESERVE_ENOUGH: f64 = 20.0;

/// The decision of the budget about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertDecision {
    /// Alert it, on an ordinary or a reserve slot.
    Alert,
    /// Record it without an alert.
    Suppress,
}

/// The two kinds of places in the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Slot {
    Ordinary,
    Reserve,
}

/// An incident of the last seven days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct RecentIncident {
    incident: IncidentId,
    /// Its newest sample when it was first recorded.
    at_ms: i64,
    strength: f64,
    /// The slot on which it was alerted.
    alert: Option<Slot>,
}

/// The recent incidents, and which of them were alerted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    recent: VecDeque<RecentIncident>,
}

impl Budget {
    /// Decides whether an incident of this strength (bits, not negative) whose newest sample is of
    /// `at_ms` may be alerted, with at most `max_per_day` alerts a day (0: no limit). Changes
    /// nothing: the caller has to [record](Self::record) the decision.
    pub fn decide(&self, incident: IncidentId, strength: f64, at_ms: i64, max_per_day: u32) -> AlertDecision {
        if max_per_day == 0 || self.free_slot(incident, strength, at_ms, max_per_day).is_some() {
            AlertDecision::Alert
        } else {
            AlertDecision::Suppress
        }
    }

    /// The kind of slot that is free for the incident.
    fn free_slot(&self, incident: IncidentId, strength: f64, at_ms: i64, max_per_day: u32) -> Option<Slot> {
        let reserved = (max_per_day as usize) / 5;
        let ordinary = max_per_day as usize - reserved;
        // Samples may come in any order of time, so the alerts after it count as those before it.
        let near = |recent: &&RecentIncident| recent.at_ms.abs_diff(at_ms) < DAY_MS as u64;
        let alerts = || self.recent.iter().filter(near).filter_map(|recent| Some((recent.strength, recent.alert?)));
        let on = |slot| alerts().filter(move |(_, alert)| *alert == slot);
        let used_reserve = on(Slot::Reserve).count();
        let mut used: Vec<f64> = on(Slot::Ordinary).map(|(strength, _)| strength).collect();
        if used.len() + used_reserve >= max_per_day as usize {
            return None;
        }
        if used.len() < ordinary && strength >= self.threshold(incident, at_ms, ordinary) {
            return Some(Slot::Ordinary);
        }
        if used_reserve >= reserved {
            return None;
        }
        used.sort_by(f64::total_cmp);
        let median = used.get(used.len() / 2).copied()?;
        (strength >= (RESERVE_FACTOR * median).min(RESERVE_ENOUGH)).then_some(Slot::Reserve)
    }

    /// The strength that would have let `per_day` of the recent incidents pass each day. 0 if there
    /// were fewer.
    fn threshold(&self, incident: IncidentId, at_ms: i64, per_day: usize) -> f64 {
        let ranked =
            |recent: &&RecentIncident| recent.incident != incident && recent.at_ms.abs_diff(at_ms) < HISTORY_MS as u64;
        let oldest = self.recent.iter().filter(ranked).map(|recent| recent.at_ms).min().unwrap_or(at_ms);
        let days = (at_ms.saturating_sub(oldest) as f64 / DAY_MS as f64).clamp(1.0, 7.0);
        let slots = (per_day as f64 * days) as usize;
        let mut strengths: Vec<f64> = self.recent.iter().filter(ranked).map(|recent| recent.strength).collect();
        if strengths.len() < slots || slots == 0 {
            return 0.0;
        }
        strengths.sort_by(|a, b| b.total_cmp(a));
        strengths[slots - 1]
    }

    /// Records the present strength of an incident whose newest sample is of `at_ms`, and whether
    /// it is alerted. An alert is never taken back, and counts at the time of its sample.
    pub fn record(&mut self, incident: IncidentId, strength: f64, at_ms: i64, alerted: bool, max_per_day: u32) {
        let slot = || self.free_slot(incident, strength, at_ms, max_per_day).unwrap_or(Slot::Ordinary);
        let alert = alerted.then(slot);
        match self.recent.iter_mut().rev().find(|recent| recent.incident == incident) {
            Some(recent) => {
                recent.strength = recent.strength.max(strength);
                if recent.alert.is_none() && alert.is_some() {
                    (recent.alert, recent.at_ms) = (alert, at_ms);
                }
            }
            None => self.recent.push_back(RecentIncident { incident, at_ms, strength, alert }),
        }
        // A backfill goes on at older times than the newest samples have; both places are kept.
        let newest = self.recent.iter().map(|recent| recent.at_ms).max().unwrap_or(at_ms);
        let within = |recent: &RecentIncident, time_ms: i64| {
            newest.saturating_sub(recent.at_ms) < time_ms || recent.at_ms.abs_diff(at_ms) < time_ms as u64
        };
        self.recent.retain(|recent| within(recent, HISTORY_MS));
        let counts = |recent: &RecentIncident| recent.alert.is_some() && within(recent, DAY_MS);
        while self.recent.len() > MAX_HISTORY {
            let Some(oldest) = self.recent.iter().position(|recent| !counts(recent)) else { break };
            self.recent.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u64) -> IncidentId {
        IncidentId(uuid::Uuid::from_u64_pair(7, n))
    }

    /// Runs incidents (time, strength) through a budget. Returns those that were alerted.
    fn alerted(incidents: impl IntoIterator<Item = (i64, f64)>, max: u32) -> Vec<(i64, f64)> {
        let mut budget = Budget::default();
        let mut alerted = Vec::new();
        for (n, (at_ms, strength)) in incidents.into_iter().enumerate() {
            let alert = budget.decide(id(n as u64), strength, at_ms, max) == AlertDecision::Alert;
            budget.record(id(n as u64), strength, at_ms, alert, max);
            if alert {
                alerted.push((at_ms, strength));
            }
        }
        alerted
    }

    fn weak_storm(many: i64) -> impl Iterator<Item = (i64, f64)> {
        (0..many).map(|i| (i * 60_000, 1.0 + (i * 7 % 10) as f64 / 10.0))
    }

    #[test]
    fn few_incidents_are_all_alerted() {
        let few: Vec<_> = (0..30).map(|i| (i * DAY_MS / 3, 1.0)).collect();
        assert_eq!(alerted(few.clone(), 5), few);
    }

    #[test]
    fn strong_incident_after_weak_storm_is_alerted() {
        for max in [5, 20, 100] {
            let strong = (500 * 60_000, 10.0 * 1.9);
            let alerted = alerted(weak_storm(500).chain([strong]), max);
            assert_eq!(alerted.last(), Some(&strong));
            assert!(alerted.len() <= max as usize);
        }
    }

    #[test]
    fn strongest_of_each_day_are_alerted_after_a_week() {
        // A hundred a day, of strengths 1 to 10 in a scattered order.
        let days = (0..1_000).map(|i| (i * DAY_MS / 100, 1.0 + (i * 37 % 100) as f64 / 11.0));
        let alerted = alerted(days, 20);
        let last: Vec<_> = alerted.iter().filter(|(at, _)| *at >= 8 * DAY_MS).collect();
        assert!(last.len() >= 24, "{}", last.len());
        assert!(last.iter().all(|(_, strength)| *strength >= 8.0), "{last:?}");
    }

    #[test]
    fn limits_of_zero_and_one_are_unlimited_and_single() {
        assert_eq!(alerted(weak_storm(500), 0).len(), 500);
        assert_eq!(alerted(weak_storm(500), 1).len(), 1);
    }

    #[test]
    fn history_is_bounded_and_keeps_alerts() {
        let mut budget = Budget::default();
        for n in 0..10_000 {
            budget.record(id(n), 1.0, n as i64, n < 50, 50);
        }
        assert_eq!(budget.recent.len(), MAX_HISTORY);
        assert_eq!(budget.recent.iter().filter(|recent| recent.alert.is_some()).count(), 50);
    }

    #[test]
    fn backfill_after_the_newest_samples_has_a_budget_of_its_own_days() {
        let live = (0..10).map(|i| (100 * DAY_MS + i * 60_000, 1.0));
        let old = (0..500).map(|i| (50 * DAY_MS + i * 60_000, 1.0));
        let alerted = alerted(live.chain(old), 10);
        assert_eq!(alerted.iter().filter(|(at, _)| *at >= 100 * DAY_MS).count(), 8);
        assert_eq!(alerted.iter().filter(|(at, _)| *at < 100 * DAY_MS).count(), 8, "not one for each of 500");
    }

    proptest! {
        #[test]
        fn alerts_never_exceed_the_budget_of_a_day(
            steps in prop::collection::vec((0_i64..DAY_MS / 20, 0.0_f64..25.0), 1..300), max in 1_u32..30,
        ) {
            let mut now = 0;
            let incidents = steps.into_iter().map(|(step, strength)| { now += step; (now, strength) });
            let alerted = alerted(incidents, max);
            for (i, (at, _)) in alerted.iter().enumerate() {
                let within = alerted[i..].iter().filter(|(later, _)| later - at < DAY_MS).count();
                prop_assert!(within <= max as usize);
            }
        }

        #[test]
        fn ten_times_stronger_incident_is_alerted_after_any_storm(
            steps in prop::collection::vec((0_i64..DAY_MS / 50, 1.0_f64..2.0), 1..300), max in 5_u32..50,
        ) {
            let mut now = 0;
            let mut incidents: Vec<_> = steps.into_iter().map(|(step, weak)| { now += step; (now, weak) }).collect();
            incidents.push((now, 20.0));
            prop_assert_eq!(alerted(incidents, max).last().copied(), Some((now, 20.0)));
        }
    }
}
