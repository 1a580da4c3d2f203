//! Feedback on the alerts of a series, and its effect on the sensitivity of the series.
//!
//! Each feedback adds [`REAL_STEP`] or subtracts [`FALSE_STEP`] doublings of the sensitivity. Its
//! weight halves every [`HALF_LIFE_MS`] of the series' own time, so that a series without new
//! feedback returns to the configured sensitivity. The sum is kept within one doubling and one
//! halving. A false alert counts twice as much as a real one: two real ones balance a false one.
//!
//! The factor is applied to the surprise behind a score, outside of the detectors, so it works
//! alike for all of them. It depends only on the remembered feedback and on sample times, so a
//! replay gives the same scores to the bit.

use super::arithmetic::exp2_neg;
use super::stored::Stored;
use earcon_model::{AnomalyId, FeedbackOutcome};

/// Doublings that the outcome "real" adds.
const REAL_STEP: f64 = 0.125;
/// Doublings that the outcome "false" subtracts.
const FALSE_STEP: f64 = 0.25;
/// Time after which feedback counts half: four weeks.
const HALF_LIFE_MS: f64 = 28.0 * 86_400_000.0;
/// Limit of doublings and halvings.
const MOST: f64 = 1.0;
/// Feedback remembered for a series; the oldest is dropped first.
const REMEMBERED: usize = 32;

/// The remembered part of one feedback.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FeedbackEntry {
    id: AnomalyId,
    outcome: FeedbackOutcome,
    /// Timestamp of the newest sample of the series at the first feedback on the anomaly.
    since_ms: i64,
}

/// Feedback on the alerts of a series. Series without any need eight bytes for it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FeedbackMemory(Option<Box<FeedbackEntries>>);

#[derive(Debug, Clone, PartialEq, Default)]
struct FeedbackEntries {
    /// In the order of the first feedback on each anomaly.
    list: Vec<FeedbackEntry>,
    /// Sum of all doublings at `at_ms`; derived from `list`.
    doublings: f64,
    at_ms: i64,
}

impl FeedbackMemory {
    /// Records feedback when the newest sample of the series is that of `now_ms`. Later feedback on
    /// the same anomaly replaces the outcome in place, so that changing it back restores the
    /// earlier factor.
    pub(super) fn record(&mut self, id: AnomalyId, outcome: FeedbackOutcome, now_ms: i64) {
        let entries = self.0.get_or_insert_default();
        match entries.list.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.outcome = outcome,
            None => {
                if entries.list.len() == REMEMBERED {
                    entries.list.remove(0);
                }
                entries.list.push(FeedbackEntry { id, outcome, since_ms: now_ms });
            }
        }
        entries.sum();
    }

    /// Factor for the configured sensitivity at the time of a sample: 0.5 to 2, and 1 without
    /// feedback.
    pub(super) fn factor(&self, timestamp_ms: i64) -> f64 {
        let Some(entries) = &self.0 else { return 1.0 };
        let doublings = (entries.doublings * remaining(timestamp_ms, entries.at_ms)).clamp(-MOST, MOST);
        if doublings < 0.0 { exp2_neg(-doublings) } else { 1.0 / exp2_neg(doublings) }
    }
}

impl FeedbackEntries {
    fn sum(&mut self) {
        self.at_ms = self.list.iter().map(|entry| entry.since_ms).max().unwrap_or(0);
        let step = |entry: &FeedbackEntry| match entry.outcome {
            FeedbackOutcome::Real => REAL_STEP,
            FeedbackOutcome::False => -FALSE_STEP,
        };
        self.doublings = self.list.iter().map(|entry| step(entry) * remaining(self.at_ms, entry.since_ms)).sum();
    }
}

/// The share of its weight that feedback given at `since_ms` has at `now_ms`.
fn remaining(now_ms: i64, since_ms: i64) -> f64 {
    exp2_neg(now_ms.saturating_sub(since_ms).max(0) as f64 / HALF_LIFE_MS)
}

impl Stored for FeedbackMemory {
    fn put(&self, out: &mut Vec<u8>) {
        let list = self.0.as_ref().map_or(&[][..], |entries| &entries.list);
        (list.len() as u8).put(out);
        for one in list {
            out.extend_from_slice(one.id.0.as_bytes());
            (one.outcome == FeedbackOutcome::Real).put(out);
            one.since_ms.put(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let count = usize::from(u8::read(from)?);
        if count == 0 {
            return Some(Self::default());
        }
        let mut entries = FeedbackEntries::default();
        for _ in 0..count.min(REMEMBERED + 1) {
            let id = AnomalyId(uuid::Uuid::from_bytes(<[u8; 16]>::read(from)?));
            let outcome = if bool::read(from)? { FeedbackOutcome::Real } else { FeedbackOutcome::False };
            entries.list.push(FeedbackEntry { id, outcome, since_ms: i64::read(from)? });
        }
        entries.sum();
        (count <= REMEMBERED).then(|| Self(Some(Box::new(entries))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn id(number: u8) -> AnomalyId {
        AnomalyId(uuid::Uuid::from_u128(number.into()))
    }

    #[test]
    fn false_lowers_and_real_raises_sensitivity_within_bounds() {
        let mut feedback = FeedbackMemory::default();
        assert_eq!(feedback.factor(5), 1.0);
        feedback.record(id(1), FeedbackOutcome::False, 0);
        assert!((feedback.factor(0) - 2f64.powf(-0.25)).abs() < 1e-9);
        (2..10).for_each(|number| feedback.record(id(number), FeedbackOutcome::False, 0));
        assert!((feedback.factor(0) - 0.5).abs() < 1e-9);
        (1..30).for_each(|number| feedback.record(id(number), FeedbackOutcome::Real, 0));
        assert!((feedback.factor(0) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn feedback_fades_with_the_time_of_the_series() {
        let mut feedback = FeedbackMemory::default();
        (0..4).for_each(|number| feedback.record(id(number), FeedbackOutcome::False, 0));
        assert!((feedback.factor(28 * DAY) - 0.5f64.sqrt()).abs() < 1e-9);
        assert!((feedback.factor(3_650 * DAY) - 1.0).abs() < 1e-6);
        assert_eq!(feedback.factor(i64::MAX), 1.0);
    }

    proptest! {
        #[test]
        fn bounds_hold_bytes_keep_everything_and_changing_back_restores(
            entry in prop::collection::vec((0u8..60, any::<bool>(), 0..400 * DAY), 0..100),
            at in any::<i64>(),
        ) {
            let mut feedback = FeedbackMemory::default();
            for (number, real, now_ms) in &entry {
                feedback.record(id(*number), if *real { FeedbackOutcome::Real } else { FeedbackOutcome::False }, *now_ms);
                prop_assert!((0.499_999..=2.000_001).contains(&feedback.factor(*now_ms)));
            }
            prop_assert!((0.499_999..=2.000_001).contains(&feedback.factor(at)));
            let mut bytes = Vec::new();
            feedback.put(&mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(FeedbackMemory::read(&mut rest), Some(feedback.clone()));
            prop_assert!(rest.is_empty());

            if let Some(last) = feedback.0.as_ref().and_then(|entries| entries.list.last().copied()) {
                let other = if last.outcome == FeedbackOutcome::Real { FeedbackOutcome::False } else { FeedbackOutcome::Real };
                let mut changed = feedback.clone();
                changed.record(last.id, other, at);
                prop_assert!(changed != feedback);
                changed.record(last.id, last.outcome, at);
                prop_assert_eq!(changed, feedback);
            }
        }
    }

    #[test]
    fn bytes_with_too_many_entries_are_rejected() {
        let mut bytes = vec![200u8];
        bytes.resize(1 + 200 * 25, 0);
        assert_eq!(FeedbackMemory::read(&mut &bytes[..]), None);
    }
}
