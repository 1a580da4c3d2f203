//! Limits of a candidate, and the pace of its promotion.

use serde::{Deserialize, Serialize};

/// A candidate that breaks one of these is rolled back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Alerts per 10,000 samples that are always allowed: the false-alert budget. 0 to 10,000.
    pub alerts_per_10k: f64,
    /// The candidate may also alert this many times as often as the live detector, because real
    /// changes show in both. 0 to 100.
    pub alert_ratio: f64,
    /// Time a sample may take, as a multiple of what the live detector takes. 1 to 10,000.
    pub cost_ratio: f64,
    /// Time a sample may take in 99 of 100 batches, microseconds. 1 to 1,000,000.
    pub p99_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { alerts_per_10k: 5.0, alert_ratio: 2.0, cost_ratio: 8.0, p99_us: 20_000 }
    }
}

/// The limits and the pace of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A candidate that breaks one is rolled back.
    pub limits: Limits,
    /// Percentages of KPIs for which the candidate is live, one after another. They grow to 100.
    pub shares: Vec<f64>,
    /// Least time in the shadow and in each share, seconds. 0 to 90 days.
    pub stage_seconds: u64,
    /// Least samples that the candidate has seen in the shadow and in each share.
    pub stage_samples: u64,
    /// Whether the canary begins automatically after the shadow.
    pub auto: bool,
    /// Two alerts mean the same if they open within this many seconds of sample time. 0 to a day.
    pub agreement_seconds: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            shares: vec![1.0, 5.0, 25.0, 100.0],
            stage_seconds: 3_600,
            stage_samples: 10_000,
            auto: false,
            agreement_seconds: 600,
        }
    }
}

/// Something a policy must not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {rule}")]
pub struct PolicyProblem {
    /// The field.
    pub key: &'static str,
    /// The rule for it.
    pub rule: &'static str,
}

impl Policy {
    /// Everything in it that is out of its bounds.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let grows = self.shares.windows(2).all(|pair| pair[0] < pair[1]);
        let ends = self.shares.last() == Some(&100.0) && self.shares.len() <= 20;
        let within = self.shares.iter().all(|share| *share > 0.0);
        let limits = &self.limits;
        let rules = [
            ("limits.alerts_per_10k", "must be 0 to 10000", (0.0..=10_000.0).contains(&limits.alerts_per_10k)),
            ("limits.alert_ratio", "must be 0 to 100", (0.0..=100.0).contains(&limits.alert_ratio)),
            ("limits.cost_ratio", "must be 1 to 10000", (1.0..=10_000.0).contains(&limits.cost_ratio)),
            ("limits.p99_us", "must be 1 to 1000000", (1..=1_000_000).contains(&limits.p99_us)),
            ("shares", "must be at most 20 numbers above 0 that grow and end with 100", grows && ends && within),
            ("stage_seconds", "must be at most 7776000", self.stage_seconds <= 7_776_000),
            ("agreement_seconds", "must be at most 86400", self.agreement_seconds <= 86_400),
        ];
        rules.into_iter().filter(|(.., kept)| !kept).map(|(key, rule, _)| PolicyProblem { key, rule }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        assert_eq!(Policy::default().problems(), []);
        let limits = Limits { cost_ratio: f64::NAN, ..Limits::default() };
        let bad = Policy { limits, shares: vec![5.0, 1.0], agreement_seconds: 1 << 40, ..Policy::default() };
        let keys: Vec<_> = bad.problems().iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["limits.cost_ratio", "shares", "agreement_seconds"]);
    }
}
