//! Contract tests, tests with many nodes, and random histories compared with a model, against the
//! real database.

mod many_nodes;

use std::sync::Arc;

use super::layout::SAMPLE_BYTES;
use super::{CqlSeries, SeriesSettings};
use crate::{CqlDatabase, migrate, test_server};
use earcon_contract as contract;
use earcon_model::WorkspaceId;
use earcon_model::{Event, KpiName, Labels, Sample, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus};
use earcon_ports::{SampleRow, SeriesQuery, SeriesStore, StoredBatch};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// The test database with the tables. The first test creates them.
async fn database() -> Arc<CqlDatabase> {
    // Each schema has its own keyspace, so a developer's database serves many versions.
    let schema = include_str!("../../../../config/cql/0001_schema.cql");
    let keyspace = format!("earcon_series_{:016x}", xxhash_rust::xxh3::xxh3_64(schema.as_bytes()));
    let settings = test_server::settings(&keyspace);
    migrate(&settings).await.unwrap();
    Arc::new(CqlDatabase::open(&settings).await.unwrap())
}

/// The store of one node.
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

/// One event with `rows` samples for each of `series` series, one per second from `start_ms` on.
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
            looks_like: None,
        }
    };
    event(seq, (0..series).map(part).collect())
}

/// One event with one late sample of `value` per time.
fn late(seq: Seq, times: &[i64], value: f64) -> Arc<Event> {
    let late = times.iter().map(|time| Sample { timestamp_ms: *time, value }).collect();
    let labels = Labels::parse("n:0").unwrap();
    let part = SeriesSamples {
        labels,
        samples: Default::default(),
        late,
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    event(seq, vec![part])
}

fn event(seq: Seq, parts: Vec<SeriesSamples>) -> Arc<Event> {
    Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), SeriesEvent::Samples(parts)))
}

async fn apply(store: &dyn SeriesStore, pass: &WorkspacePass, events: &[Arc<Event>]) {
    store.apply(pass, StoredBatch { events: events.to_vec() }).await.unwrap();
}

/// Timestamp, value and score of a row. Unlike the whole row, it equals itself.
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
#[ignore = "needs Cassandra"]
async fn keeps_the_contract() {
    let database = database().await;
    let store = node(&database).await;
    contract::series_store(|| store.clone()).await;
}

/// Two nodes, of which one owns the workspace.
struct Nodes {
    nodes: [Arc<CqlSeries>; 2],
    owner: usize,
}

impl contract::Reopen for Nodes {
    fn store(&self) -> Arc<dyn SeriesStore> {
        self.nodes[self.owner].clone()
    }

    /// The other node becomes the owner. This one keeps its memtable.
    async fn reopen(&mut self) {
        self.owner = 1 - self.owner;
    }

    async fn flush_stale(&self, pass: &WorkspacePass) {
        self.nodes[1 - self.owner].flush(pass).await.unwrap();
    }

    fn stores(&self) -> Vec<Arc<dyn SeriesStore>> {
        self.nodes.iter().map(|node| node.clone() as Arc<dyn SeriesStore>).collect()
    }

    fn bytes_of(&self, rows: usize) -> Option<u64> {
        Some(rows as u64 * SAMPLE_BYTES)
    }
}

#[test]
#[ignore = "needs Cassandra"]
fn reads_match_a_plain_map() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(database());
    // About a day and a half, so that days are crossed.
    let extent = contract::Extent { cases: 8, series: 2, horizon_ms: 130_000_000, rows: 900 };
    contract::random_histories(&runtime, extent, async || Nodes {
        nodes: [node(&database).await, node(&database).await],
        owner: 0,
    });
}
