//! Random histories: after any applies, flushes, reopenings and expiries, reads match a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use super::samples;
use crate::{fresh, labels};
use earcon_model::{Event, KpiName, Sample, ScoredSample, Seq};
use earcon_ports::{Rollup, SampleRow, SeriesQuery, SeriesStore, StoredBatch};
use earcon_tenancy::WorkspacePass;

const HOUR_MS: i64 = 3_600_000;

/// A store that the suite can reopen.
pub trait Reopen {
    /// The store to apply to.
    fn store(&self) -> Arc<dyn SeriesStore>;

    /// Replaces the store by one with the flushed data only, as after a restart or on another node.
    fn reopen(&mut self) -> impl Future<Output = ()>;

    /// Flushes a store that was replaced but still runs. By default there is none.
    fn flush_stale(&self, _pass: &WorkspacePass) -> impl Future<Output = ()> {
        async {}
    }

    /// All stores that must agree after a flush.
    fn stores(&self) -> Vec<Arc<dyn SeriesStore>> {
        vec![self.store()]
    }

    /// The exact size of so many stored rows, if the store knows it.
    fn bytes_of(&self, _rows: usize) -> Option<u64> {
        None
    }
}

/// How large the histories are.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Cases to run, unless `PROPTEST_CASES` says otherwise.
    pub cases: u32,
    /// Series of the KPI.
    pub series: usize,
    /// Samples lie before this time, milliseconds; some lie before 1970.
    pub horizon_ms: i64,
    /// Most consecutive samples of one event.
    pub rows: usize,
}

/// Runs random histories against stores from `make`.
pub fn random_histories<R: Reopen>(runtime: &Runtime, extent: Extent, make: impl AsyncFn() -> R) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(extent.cases);
    let config = ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let cuts = prop::collection::vec((extent.times(), 0..extent.horizon_ms, any::<bool>()), 2);
    let strategy = (prop::collection::vec(step(extent), 1..25), cuts);
    let outcome = TestRunner::new(config).run(&strategy, |(steps, cuts)| {
        runtime.block_on(async {
            let mut history = History::new(make().await, extent.series);
            for step in steps {
                history.run(step).await;
            }
            history.check(&ranges(cuts)).await;
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// One operation on the store.
#[derive(Debug, Clone)]
enum Step {
    /// Consecutive samples: series, start, distance, count.
    Run(usize, i64, i64, usize),
    /// Samples at any times, in any order, perhaps twice.
    Scatter(usize, Vec<i64>),
    /// All events are applied again.
    ApplyAgain,
    Flush,
    Reopen,
    /// A replaced store flushes.
    FlushStale,
    Expire(i64),
}

impl Extent {
    fn times(self) -> std::ops::Range<i64> {
        -self.horizon_ms / 8..self.horizon_ms
    }
}

fn step(extent: Extent) -> impl Strategy<Value = Step> {
    let Extent { series, rows, .. } = extent;
    let distance = prop_oneof![Just(1_000i64), Just(5_000), Just(60_000), Just(7_001), 1..200i64];
    let scattered = prop::collection::vec(extent.times(), 1..30);
    let together = (extent.times(), prop::collection::vec(0..400_000i64, 1..20))
        .prop_map(|(start_ms, offsets)| offsets.into_iter().map(|offset| start_ms + offset).collect());
    prop_oneof![
        6 => (0..series, extent.times(), distance, 1..rows)
            .prop_map(|(series, start, distance, rows)| Step::Run(series, start, distance, rows)),
        3 => (0..series, prop_oneof![scattered, together]).prop_map(|(series, times)| Step::Scatter(series, times)),
        1 => Just(Step::ApplyAgain),
        5 => Just(Step::Flush),
        2 => Just(Step::Reopen),
        1 => Just(Step::FlushStale),
        1 => extent.times().prop_map(|time| Step::Expire(time / 2)),
    ]
}

/// The whole time, and some other ranges. Some start and end at full hours, so that stored hours
/// are used up to the edge.
fn ranges(cuts: Vec<(i64, i64, bool)>) -> Vec<(i64, i64)> {
    let mut ranges = vec![(i64::MIN, i64::MAX)];
    ranges.extend(cuts.into_iter().map(|(from_ms, length, aligned)| {
        let round = |time| if aligned { start_of(time, HOUR_MS) } else { time };
        (round(from_ms), round(from_ms + length))
    }));
    ranges
}

fn start_of(time_ms: i64, width_ms: i64) -> i64 {
    time_ms - time_ms.rem_euclid(width_ms)
}

/// Tells one row from another, and equals itself.
type Triple = (i64, f64, Option<f32>);

/// A store and the rows it should hold.
struct History<R> {
    reopen: R,
    pass: WorkspacePass,
    rows: Vec<BTreeMap<i64, (f64, Option<f32>)>>,
    /// Every event ever applied.
    log: Vec<Arc<Event>>,
    expired: bool,
}

impl<R: Reopen> History<R> {
    fn new(reopen: R, series: usize) -> Self {
        Self { reopen, pass: fresh(), rows: vec![BTreeMap::new(); series], log: Vec::new(), expired: false }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Run(series, start_ms, distance_ms, rows) => {
                let times: Vec<i64> = (0..rows as i64).map(|i| start_ms + i * distance_ms).collect();
                self.append(series, &times).await;
            }
            Step::Scatter(series, times) => self.append(series, &times).await,
            Step::ApplyAgain => self.apply_from(0).await,
            Step::Flush => {
                let cursor = self.reopen.store().flush(&self.pass).await.unwrap();
                assert_eq!(cursor, self.log.len() as Seq);
            }
            Step::FlushStale => self.reopen.flush_stale(&self.pass).await,
            Step::Reopen => {
                self.reopen.reopen().await;
                let cursor = self.reopen.store().cursor(&self.pass).await.unwrap();
                self.apply_from(cursor).await;
            }
            Step::Expire(before_ms) => self.expire(before_ms).await,
        }
    }

    async fn apply_from(&self, cursor: Seq) {
        let events = self.log[cursor as usize..].to_vec();
        self.reopen.store().apply(&self.pass, StoredBatch { events }).await.unwrap();
    }

    /// Applies one event. Ascending times are scored, others are late.
    async fn append(&mut self, series: usize, times: &[i64]) {
        let seq = self.log.len() as Seq + 1;
        let (mut scored, mut late, mut latest) = (Vec::new(), Vec::new(), i64::MIN);
        for time in times {
            let value = ((time / 1_000) % 61) as f64 + seq as f64 / 16.0;
            if *time > latest {
                latest = *time;
                // A store may round small scores to 1/1,024.
                let score = Some((seq % 128) as f32 / 128.0);
                scored.push(ScoredSample { timestamp_ms: *time, value, score, expected: 1.5, lower: 0.5, upper: 2.5 });
            } else {
                late.push(Sample { timestamp_ms: *time, value });
            }
        }
        let rows = &mut self.rows[series];
        rows.extend(scored.iter().map(|sample| (sample.timestamp_ms, (sample.value, sample.score))));
        rows.extend(late.iter().map(|sample| (sample.timestamp_ms, (sample.value, None))));
        self.log.push(samples(seq, &format!("n:{series}"), scored, late));
        self.apply_from(seq - 1).await;
    }

    async fn expire(&mut self, before_ms: i64) {
        let store = self.reopen.store();
        store.expire(&self.pass, before_ms).await.unwrap();
        self.expired = true;
        for series in 0..self.rows.len() {
            // Some old rows may stay, in whole units. Nothing may change or appear.
            let left = read(&*store, &self.pass, &query(series, i64::MIN, before_ms)).await;
            let known = self.expected(series, i64::MIN, before_ms);
            assert!(known.ends_with(&left), "series {series} before {before_ms}");
            let oldest = left.first().map_or(before_ms, |row| row.0);
            self.rows[series].retain(|time, _| *time >= oldest);
        }
    }

    fn expected(&self, series: usize, from_ms: i64, to_ms: i64) -> Vec<Triple> {
        self.rows[series].range(from_ms..to_ms).map(|(time, (value, score))| (*time, *value, *score)).collect()
    }

    async fn check(&self, ranges: &[(i64, i64)]) {
        self.check_store(&*self.reopen.store(), ranges).await;
        self.reopen.store().flush(&self.pass).await.unwrap();
        let rows: usize = self.rows.iter().map(BTreeMap::len).sum();
        for store in self.reopen.stores() {
            self.check_store(&*store, ranges).await;
            if let (Some(bytes), false) = (self.reopen.bytes_of(rows), self.expired) {
                assert_eq!(store.size_bytes(&self.pass).await.unwrap(), bytes, "for {rows} samples");
            }
        }
    }

    async fn check_store(&self, store: &dyn SeriesStore, ranges: &[(i64, i64)]) {
        for series in 0..self.rows.len() {
            for (from_ms, to_ms) in ranges {
                let query = query(series, *from_ms, *to_ms);
                let expected = self.expected(series, *from_ms, *to_ms);
                let found = read(store, &self.pass, &query).await;
                assert!(found == expected, "{query:?}: {} rows of {}", found.len(), expected.len());
                for step_ms in [10_000, 60_000, 900_000, HOUR_MS, 2 * HOUR_MS] {
                    check_rollups(store, &self.pass, &query, step_ms, &expected).await;
                }
            }
        }
    }
}

fn query(series: usize, from_ms: i64, to_ms: i64) -> SeriesQuery {
    let kpi = KpiName::new("k").expect("the name keeps the rule");
    SeriesQuery { kpi, labels: labels(&format!("n:{series}")), from_ms, to_ms }
}

async fn read(store: &dyn SeriesStore, pass: &WorkspacePass, query: &SeriesQuery) -> Vec<Triple> {
    let found = store.samples(pass, query, usize::MAX).await.unwrap();
    let triple = |row: &SampleRow| (row.timestamp_ms, row.value, row.score);
    found.first().map(|series| series.rows.iter().map(triple).collect()).unwrap_or_default()
}

async fn check_rollups(
    store: &dyn SeriesStore,
    pass: &WorkspacePass,
    query: &SeriesQuery,
    step_ms: i64,
    rows: &[Triple],
) {
    let mut expected: BTreeMap<i64, Vec<(f64, Option<f32>)>> = BTreeMap::new();
    for (time, value, score) in rows {
        expected.entry(start_of(*time, step_ms)).or_default().push((*value, *score));
    }
    let found = store.rollups(pass, query, step_ms).await.unwrap();
    let found: Vec<Rollup> = found.into_iter().flat_map(|series| series.rows).collect();
    assert!(found.iter().map(|row| row.start_ms).eq(expected.keys().copied()), "{query:?} step {step_ms}");
    for (found, rows) in found.iter().zip(expected.values()) {
        let values = rows.iter().map(|(value, _)| *value);
        let (min, max) = (values.clone().fold(f64::MAX, f64::min), values.clone().fold(f64::MIN, f64::max));
        assert_eq!(found.count, rows.len() as u64, "{query:?} step {step_ms} at {}", found.start_ms);
        assert_eq!((found.min, found.max), (min, max));
        assert!((found.mean - values.clone().sum::<f64>() / rows.len() as f64).abs() < 1e-9);
        assert_eq!(Some(found.last), rows.last().map(|(value, _)| *value));
        assert_eq!(found.max_score, rows.iter().filter_map(|(_, score)| *score).reduce(f32::max));
    }
}
