//! The contract of every series store for anomalies.

use std::sync::Arc;

use super::{anomaly, apply, at, event, everything, fresh, kpi, labels};
use earcon_model::{Acknowledgement, Anomaly, AnomalyEvent, AnomalyId, Feedback, FeedbackOutcome, Seq};
use earcon_ports::{AnomalyFilter, SeriesStore, StoredBatch};
use earcon_tenancy::WorkspacePass;

pub(super) async fn all(make: impl Fn() -> Arc<dyn SeriesStore>) {
    anomaly_has_the_state_of_its_latest_event(&*make()).await;
    an_acknowledgement_outlives_later_events_and_the_first_one_stays(&*make()).await;
    last_feedback_survives_later_events(&*make()).await;
    listings_are_latest_first_filtered_and_paged(&*make()).await;
    rollups_count_anomalies_where_they_opened(&*make()).await;
    expiry_forgets_closed_anomalies_only(&*make()).await;
}

fn opened(seq: Seq, anomaly: &Anomaly) -> Arc<earcon_model::Event> {
    event(seq, AnomalyEvent::Opened(Box::new(anomaly.clone())))
}

fn closed(seq: Seq, anomaly: &Anomaly, closed_at_ms: i64) -> Arc<earcon_model::Event> {
    let anomaly = Anomaly { closed_at_ms: Some(closed_at_ms), ..anomaly.clone() };
    event(seq, AnomalyEvent::Closed(Box::new(anomaly)))
}

fn acknowledged(seq: Seq, id: AnomalyId, by: &str) -> Arc<earcon_model::Event> {
    let acknowledgement = Acknowledgement { at_ms: 1, by: by.into(), note: None };
    event(seq, AnomalyEvent::Acknowledged { id, labels: labels("s:a"), acknowledgement })
}

fn filter() -> AnomalyFilter {
    AnomalyFilter { limit: 100, ..AnomalyFilter::default() }
}

async fn ids(store: &dyn SeriesStore, pass: &WorkspacePass, filter: AnomalyFilter) -> Vec<AnomalyId> {
    store.anomalies(pass, &filter).await.unwrap().into_iter().map(|anomaly| anomaly.id).collect()
}

async fn anomaly_has_the_state_of_its_latest_event(store: &dyn SeriesStore) {
    for flush_between in [false, true] {
        let pass = fresh();
        let first = anomaly("s:a", 100);
        let grown = Anomaly { peak_value: 9.0, last_at_ms: 150, samples: 2, ..first.clone() };
        let done = Anomaly { closed_at_ms: Some(200), ..grown.clone() };
        assert_eq!(store.anomaly(&pass, first.id).await.unwrap(), None);
        let updated = event(2, AnomalyEvent::Updated(Box::new(grown.clone())));
        for (event, expected) in [(opened(1, &first), first), (updated, grown.clone()), (closed(3, &grown, 200), done)]
        {
            apply(store, &pass, vec![event]).await;
            if flush_between {
                store.flush(&pass).await.unwrap();
            }
            assert_eq!(store.anomaly(&pass, expected.id).await.unwrap(), Some(expected.clone()));
            assert_eq!(store.anomalies(&pass, &filter()).await.unwrap(), [expected]);
        }
    }
}

async fn an_acknowledgement_outlives_later_events_and_the_first_one_stays(store: &dyn SeriesStore) {
    for flush_between in [false, true] {
        let pass = fresh();
        let one = anomaly("s:a", 100);
        let unknown = anomaly("s:a", 999).id;
        let events = [
            opened(1, &one),
            acknowledged(2, one.id, "ann"),
            event(3, AnomalyEvent::Updated(Box::new(one.clone()))),
            acknowledged(4, one.id, "ben"),
            closed(5, &one, 300),
            acknowledged(6, unknown, "cyd"),
        ];
        for event in events {
            apply(store, &pass, vec![event]).await;
            if flush_between {
                store.flush(&pass).await.unwrap();
            }
        }
        let found = store.anomaly(&pass, one.id).await.unwrap().unwrap();
        assert_eq!(found.acknowledged.map(|acknowledgement| acknowledgement.by), Some("ann".to_owned()));
        assert_eq!(found.closed_at_ms, Some(300));
        assert_eq!(store.anomaly(&pass, unknown).await.unwrap(), None);
    }
}

async fn last_feedback_survives_later_events(store: &dyn SeriesStore) {
    for flush_between in [false, true] {
        let pass = fresh();
        let one = anomaly("s:a", 100);
        let unknown = anomaly("s:a", 999).id;
        let with_feedback = |seq, id, outcome, by: &str| {
            let feedback = Feedback { outcome, at_ms: 1, by: by.into(), note: None };
            event(seq, AnomalyEvent::Feedback { id, labels: labels("s:a"), feedback, sensitivity: 1.0 })
        };
        let events = [
            opened(1, &one),
            with_feedback(2, one.id, FeedbackOutcome::Real, "ann"),
            acknowledged(3, one.id, "ann"),
            event(4, AnomalyEvent::Updated(Box::new(one.clone()))),
            with_feedback(5, one.id, FeedbackOutcome::False, "ben"),
            closed(6, &one, 300),
            with_feedback(7, unknown, FeedbackOutcome::Real, "cyd"),
        ];
        for event in events {
            apply(store, &pass, vec![event]).await;
            if flush_between {
                store.flush(&pass).await.unwrap();
            }
        }
        let found = store.anomaly(&pass, one.id).await.unwrap().unwrap();
        let said = found.feedback.map(|feedback| (feedback.outcome, feedback.by));
        assert_eq!(said, Some((FeedbackOutcome::False, "ben".to_owned())));
        assert_eq!(found.acknowledged.map(|seen| seen.by), Some("ann".to_owned()));
        assert_eq!(found.closed_at_ms, Some(300));
        apply(store, &pass, vec![with_feedback(8, one.id, FeedbackOutcome::Real, "dee")]).await;
        let found = store.anomaly(&pass, one.id).await.unwrap().unwrap();
        assert_eq!(found.feedback.map(|feedback| feedback.outcome), Some(FeedbackOutcome::Real));
        assert_eq!(store.anomaly(&pass, unknown).await.unwrap(), None);
    }
}

async fn listings_are_latest_first_filtered_and_paged(store: &dyn SeriesStore) {
    let pass = fresh();
    let all: Vec<Anomaly> = [("s:a", 100), ("s:a", 200), ("s:b", 200), ("s:c", 200), ("s:b", 300), ("s:a", -50)]
        .into_iter()
        .map(|(series, opened_at_ms)| anomaly(series, opened_at_ms))
        .collect();
    let events = all.iter().zip(1..).map(|(anomaly, seq)| opened(seq, anomaly)).collect();
    store.apply(&pass, StoredBatch { events }).await.unwrap();
    apply(store, &pass, vec![closed(7, &all[0], 150), closed(8, &all[1], 210), acknowledged(9, all[4].id, "ann")])
        .await;
    let mut ordered: Vec<(i64, AnomalyId)> = all.iter().map(|anomaly| (anomaly.opened_at_ms, anomaly.id)).collect();
    ordered.sort_by_key(|(opened_at_ms, id)| (-opened_at_ms, *id));
    let of = |wanted: &[usize]| -> Vec<AnomalyId> {
        let wanted: Vec<AnomalyId> = wanted.iter().map(|i| all[*i].id).collect();
        ordered.iter().map(|(_, id)| *id).filter(|id| wanted.contains(id)).collect()
    };
    // In the third round, some are in memory and some on disk.
    for round in 0..3 {
        let found = async |filter| ids(store, &pass, filter).await;
        assert_eq!(found(filter()).await, of(&[0, 1, 2, 3, 4, 5]), "round {round}");
        assert_eq!(found(AnomalyFilter { labels: Some(labels("s:b")), ..filter() }).await, of(&[2, 4]));
        assert!(found(AnomalyFilter { kpi: Some(kpi("other")), ..filter() }).await.is_empty());
        assert_eq!(found(AnomalyFilter { open: Some(false), ..filter() }).await, of(&[0, 1]));
        assert_eq!(found(AnomalyFilter { open: Some(true), ..filter() }).await, of(&[2, 3, 4, 5]));
        assert_eq!(found(AnomalyFilter { acknowledged: Some(true), ..filter() }).await, of(&[4]));
        assert_eq!(found(AnomalyFilter { from_ms: Some(210), ..filter() }).await, of(&[1, 2, 3, 4, 5]));
        assert_eq!(found(AnomalyFilter { from_ms: Some(211), to_ms: Some(300), ..filter() }).await, of(&[2, 3, 5]));
        assert!(found(AnomalyFilter { to_ms: Some(i64::MIN), ..filter() }).await.is_empty());
        let mut before = None;
        for expected in &ordered {
            let page = found(AnomalyFilter { before, limit: 1, ..filter() }).await;
            assert_eq!(page, [expected.1]);
            before = Some(*expected);
        }
        assert!(found(AnomalyFilter { before, ..filter() }).await.is_empty());
        if round == 0 {
            store.flush(&pass).await.unwrap();
        } else {
            apply(store, &pass, vec![event(10, AnomalyEvent::Updated(Box::new(all[2].clone())))]).await;
        }
    }
}

async fn rollups_count_anomalies_where_they_opened(store: &dyn SeriesStore) {
    let pass = fresh();
    apply(store, &pass, vec![at(1, "s:a", (0..600).map(|i| i * 1_000)), at(2, "s:b", (0..600).map(|i| i * 1_000))])
        .await;
    let events = [("s:a", 60_000), ("s:a", 119_000), ("s:b", 61_000), ("s:a", 300_000)];
    for ((series, time), seq) in events.into_iter().zip(3..) {
        apply(store, &pass, vec![opened(seq, &anomaly(series, time))]).await;
    }
    for _ in ["in memory", "flushed"] {
        let found = store.rollups(&pass, &everything("s:a"), 60_000).await.unwrap();
        let counts: Vec<u32> = found[0].rows.iter().map(|row| row.anomalies).collect();
        assert_eq!(counts, [0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
        let both = store.rollups(&pass, &everything(""), 3_600_000).await.unwrap();
        assert_eq!(both.iter().map(|series| series.rows[0].anomalies).collect::<Vec<_>>(), [3, 1]);
        store.flush(&pass).await.unwrap();
    }
}

async fn expiry_forgets_closed_anomalies_only(store: &dyn SeriesStore) {
    let pass = fresh();
    let (gone, open, long) = (anomaly("s:a", 100), anomaly("s:b", 100), anomaly("s:c", 100));
    apply(store, &pass, vec![opened(1, &gone), opened(2, &open), opened(3, &long)]).await;
    store.flush(&pass).await.unwrap();
    apply(store, &pass, vec![closed(4, &gone, 150), closed(5, &long, 5_000)]).await;
    store.expire(&pass, 1_000).await.unwrap();
    assert_eq!(store.anomaly(&pass, gone.id).await.unwrap(), None);
    let mut left = vec![open.id, long.id];
    left.sort();
    assert_eq!(ids(store, &pass, filter()).await, left);
    assert!(store.anomaly(&pass, open.id).await.unwrap().is_some());
}
