//! Recognises series of measurements that only grow: the total of a counter, or a clock.
//!
//! A total that is scored as a measurement has no level that could be ordinary: its restarts are
//! anomalies, and a rate that falls to zero is none. So a series of this kind is reported, with the
//! rule that helps. Nothing is read otherwise until a person adds the rule.
//!
//! A counter grows in most samples, over hours, and never falls but to about zero: to no more than
//! a few of its largest steps, which it counts until the first sample after a restart. A
//! trend and a disk that fills grow too. So one of these has to be true as well:
//! - it began again at about zero, and seldom does;
//! - its name says that it is a total;
//! - it has grown tenfold in one go, over many samples.
//!
//! A fall to another value is none of a counter. The evidence begins again, and a series that has
//! fallen once needs much more of it: a disk that is emptied every week does not.
//!
//! A clock grows by as much as time passes, in a unit of time. As a counter it would have the rate
//! 1 for ever, so the rule is of no use to it.

use super::stored::stored_fields;
use earcon_model::{LooksLike, Sample};

/// Samples without a fall that are needed, and once there was a fall.
const LEAST_SAMPLES: u32 = 240;
const AFTER_A_FALL: u32 = 20_000;
/// Samples in one go that are needed for growth alone, and the growth.
const GROWTH_SAMPLES: u32 = 1_000;
const GROWTH: f64 = 10.0;
/// How long they last, at least, milliseconds.
const LEAST_MS: i64 = 7_200_000;
/// Samples that grow for each one that restarts, at least.
const GROWN_A_RESTART: u32 = 100;
/// A restart leads to at most this many of the largest steps.
const STEPS_AFTER_RESTART: f64 = 4.0;
/// A gap counts as at most this many intervals.
const MOST_INTERVALS: f64 = 100.0;
/// Samples in a stretch whose rate is compared with that of a clock.
const STRETCH: u8 = 32;
/// Difference of a clock's rate in a stretch, as a share, and the stretches that keep to it.
const CLOCK_TOLERANCE: f64 = 0.01;
const CLOCK_SHARE: (u32, u32) = (9, 10);
/// Rates of clocks, per second: in nanoseconds, microseconds, milliseconds, hundredths of a second,
/// seconds, minutes, hours and days.
const CLOCKS: [f64; 8] = [1e9, 1e6, 1e3, 100.0, 1.0, 1.0 / 60.0, 1.0 / 3_600.0, 1.0 / 86_400.0];
/// Endings of names that say that a value is a total.
const NAMES: [&str; 4] = ["total", "count", "sum", "counter"];

/// The evidence about the growth of a series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Growth {
    /// Time at which the evidence begins.
    since_ms: i64,
    /// Steps to the next value since then: all, those that grew, and the largest.
    steps: u32,
    grown: u32,
    largest: f32,
    /// The first value since the last restart, and the steps since then.
    began: f32,
    in_one_go: u32,
    restarts: u16,
    /// Whether it ever fell to another value than about zero.
    fell: bool,
    /// The beginning of the present stretch, and its steps.
    stretch_ms: i64,
    stretch_value: f64,
    in_stretch: u8,
    stretches: u16,
    clocklike: u16,
}

stored_fields!(Growth {
    since_ms,
    steps,
    grown,
    largest,
    began,
    in_one_go,
    restarts,
    fell,
    stretch_ms,
    stretch_value,
    in_stretch,
    stretches,
    clocklike,
});

impl Growth {
    /// Learns a sample that is newer than all before. `before` is the one before it.
    pub(super) fn learn(&mut self, before: Option<Sample>, sample: Sample) {
        let Some(before) = before.filter(|before| before.value >= 0.0 && sample.value >= 0.0) else {
            self.begin(sample, self.fell || before.is_some());
            return;
        };
        let step = sample.value - before.value;
        if step < 0.0 {
            if !self.restarts(before, sample) {
                self.begin(sample, true);
                return;
            }
            self.restarts = self.restarts.saturating_add(1);
            self.steps = self.steps.saturating_add(1);
            (self.in_one_go, self.began) = (0, sample.value as f32);
            self.begin_stretch(sample);
            return;
        }
        self.steps = self.steps.saturating_add(1);
        self.in_one_go = self.in_one_go.saturating_add(1);
        if step > 0.0 {
            self.grown = self.grown.saturating_add(1);
            self.largest = self.largest.max(step as f32);
        }
        self.in_stretch += 1;
        if self.in_stretch == STRETCH {
            self.end_stretch(sample);
        }
    }

    /// What the values of a KPI with this name seem to be, after the newest sample.
    pub(super) fn looks_like(&self, name: &str, newest: Sample) -> Option<LooksLike> {
        let needed = if self.fell { AFTER_A_FALL } else { LEAST_SAMPLES };
        let long = self.steps >= needed && newest.timestamp_ms.saturating_sub(self.since_ms) >= LEAST_MS;
        if !long || self.grown < self.steps / 2 {
            return None;
        }
        let (share, of) = CLOCK_SHARE;
        let clocklike = u32::from(self.clocklike) * of >= u32::from(self.stretches) * share;
        if clocklike && self.stretches > 0 {
            return Some(LooksLike::Clock);
        }
        let restarts = u32::from(self.restarts);
        let seldom = restarts.saturating_mul(GROWN_A_RESTART) <= self.grown;
        let tenfold = self.in_one_go >= GROWTH_SAMPLES && newest.value >= GROWTH * f64::from(self.began);
        (seldom && (restarts > 0 || is_total(name) || tenfold)).then_some(LooksLike::Counter)
    }

    /// Whether a fall is the restart of a counter. After a gap it has counted for longer.
    fn restarts(&self, before: Sample, sample: Sample) -> bool {
        let usual = before.timestamp_ms.saturating_sub(self.since_ms) as f64 / f64::from(self.steps.max(1));
        let elapsed = sample.timestamp_ms.saturating_sub(before.timestamp_ms) as f64;
        let intervals = if usual > 0.0 { (elapsed / usual).clamp(1.0, MOST_INTERVALS) } else { 1.0 };
        sample.value <= STEPS_AFTER_RESTART * intervals * f64::from(self.largest)
    }

    fn begin(&mut self, sample: Sample, fell: bool) {
        let Sample { timestamp_ms, value } = sample;
        *self = Self { since_ms: timestamp_ms, began: value as f32, fell, ..Self::default() };
        self.begin_stretch(sample);
    }

    fn begin_stretch(&mut self, sample: Sample) {
        (self.stretch_ms, self.stretch_value, self.in_stretch) = (sample.timestamp_ms, sample.value, 0);
    }

    fn end_stretch(&mut self, sample: Sample) {
        let seconds = sample.timestamp_ms.saturating_sub(self.stretch_ms) as f64 / 1e3;
        let grown = sample.value - self.stretch_value;
        let is = |clock: &f64| (grown - clock * seconds).abs() <= CLOCK_TOLERANCE * clock * seconds;
        let clocklike = CLOCKS.iter().any(is);
        // Shares of the latest stretches: both numbers are halved before they are full.
        if self.stretches == u16::MAX {
            (self.stretches, self.clocklike) = (self.stretches / 2, self.clocklike / 2);
        }
        self.stretches += 1;
        self.clocklike += u16::from(clocklike);
        self.begin_stretch(sample);
    }
}

/// Whether the name of a KPI says that its values are totals.
fn is_total(name: &str) -> bool {
    name.rsplit(['.', '_', ':', '-']).next().is_some_and(|end| NAMES.contains(&end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::Stored;

    const MINUTE: i64 = 60_000;

    /// Numbers in 0..1, deterministic and well mixed.
    fn dice(mut state: u64) -> impl FnMut() -> f64 {
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1u32 << 24)
        }
    }

    /// The answers after each sample; a sample a minute unless `times` says otherwise.
    fn said(name: &str, samples: impl IntoIterator<Item = (i64, f64)>) -> Vec<Option<LooksLike>> {
        let (mut growth, mut before) = (Growth::default(), None);
        let say = |(timestamp_ms, value)| {
            let sample = Sample { timestamp_ms, value };
            growth.learn(before.replace(sample), sample);
            growth.looks_like(name, sample)
        };
        samples.into_iter().map(say).collect()
    }

    fn by_minute(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = (i64, f64)> {
        values.into_iter().enumerate().map(|(i, value)| (i as i64 * MINUTE, value))
    }

    /// The increases of a request counter over days, mostly fewer at night.
    fn increases(seed: u64, samples: usize) -> Vec<f64> {
        let mut dice = dice(seed);
        (0..samples).map(|i| ((3.0 + 2.0 * ((i / 720) % 2) as f64) * 20.0 * dice()).floor()).collect()
    }

    fn total(increases: &[f64], from: f64, restarts: &[usize]) -> Vec<f64> {
        let mut total = from;
        let add = |(i, more): (usize, &f64)| {
            total = if restarts.contains(&i) { *more } else { total + more };
            total
        };
        increases.iter().enumerate().map(add).collect()
    }

    #[test]
    fn a_counter_is_found_by_its_restart_its_name_or_its_growth() {
        let increases = increases(1, 3_000);
        let first = |name, values: Vec<f64>| {
            said(name, by_minute(values)).iter().position(|said| *said == Some(LooksLike::Counter))
        };
        assert_eq!(first("http.requests_total", total(&increases, 1e9, &[])), Some(240), "by its name");
        assert_eq!(first("http.requests", total(&increases, 1e9, &[])), None, "a trend grows as little");
        assert_eq!(first("http.requests", total(&increases, 1e9, &[700, 2_100])), Some(700), "by its restart");
        assert_eq!(first("http.requests", total(&increases, 50.0, &[])), Some(1_000), "by its growth");
        let last = said("http.requests", by_minute(total(&increases, 1e9, &[700, 2_100]))).pop();
        assert_eq!(last, Some(Some(LooksLike::Counter)), "it stays so");
    }

    #[test]
    fn a_restart_during_a_gap_is_one() {
        let values = total(&increases(4, 2_000), 1e9, &[]);
        let after = total(&increases(5, 500), 900.0, &[]);
        let times = (0..2_000).chain(2_030..2_530).map(|i| i * MINUTE);
        let said = said("sent", times.zip(values.into_iter().chain(after)));
        assert_eq!(said[2_000], Some(LooksLike::Counter));
    }

    #[test]
    fn a_clock_is_no_counter() {
        let mut jitter = dice(2);
        let (mut at, mut start) = (0, -86_400_000);
        let uptime = (0..2_000).map(|i| {
            at += 9_000 + (2_000.0 * jitter()) as i64;
            if i == 1_200 {
                start = at - 3_000;
            }
            (at, ((at - start) / 1_000) as f64)
        });
        let uptime: Vec<(i64, f64)> = uptime.collect();
        assert!(uptime[1_200].1 < uptime[1_199].1, "it begins again");
        let unix: Vec<(i64, f64)> = (0..2_000i64).map(|i| (i * MINUTE, 1.7e9 + 60.0 * i as f64)).collect();
        for samples in [uptime, unix] {
            let said = said("node.uptime_total", samples);
            assert!(!said.contains(&Some(LooksLike::Counter)));
            assert_eq!(said.last(), Some(&Some(LooksLike::Clock)));
        }
    }

    #[test]
    fn levels_trends_and_sawteeth_are_what_they_are() {
        let mut dice = dice(3);
        let mut noise = move || dice() - 0.5;
        let trend = (0..20_000).map(|i| 100.0 + 0.01 * f64::from(i) + 0.1 * noise()).collect::<Vec<_>>();
        let strict = (0..20_000).map(|i| 400.0 + 0.01 * f64::from(i)).collect::<Vec<_>>();
        let mut walk = 500.0;
        let walk = (0..20_000).map(|_| {
            walk = f64::max(walk + noise(), 0.0);
            walk
        });
        let walk = walk.collect::<Vec<_>>();
        let mut used = 40.0;
        let disk = (0..20_000).map(|i| {
            used = if i % 2_016 == 2_015 { 35.0 } else { used + 0.03 * (noise() + 0.5) };
            used
        });
        let disk = disk.collect::<Vec<_>>();
        let buffer = (0..20_000).map(|i| f64::from(i % 30) * (1.0 + 0.1 * noise())).collect::<Vec<_>>();
        let constant = vec![7.0; 20_000];
        let negative = (0..20_000).map(|i| f64::from(i) - 30_000.0).collect::<Vec<_>>();
        let kinds = [trend, strict, walk, disk, buffer, constant, negative];
        for (number, values) in kinds.into_iter().enumerate() {
            let said = said("disk.used", by_minute(values));
            assert_eq!(said.iter().position(Option::is_some), None, "kind {number}");
        }
    }

    #[test]
    fn a_fall_to_another_value_takes_the_finding_back() {
        let mut values = total(&increases(6, 2_000), 50.0, &[]);
        assert_eq!(said("load", by_minute(values.clone())).pop(), Some(Some(LooksLike::Counter)));
        let newest = values[1_999];
        values.extend((0..2_000).map(|i| 0.6 * newest + 40.0 * f64::from(i)));
        assert_eq!(said("load", by_minute(values)).pop(), Some(None));
    }

    #[test]
    fn the_byte_form_round_trips() {
        let mut growth = Growth::default();
        let samples = by_minute(total(&increases(7, 300), 1e9, &[200]));
        let mut before = None;
        samples.for_each(|(timestamp_ms, value)| {
            let sample = Sample { timestamp_ms, value };
            growth.learn(before.replace(sample), sample);
        });
        let mut bytes = Vec::new();
        growth.put(&mut bytes);
        assert_eq!(<Growth as Stored>::read(&mut &bytes[..]), Some(growth));
    }
}
