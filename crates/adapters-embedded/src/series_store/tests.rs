//! Contract and restart tests, and random histories compared with a model in a map.

use std::sync::Arc;

use super::super::tests::{Scratch, pass};
use crate::EmbeddedStore;
use earcon_contract as contract;
use earcon_model::{Event, KpiName, Labels, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus};
use earcon_ports::{SeriesQuery, SeriesStore, StoredBatch};

fn everything() -> SeriesQuery {
    SeriesQuery { kpi: KpiName::new("k").unwrap(), labels: Labels::none(), from_ms: i64::MIN, to_ms: i64::MAX }
}

/// One event with `rows` samples for each of `series` series, one per second from `start_ms` on.
fn samples(seq: Seq, series: usize, start_ms: i64, rows: i64) -> Arc<Event> {
    let part = |series: usize| {
        let sample = |i: i64| {
            let value = ((start_ms / 1_000 + i + series as i64) % 100) as f64;
            let timestamp_ms = start_ms + i * 1_000;
            ScoredSample {
                timestamp_ms,
                value,
                score: Some(0.5),
                expected: value,
                lower: value - 1.0,
                upper: value + 1.0,
            }
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
    let body = SeriesEvent::Samples((0..series).map(part).collect());
    Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), body))
}

async fn counts(store: &dyn SeriesStore) -> Vec<usize> {
    let found = store.samples(&pass("w"), &everything(), usize::MAX).await.unwrap();
    found.iter().map(|series| series.rows.len()).collect()
}

#[tokio::test]
async fn keeps_the_contract() {
    let scratch = Scratch::new();
    let store = scratch.open();
    contract::series_store(|| store.series_store()).await;
}

#[tokio::test]
async fn restart_keeps_flushed_rows_and_applies_the_rest_again() {
    let scratch = Scratch::new();
    let events: Vec<_> = (0..10).map(|i| samples(i + 1, 3, i as i64 * 400_000, 400)).collect();
    {
        let store = scratch.open().series_store();
        store.apply(&pass("w"), StoredBatch { events: events[..6].to_vec() }).await.unwrap();
        assert_eq!(store.flush(&pass("w")).await.unwrap(), 6);
        store.apply(&pass("w"), StoredBatch { events: events[6..].to_vec() }).await.unwrap();
        assert_eq!(counts(&*store).await, [4_000; 3]);
    }
    let store = scratch.open().series_store();
    assert_eq!(store.cursor(&pass("w")).await.unwrap(), 6);
    assert_eq!(counts(&*store).await, [2_400; 3]);
    store.apply(&pass("w"), StoredBatch { events: events[4..].to_vec() }).await.unwrap();
    assert_eq!(counts(&*store).await, [4_000; 3]);
    store.flush(&pass("w")).await.unwrap();
    assert_eq!(counts(&*store).await, [4_000; 3]);
}

#[tokio::test]
async fn failed_flush_keeps_rows_readable_and_the_cursor_unchanged() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let series = store.series_store();
    let apply = async |event| series.apply(&pass("w"), StoredBatch { events: vec![event] }).await;
    apply(samples(1, 2, 0, 10)).await.unwrap();
    series.flush(&pass("w")).await.unwrap();
    apply(samples(2, 2, 10_000, 10)).await.unwrap();
    *store.database.fault.lock().unwrap() = Some(crate::database::Fault::BeforeTheWrite);
    assert!(series.flush(&pass("w")).await.is_err());
    apply(samples(3, 2, 20_000, 10)).await.unwrap();
    assert!(series.flush(&pass("w")).await.is_err());
    assert_eq!(series.cursor(&pass("w")).await.unwrap(), 1);
    assert_eq!(counts(&*series).await, [30; 2]);
}

#[tokio::test]
async fn many_series_with_few_samples_flush_into_small_blocks() {
    let scratch = Scratch::new();
    let store = scratch.open().series_store();
    for round in 0..4 {
        let event = samples(round + 1, 2_000, round as i64 * 3_000, 3);
        store.apply(&pass("w"), StoredBatch { events: vec![event] }).await.unwrap();
        store.flush(&pass("w")).await.unwrap();
    }
    let bytes = store.size_bytes(&pass("w")).await.unwrap();
    assert!(bytes < 2_000 * 12 * 64, "{bytes} bytes for 24,000 rows");
    assert_eq!(counts(&*store).await, vec![12; 2_000]);
}

#[tokio::test]
async fn expired_history_leaves_nothing_stored() {
    let scratch = Scratch::new();
    {
        let store = scratch.open().series_store();
        let events = (0..8).map(|i| samples(i + 1, 5, i as i64 * 700_000, 700)).collect();
        store.apply(&pass("w"), StoredBatch { events }).await.unwrap();
        store.expire(&pass("w"), i64::MAX).await.unwrap();
        assert_eq!(store.size_bytes(&pass("w")).await.unwrap(), 0);
        assert!(counts(&*store).await.is_empty());
    }
    let store = scratch.open();
    let (tables, snapshot) = (&store.database.history, store.database.snapshot().unwrap());
    for (i, table) in [tables.series, tables.open, tables.blocks, tables.index, tables.minutes].into_iter().enumerate()
    {
        assert!(snapshot.iter(table).next().is_none(), "table {i} holds something");
    }
    assert_eq!(store.series_store().cursor(&pass("w")).await.unwrap(), 8);
}

#[tokio::test]
async fn expiry_reads_only_series_whose_oldest_block_may_be_over() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let series = store.series_store();
    let apply = async |event| series.apply(&pass("w"), StoredBatch { events: vec![event] }).await.unwrap();
    // Expires, and returns how many series were read for it.
    let expire = async |before_ms| {
        let count = || store.series.inner.history(pass("w").workspace()).unwrap().writer().expiries;
        let before = count();
        series.expire(&pass("w"), before_ms).await.unwrap();
        count() - before
    };
    apply(samples(1, 300, 0, 10)).await;
    assert_eq!(expire(0).await, 300, "nothing is known of them");
    apply(samples(2, 300, 1_000_000, 10)).await;
    assert_eq!(expire(0).await, 0);
    apply(samples(3, 5, 500_000, 1)).await;
    assert_eq!(expire(9_000).await, 0, "the oldest block is not over");
    apply(samples(4, 5, 5_000, 1)).await;
    assert_eq!(expire(9_000).await, 5, "late rows may change the oldest block");
    // The blocks of the five series became one, which goes on behind that time.
    assert_eq!(expire(9_001).await, 295);
    let rows: usize = counts(&*series).await.iter().sum();
    assert_eq!(rows, 295 * 10 + 5 * 21, "the oldest blocks are gone");
    assert_eq!((expire(9_001).await, expire(9_001).await), (295, 0), "the next ones are read once");
}

/// A data directory with its open store.
struct Directory {
    scratch: Scratch,
    store: Option<EmbeddedStore>,
}

impl contract::Reopen for Directory {
    fn store(&self) -> Arc<dyn SeriesStore> {
        self.store.as_ref().expect("the store is open").series_store()
    }

    async fn reopen(&mut self) {
        // The directory is locked until the store before is closed.
        drop(self.store.take());
        self.store = Some(self.scratch.open());
    }
}

#[test]
fn reads_match_a_plain_map() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let extent = contract::Extent { cases: 24, series: 3, horizon_ms: 20_000_000, rows: 1_500 };
    contract::random_histories(&runtime, extent, async || {
        let scratch = Scratch::new();
        let store = Some(scratch.open());
        Directory { scratch, store }
    });
}
