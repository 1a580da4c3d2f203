//! Random histories on two nodes: after any applies, flushes, takeovers and expiries, reads match a
//! plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::series_store::layout::SAMPLE_BYTES;
use earcon_history::rollup::start_of;
use earcon_ports::Rollup;

const SERIES: usize = 2;
/// About a day and a half, so that days are crossed.
const HORIZON_MS: i64 = 130_000_000;

/// One operation on the two nodes. One of them owns the workspace.
#[derive(Debug, Clone)]
enum Step {
    /// Consecutive samples: series, start, distance, count.
    Run(usize, i64, i64, usize),
    /// Samples at any times, in any order, perhaps twice.
    Scatter(usize, Vec<i64>),
    /// All events are applied again.
    ApplyAgain,
    Flush,
    /// The other node becomes the owner. This one keeps its memtable.
    TakeOver,
    /// The node that does not own the workspace flushes.
    StaleFlush,
    Expire(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let time = -HORIZON_MS / 4..HORIZON_MS;
    let distance = prop_oneof![Just(1_000i64), Just(60_000), Just(7_001), 1..200i64];
    let scattered = prop::collection::vec(time.clone(), 1..20);
    let together = (time.clone(), prop::collection::vec(0..400_000i64, 1..20))
        .prop_map(|(start_ms, offsets)| offsets.into_iter().map(|offset| start_ms + offset).collect());
    prop_oneof![
        6 => (0..SERIES, time.clone(), distance, 1..900usize)
            .prop_map(|(series, start, distance, rows)| Step::Run(series, start, distance, rows)),
        3 => (0..SERIES, prop_oneof![scattered, together]).prop_map(|(series, times)| Step::Scatter(series, times)),
        1 => Just(Step::ApplyAgain),
        5 => Just(Step::Flush),
        2 => Just(Step::TakeOver),
        1 => Just(Step::StaleFlush),
        1 => time.prop_map(|time| Step::Expire(time / 2)),
    ]
}

/// The expected content of the store.
#[derive(Default)]
struct Model {
    rows: [BTreeMap<i64, (f64, Option<f32>)>; SERIES],
    /// Everything ever applied: the log.
    log: Vec<Arc<Event>>,
    expired: bool,
}

impl Model {
    fn append(&mut self, series: usize, times: &[i64]) -> Arc<Event> {
        let seq = self.log.len() as Seq + 1;
        let value = |time: i64| ((time / 1_000) % 61) as f64 + seq as f64 / 16.0;
        // Samples in ascending order are scored; the others are late.
        let (mut samples, mut late, mut latest) = (Vec::new(), Vec::new(), i64::MIN);
        for time in times {
            let value = value(*time);
            if *time > latest {
                latest = *time;
                let score = Some((seq % 100) as f32 / 100.0);
                samples.push(ScoredSample { timestamp_ms: *time, value, score, expected: 1.5, lower: 0.5, upper: 2.5 });
            } else {
                late.push(Sample { timestamp_ms: *time, value });
            }
        }
        self.rows[series].extend(samples.iter().map(|sample| (sample.timestamp_ms, (sample.value, sample.score))));
        self.rows[series].extend(late.iter().map(|sample| (sample.timestamp_ms, (sample.value, None))));
        let labels = Labels::parse(&format!("n:{series}")).unwrap();
        let part = SeriesSamples { labels, samples, late, features: None, status: SeriesStatus::Normal, counter: None };
        let event = event(seq, vec![part]);
        self.log.push(event.clone());
        event
    }

    fn series(&self, series: usize, from_ms: i64, to_ms: i64) -> Vec<Triple> {
        let rows = self.rows[series].range(from_ms..to_ms);
        rows.map(|(time, (value, score))| (*time, *value, *score)).collect()
    }
}

fn query(series: usize, from_ms: i64, to_ms: i64) -> SeriesQuery {
    SeriesQuery { labels: Labels::parse(&format!("n:{series}")).unwrap(), from_ms, to_ms, ..everything() }
}

async fn check(store: &dyn SeriesStore, pass: &WorkspacePass, model: &Model, ranges: &[(i64, i64)]) {
    for series in 0..SERIES {
        for (from_ms, to_ms) in ranges {
            let query = query(series, *from_ms, *to_ms);
            let expected = model.series(series, *from_ms, *to_ms);
            let found = store.samples(pass, &query, usize::MAX).await.unwrap();
            let found = found.first().map(|series| triples(&series.rows)).unwrap_or_default();
            assert!(found == expected, "series {series} in {from_ms}..{to_ms}: {} of {}", found.len(), expected.len());
            for step_ms in [10_000, 60_000, 900_000, 3_600_000, 7_200_000] {
                check_rollups(store, pass, &query, step_ms, &expected).await;
            }
        }
    }
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
        assert_eq!(found.count, rows.len() as u64, "{query:?} step {step_ms} at {}", found.start_ms);
        assert_eq!(
            (found.min, found.max),
            (values.clone().fold(f64::MAX, f64::min), values.clone().fold(f64::MIN, f64::max))
        );
        assert!((found.mean - values.clone().sum::<f64>() / rows.len() as f64).abs() < 1e-9);
        assert_eq!(Some(found.last), rows.last().map(|(value, _)| *value));
        assert_eq!(found.max_score, rows.iter().filter_map(|(_, score)| *score).reduce(f32::max));
    }
}

async fn expire(store: &dyn SeriesStore, pass: &WorkspacePass, model: &mut Model, before_ms: i64) {
    store.expire(pass, before_ms).await.unwrap();
    model.expired = true;
    for series in 0..SERIES {
        // Some old rows may stay, in whole units. Nothing may change or appear.
        let left = store.samples(pass, &query(series, i64::MIN, before_ms), usize::MAX).await.unwrap();
        let left = left.first().map(|series| triples(&series.rows)).unwrap_or_default();
        let known = model.series(series, i64::MIN, before_ms);
        assert!(known.ends_with(&left), "series {series} before {before_ms}");
        let oldest = left.first().map_or(before_ms, |row| row.0);
        model.rows[series].retain(|time, _| *time >= oldest);
    }
}

async fn run(database: &Arc<CqlDatabase>, steps: Vec<Step>, ranges: Vec<(i64, i64)>) {
    let (nodes, pass) = ([node(database).await, node(database).await], fresh());
    let mut owner = 0;
    let mut model = Model::default();
    for step in steps {
        let (store, other) = (&nodes[owner], &nodes[1 - owner]);
        match step {
            Step::Run(index, start_ms, distance_ms, rows) => {
                let times: Vec<i64> = (0..rows as i64).map(|i| start_ms + i * distance_ms).collect();
                apply(&**store, &pass, &[model.append(index, &times)]).await;
            }
            Step::Scatter(index, times) => apply(&**store, &pass, &[model.append(index, &times)]).await,
            Step::ApplyAgain => apply(&**store, &pass, &model.log).await,
            Step::Flush => assert_eq!(store.flush(&pass).await.unwrap(), model.log.len() as Seq),
            Step::StaleFlush => {
                other.flush(&pass).await.unwrap();
            }
            Step::TakeOver => {
                owner = 1 - owner;
                let cursor = other.cursor(&pass).await.unwrap();
                apply(&**other, &pass, &model.log[cursor as usize..]).await;
            }
            Step::Expire(before_ms) => expire(&**store, &pass, &mut model, before_ms).await,
        }
    }
    check(&*nodes[owner], &pass, &model, &ranges).await;
    nodes[owner].flush(&pass).await.unwrap();
    for store in &nodes {
        check(&**store, &pass, &model, &ranges).await;
        let rows: usize = model.rows.iter().map(BTreeMap::len).sum();
        let size = store.size_bytes(&pass).await.unwrap();
        assert!(model.expired || size == rows as u64 * SAMPLE_BYTES, "{size} bytes for {rows} samples");
    }
}

#[test]
#[ignore = "needs Cassandra"]
fn reads_match_a_plain_map() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(database());
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8);
    let config = ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let cuts = prop::collection::vec((-HORIZON_MS / 4..HORIZON_MS, 0..HORIZON_MS, any::<bool>()), 2);
    let strategy = (prop::collection::vec(step(), 1..25), cuts);
    let outcome = TestRunner::new(config).run(&strategy, |(steps, cuts)| {
        let mut ranges = vec![(i64::MIN, i64::MAX)];
        // Some ranges start and end at full hours, so that stored hours are used up to the edge.
        ranges.extend(cuts.into_iter().map(|(from_ms, length, aligned)| {
            let round = |time| if aligned { start_of(time, 3_600_000) } else { time };
            (round(from_ms), round(from_ms + length))
        }));
        runtime.block_on(run(&database, steps, ranges));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
