//! The cost of grouping an anomaly event while 10,000 series of a workspace are anomalous.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use earcon::incidents::{IncidentEngine, IncidentSettings, SeriesInventory};
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, Direction, Event, EventBody, Feature, KpiName, Labels, Seq, SeriesId, WorkspaceId,
};

const OPEN: u64 = 10_000;
const START: i64 = 1_767_225_600_000;

fn workspace() -> WorkspaceId {
    WorkspaceId::new("bench").expect("a legal name")
}

fn opened(seq: Seq, apart_ms: i64) -> Event {
    let kpi = KpiName::new(&format!("family{}.kpi{}", seq % 40, seq % 500)).expect("a legal name");
    let labels =
        Labels::from_pairs([("host", format!("h{}", seq % 97)), ("id", seq.to_string())]).expect("legal labels");
    let at = START + seq as i64 * apart_ms;
    let anomaly = Anomaly {
        id: AnomalyId::of(&workspace(), SeriesId::of(&kpi, &labels), at, "bench"),
        kpi: kpi.clone(),
        labels,
        opened_at_ms: at,
        last_at_ms: at,
        closed_at_ms: None,
        peak_score: 0.5 + (seq % 100) as f32 / 220.0,
        peak_at_ms: at,
        peak_value: 2.0,
        peak_expected: 1.0,
        peak_lower: 0.0,
        peak_upper: 1.5,
        direction: Direction::Above,
        reason: Feature::ResidualZ,
        samples: 1,
        detector: "bench".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    };
    Event::new(seq, at, kpi, AnomalyEvent::Opened(Box::new(anomaly)))
}

/// An engine with [`OPEN`] anomalies, all of them open.
fn busy(apart_ms: i64) -> IncidentEngine {
    let mut engine = IncidentEngine::new(workspace(), IncidentSettings::default(), 0);
    let events: Vec<Event> = (1..=OPEN).map(|seq| opened(seq, apart_ms)).collect();
    let labels = events.iter().filter_map(|event| match &event.body {
        EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => Some((&anomaly.kpi, &anomaly.labels)),
        _ => None,
    });
    engine.set_inventory(SeriesInventory::from_series(labels));
    for event in &events {
        engine.ingest(event, &|_| None);
        let _alerts = engine.decide(event.time_ms);
    }
    engine
}

fn grouping(criterion: &mut Criterion) {
    // Distant anomalies give as many incidents as are allowed; close ones give a single incident.
    for (name, apart_ms) in [("scattered over days", 60_000), ("all at once", 10)] {
        let engine = busy(apart_ms);
        let (incidents, series) = (engine.open().count(), engine.series_count());
        let next: Vec<Event> = (OPEN + 1..=OPEN + 100).map(|seq| opened(seq, apart_ms)).collect();
        let label = format!("a hundred anomalies, 10,000 open, {name} ({incidents} incidents, {series} series)");
        criterion.bench_function(&label, |bencher| {
            let work = |mut engine: IncidentEngine| {
                for event in &next {
                    engine.ingest(event, &|_| None);
                }
                let alerts = engine.decide(next[99].time_ms);
                (engine, alerts)
            };
            bencher.iter_batched(|| engine.clone(), work, BatchSize::LargeInput);
        });
        criterion.bench_function(&format!("save the state, {name}"), |bencher| bencher.iter(|| engine.save()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = grouping
}
criterion_main!(benches);
