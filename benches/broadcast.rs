//! Broadcasting an event: the cost of encoding for the first follower, and of sharing for each
//! further one.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use earcon::actors::hub::EventBatch;
use earcon_model::{
    Event, Features, KpiName, Labels, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus, WorkspaceId,
};
use earcon_ports::Epochs;
use tokio::sync::broadcast;

const FOLLOWERS: u64 = 1_000;

/// One KPI's sample, as a live dashboard receives it every second.
fn event() -> Arc<Event> {
    let sample = ScoredSample {
        timestamp_ms: 1_767_225_600_000,
        value: 1_234.567_8,
        score: Some(0.125),
        expected: 1_200.25,
        lower: 1_100.5,
        upper: 1_300.75,
    };
    let series = SeriesSamples {
        labels: Labels::parse("host:web-1,region:eu").expect("valid labels"),
        samples: vec![sample].into(),
        late: vec![],
        features: Some(Features { robust_z: 0.5, residual_z: 0.25, volatility: 1.0, slope: 0.01, level: 0.7 }),
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let kpi = KpiName::new("checkout.revenue").expect("a valid name");
    Arc::new(Event::new(4_711, 1_767_225_600_123, kpi, SeriesEvent::Samples(vec![series])))
}

fn batch(event: &Arc<Event>) -> Arc<EventBatch> {
    let workspace = WorkspaceId::new("local").expect("a valid name");
    Arc::new(EventBatch::new(workspace, Arc::new(Epochs::new("epoch", 1)), vec![event.clone()]))
}

fn texts(batch: &EventBatch) -> usize {
    batch.frames(false).map(|(_, message)| black_box(message()).wire().len()).sum()
}

fn broadcasting(criterion: &mut Criterion) {
    let event = event();
    let mut group = criterion.benchmark_group("broadcast");
    group.bench_function("encode, first follower", |bencher| {
        bencher.iter_batched(|| batch(&event), |batch| texts(&batch), BatchSize::SmallInput);
    });
    group.throughput(Throughput::Elements(FOLLOWERS));
    group.bench_function("send and share, 1,000 followers", |bencher| {
        let (sender, first) = broadcast::channel(16);
        let mut followers: Vec<_> = (1..FOLLOWERS).map(|_| sender.subscribe()).collect();
        followers.push(first);
        bencher.iter(|| {
            assert!(sender.send(batch(&event)).is_ok(), "there are followers");
            for follower in &mut followers {
                texts(&follower.try_recv().expect("the batch was sent"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, broadcasting);
criterion_main!(benches);
