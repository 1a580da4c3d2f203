//! What grouping costs: an anomaly event, with 10,000 series of a workspace anomalous already.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use earcon::incidents::{IncidentEngine, IncidentSettings, SeriesInventory};
use earcon_model::{
    Anomaly, AnomalyId, Direction, Event, EventBody, Feature, KpiName, Labels, Seq, SeriesId, WorkspaceId,
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
        rank: None,
        feedback: None,
        muted: None,
    };
    Event { seq, time_ms: at, kpi, body: EventBody::AnomalyOpened(Box::new(anomaly)) }
}

/// A desk that has heard of [`OPEN`] anomalies, all of them open still.
fn busy(apart_ms: i64) -> IncidentEngine {
    let mut desk = IncidentEngine::new(workspace(), IncidentSettings::default(), 0);
    let events: Vec<Event> = (1..=OPEN).map(|seq| opened(seq, apart_ms)).collect();
    let labels = events.iter().filter_map(|event| match &event.body {
        EventBody::AnomalyOpened(anomaly) => Some((&anomaly.kpi, &anomaly.labels)),
        _ => None,
    });
    desk.set_inventory(SeriesInventory::from_series(labels));
    for event in &events {
        desk.ingest(event, &|_| None);
        let _said = desk.decide(event.time_ms);
    }
    desk
}

fn grouping(criterion: &mut Criterion) {
    // Far apart there are as many incidents as are allowed; close together one that holds everything.
    for (name, apart_ms) in [("scattered over days", 60_000), ("all at once", 10)] {
        let desk = busy(apart_ms);
        let (incidents, series) = (desk.open().count(), desk.series_count());
        let next: Vec<Event> = (OPEN + 1..=OPEN + 100).map(|seq| opened(seq, apart_ms)).collect();
        let label = format!("a hundred anomalies, 10,000 open, {name} ({incidents} incidents, {series} series)");
        criterion.bench_function(&label, |bencher| {
            let work = |mut desk: IncidentEngine| {
                for event in &next {
                    desk.ingest(event, &|_| None);
                }
                let said = desk.decide(next[99].time_ms);
                (desk, said)
            };
            bencher.iter_batched(|| desk.clone(), work, BatchSize::LargeInput);
        });
        criterion.bench_function(&format!("save the state, {name}"), |bencher| bencher.iter(|| desk.save()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = grouping
}
criterion_main!(benches);
