//! Generated anomaly-free series, from a seed: each alert on them is a false alert.

use super::run::LabelledSeries;

/// A kind of anomaly-free data.
#[derive(Debug, Clone, Copy)]
pub struct NullKind {
    /// Its name in reports.
    pub name: &'static str,
    course: fn(&mut Dice, usize) -> f64,
}

/// Samples of a day in the seasonal series: one every five minutes.
pub(super) const DAY: usize = 288;
/// Time between samples.
pub(super) const INTERVAL_MS: i64 = 300_000;
/// 2024-01-01, midnight UTC, a Monday.
pub(super) const START_MS: i64 = 1_704_067_200_000;

/// All kinds. All but the first have noise. The seasonal one follows day, week and a slow drift.
pub const NULL_KINDS: [NullKind; 8] = [
    NullKind { name: "constant", course: |_, _| 42.0 },
    NullKind { name: "gaussian", course: |dice, _| 100.0 + 5.0 * dice.normal() },
    NullKind { name: "counts", course: |dice, _| dice.count(3.0) },
    NullKind { name: "lognormal", course: |dice, _| dice.normal().exp() },
    NullKind { name: "ar(1)", course: |dice, _| dice.follow(0.9) },
    NullKind {
        name: "heteroscedastic",
        course: |dice, _| {
            let spread = dice.follow(0.98) * 0.1;
            spread.exp() * dice.normal()
        },
    },
    NullKind {
        name: "seasonal",
        course: |dice, i| {
            let turn = std::f64::consts::TAU * i as f64 / DAY as f64;
            let weekend = if i / DAY % 7 >= 5 { 0.6 } else { 1.0 };
            100.0 + weekend * 20.0 * turn.sin() + 0.002 * i as f64 + 2.0 * dice.normal()
        },
    },
    NullKind { name: "random walk", course: |dice, _| dice.follow(1.0) },
];

impl NullKind {
    /// A series of `samples` samples, one every five minutes. The same seed gives the same series.
    pub fn series(&self, seed: u64, samples: usize) -> LabelledSeries {
        let mut dice = Dice::new(seed);
        LabelledSeries {
            name: format!("{} {seed}", self.name),
            timestamps_ms: (0..samples as i64).map(|i| START_MS + i * INTERVAL_MS).collect(),
            values: (0..samples).map(|i| (self.course)(&mut dice, i)).collect(),
            windows: Vec::new(),
            labelled: true,
        }
    }
}

/// A small generator (SplitMix64, Steele, Lea & Flood 2014).
pub(super) struct Dice {
    state: u64,
    last: f64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x2545_f491_4f6c_dd1d), last: 0.0 }
    }

    /// In 0..1.
    pub(super) fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box & Muller 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Poisson-distributed (Knuth).
    pub(super) fn count(&mut self, mean: f64) -> f64 {
        let (mut product, mut n) = (self.uniform(), 0);
        while product > (-mean).exp() {
            product *= self.uniform();
            n += 1;
        }
        f64::from(n)
    }

    /// The next of a first-order autoregressive sequence.
    pub(super) fn follow(&mut self, memory: f64) -> f64 {
        self.last = memory * self.last + self.normal();
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_depend_on_the_seed_alone() {
        for kind in NULL_KINDS {
            let values = |seed| kind.series(seed, 500).values;
            assert_eq!(values(1), values(1), "{}", kind.name);
            assert!(values(1).iter().all(|value| value.is_finite()), "{}", kind.name);
            assert!(kind.name == "constant" || values(1) != values(2), "{}", kind.name);
        }
    }
}
