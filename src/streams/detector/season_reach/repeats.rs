//! Improbable runs: a sensor hangs, orders stop.
//!
//! If values repeat with probability p, a run of n repetitions has probability pⁿ. The probability
//! is that of the hour of the day, so a night of zeros does not excuse a noon of zeros. A run must
//! also be long in absolute terms and less likely than the earlier ones.

use super::halves::{Half, decode, encode};
use crate::arithmetic::{LOG10_OF_2, log2};
use crate::stored::Stored;

const HOURS: usize = 24;
/// Memory of an hour: three days of it, within these bounds of samples.
const DAYS: f64 = 3.0;
const MEMORY: (f64, f64) = (6.0, 600.0);
/// Weight of the share of the whole day in an hour's.
const WHOLE_DAY: f32 = 10.0;
/// Samples in the share of the whole day.
const ALL_MEMORY: f32 = 3_000.0;
/// Least run, and least improbability in decades.
const LEAST_RUN: f64 = 12.0;
const DECADES: f64 = 12.0;
/// A run must be this many times as improbable as the least likely recent one.
const TIMES_LONGEST: f64 = 2.0;
/// Share of that record which a changing value forgets.
const FORGET: f32 = 1.0 / 4_096.0;
/// A run of this many times the least one is accepted as the normal state.
const ACCEPTED: f64 = 12.0;
/// Samples needed, and milliseconds if more than one value in twenty repeats.
const NEEDED: u32 = 150;
const NEEDED_MS: i64 = 172_800_000;
const OFTEN: f32 = 0.05;
/// A run is learned below this share of the least one.
const LEARNED: f64 = 0.7;

/// No hour has begun yet.
const NEVER: u8 = u8::MAX;

/// How a series repeats its values.
#[derive(Debug, Clone)]
pub(super) struct Repeats {
    run: f32,
    decades: f32,
    longest: f32,
    /// Share of repetitions at all times, and the values in it.
    all: f32,
    learned: f32,
    /// Those of the present hour; `HourlyRepeats` gets them when it ends.
    share: f32,
    count: u16,
    hour: u8,
}

/// Share of repetitions in each hour of the day, and the values in it. A sample touches it if its
/// hour is another one than that of the sample before.
#[derive(Debug, Clone)]
pub(super) struct HourlyRepeats {
    shares: [Half; HOURS],
    counts: [u16; HOURS],
}

impl HourlyRepeats {
    pub(super) fn new() -> Self {
        Self { shares: [0; HOURS], counts: [0; HOURS] }
    }
}

impl Repeats {
    pub(super) fn new() -> Self {
        Self { run: 0.0, decades: 0.0, longest: 0.0, all: 0.0, learned: 0.0, share: 0.0, count: 0, hour: NEVER }
    }

    /// Repetitions in the current run.
    pub(super) fn run(&self) -> f64 {
        f64::from(self.run)
    }

    /// Takes up the hour of the next value.
    pub(super) fn turn_to(&mut self, hour: usize, hourly: &mut HourlyRepeats) {
        if hour == usize::from(self.hour) {
            return;
        }
        self.write_back(hourly);
        self.hour = hour as u8;
        (self.share, self.count) = (decode(hourly.shares[hour % HOURS]), hourly.counts[hour % HOURS]);
    }

    fn write_back(&self, hourly: &mut HourlyRepeats) {
        let hour = usize::from(self.hour);
        if hour < HOURS {
            (hourly.shares[hour], hourly.counts[hour]) = (encode(self.share), self.count);
        }
    }

    /// Length of the run in units of an anomalous one, from 0; 1 is the edge. Learns the value.
    pub(super) fn push(&mut self, repeats: bool, per_day: f64, seen: u32, age_ms: i64) -> f64 {
        let mut odd = 0.0;
        if repeats {
            let count = f32::from(self.count);
            let share = (self.share * count + self.all * WHOLE_DAY) / (count + WHOLE_DAY);
            // As if one more value had repeated: an event never seen is not impossible.
            let share = share.max(1.0 / (self.learned.min(ALL_MEMORY) + 2.0)).min(1.0);
            self.run += 1.0;
            self.decades -= (LOG10_OF_2 * log2(f64::from(share))) as f32;
            odd = self.oddness(seen, age_ms);
        } else {
            if self.run > 0.0 {
                self.longest = self.longest.max(self.decades.min(2.0 * self.longest.max(6.0)));
            }
            self.longest *= 1.0 - FORGET;
            (self.run, self.decades) = (0.0, 0.0);
        }
        if odd < LEARNED {
            self.learn(if repeats { 1.0 } else { 0.0 }, per_day);
        }
        odd
    }

    fn oddness(&self, seen: u32, age_ms: i64) -> f64 {
        let needed_ms = if self.all > OFTEN { NEEDED_MS } else { 0 };
        if seen < NEEDED || age_ms < needed_ms {
            return 0.0;
        }
        let (run, decades) = (f64::from(self.run), f64::from(self.decades));
        let odd = (run / LEAST_RUN).min(decades / DECADES);
        let longest = TIMES_LONGEST * f64::from(self.longest);
        let odd = if longest > 0.0 { odd.min(decades / longest) } else { odd };
        if odd < ACCEPTED { odd } else { 0.0 }
    }

    fn learn(&mut self, target: f32, per_day: f64) {
        let memory = (DAYS / 24.0 * per_day).clamp(MEMORY.0, MEMORY.1) as u16;
        self.count = (self.count + 1).min(memory);
        self.share += (target - self.share) / f32::from(self.count);
        self.learned = (self.learned + 1.0).min(ALL_MEMORY);
        self.all += (target - self.all) / self.learned;
    }

    pub(super) fn put(&self, hourly: &HourlyRepeats, out: &mut Vec<u8>) {
        [self.run, self.decades, self.longest, self.all, self.learned, self.share].put(out);
        self.count.put(out);
        self.hour.put(out);
        hourly.shares.put(out);
        hourly.counts.put(out);
    }

    pub(super) fn read(from: &mut &[u8]) -> Option<(Self, HourlyRepeats)> {
        let [run, decades, longest, all, learned, share] = Stored::read(from)?;
        let (count, hour) = (Stored::read(from)?, Stored::read(from)?);
        let hourly = HourlyRepeats { shares: Stored::read(from)?, counts: Stored::read(from)? };
        Some((Self { run, decades, longest, all, learned, share, count, hour }, hourly))
    }
}
