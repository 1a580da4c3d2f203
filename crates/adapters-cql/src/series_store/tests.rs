//! The contract, many nodes over one database, and random histories beside a model, against the real database.

mod against_model;
mod many_nodes;

use std::sync::Arc;

use super::{CqlSeries, SeriesSettings};
use crate::{CqlDatabase, migrate, test_server};
use earcon_contract as contract;
use earcon_model::WorkspaceId;
use earcon_model::{Event, EventBody, KpiName, Labels, Sample, ScoredSample, Seq, SeriesSamples, SeriesStatus};
use earcon_ports::{SampleRow, SeriesQuery, SeriesStore, StoredBatch};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// The tables, made by whichever test comes first; `None` where there is no database.
async fn database(test: &str) -> Option<Arc<CqlDatabase>> {
    // Another schema is another keyspace, so that the database of a developer serves many versions.
    let schema = concat!(
        include_str!("../../../../config/cql/0001_meta.cql"),
        include_str!("../../../../config/cql/0002_series.cql")
    );
    let keyspace = format!("earcon_series_{:016x}", xxhash_rust::xxh3::xxh3_64(schema.as_bytes()));
    let settings = test_server::settings(test, &keyspace)?;
    migrate(&settings).await.unwrap();
    Some(Arc::new(CqlDatabase::open(&settings).await.unwrap()))
}

/// A store of one node.
async fn node(database: &Arc<CqlDatabase>) -> Arc<CqlSeries> {
    Arc::new(CqlSeries::new(database.clone(), SeriesSettings::default()).await.unwrap())
}

fn fresh() -> WorkspacePass {
    let name = format!("series-{}", uuid::Uuid::new_v4().simple());
    Authorizer::new().system(&WorkspaceId::new(&name).unwrap())
}

fn everything() -> SeriesQuery {
    SeriesQuery { kpi: KpiName::new("k").unwrap(), labels: Labels::none(), from_ms: i64::MIN, to_ms: i64::MAX }
}

/// One event with `rows` samples for each of `series` series, from `start_ms` on, one a second.
fn samples(seq: Seq, series: usize, start_ms: i64, rows: i64) -> Arc<Event> {
    let part = |series: usize| {
        let sample = |i: i64| {
            let value = ((start_ms / 1_000 + i + series as i64) % 100) as f64;
            let timestamp_ms = start_ms + i * 1_000;
            let (expected, lower, upper) = (value, value - 1.0, value + 1.0);
            ScoredSample { timestamp_ms, value, score: Some(0.5), expected, lower, upper }
        };
        SeriesSamples {
            labels: Labels::parse(&format!("n:{series}")).unwrap(),
            samples: (0..rows).map(sample).collect(),
            late: Vec::new(),
            features: None,
            status: SeriesStatus::Normal,
            counter: None,
        }
    };
    event(seq, (0..series).map(part).collect())
}

/// One event with one late sample a time, whose value is `value`.
fn late(seq: Seq, times: &[i64], value: f64) -> Arc<Event> {
    let late = times.iter().map(|time| Sample { timestamp_ms: *time, value }).collect();
    let labels = Labels::parse("n:0").unwrap();
    let part = SeriesSamples {
        labels,
        samples: Vec::new(),
        late,
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
    };
    event(seq, vec![part])
}

fn event(seq: Seq, parts: Vec<SeriesSamples>) -> Arc<Event> {
    Arc::new(Event { seq, time_ms: 0, kpi: KpiName::new("k").unwrap(), body: EventBody::Samples(parts) })
}

async fn apply(store: &dyn SeriesStore, pass: &WorkspacePass, events: &[Arc<Event>]) {
    store.apply(pass, StoredBatch { events: events.to_vec() }).await.unwrap();
}

/// What tells one row from another, and equals itself.
type Triple = (i64, f64, Option<f32>);

fn triples(rows: &[SampleRow]) -> Vec<Triple> {
    rows.iter().map(|row| (row.timestamp_ms, row.value, row.score)).collect()
}

/// The rows of every series.
async fn rows(store: &dyn SeriesStore, pass: &WorkspacePass) -> Vec<Vec<Triple>> {
    let found = store.samples(pass, &everything(), usize::MAX).await.unwrap();
    found.into_iter().map(|series| triples(&series.rows)).collect()
}

async fn counts(store: &dyn SeriesStore, pass: &WorkspacePass) -> Vec<usize> {
    rows(store, pass).await.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn keeps_the_contract() {
    let Some(database) = database("the series store in CQL").await else { return };
    let store = node(&database).await;
    contract::series_store(|| store.clone()).await;
}
