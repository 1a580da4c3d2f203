//! Measurements of two detectors on the same samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Feedback of people on anomalies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedbackCounts {
    /// Said to be real.
    pub real: u64,
    /// Said to be false.
    pub wrong: u64,
}

impl FeedbackCounts {
    pub(super) fn count(&mut self, real: bool) {
        if real {
            self.real += 1;
        } else {
            self.wrong += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.real += other.real;
        self.wrong += other.wrong;
    }

    /// The share of real ones; `None` without feedback.
    pub fn precision(&self) -> Option<f64> {
        let all = self.real + self.wrong;
        (all > 0).then(|| self.real as f64 / all as f64)
    }
}

/// A histogram of durations. A reported duration is at most a quarter too long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies(BTreeMap<u8, u64>);

impl Latencies {
    /// Counts a duration in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        *self.0.entry(bucket(ns)).or_default() += 1;
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The duration, in nanoseconds, that a share of all does not exceed; `None` without any.
    pub fn quantile_ns(&self, share: f64) -> Option<u64> {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut passed = 0;
        self.0.iter().find_map(|(bucket, count)| {
            passed += count;
            (passed >= rank).then(|| upper_edge(*bucket))
        })
    }

    fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }
}

/// Four buckets for each power of two.
fn bucket(ns: u64) -> u8 {
    let exponent = ns.max(4).ilog2();
    // Up to 63 × 4 + 3, which a byte holds.
    (exponent * 4) as u8 + ((ns.max(4) >> (exponent - 2)) & 3) as u8
}

fn upper_edge(bucket: u8) -> u64 {
    let (exponent, quarter) = (u32::from(bucket / 4), u64::from(bucket % 4));
    let edge = (u128::from(quarter + 5)) << (exponent - 2);
    u64::try_from(edge - 1).unwrap_or(u64::MAX)
}

/// Measurements on one KPI since its stream last reported.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Live samples that both have seen.
    pub samples: u64,
    /// Time the live detector's scoring took for them, nanoseconds.
    pub live_ns: u64,
    /// Time the shadow's scoring took for them, nanoseconds.
    pub shadow_ns: u64,
    /// Time the live detector took for one sample, by batch.
    pub live_latencies: Latencies,
    /// Time the shadow took for one sample, by batch.
    pub shadow_latencies: Latencies,
    /// Episodes the live detector opened.
    pub live_alerts: u64,
    /// Episodes the shadow opened.
    pub shadow_alerts: u64,
    /// Alerts that both had.
    pub both: u64,
    /// Alerts of the live detector without a counterpart.
    pub only_live: u64,
    /// Alerts of the shadow without a counterpart.
    pub only_shadow: u64,
    /// Feedback on anomalies of the live detector.
    pub live_feedback: FeedbackCounts,
    /// Feedback on those that the shadow had found too.
    pub shadow_feedback: FeedbackCounts,
}

/// Samples scored in a role, and the time it took. Roles are measured separately: the time of live
/// scoring includes the making of events, the time of a shadow does not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Samples.
    pub samples: u64,
    /// Nanoseconds for all of them.
    pub ns: u64,
    /// Nanoseconds for one sample, by batch.
    pub latencies: Latencies,
}

impl Cost {
    /// Nanoseconds a sample; `None` without samples.
    pub fn ns_per_sample(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.ns as f64 / self.samples as f64)
    }

    fn add(&mut self, samples: u64, ns: u64, latencies: &Latencies) {
        self.samples += samples;
        self.ns += ns;
        self.latencies.add(latencies);
    }
}

/// One of the two detectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Arm {
    /// Samples for which it was live.
    pub live: Cost,
    /// Samples for which it was in the shadow.
    pub shadow: Cost,
    /// Episodes opened, live or in the shadow.
    pub alerts: u64,
    /// Those of them that the other detector did not have.
    pub alone: u64,
    /// Feedback on them.
    pub feedback: FeedbackCounts,
}

impl Arm {
    /// Samples it has seen.
    pub fn samples(&self) -> u64 {
        self.live.samples + self.shadow.samples
    }

    /// Alerts per 10,000 samples; `None` without samples.
    pub fn alerts_per_10k(&self) -> Option<f64> {
        (self.samples() > 0).then(|| self.alerts as f64 * 10_000.0 / self.samples() as f64)
    }
}

/// Measurements of both detectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The detector that was live before.
    pub baseline: Arm,
    /// The detector that is tried out.
    pub candidate: Arm,
    /// Alerts that both had.
    pub both: u64,
}

impl Evidence {
    /// Adds the report of a KPI on which the candidate was live or in the shadow.
    pub fn add(&mut self, tally: &Tally, candidate_live: bool) {
        let (live, shadow) = if candidate_live {
            (&mut self.candidate, &mut self.baseline)
        } else {
            (&mut self.baseline, &mut self.candidate)
        };
        live.live.add(tally.samples, tally.live_ns, &tally.live_latencies);
        shadow.shadow.add(tally.samples, tally.shadow_ns, &tally.shadow_latencies);
        live.alerts += tally.live_alerts;
        shadow.alerts += tally.shadow_alerts;
        live.alone += tally.only_live;
        shadow.alone += tally.only_shadow;
        live.feedback.add(tally.live_feedback);
        shadow.feedback.add(tally.shadow_feedback);
        self.both += tally.both;
    }

    /// Adds other measurements of the same two detectors.
    pub fn merge(&mut self, other: &Evidence) {
        for (arm, more) in [(&mut self.baseline, &other.baseline), (&mut self.candidate, &other.candidate)] {
            arm.live.add(more.live.samples, more.live.ns, &more.live.latencies);
            arm.shadow.add(more.shadow.samples, more.shadow.ns, &more.shadow.latencies);
            arm.alerts += more.alerts;
            arm.alone += more.alone;
            arm.feedback.add(more.feedback);
        }
        self.both += other.both;
    }

    /// The share of alerts that both had, among all that are counted; `None` without any.
    pub fn agreement(&self) -> Option<f64> {
        let all = self.both + self.baseline.alone + self.candidate.alone;
        (all > 0).then(|| self.both as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_known_to_a_quarter() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_ns(0.99), None);
        for ns in [0, 1, 4, 5, 7, 100, 1_000, 123_456, u64::MAX] {
            let mut one = Latencies::default();
            one.record(ns);
            let said = one.quantile_ns(0.5).unwrap();
            assert!(said >= ns && said as f64 <= ns.max(4) as f64 * 1.25, "{ns}: {said}");
        }
        (0..99).for_each(|_| latencies.record(1_000));
        latencies.record(1_000_000);
        assert!(latencies.quantile_ns(0.99).unwrap() < 2_000);
        latencies.record(1_000_000);
        assert!(latencies.quantile_ns(0.99).unwrap() >= 1_000_000);
    }

    #[test]
    fn the_arms_keep_their_names_when_the_roles_change() {
        let mut evidence = Evidence::default();
        let tally = Tally {
            samples: 10_000,
            live_ns: 20_000,
            shadow_ns: 70_000,
            live_alerts: 3,
            shadow_alerts: 5,
            both: 2,
            only_live: 1,
            only_shadow: 3,
            ..Tally::default()
        };
        evidence.add(&tally, false);
        evidence.add(&tally, true);
        assert_eq!((evidence.baseline.alerts, evidence.candidate.alerts), (8, 8));
        assert_eq!(evidence.candidate.live.ns_per_sample(), Some(2.0));
        assert_eq!(evidence.candidate.shadow.ns_per_sample(), Some(7.0));
        assert_eq!(evidence.candidate.alerts_per_10k(), Some(4.0));
        assert_eq!(evidence.agreement(), Some(4.0 / 12.0));
        assert_eq!(evidence.candidate.feedback.precision(), None);
    }
}
