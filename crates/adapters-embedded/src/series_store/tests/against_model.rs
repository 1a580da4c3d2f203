//! Random histories: after any applies, flushes, reopens and expiries, reads match a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::super::EmbeddedStore;
use super::super::super::tests::{Scratch, pass};
use super::everything;
use earcon_history::rollup::start_of;
use earcon_model::{
    Event, EventBody, KpiName, Labels, Sample, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus,
};
use earcon_ports::{Rollup, SampleRow, SeriesQuery, SeriesStore, StoredBatch};

const SERIES: usize = 3;

/// One operation on the store.
#[derive(Debug, Clone)]
enum Step {
    /// Consecutive samples: series, start, distance, count.
    Run(usize, i64, i64, usize),
    /// Samples at any times, in any order, perhaps twice.
    Scatter(usize, Vec<i64>),
    /// Everything since the last flush, and some before it, is applied again.
    ApplyAgain,
    Flush,
    Reopen,
    Expire(i64),
}

/// About five hours.
const HORIZON_MS: i64 = 20_000_000;

fn step() -> impl Strategy<Value = Step> {
    let time = -HORIZON_MS / 10..HORIZON_MS;
    prop_oneof![
        6 => (0..SERIES, time.clone(), prop_oneof![Just(1_000i64), Just(5_000), 1..200i64], 1..1_500usize)
            .prop_map(|(series, start, distance, rows)| Step::Run(series, start, distance, rows)),
        3 => (0..SERIES, prop::collection::vec(time.clone(), 1..30)).prop_map(|(series, times)| Step::Scatter(series, times)),
        1 => Just(Step::ApplyAgain),
        4 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => time.prop_map(|time| Step::Expire(time / 2)),
    ]
}

/// The expected content of the store.
#[derive(Default)]
struct Model {
    rows: [BTreeMap<i64, (f64, Option<f32>)>; SERIES],
    /// Everything ever applied: the log.
    log: Vec<Arc<Event>>,
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
        let body = EventBody::Series(SeriesEvent::Samples(vec![part]));
        let event = Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), body));
        self.log.push(event.clone());
        event
    }

    fn series(&self, series: usize, from_ms: i64, to_ms: i64) -> Vec<(i64, f64, Option<f32>)> {
        let rows = self.rows[series].range(from_ms..to_ms);
        rows.map(|(time, (value, score))| (*time, *value, *score)).collect()
    }
}

fn query(series: usize, from_ms: i64, to_ms: i64) -> SeriesQuery {
    SeriesQuery { labels: Labels::parse(&format!("n:{series}")).unwrap(), from_ms, to_ms, ..everything() }
}

async fn rows(store: &dyn SeriesStore, query: &SeriesQuery) -> Vec<SampleRow> {
    let found = store.samples(&pass("w"), query, usize::MAX).await.unwrap();
    found.into_iter().next().map(|series| series.rows).unwrap_or_default()
}

fn triples(rows: &[SampleRow]) -> Vec<(i64, f64, Option<f32>)> {
    rows.iter().map(|row| (row.timestamp_ms, row.value, row.score)).collect()
}

async fn check(store: &dyn SeriesStore, model: &Model, ranges: &[(i64, i64)]) {
    for series in 0..SERIES {
        for (from_ms, to_ms) in ranges {
            let query = query(series, *from_ms, *to_ms);
            let expected = model.series(series, *from_ms, *to_ms);
            assert_eq!(triples(&rows(store, &query).await), expected, "series {series} in {from_ms}..{to_ms}");
            for step_ms in [10_000, 60_000, 900_000, 3_600_000, 7_200_000] {
                check_rollups(store, &query, step_ms, &expected).await;
            }
        }
    }
}

async fn check_rollups(store: &dyn SeriesStore, query: &SeriesQuery, step_ms: i64, rows: &[(i64, f64, Option<f32>)]) {
    let mut expected: BTreeMap<i64, Vec<(f64, Option<f32>)>> = BTreeMap::new();
    for (time, value, score) in rows {
        expected.entry(start_of(*time, step_ms)).or_default().push((*value, *score));
    }
    let found = store.rollups(&pass("w"), query, step_ms).await.unwrap();
    let found: Vec<Rollup> = found.into_iter().flat_map(|series| series.rows).collect();
    assert_eq!(found.iter().map(|row| row.start_ms).collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
    for (found, rows) in found.iter().zip(expected.values()) {
        let values = rows.iter().map(|(value, _)| *value);
        assert_eq!(found.count, rows.len() as u64, "{query:?} step {step_ms}");
        assert_eq!(
            (found.min, found.max),
            (values.clone().fold(f64::MAX, f64::min), values.clone().fold(f64::MIN, f64::max))
        );
        assert!((found.mean - values.clone().sum::<f64>() / rows.len() as f64).abs() < 1e-9);
        assert_eq!(Some(found.last), rows.last().map(|(value, _)| *value));
        assert_eq!(found.max_score, rows.iter().filter_map(|(_, score)| *score).reduce(f32::max));
    }
}

async fn expire(store: &dyn SeriesStore, model: &mut Model, before_ms: i64) {
    store.expire(&pass("w"), before_ms).await.unwrap();
    for series in 0..SERIES {
        // Some old rows may stay, in whole units. Nothing may change or appear.
        let left = triples(&rows(store, &query(series, i64::MIN, before_ms)).await);
        let known = model.series(series, i64::MIN, before_ms);
        assert!(known.ends_with(&left), "series {series} before {before_ms}");
        let oldest = left.first().map_or(before_ms, |row| row.0);
        model.rows[series].retain(|time, _| *time >= oldest);
    }
}

async fn run(steps: Vec<Step>, ranges: Vec<(i64, i64)>) {
    let scratch = Scratch::new();
    let mut store: Option<EmbeddedStore> = Some(scratch.open());
    let mut model = Model::default();
    for step in steps {
        let series = store.as_ref().unwrap().series_store();
        let apply = async |events: Vec<Arc<Event>>| series.apply(&pass("w"), StoredBatch { events }).await.unwrap();
        match step {
            Step::Run(index, start_ms, distance_ms, rows) => {
                let times: Vec<i64> = (0..rows as i64).map(|i| start_ms + i * distance_ms).collect();
                apply(vec![model.append(index, &times)]).await;
            }
            Step::Scatter(index, times) => apply(vec![model.append(index, &times)]).await,
            Step::ApplyAgain => apply(model.log.clone()).await,
            Step::Flush => assert_eq!(series.flush(&pass("w")).await.unwrap(), model.log.len() as Seq),
            Step::Reopen => {
                drop((series, store.take()));
                let reopened = scratch.open();
                let cursor = reopened.series_store().cursor(&pass("w")).await.unwrap();
                let events = model.log[cursor as usize..].to_vec();
                reopened.series_store().apply(&pass("w"), StoredBatch { events }).await.unwrap();
                store = Some(reopened);
            }
            Step::Expire(before_ms) => expire(&*series, &mut model, before_ms).await,
        }
    }
    check(&*store.unwrap().series_store(), &model, &ranges).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn reads_match_a_plain_map(
        steps in prop::collection::vec(step(), 1..25),
        cuts in prop::collection::vec((-HORIZON_MS / 10..HORIZON_MS, 0..HORIZON_MS, any::<bool>()), 2),
    ) {
        let mut ranges = vec![(i64::MIN, i64::MAX)];
        // Every second range starts and ends at full hours, so that stored hours are used up to the
        // edge.
        ranges.extend(cuts.into_iter().map(|(from_ms, length, aligned)| {
            let round = |time| if aligned { start_of(time, 3_600_000) } else { time };
            (round(from_ms), round(from_ms + length))
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps, ranges));
    }
}
