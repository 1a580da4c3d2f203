//! Deletions: what they take, what they leave, and that they may be repeated.

use std::sync::Arc;

use super::{apply, at, event, everything, kpi, labels, pairs, rows, samples};
use crate::fresh;
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, Deletion, DeletionScope, Direction, Event, Feature, KpiEvent, Sample, Seq,
    SeriesId,
};
use earcon_ports::{AnomalyFilter, SeriesQuery, SeriesStore};
use earcon_tenancy::WorkspacePass;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Runs every case.
pub(super) async fn all(make: &impl Fn() -> Arc<dyn SeriesStore>) {
    a_range_goes_and_the_rest_stays(&*make()).await;
    rollups_agree_after_a_deletion(&*make()).await;
    series_that_match_go_whole(&*make()).await;
    a_deletion_takes_only_what_came_before(&*make()).await;
    a_repeated_deletion_changes_nothing(&*make()).await;
    anomalies_of_the_range_go(&*make()).await;
    a_kpi_goes_with_everything(&*make()).await;
}

fn delete(seq: Seq, scope: DeletionScope) -> Arc<Event> {
    event(seq, KpiEvent::Deleted(Deletion { scope, by: "ann".into() }))
}

fn range(series: &str, from_ms: i64, to_ms: i64) -> DeletionScope {
    DeletionScope::Samples { labels: labels(series), from_ms, to_ms }
}

async fn times(store: &dyn SeriesStore, pass: &WorkspacePass, series: &str) -> Vec<i64> {
    pairs(&rows(store, pass, &everything(series)).await).into_iter().map(|(time, _)| time).collect()
}

async fn a_range_goes_and_the_rest_stays(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "a:1", [10, 20, 30]), at(2, "a:2", [10, 20, 30])]).await;
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![at(3, "a:1", [40, 50]), delete(4, range("a:1", 20, 50))]).await;
    for flushed in [false, true] {
        assert_eq!(times(store, &pass, "a:1").await, [10, 50], "flushed: {flushed}");
        assert_eq!(times(store, &pass, "a:2").await, [10, 20, 30]);
        store.flush(&pass).await.unwrap();
    }
    assert_eq!(store.cursor(&pass).await.unwrap(), 4);
}

async fn rollups_agree_after_a_deletion(store: &dyn SeriesStore) {
    let pass = fresh();
    // Three days, with a sample every 20 minutes and a busy hour on the second day.
    let slow = (0..3 * 72).map(|i| i * HOUR_MS / 3);
    let busy = (0..2_500).map(|i| DAY_MS + 10 * HOUR_MS + 1 + i * 1_000);
    let mut all: Vec<i64> = slow.chain(busy).collect();
    all.sort_unstable();
    all.dedup();
    for (seq, part) in (1..).zip(all.chunks(700)) {
        apply(store, &pass, vec![at(seq, "", part.iter().copied())]).await;
        store.flush(&pass).await.unwrap();
    }
    let mut seq = 100;
    let ends = [
        (DAY_MS + 10 * HOUR_MS + 90_500, DAY_MS + 10 * HOUR_MS + 1_500_000),
        (5, HOUR_MS / 2),
        (2 * DAY_MS + 7 * HOUR_MS, i64::MAX),
        (DAY_MS - HOUR_MS, DAY_MS + 2 * HOUR_MS),
    ];
    for (from_ms, to_ms) in ends {
        all.retain(|time| !(from_ms..to_ms).contains(time));
        apply(store, &pass, vec![delete(seq, range("", from_ms, to_ms))]).await;
        assert_eq!(times(store, &pass, "").await, all, "{from_ms}..{to_ms}");
        // More rows follow, in the minute where the series ends now.
        let more = all.last().unwrap() + 7;
        all.push(more);
        apply(store, &pass, vec![at(seq + 1, "", [more])]).await;
        store.flush(&pass).await.unwrap();
        seq += 2;
        let whole = SeriesQuery { from_ms: 0, to_ms: 4 * DAY_MS, ..everything("") };
        for step_ms in [1_000, 60_000, HOUR_MS, DAY_MS] {
            let found = store.rollups(&pass, &whole, step_ms).await.unwrap();
            let found: Vec<_> = found[0].rows.iter().map(|row| (row.start_ms, row.count, row.last)).collect();
            let mut expected: Vec<(i64, u64, f64)> = Vec::new();
            for time in &all {
                let (start_ms, last) = (time - time.rem_euclid(step_ms), *time as f64);
                match expected.last_mut() {
                    Some(step) if step.0 == start_ms => *step = (start_ms, step.1 + 1, last),
                    _ => expected.push((start_ms, 1, last)),
                }
            }
            assert_eq!(found, expected, "{from_ms}..{to_ms} by {step_ms}");
        }
    }
}

async fn series_that_match_go_whole(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "a:1,b:1", [10, 20]), at(2, "a:1,b:2", [10]), at(3, "a:2", [10])]).await;
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![delete(4, DeletionScope::Series { labels: labels("a:1") })]).await;
    let left = store.samples(&pass, &everything(""), 10).await.unwrap();
    assert_eq!(left.iter().map(|series| series.labels.clone()).collect::<Vec<_>>(), [labels("a:2")]);
    // It may come back, with earlier samples too.
    apply(store, &pass, vec![at(5, "a:1,b:2", [5, 30])]).await;
    store.flush(&pass).await.unwrap();
    assert_eq!(times(store, &pass, "a:1,b:2").await, [5, 30]);
}

async fn a_deletion_takes_only_what_came_before(store: &dyn SeriesStore) {
    let pass = fresh();
    let late = |seq, time: i64| samples(seq, "", vec![], vec![Sample { timestamp_ms: time, value: 0.5 }]);
    apply(store, &pass, vec![at(1, "", [10, 20, 30]), delete(2, range("", 0, 100)), late(3, 20), at(4, "", [40])])
        .await;
    assert_eq!(times(store, &pass, "").await, [20, 40]);
    store.flush(&pass).await.unwrap();
    assert_eq!(times(store, &pass, "").await, [20, 40]);
}

async fn a_repeated_deletion_changes_nothing(store: &dyn SeriesStore) {
    let pass = fresh();
    let deletion = delete(2, range("", 0, 100));
    apply(store, &pass, vec![at(1, "", [10, 20, 300]), deletion.clone()]).await;
    apply(store, &pass, vec![deletion.clone(), at(3, "", [50])]).await;
    apply(store, &pass, vec![deletion.clone()]).await;
    assert_eq!(times(store, &pass, "").await, [50, 300]);
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![deletion]).await;
    assert_eq!(times(store, &pass, "").await, [50, 300]);
    store.rewind(&pass).await.unwrap();
    apply(store, &pass, vec![at(1, "", [10, 20, 300]), delete(2, range("", 0, 100))]).await;
    assert_eq!(times(store, &pass, "").await, [300], "a log that is read again deletes again");
}

fn anomaly(series: &str, opened_at_ms: i64, peak_at_ms: i64, closed_at_ms: Option<i64>) -> Anomaly {
    let (kpi, labels) = (kpi("k"), labels(series));
    Anomaly {
        id: AnomalyId::of(fresh().workspace(), SeriesId::of(&kpi, &labels), opened_at_ms, "d-1"),
        kpi,
        labels,
        opened_at_ms,
        last_at_ms: peak_at_ms,
        closed_at_ms,
        peak_score: 0.75,
        peak_at_ms,
        peak_value: 9.0,
        peak_expected: 1.0,
        peak_lower: 0.0,
        peak_upper: 2.0,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "d-1".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}

async fn listed(store: &dyn SeriesStore, pass: &WorkspacePass) -> Vec<i64> {
    let filter = AnomalyFilter { limit: 100, ..AnomalyFilter::default() };
    store.anomalies(pass, &filter).await.unwrap().iter().map(|anomaly| anomaly.opened_at_ms).collect()
}

async fn anomalies_of_the_range_go(store: &dyn SeriesStore) {
    let pass = fresh();
    let all = [
        anomaly("a:1", 10, 10, Some(15)),
        anomaly("a:1", 20, 60, Some(70)),
        anomaly("a:1", 50, 55, None),
        anomaly("a:2", 52, 52, Some(58)),
        anomaly("a:1", 90, 90, Some(95)),
    ];
    let opened = |(seq, anomaly): (Seq, &Anomaly)| match anomaly.closed_at_ms {
        None => event(seq, AnomalyEvent::Opened(Box::new(anomaly.clone()))),
        Some(_) => event(seq, AnomalyEvent::Closed(Box::new(anomaly.clone()))),
    };
    apply(store, &pass, (1..).zip(&all).map(opened).collect()).await;
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![delete(9, range("a:1", 50, 80))]).await;
    for flushed in [false, true] {
        assert_eq!(listed(store, &pass).await, [90, 52, 10], "flushed: {flushed}");
        assert_eq!(store.anomaly(&pass, all[1].id).await.unwrap(), None);
        assert!(store.anomaly(&pass, all[0].id).await.unwrap().is_some());
        store.flush(&pass).await.unwrap();
    }
}

async fn a_kpi_goes_with_everything(store: &dyn SeriesStore) {
    let pass = fresh();
    let opened = AnomalyEvent::Opened(Box::new(anomaly("a:1", 10, 10, None)));
    apply(store, &pass, vec![at(1, "", [1, 2]), at(2, "a:1", [3 * DAY_MS]), event(3, opened)]).await;
    store.flush(&pass).await.unwrap();
    let before = store.size_bytes(&pass).await.unwrap();
    apply(store, &pass, vec![delete(4, DeletionScope::Kpi)]).await;
    store.flush(&pass).await.unwrap();
    assert!(store.samples(&pass, &everything(""), 10).await.unwrap().is_empty());
    assert!(listed(store, &pass).await.is_empty());
    assert_eq!((before > 0, store.size_bytes(&pass).await.unwrap()), (true, 0));
    apply(store, &pass, vec![at(5, "", [2])]).await;
    store.flush(&pass).await.unwrap();
    assert_eq!(times(store, &pass, "").await, [2]);
}
