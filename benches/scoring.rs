//! The cost of scoring: one series, many interleaved series, and a KPI's snapshot.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use earcon_model::{KpiName, Labels, Sample, SeriesBatch, WorkspaceId};
use earcon_streams::{Detector, DetectorName, KpiState, SeasonReach, StreamSettings};

const START: i64 = 1_767_225_600_000;
const SERIES: usize = 10_000;

/// Noise with occasional spikes, from a linear congruential generator.
struct Signal(u64);

impl Iterator for Signal {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (self.0 >> 40) as f64 / f64::from(1u32 << 24) + (self.0 << 24 >> 40) as f64 / f64::from(1u32 << 24);
        Some(if self.0.is_multiple_of(997) { noise * 50.0 } else { noise })
    }
}

fn kpi(settings: StreamSettings) -> KpiState {
    let workspace = WorkspaceId::new("bench").expect("a valid name");
    KpiState::new(workspace, KpiName::new("bench.kpi").expect("a valid name"), Arc::new(settings))
}

/// One sample of each series, `round` seconds after the start.
fn round_of_all(labels: &[Labels], signal: &mut Signal, round: i64) -> Vec<SeriesBatch> {
    let sample = |value| Sample { timestamp_ms: START + round * 1_000, value };
    let rows = |signal: &mut Signal| signal.next().map(|value| (0, sample(value)));
    labels.iter().map(|labels| SeriesBatch::gauge(labels.clone(), rows(signal))).collect()
}

fn warm() -> (KpiState, Vec<Labels>, Signal) {
    let name = |i| Labels::from_pairs([("host", format!("web-{i}"))]).expect("valid labels");
    let labels: Vec<Labels> = (0..SERIES).map(name).collect();
    let (mut state, mut signal) = (kpi(StreamSettings::default()), Signal(1));
    for round in 0..200 {
        state.push(&round_of_all(&labels, &mut signal, round), START + round * 1_000);
    }
    (state, labels, signal)
}

fn push_all(detector: &mut impl Detector, signal: &mut Signal, at: &mut i64) {
    let settings = StreamSettings::default();
    for value in signal.take(1_000) {
        *at += 1_000;
        black_box(detector.score(Sample { timestamp_ms: *at, value }, &settings, 1.0));
    }
}

fn one_series(c: &mut Criterion) {
    let mut group = c.benchmark_group("scoring");
    group.throughput(Throughput::Elements(1_000));
    let mut signal = Signal(7);

    let mut season_reach = SeasonReach::default();
    let mut at = START;
    group.bench_function("season-reach-1, one series, 1000 samples", |b| {
        b.iter(|| push_all(&mut season_reach, &mut signal, &mut at));
    });

    let mut state = kpi(StreamSettings::default());
    let mut at = START;
    group.bench_function("KPI, one series, a batch of 1000 samples", |b| {
        b.iter_batched(
            || {
                let rows = signal.by_ref().take(1_000).map(|value| {
                    at += 1_000;
                    (0, Sample { timestamp_ms: at, value })
                });
                ([SeriesBatch::gauge(Labels::none(), rows)], at)
            },
            |(batch, now)| black_box(state.push(&batch, now)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn many_series(c: &mut Criterion) {
    let (mut state, labels, mut signal) = warm();
    let mut group = c.benchmark_group("10000 series");
    group.sample_size(30).throughput(Throughput::Elements(SERIES as u64));
    let mut round = 200;
    group.bench_function("one sample each", |b| {
        b.iter_batched(
            || {
                round += 1;
                (round_of_all(&labels, &mut signal, round), START + round * 1_000)
            },
            |(batches, now)| black_box(state.push(&batches, now)),
            BatchSize::PerIteration,
        );
    });
    let bytes = state.snapshot();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("snapshot", |b| b.iter(|| black_box(state.snapshot())));
    group.bench_function("restore", |b| {
        b.iter(|| {
            let workspace = WorkspaceId::new("bench").expect("a valid name");
            let name = KpiName::new("bench.kpi").expect("a valid name");
            black_box(KpiState::restore(workspace, name, Arc::default(), &bytes).expect("a sound snapshot"))
        });
    });
    group.finish();
    let report = |text: String| std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    let sizes = (KpiState::bytes_per_series(DetectorName::default()), bytes.len() / SERIES);
    report(format!("bytes a series: {} in memory, {} in a snapshot\n", sizes.0, sizes.1)).expect("stdout is open");
}

criterion_group!(benches, one_series, many_series);
criterion_main!(benches);
