//! The contract of every series store.

mod anomalies;
mod deletions;
mod random;
mod removal;

use std::sync::Arc;

pub use random::{Extent, Reopen, random_histories};

use super::{fresh, labels};
use earcon_model::{
    Anomaly, AnomalyId, Direction, Event, EventBody, Feature, KpiEvent, KpiName, Labels, Sample, ScoredSample, Seq,
    SeriesEvent, SeriesId, SeriesSamples, SeriesStatus,
};
use earcon_ports::{Rollup, SampleRow, SeriesQuery, SeriesStore, StoredBatch};
use earcon_tenancy::WorkspacePass;

/// Runs every case against stores from `make`.
pub async fn series_store(make: impl Fn() -> Arc<dyn SeriesStore>) {
    a_new_store_is_empty(&*make()).await;
    samples_are_seen_at_once_and_after_a_flush(&*make()).await;
    events_already_applied_change_nothing(&*make()).await;
    after_a_rewind_events_count_from_the_first(&*make()).await;
    the_last_written_of_one_timestamp_stays(&*make()).await;
    late_samples_take_their_place(&*make()).await;
    a_limit_truncates_each_series_and_says_so(&*make()).await;
    queries_choose_series_by_labels_and_samples_by_time(&*make()).await;
    rollups_agree_with_the_samples(&*make()).await;
    long_ranges_roll_up_like_short_ones(&*make()).await;
    expiry_forgets_the_old_and_keeps_the_rest(&*make()).await;
    shrinking_forgets_the_oldest_first(&*make()).await;
    workspaces_do_not_see_each_other(&*make()).await;
    removal::all(&make).await;
    deletions::all(&make).await;
    anomalies::all(make).await;
}

fn kpi(name: &str) -> KpiName {
    KpiName::new(name).expect("the name keeps the rule")
}

fn sample(timestamp_ms: i64, value: f64) -> ScoredSample {
    let (expected, lower, upper) = (value - 0.5, value - 2.0, value + 2.0);
    ScoredSample { timestamp_ms, value, score: Some(0.25), expected, lower, upper }
}

fn event(seq: Seq, body: impl Into<EventBody>) -> Arc<Event> {
    Arc::new(Event::new(seq, 0, kpi("k"), body))
}

fn samples(seq: Seq, series: &str, samples: Vec<ScoredSample>, late: Vec<Sample>) -> Arc<Event> {
    let part = SeriesSamples {
        labels: labels(series),
        samples: samples.into(),
        late,
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    event(seq, SeriesEvent::Samples(vec![part]))
}

/// One event with a sample at each of `times`; the value is the time.
fn at(seq: Seq, series: &str, times: impl IntoIterator<Item = i64>) -> Arc<Event> {
    samples(seq, series, times.into_iter().map(|time| sample(time, time as f64)).collect(), Vec::new())
}

fn everything(series: &str) -> SeriesQuery {
    SeriesQuery { kpi: kpi("k"), labels: labels(series), from_ms: i64::MIN, to_ms: i64::MAX }
}

async fn apply(store: &dyn SeriesStore, pass: &WorkspacePass, events: Vec<Arc<Event>>) {
    store.apply(pass, StoredBatch { events }).await.unwrap();
}

/// The samples of the only series of `query`; empty if there is no series.
async fn rows(store: &dyn SeriesStore, pass: &WorkspacePass, query: &SeriesQuery) -> Vec<SampleRow> {
    let mut series = store.samples(pass, query, usize::MAX).await.unwrap();
    assert!(series.len() <= 1 && series.iter().all(|series| !series.truncated));
    series.pop().map_or_else(Vec::new, |series| series.rows)
}

fn pairs(rows: &[SampleRow]) -> Vec<(i64, f64)> {
    rows.iter().map(|row| (row.timestamp_ms, row.value)).collect()
}

async fn a_new_store_is_empty(store: &dyn SeriesStore) {
    let pass = fresh();
    assert_eq!(store.cursor(&pass).await.unwrap(), 0);
    assert_eq!(store.flush(&pass).await.unwrap(), 0);
    assert!(store.samples(&pass, &everything(""), 10).await.unwrap().is_empty());
    assert!(store.rollups(&pass, &everything(""), 60_000).await.unwrap().is_empty());
    assert_eq!(store.size_bytes(&pass).await.unwrap(), 0);
    store.expire(&pass, i64::MAX).await.unwrap();
    store.shrink(&pass, 0).await.unwrap();
}

async fn samples_are_seen_at_once_and_after_a_flush(store: &dyn SeriesStore) {
    let pass = fresh();
    let unscored = ScoredSample {
        timestamp_ms: 2_000,
        value: -1e300,
        score: None,
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
    };
    let late = Sample { timestamp_ms: 500, value: 0.1 };
    apply(store, &pass, vec![samples(1, "", vec![sample(1_000, 7.25), unscored], vec![late])]).await;
    assert_eq!(store.cursor(&pass).await.unwrap(), 0, "nothing is durable before a flush");
    for flushed in [false, true] {
        let rows = rows(store, &pass, &everything("")).await;
        assert_eq!(pairs(&rows), [(500, 0.1), (1_000, 7.25), (2_000, -1e300)], "flushed: {flushed}");
        assert_eq!((rows[0].score, rows[1].score, rows[2].score), (None, Some(0.25), None));
        assert_eq!((rows[1].expected, rows[1].lower, rows[1].upper), (6.75, 5.25, 9.25));
        assert!([rows[0], rows[2]].iter().all(|row| row.expected.is_nan() && row.lower.is_nan() && row.upper.is_nan()));
        assert_eq!(store.flush(&pass).await.unwrap(), 1);
        assert_eq!(store.cursor(&pass).await.unwrap(), 1);
    }
    assert!(store.size_bytes(&pass).await.unwrap() > 0);
}

async fn events_already_applied_change_nothing(store: &dyn SeriesStore) {
    let pass = fresh();
    let first = vec![at(1, "", [10, 20]), at(2, "", [30])];
    apply(store, &pass, first.clone()).await;
    apply(store, &pass, vec![samples(2, "", vec![sample(30, 99.0)], vec![])]).await;
    let before = rows(store, &pass, &everything("")).await;
    assert_eq!(pairs(&before), [(10, 10.0), (20, 20.0), (30, 30.0)]);
    store.flush(&pass).await.unwrap();
    apply(store, &pass, first).await;
    assert_eq!(store.flush(&pass).await.unwrap(), 2);
    assert_eq!(pairs(&rows(store, &pass, &everything("")).await), pairs(&before));
    apply(store, &pass, vec![event(3, KpiEvent::Resumed)]).await;
    assert_eq!(store.flush(&pass).await.unwrap(), 3, "events without samples move the cursor too");
}

async fn after_a_rewind_events_count_from_the_first(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "", [10, 20]), at(2, "", [30])]).await;
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![at(3, "", [40])]).await;
    store.rewind(&pass).await.unwrap();
    assert_eq!(store.cursor(&pass).await.unwrap(), 0);
    apply(store, &pass, vec![at(1, "", [50])]).await;
    assert_eq!(store.flush(&pass).await.unwrap(), 1);
    let kept = [(10, 10.0), (20, 20.0), (30, 30.0), (40, 40.0), (50, 50.0)];
    assert_eq!(pairs(&rows(store, &pass, &everything("")).await), kept);
}

async fn the_last_written_of_one_timestamp_stays(store: &dyn SeriesStore) {
    let pass = fresh();
    let write = |seq, value| samples(seq, "", vec![sample(50, value)], vec![]);
    apply(store, &pass, vec![write(1, 1.0), write(2, 2.0)]).await;
    assert_eq!(pairs(&rows(store, &pass, &everything("")).await), [(50, 2.0)]);
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![write(3, 3.0)]).await;
    assert_eq!(pairs(&rows(store, &pass, &everything("")).await), [(50, 3.0)]);
    store.flush(&pass).await.unwrap();
    assert_eq!(pairs(&rows(store, &pass, &everything("")).await), [(50, 3.0)]);
}

async fn late_samples_take_their_place(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "", (0..3_000).map(|i| i * 10))]).await;
    store.flush(&pass).await.unwrap();
    let late = |times: &[i64]| times.iter().map(|time| Sample { timestamp_ms: *time, value: -1.0 }).collect();
    let times = [-50, 5, 10, 12_345, 29_000, 29_995, 40_000];
    apply(store, &pass, vec![samples(2, "", vec![], late(&times))]).await;
    let mut expected: std::collections::BTreeMap<i64, f64> = (0..3_000).map(|i| (i * 10, (i * 10) as f64)).collect();
    expected.extend(times.map(|time| (time, -1.0)));
    let expected: Vec<(i64, f64)> = expected.into_iter().collect();
    for _ in ["in memory", "flushed"] {
        assert_eq!(pairs(&rows(store, &pass, &everything("")).await), expected);
        store.flush(&pass).await.unwrap();
    }
}

async fn a_limit_truncates_each_series_and_says_so(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "s:a", 0..10), at(2, "s:b", 0..3)]).await;
    for _ in ["in memory", "flushed"] {
        let found = store.samples(&pass, &everything(""), 3).await.unwrap();
        let shape: Vec<_> = found.iter().map(|s| (s.labels.as_str(), s.rows.len(), s.truncated)).collect();
        assert_eq!(shape, [("s:a", 3, true), ("s:b", 3, false)]);
        assert_eq!(found[0].rows[2].timestamp_ms, 2, "the earliest are given, the rest can be asked for");
        store.flush(&pass).await.unwrap();
    }
}

async fn queries_choose_series_by_labels_and_samples_by_time(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "az:1,region:eu", [1, 2, 3]), at(2, "region:us", [2]), at(3, "", [2])]).await;
    let other = Arc::new(Event { subject: kpi("k.other").into(), ..at(4, "region:eu", [2]).as_ref().clone() });
    apply(store, &pass, vec![other]).await;
    for _ in ["in memory", "flushed"] {
        let named = async |query: SeriesQuery| -> Vec<String> {
            let found = store.samples(&pass, &query, 9).await.unwrap();
            found.into_iter().map(|series| series.labels.to_string()).collect()
        };
        assert_eq!(named(everything("")).await, ["", "az:1,region:eu", "region:us"]);
        assert_eq!(named(everything("region:eu")).await, ["az:1,region:eu"]);
        assert!(named(everything("region:e")).await.is_empty());
        assert!(named(SeriesQuery { kpi: kpi("unknown"), ..everything("") }).await.is_empty());
        let ranged = |from_ms, to_ms| SeriesQuery { from_ms, to_ms, ..everything("region:eu") };
        assert_eq!(pairs(&rows(store, &pass, &ranged(2, 3)).await), [(2, 2.0)]);
        assert!(rows(store, &pass, &ranged(4, i64::MAX)).await.is_empty());
        assert!(rows(store, &pass, &ranged(3, 3)).await.is_empty());
        assert!(rows(store, &pass, &ranged(3, 1)).await.is_empty());
        store.flush(&pass).await.unwrap();
    }
}

/// The rollups that the port's documentation promises for `rows`.
fn expected_rollups(rows: &[SampleRow], step_ms: i64) -> Vec<Rollup> {
    let mut steps: std::collections::BTreeMap<i64, Vec<SampleRow>> = std::collections::BTreeMap::new();
    for row in rows {
        steps.entry(row.timestamp_ms.div_euclid(step_ms) * step_ms).or_default().push(*row);
    }
    let rollup = |(start_ms, rows): (i64, Vec<SampleRow>)| Rollup {
        start_ms,
        count: rows.len() as u64,
        min: rows.iter().map(|row| row.value).fold(f64::INFINITY, f64::min),
        max: rows.iter().map(|row| row.value).fold(f64::NEG_INFINITY, f64::max),
        mean: rows.iter().map(|row| row.value).sum::<f64>() / rows.len() as f64,
        last: rows[rows.len() - 1].value,
        max_score: rows.iter().filter_map(|row| row.score).reduce(f32::max),
        anomalies: 0,
    };
    steps.into_iter().map(rollup).collect()
}

/// Fails unless `found` are the rollups of `rows`; means may differ by rounding.
fn assert_rolled_up(found: &[Rollup], rows: &[SampleRow], step_ms: i64) {
    let expected = expected_rollups(rows, step_ms);
    assert_eq!(found.len(), expected.len(), "steps of {step_ms}");
    for (found, expected) in found.iter().zip(&expected) {
        let size = expected.min.abs().max(expected.max.abs());
        assert!((found.mean - expected.mean).abs() <= size * 1e-9, "{found:?} instead of {expected:?}");
        assert_eq!(Rollup { mean: 0.0, anomalies: 0, ..*found }, Rollup { mean: 0.0, ..*expected });
    }
}

async fn rollups_agree_with_the_samples(store: &dyn SeriesStore) {
    let pass = fresh();
    let wave =
        |i: i64| ScoredSample { score: (i % 3 == 0).then_some((i % 10) as f32), ..sample(i * 700, (i % 23) as f64) };
    apply(store, &pass, vec![samples(1, "s:a", (-100..900).map(wave).collect(), vec![])]).await;
    assert!(store.rollups(&pass, &everything(""), 999).await.is_err(), "a step is a second or more");
    for _ in ["in memory", "flushed"] {
        for (from_ms, to_ms) in [(i64::MIN, i64::MAX), (-30_000, 120_000), (1_234, 300_001)] {
            let query = SeriesQuery { from_ms, to_ms, ..everything("s:a") };
            let rows = rows(store, &pass, &query).await;
            for step_ms in [1_000, 7_777, 60_000, 3_600_000] {
                let found = store.rollups(&pass, &query, step_ms).await.unwrap();
                assert_rolled_up(&found[0].rows, &rows, step_ms);
            }
        }
        store.flush(&pass).await.unwrap();
    }
}

async fn long_ranges_roll_up_like_short_ones(store: &dyn SeriesStore) {
    let pass = fresh();
    for part in 0..12 {
        let times = (part * 1_000..(part + 1) * 1_000).map(|i| 1_700_000_000_000 + i * 2_000 + i % 7);
        apply(store, &pass, vec![at(part as Seq + 1, "", times)]).await;
        store.flush(&pass).await.unwrap();
    }
    // A late sample that is not flushed must be included in the rollups of its block, and so must a
    // rewritten one.
    let late = vec![Sample { timestamp_ms: 1_700_000_500_003, value: -9e12 }];
    apply(store, &pass, vec![samples(13, "", vec![sample(1_700_010_000_006, 9e12)], late)]).await;
    for _ in ["in memory", "flushed"] {
        for (cut_low, cut_high) in [(0, 0), (1_800_000, 3_600_000), (12_345, 54_321)] {
            let (from_ms, to_ms) = (1_699_999_200_000 + cut_low, 1_700_028_000_000 - cut_high);
            let query = SeriesQuery { from_ms, to_ms, ..everything("") };
            let rows = rows(store, &pass, &query).await;
            for step_ms in [60_000, 300_000, 3_600_000, 7_200_000, 86_400_000] {
                let found = store.rollups(&pass, &query, step_ms).await.unwrap();
                assert_rolled_up(&found[0].rows, &rows, step_ms);
            }
        }
        store.flush(&pass).await.unwrap();
    }
}

async fn expiry_forgets_the_old_and_keeps_the_rest(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "s:a", 0..20_000), at(2, "s:b", 0..10)]).await;
    store.flush(&pass).await.unwrap();
    let before = store.size_bytes(&pass).await.unwrap();
    store.expire(&pass, 15_000).await.unwrap();
    assert!(store.size_bytes(&pass).await.unwrap() < before);
    let kept = rows(store, &pass, &everything("s:a")).await;
    assert!(kept.len() < 20_000, "something of so much must be gone");
    let times: Vec<i64> = kept.iter().map(|row| row.timestamp_ms).collect();
    assert_eq!(times, (20_000 - times.len() as i64..20_000).collect::<Vec<_>>(), "what is kept is the newest, whole");
    assert!(times[0] <= 15_000, "nothing that was to be kept is gone");
    apply(store, &pass, vec![at(3, "s:b", 30_000..30_010)]).await;
    store.flush(&pass).await.unwrap();
    let again = rows(store, &pass, &SeriesQuery { from_ms: 15_000, ..everything("s:b") }).await;
    assert_eq!(again.len(), 10, "a series goes on after its past is gone");
    assert_eq!(store.cursor(&pass).await.unwrap(), 3);
}

async fn shrinking_forgets_the_oldest_first(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "s:old", 0..10_000), at(2, "s:new", 100_000..110_000)]).await;
    store.flush(&pass).await.unwrap();
    let size = store.size_bytes(&pass).await.unwrap();
    store.shrink(&pass, size * 2).await.unwrap();
    assert_eq!(rows(store, &pass, &everything("s:old")).await.len(), 10_000, "there is room enough");
    store.shrink(&pass, size * 2 / 3).await.unwrap();
    assert!(store.size_bytes(&pass).await.unwrap() <= size * 2 / 3);
    let old = rows(store, &pass, &everything("s:old")).await;
    assert!(old.len() < 10_000 && !old.is_empty() && old[old.len() - 1].timestamp_ms == 9_999);
    assert_eq!(rows(store, &pass, &everything("s:new")).await.len(), 10_000);
}

async fn workspaces_do_not_see_each_other(store: &dyn SeriesStore) {
    let (one, other) = (fresh(), fresh());
    apply(store, &one, vec![at(1, "", 0..5)]).await;
    store.flush(&one).await.unwrap();
    assert!(rows(store, &other, &everything("")).await.is_empty());
    apply(store, &other, vec![at(1, "", 0..2)]).await;
    store.shrink(&one, 0).await.unwrap();
    assert!(rows(store, &one, &everything("")).await.is_empty());
    assert_eq!(rows(store, &other, &everything("")).await.len(), 2);
}

/// An open anomaly of a series. Its identifier derives from series and opening time.
fn anomaly(series: &str, opened_at_ms: i64) -> Anomaly {
    let (kpi, labels): (KpiName, Labels) = (kpi("k"), labels(series));
    let workspace = earcon_model::WorkspaceId::new("any").expect("the name keeps the rule");
    Anomaly {
        id: AnomalyId::of(&workspace, SeriesId::of(&kpi, &labels), opened_at_ms, "v1"),
        kpi,
        labels,
        opened_at_ms,
        last_at_ms: opened_at_ms,
        closed_at_ms: None,
        peak_score: 0.9,
        peak_at_ms: opened_at_ms,
        peak_value: 5.0,
        peak_expected: 1.0,
        peak_lower: 0.0,
        peak_upper: 2.0,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "v1".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}
