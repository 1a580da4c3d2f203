//! Generated series with faults, and the anomalies that the real detector finds in them.

use earcon_model::{
    Anomaly, AnomalyEvent, DeletionScope, EventBody, KpiName, Labels, Sample, SeriesBatch, SeriesEvent, WorkspaceId,
};
use earcon_streams::{KpiState, StreamSettings};

/// A small generator (SplitMix64, Steele, Lea & Flood 2014).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// In 0..1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// A KPI: its name, the unit that was stated, and how its numbers are written: the symbol, and the
/// factor of the values.
pub(super) struct Kind {
    pub(super) kpi: &'static str,
    pub(super) unit: Option<&'static str>,
    pub(super) symbol: &'static str,
    pub(super) factor: f64,
    value: fn(&mut Dice) -> f64,
}

const fn kind(
    kpi: &'static str,
    unit: Option<&'static str>,
    (symbol, factor): (&'static str, f64),
    value: fn(&mut Dice) -> f64,
) -> Kind {
    Kind { kpi, unit, symbol, factor, value }
}

pub(super) static KINDS: [Kind; 20] = [
    kind("gauge", None, ("", 1.0), |d| 100.0 + 5.0 * d.normal()),
    kind("umsatz.köln", Some("EUR"), ("EUR", 1.0), |d| 98_000.0 + 4_000.0 * d.normal()),
    kind("orders", Some("{order}"), ("order", 1.0), |d| (20.0 + 4.5 * d.normal()).round().max(0.0)),
    kind("rare", Some("1"), ("", 1.0), |d| if d.uniform() < 0.2 { 1.0 } else { 0.0 }),
    kind("shop.latency", Some("ms"), ("s", 1e-3), |d| 12.0 * (0.3 * d.normal()).exp()),
    kind("db.latency", Some("s"), ("s", 1.0), |d| 0.2 * (0.3 * d.normal()).exp()),
    kind("net.rtt", Some("us"), ("s", 1e-6), |d| 950.0 + 20.0 * d.normal()),
    kind("cpu.wait", Some("ns"), ("s", 1e-9), |d| 80.0 + 3.0 * d.normal().abs()),
    kind("api.answer_ms", None, ("s", 1e-3), |d| 980.0 + 15.0 * d.normal()),
    kind("cpu.busy_percent", None, ("%", 1.0), |d| (97.0 + 2.0 * d.normal()).clamp(0.0, 100.0)),
    kind("cache.hit_ratio", None, ("%", 100.0), |d| 0.9 + 0.01 * d.normal()),
    kind("disk.used_bytes", None, ("B", 1.0), |d| 999e6 + 2e6 * d.normal()),
    kind("net.in", Some("By/s"), ("B/s", 1.0), |d| (1e6 * (0.5 * d.normal()).exp()).round()),
    kind("queries", Some("{query}/s"), ("query/s", 1.0), |d| 12_500.0 + 300.0 * d.normal()),
    kind("requests", Some("1/s"), ("/s", 1.0), |d| 990.0 + 8.0 * d.normal()),
    kind("tiny", None, ("", 1.0), |d| 3e-9 * (1.0 + 0.1 * d.normal())),
    kind("huge", None, ("", 1.0), |d| 2e17 * (1.0 + 0.05 * d.normal())),
    kind("loss", Some("USD"), ("USD", 1.0), |d| -5_000.0 + 90.0 * d.normal()),
    kind("raum.wärme", Some("Cel"), ("°C", 1.0), |d| 0.5 + 1.5 * d.normal()),
    kind("flat", None, ("", 1.0), |d| 1e4 + 0.001 * d.normal()),
];

const LABELS: [&str; 6] =
    ["", "region:eu", "filiale:Zürich,店:東京", "город:Москва", "host:web-1,path:/a:b,zone:a b", "شارع:١٢"];

/// A series with its state, and the anomalies of all its events so far.
pub(super) struct Course {
    pub(super) kind: &'static Kind,
    pub(super) labels: Labels,
    /// The values in order.
    pub(super) values: Vec<f64>,
    pub(super) found: Vec<Anomaly>,
    state: KpiState,
    interval_ms: i64,
    now_ms: i64,
    /// Expected value and band of the newest sample.
    band: Option<(f64, f64, f64)>,
}

impl Course {
    /// A series of one kind with up to a dozen faults, which end in all the ways there are.
    pub(super) fn run(dice: &mut Dice) -> Self {
        let kind = dice.pick(&KINDS);
        let labels = Labels::parse(dice.pick::<&str>(&LABELS)).unwrap();
        let (workspace, kpi) = (WorkspaceId::new("lab").unwrap(), KpiName::new(kind.kpi).unwrap());
        let state = KpiState::new(workspace, kpi, StreamSettings::default().into());
        let interval_ms = *dice.pick(&[1_000, 60_000, 300_000]);
        let now_ms = 1_700_000_000_000 + dice.below(100_000_000_000) as i64;
        let mut course =
            Self { kind, labels, values: Vec::new(), found: Vec::new(), state, interval_ms, now_ms, band: None };
        let still = dice.below(16) == 0;
        course.ordinary(dice, if still { 650 } else { 100 });
        for _ in 0..12 {
            course.fault(dice, still);
            course.end(dice);
            course.ordinary(dice, 15);
        }
        course
    }

    fn ordinary(&mut self, dice: &mut Dice, samples: usize) {
        (0..samples).for_each(|_| self.push((self.kind.value)(dice)));
    }

    /// A few values outside of the band, from hardly to far, or one that repeats.
    fn fault(&mut self, dice: &mut Dice, still: bool) {
        let samples = 1 + dice.below(4);
        if still {
            let value = (self.kind.value)(dice);
            (0..90).for_each(|_| self.push(value));
            return;
        }
        let side = dice.below(2);
        let far = *dice.pick(&[1.000_01, 1.001, 1.02, 1.3, 3.0, 12.0, 90.0, 300.0, 1e6]);
        for _ in 0..samples {
            let Some((expected, lower, upper)) = self.band else { return };
            let edge = if side == 0 { lower } else { upper };
            self.push(expected + far * (1.0 + 0.1 * dice.uniform()) * (edge - expected));
        }
    }

    /// Ends the episode, if there is one.
    fn end(&mut self, dice: &mut Dice) {
        let labels = self.labels.clone();
        match dice.below(8) {
            0 => self.ordinary(dice, 140),
            1 | 2 => {
                let ended = SeriesBatch {
                    ended_at_ms: Some(self.now_ms + 1),
                    ..SeriesBatch::gauge(labels, std::iter::empty())
                };
                let bodies = self.state.push(&[ended], self.now_ms + 1).bodies;
                self.record(bodies);
            }
            3 | 4 => {
                self.now_ms += 100 * self.interval_ms + 10_000_000;
                let bodies = self.state.check_stalls(self.now_ms);
                self.record(bodies);
            }
            _ => {
                let whole = DeletionScope::Samples { labels, from_ms: 0, to_ms: self.now_ms + 1 };
                let closed = self.state.delete(&whole);
                self.record(closed.into_iter().map(EventBody::Anomaly).collect());
            }
        }
    }

    fn push(&mut self, value: f64) {
        self.now_ms += self.interval_ms;
        self.values.push(value);
        let sample = Sample { timestamp_ms: self.now_ms, value };
        let batch = SeriesBatch::gauge(self.labels.clone(), [(0, sample)]);
        let bodies = self.state.push(&[batch], self.now_ms).bodies;
        self.record(bodies);
    }

    fn record(&mut self, bodies: Vec<EventBody>) {
        for body in bodies {
            match body {
                EventBody::Anomaly(
                    AnomalyEvent::Opened(found) | AnomalyEvent::Updated(found) | AnomalyEvent::Closed(found),
                ) => self.found.push(Anomaly { unit: self.kind.unit.map(str::to_owned), ..*found }),
                EventBody::Series(SeriesEvent::Samples(all)) => {
                    let newest = all.first().and_then(|series| series.samples.last());
                    let scored = newest.filter(|sample| sample.score.is_some());
                    self.band = scored.map(|sample| (sample.expected, sample.lower, sample.upper));
                }
                _ => {}
            }
        }
    }
}
