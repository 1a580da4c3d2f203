//! Speed of rendering and encoding the default mix relative to real time, on one core.
//!
//! An element is a millisecond of sound, so "170 Kelem/s" reads as 170 times real time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use earcon_audio::{Encoder, FRAME_MS, FRAME_SAMPLES, Frame, MixSettings, Renderer, Scene, Sonifier};
use earcon_model::{Event, Features, KpiName, Labels, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus};

/// The scene of a mix with 60 series, `restless` of them far outside of their band.
fn scene(voices: u8, restless: usize) -> Scene {
    let mut sonifier = Sonifier::new(MixSettings { voices, ..Default::default() });
    for i in 0..60 {
        sonifier.observe(&sample(i, if i < restless { 0.9 } else { 0.05 }));
    }
    sonifier.scene(0)
}

fn sample(i: usize, score: f32) -> Event {
    let sample =
        ScoredSample { timestamp_ms: 0, value: 1.0, score: Some(score), expected: 1.0, lower: 0.0, upper: 2.0 };
    let features =
        Features { robust_z: 1.0, residual_z: 1.0, volatility: 2.0, slope: 0.1, level: (i % 10) as f32 / 10.0 };
    let series = SeriesSamples {
        labels: Labels::none(),
        samples: vec![sample].into(),
        late: Vec::new(),
        features: Some(features),
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let kpi = KpiName::new(&format!("family{}.kpi{i}", i % 7)).expect("a valid name");
    Event::new(1, 0, kpi, SeriesEvent::Samples(vec![series]))
}

fn rendering(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rendering");
    group.throughput(Throughput::Elements(u64::from(FRAME_MS)));
    let mut frame: Frame = [0.0; FRAME_SAMPLES * 2];

    for (name, voices, restless) in [("render/3 voices", 3, 1), ("render/8 voices", 8, 8)] {
        let (scene, mut renderer) = (scene(voices, restless), Renderer::new(0));
        group.bench_function(name, |bencher| bencher.iter(|| renderer.render(black_box(&scene), &mut frame)));
    }

    let (calm, mut renderer) = (scene(3, 1), Renderer::new(0));
    let mut encoder = Encoder::new().expect("libopus starts");
    // Encoding the same frame repeatedly would be easier than encoding music, so this cycles
    // through a second of it.
    let second: Vec<Frame> = (0..50)
        .map(|_| {
            renderer.render(&calm, &mut frame);
            frame
        })
        .collect();
    let mut turn = second.iter().cycle();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| turn.next().map(|frame| encoder.encode(black_box(frame)).expect("libopus encodes")));
    });
    group.bench_function("render and encode", |bencher| {
        bencher.iter(|| {
            renderer.render(black_box(&calm), &mut frame);
            encoder.encode(&frame).expect("libopus encodes")
        });
    });
    group.finish();
}

criterion_group!(benches, rendering);
criterion_main!(benches);
