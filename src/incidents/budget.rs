//! How many incidents a day are alerted, and which: the most surprising ones.
//!
//! Two rules, both over the 24 hours before now and not over calendar days:
//!
//! * **Ordinary places**, four fifths of the budget. Free for whoever ranks among as many a day as there are places, measured on
//!   all incidents of the last seven days. While those were few, that is everybody.
//! * **The reserve**, the rest. Free for whoever is clearly stronger ([`STRONGER`] times) than the middle one of those alerted on
//!   ordinary places, so that a storm of weak ones cannot use up what a strong one needs.
//!
//! Pure and deterministic: times and strengths come in, verdicts go out. The state is bounded and can be stored.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use earcon_model::IncidentId;

/// The time in which at most so many are alerted, milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// How far back incidents are ranked.
const RECORD_MS: i64 = 7 * DAY_MS;
/// Most incidents in the record besides those told within a day; the oldest make room.
const MAX_RECORD: usize = 2_000;
/// How much stronger than the middle ordinary one whoever takes from the reserve has to be.
const STRONGER: f64 = 2.5;
/// A strength that is enough for the reserve whatever was alerted before, in bits: scores hardly go beyond.
const STRONG_ENOUGH: f64 = 20.0;

/// What the budget says to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Alert it, on an ordinary place or on one of the reserve.
    Tell,
    /// Only record it.
    Quiet,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Entry {
    incident: IncidentId,
    at_ms: i64,
    strength: f64,
    told: Option<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Told {
    at_ms: i64,
    reserve: bool,
}

/// The running record of incidents, and who of them was alerted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    entries: VecDeque<Entry>,
}

impl Budget {
    /// Asks whether an incident of this strength (bits, not negative) may be alerted at `now_ms`, with `max_per_day` places a
    /// day (0: no limit). Changes nothing: what is decided has to be [noted](Self::note).
    pub fn ask(&self, incident: IncidentId, strength: f64, now_ms: i64, max_per_day: u32) -> Verdict {
        if max_per_day == 0 || self.place(incident, strength, now_ms, max_per_day).is_some() {
            Verdict::Tell
        } else {
            Verdict::Quiet
        }
    }

    /// Which kind of place it may have: `Some(true)` for one of the reserve.
    fn place(&self, incident: IncidentId, strength: f64, now_ms: i64, max_per_day: u32) -> Option<bool> {
        let reserved = (max_per_day as usize) / 5;
        let ordinary = max_per_day as usize - reserved;
        // A time ahead of now comes from a clock that was set back; such a one still counts.
        let recent = || self.entries.iter().filter_map(|entry| Some((entry, entry.told?)));
        let recent = || recent().filter(|(_, told)| now_ms.saturating_sub(told.at_ms) < DAY_MS);
        let taken_reserve = recent().filter(|(_, told)| told.reserve).count();
        let mut taken: Vec<f64> = recent().filter(|(_, told)| !told.reserve).map(|(entry, _)| entry.strength).collect();
        if taken.len() + taken_reserve >= max_per_day as usize {
            return None;
        }
        if taken.len() < ordinary && strength >= self.threshold(incident, now_ms, ordinary) {
            return Some(false);
        }
        if taken_reserve >= reserved {
            return None;
        }
        taken.sort_by(f64::total_cmp);
        let middle = taken.get(taken.len() / 2).copied();
        let demanded = middle.map_or(0.0, |middle| (STRONGER * middle).min(STRONG_ENOUGH));
        (strength >= demanded && middle.is_some()).then_some(true)
    }

    /// The strength that would have let `a_day` of the recorded ones through a day; 0 when there were fewer.
    fn threshold(&self, incident: IncidentId, now_ms: i64, a_day: usize) -> f64 {
        let recent = |entry: &&Entry| entry.incident != incident && now_ms.saturating_sub(entry.at_ms) < RECORD_MS;
        let oldest = self.entries.iter().filter(recent).map(|entry| entry.at_ms).min().unwrap_or(now_ms);
        let days = (now_ms.saturating_sub(oldest) as f64 / DAY_MS as f64).clamp(1.0, 7.0);
        let places = (a_day as f64 * days) as usize;
        let mut strengths: Vec<f64> = self.entries.iter().filter(recent).map(|entry| entry.strength).collect();
        if strengths.len() < places || places == 0 {
            return 0.0;
        }
        strengths.sort_by(|a, b| b.total_cmp(a));
        strengths[places - 1]
    }

    /// Records an incident as it now stands; `alerted_at_ms` once it is alerted. Whoever was alerted stays so.
    pub fn note(
        &mut self,
        incident: IncidentId,
        strength: f64,
        now_ms: i64,
        alerted_at_ms: Option<i64>,
        max_per_day: u32,
    ) {
        let told = alerted_at_ms
            .map(|at_ms| Told { at_ms, reserve: self.place(incident, strength, at_ms, max_per_day).unwrap_or(false) });
        match self.entries.iter_mut().rev().find(|entry| entry.incident == incident) {
            Some(entry) => {
                entry.strength = entry.strength.max(strength);
                entry.told = entry.told.or(told);
            }
            None => self.entries.push_back(Entry { incident, at_ms: now_ms, strength, told }),
        }
        let keep = |entry: &Entry| {
            now_ms.saturating_sub(entry.at_ms) < RECORD_MS
                || entry.told.is_some_and(|told| now_ms.saturating_sub(told.at_ms) < DAY_MS)
        };
        self.entries.retain(keep);
        while self.entries.len() > MAX_RECORD {
            let forgettable = |entry: &Entry| entry.told.is_none_or(|told| now_ms.saturating_sub(told.at_ms) >= DAY_MS);
            let Some(oldest) = self.entries.iter().position(forgettable) else { break };
            self.entries.remove(oldest);
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

    /// Runs incidents (time, strength) through a budget; returns when which were told.
    fn told(incidents: impl IntoIterator<Item = (i64, f64)>, max: u32) -> Vec<(i64, f64)> {
        let mut budget = Budget::default();
        let mut told = Vec::new();
        for (n, (at_ms, strength)) in incidents.into_iter().enumerate() {
            let tell = budget.ask(id(n as u64), strength, at_ms, max) == Verdict::Tell;
            budget.note(id(n as u64), strength, at_ms, tell.then_some(at_ms), max);
            if tell {
                told.push((at_ms, strength));
            }
        }
        told
    }

    fn weak_storm(many: i64) -> impl Iterator<Item = (i64, f64)> {
        (0..many).map(|i| (i * 60_000, 1.0 + (i * 7 % 10) as f64 / 10.0))
    }

    #[test]
    fn on_quiet_days_everybody_is_told() {
        let few: Vec<_> = (0..30).map(|i| (i * DAY_MS / 3, 1.0)).collect();
        assert_eq!(told(few.clone(), 5), few);
    }

    #[test]
    fn a_strong_one_is_told_after_a_storm_of_weak_ones() {
        for max in [5, 20, 100] {
            let strong = (500 * 60_000, 10.0 * 1.9);
            let told = told(weak_storm(500).chain([strong]), max);
            assert_eq!(told.last(), Some(&strong));
            assert!(told.len() <= max as usize);
        }
    }

    #[test]
    fn after_some_days_the_strongest_of_a_day_are_told() {
        // A hundred a day, of strengths 1 to 10 in a scattered order.
        let days = (0..1_000).map(|i| (i * DAY_MS / 100, 1.0 + (i * 37 % 100) as f64 / 11.0));
        let told = told(days, 20);
        let last: Vec<_> = told.iter().filter(|(at, _)| *at >= 8 * DAY_MS).collect();
        assert!(last.len() >= 24, "{}", last.len());
        assert!(last.iter().all(|(_, strength)| *strength >= 8.0), "{last:?}");
    }

    #[test]
    fn no_limit_and_a_single_place() {
        assert_eq!(told(weak_storm(500), 0).len(), 500);
        assert_eq!(told(weak_storm(500), 1).len(), 1);
    }

    #[test]
    fn the_record_is_bounded() {
        let mut budget = Budget::default();
        for n in 0..10_000 {
            budget.note(id(n), 1.0, n as i64, (n < 50).then_some(n as i64), 50);
        }
        assert_eq!(budget.entries.len(), MAX_RECORD);
        assert_eq!(budget.entries.iter().filter(|entry| entry.told.is_some()).count(), 50);
    }

    proptest! {
        #[test]
        fn no_day_holds_more_than_the_budget(
            steps in prop::collection::vec((0_i64..DAY_MS / 20, 0.0_f64..25.0), 1..300), max in 1_u32..30,
        ) {
            let mut now = 0;
            let incidents = steps.into_iter().map(|(step, strength)| { now += step; (now, strength) });
            let told = told(incidents, max);
            for (i, (at, _)) in told.iter().enumerate() {
                let within = told[i..].iter().filter(|(later, _)| later - at < DAY_MS).count();
                prop_assert!(within <= max as usize);
            }
        }

        #[test]
        fn ten_times_stronger_is_told_after_any_storm_of_weak_ones(
            steps in prop::collection::vec((0_i64..DAY_MS / 50, 1.0_f64..2.0), 1..300), max in 5_u32..50,
        ) {
            let mut now = 0;
            let mut incidents: Vec<_> = steps.into_iter().map(|(step, weak)| { now += step; (now, weak) }).collect();
            incidents.push((now, 20.0));
            prop_assert_eq!(told(incidents, max).last().copied(), Some((now, 20.0)));
        }
    }
}
