//! Synthetic series of ordinary data, from a seed.

use crate::{KpiState, StreamSettings};
use earcon_model::{KpiName, Labels, Sample, SeriesBatch, WorkspaceId};

/// A small generator (SplitMix64, Steele, Lea & Flood 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
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
}

/// A kind of anomaly-free series: its name and its values.
pub(super) type Ordinary = (&'static str, fn(&mut Dice, usize) -> Vec<f64>);

pub(super) const ORDINARY: [Ordinary; 13] = [
    ("constant", |_, n| vec![42.0; n]),
    ("gaussian", |d, n| (0..n).map(|_| 100.0 + 5.0 * d.normal()).collect()),
    ("counts", |d, n| (0..n).map(|_| d.count(3.0)).collect()),
    ("rare counts", |d, n| (0..n).map(|_| d.count(0.05)).collect()),
    ("lognormal", |d, n| (0..n).map(|_| d.normal().exp()).collect()),
    ("ar(1)", |d, n| walk(n, |x| 0.9 * x + d.normal())),
    ("random walk", |d, n| walk(n, |x| x + d.normal())),
    ("daily sine", |d, n| {
        let turn = std::f64::consts::TAU / 288.0;
        (0..n).map(|i| 50.0 + 20.0 * (i as f64 * turn).sin() + d.normal()).collect()
    }),
    ("cpu percent", |d, n| {
        let mut busy = 0.0;
        walk(n, |_| {
            busy = if d.uniform() < 0.01 { 60.0 * d.uniform() } else { busy * 0.9 };
            (3.0 + busy + 1.5 * d.normal().abs()).min(100.0)
        })
    }),
    ("bursty bytes", |d, n| {
        (0..n).map(|_| if d.uniform() < 0.1 { 4096.0 * (2.0 + 1.5 * d.normal()).exp().round() } else { 0.0 }).collect()
    }),
    ("plateaus", |d, n| walk(n, |x| if d.uniform() < 0.02 { x + f64::from(d.normal().round() as i32) } else { x })),
    ("heteroscedastic", |d, n| {
        let mut spread = 0.0f64;
        walk(n, |_| {
            spread = 0.98 * spread + 0.1 * d.normal();
            spread.exp() * d.normal()
        })
    }),
    ("load average", |d, n| {
        let mut running = 0.0;
        walk(n, |x| {
            running = if d.uniform() < 0.02 { d.count(1.0) } else { running };
            ((x + (running - x) / 60.0) * 100.0).round() / 100.0
        })
    }),
];

fn walk(n: usize, mut step: impl FnMut(f64) -> f64) -> Vec<f64> {
    let mut x = 0.0;
    (0..n)
        .map(|_| {
            x = step(x);
            x
        })
        .collect()
}

/// A KPI with default settings and no series.
pub(super) fn fresh() -> KpiState {
    with(StreamSettings::default())
}

pub(super) fn with(settings: StreamSettings) -> KpiState {
    KpiState::new(WorkspaceId::new("lab").unwrap(), KpiName::new("host.cpu").unwrap(), settings.into())
}

/// One batch of the series without labels; rows are numbered from 0.
pub(super) fn batch(samples: impl IntoIterator<Item = (i64, f64)>) -> SeriesBatch {
    labelled("", samples)
}

pub(super) fn labelled(labels: &str, samples: impl IntoIterator<Item = (i64, f64)>) -> SeriesBatch {
    let rows = samples.into_iter().enumerate();
    let rows = rows.map(|(i, (timestamp_ms, value))| (i as u32, Sample { timestamp_ms, value }));
    SeriesBatch::gauge(Labels::parse(labels).unwrap(), rows)
}

/// The values as one batch, `interval_ms` apart, from 2023 on.
pub(super) fn every(interval_ms: i64, values: &[f64]) -> SeriesBatch {
    batch(values.iter().enumerate().map(|(i, value)| (START + i as i64 * interval_ms, *value)))
}

/// 2023-11-14, midnight UTC.
pub(super) const START: i64 = 1_699_920_000_000;
