//! When a candidate advances, and when it is rolled back.

use super::evidence::{Cost, Evidence};
use super::policy::Limits;

/// A decision on a candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Too little is known.
    Wait,
    /// It advances to the next stage.
    Advance,
    /// It breaks this limit.
    RollBack(String),
}

/// Standard normal quantile of 99.5 %: a bound is wrong in one of two hundred cases.
const Z: f64 = 2.575_829;
/// With fewer batches, nothing is concluded from the slowest of them.
const LEAST_BATCHES: u64 = 200;
/// With fewer samples, nothing is concluded from their mean cost.
const LEAST_SAMPLES: u64 = 2_000;
/// A sample that takes less is cheap, whatever the other detector takes. Nanoseconds.
const CHEAP_NS: f64 = 5_000.0;

/// The lower bound of a Poisson mean of which `count` were seen (Wilson & Hilferty 1931).
pub fn rate_at_least(count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let n = count as f64;
    let root = (1.0 - 1.0 / (9.0 * n) - Z / (3.0 * n.sqrt())).max(0.0);
    n * root * root * root
}

/// The upper bound of a Poisson mean of which `count` were seen.
pub fn rate_at_most(count: u64) -> f64 {
    let n = count as f64 + 1.0;
    let root = 1.0 - 1.0 / (9.0 * n) + Z / (3.0 * n.sqrt());
    n * root * root * root
}

/// The limit that a candidate certainly breaks, in words. `stage` is the evidence of its present
/// stage, by which alerts are counted. `total` is that of the whole experiment, by which costs are
/// measured.
pub(super) fn broken(limits: &Limits, stage: &Evidence, total: &Evidence) -> Option<String> {
    too_many_alerts(limits, stage).or_else(|| too_slow(limits, stage, total))
}

fn too_many_alerts(limits: &Limits, stage: &Evidence) -> Option<String> {
    let per_10k = |count: f64, samples: u64| count * 10_000.0 / samples.max(1) as f64;
    let (candidate, baseline) = (&stage.candidate, &stage.baseline);
    let at_least = per_10k(rate_at_least(candidate.alerts), candidate.samples());
    // The rate of the live detector is uncertain too. Its upper bound counts, in favour of the
    // candidate.
    let baseline_at_most =
        if baseline.samples() > 0 { per_10k(rate_at_most(baseline.alerts), baseline.samples()) } else { 0.0 };
    let seen = per_10k(baseline.alerts as f64, baseline.samples());
    if at_least <= limits.alerts_per_10k || at_least <= limits.alert_ratio * baseline_at_most {
        return None;
    }
    Some(format!(
        "it alerts {:.1} times per 10,000 samples ({} alerts), certainly more than {at_least:.1}; the live detector alerts \
         {seen:.1} times, and {:.1} are allowed",
        per_10k(candidate.alerts as f64, candidate.samples()),
        candidate.alerts,
        limits.alerts_per_10k.max(limits.alert_ratio * seen),
    ))
}

fn too_slow(limits: &Limits, stage: &Evidence, total: &Evidence) -> Option<String> {
    for cost in [&stage.candidate.live, &stage.candidate.shadow] {
        let p99_ns = cost.latencies.quantile_ns(0.99).filter(|_| cost.latencies.count() >= LEAST_BATCHES);
        if let Some(ns) = p99_ns.filter(|ns| *ns > limits.p99_us.saturating_mul(1_000)) {
            let (us, most) = (ns / 1_000, limits.p99_us);
            return Some(format!("a sample takes it {us} µs in one of 100 batches, and {most} µs are allowed"));
        }
    }
    let known = |cost: &Cost| cost.ns_per_sample().filter(|_| cost.samples >= LEAST_SAMPLES);
    // Costs are compared in the same role, if both have been in it.
    let roles = [
        (&total.candidate.live, &total.baseline.live),
        (&total.candidate.shadow, &total.baseline.shadow),
        (&total.candidate.shadow, &total.baseline.live),
    ];
    let (candidate, baseline) = roles.into_iter().find_map(|(one, other)| Some((known(one)?, known(other)?)))?;
    let ratio = candidate / baseline.max(1.0);
    (candidate > CHEAP_NS && ratio > limits.cost_ratio).then(|| {
        format!(
            "a sample costs it {:.1} µs, {ratio:.1} times what the live detector takes, and {} times are allowed",
            candidate / 1_000.0,
            limits.cost_ratio
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::Tally;

    fn evidence(samples: u64, live_alerts: u64, shadow_alerts: u64) -> Evidence {
        let mut evidence = Evidence::default();
        let tally = Tally { samples, live_alerts, shadow_alerts, ..Tally::default() };
        evidence.add(&tally, false);
        evidence
    }

    fn says(evidence: &Evidence) -> bool {
        broken(&Limits::default(), evidence, evidence).is_some()
    }

    #[test]
    fn bounds_enclose_the_count_and_narrow_as_it_grows() {
        assert_eq!(rate_at_least(0), 0.0);
        for count in [0, 1, 2, 5, 20, 100, 10_000] {
            let (low, high) = (rate_at_least(count), rate_at_most(count));
            assert!(low <= count as f64 && count as f64 <= high, "{count}: {low} to {high}");
        }
        assert!((rate_at_most(0) - 5.3).abs() < 0.2, "{}", rate_at_most(0));
        assert!((rate_at_least(100) - 76.1).abs() < 1.0, "{}", rate_at_least(100));
        assert!(rate_at_least(10_000) > 9_700.0 && rate_at_most(10_000) < 10_300.0);
    }

    #[test]
    fn a_few_samples_decide_nothing() {
        assert!(!says(&evidence(100, 0, 1)), "100 alerts per 10,000 samples, but only one of them");
        assert!(!says(&evidence(1_000, 0, 2)));
    }

    #[test]
    fn a_candidate_that_alerts_too_often_is_rolled_back() {
        assert!(says(&evidence(10_000, 0, 40)));
        assert!(says(&evidence(100_000, 10, 150)));
        assert!(!says(&evidence(100_000, 10, 40)), "within the budget of 5 per 10,000");
    }

    #[test]
    fn alerts_that_both_detectors_have_are_no_fault() {
        assert!(!says(&evidence(10_000, 30, 45)));
        assert!(says(&evidence(100_000, 300, 900)));
    }

    #[test]
    fn a_slow_candidate_is_rolled_back_once_enough_is_measured() {
        let slow = |samples: u64, live_ns: u64, shadow_ns: u64| {
            let mut evidence = Evidence::default();
            let (live_ns, shadow_ns) = (samples * live_ns, samples * shadow_ns);
            evidence.add(&Tally { samples, live_ns, shadow_ns, ..Tally::default() }, false);
            says(&evidence)
        };
        assert!(slow(10_000, 1_000, 20_000));
        assert!(!slow(100, 1_000, 20_000), "a hundred samples are few");
        assert!(!slow(10_000, 1_000, 7_000));
        assert!(!slow(10_000, 100, 3_000), "thirty times as much, and still cheap");
    }

    #[test]
    fn costs_are_compared_in_the_same_role() {
        let mut total = Evidence::default();
        // Live, either takes 20 µs with all that live scoring does; in the shadow 1 µs.
        let tally = Tally { samples: 50_000, live_ns: 50_000 * 20_000, shadow_ns: 50_000 * 1_000, ..Tally::default() };
        total.add(&tally, false);
        total.add(&tally, true);
        assert_eq!(too_slow(&Limits::default(), &Evidence::default(), &total), None);
    }

    #[test]
    fn a_slow_hundredth_is_noticed() {
        let mut tally = Tally { samples: 1_000, ..Tally::default() };
        (0..980).for_each(|_| tally.shadow_latencies.record(1_000));
        (0..20).for_each(|_| tally.shadow_latencies.record(50_000_000));
        let mut evidence = Evidence::default();
        evidence.add(&tally, false);
        assert!(says(&evidence));
        let patient = Limits { p99_us: 100_000, ..Limits::default() };
        assert!(too_slow(&patient, &evidence, &evidence).is_none());
    }
}
