//! Removal of a workspace: nothing is left, for it or for the next workspace of its name.

use std::sync::Arc;

use super::{anomaly, apply, at, event, everything, rows};
use crate::{fresh, next_generation};
use earcon_model::{Anomaly, AnomalyEvent};
use earcon_ports::{AnomalyFilter, SeriesStore};
use earcon_tenancy::WorkspacePass;

const DAY_MS: i64 = 86_400_000;

/// Runs every case.
pub(super) async fn all(make: &impl Fn() -> Arc<dyn SeriesStore>) {
    removed_workspace_leaves_nothing_to_the_next_of_its_name(&*make()).await;
    unflushed_events_go_with_the_workspace(&*make()).await;
}

/// Samples of two series over months, an open anomaly and a closed one.
async fn fill(store: &dyn SeriesStore, pass: &WorkspacePass) {
    let times: Vec<i64> = (0..200).map(|i| i * DAY_MS / 2).collect();
    let open = anomaly("s:a", 100);
    let closed = Anomaly { closed_at_ms: Some(40 * DAY_MS), ..anomaly("s:b", 39 * DAY_MS) };
    let events = vec![
        at(1, "s:a", times.clone()),
        at(2, "s:b", times),
        event(3, AnomalyEvent::Opened(Box::new(open))),
        event(4, AnomalyEvent::Closed(Box::new(closed))),
    ];
    apply(store, pass, events).await;
}

async fn is_empty(store: &dyn SeriesStore, pass: &WorkspacePass) -> bool {
    let filter = AnomalyFilter { limit: 10, ..AnomalyFilter::default() };
    let samples = store.samples(pass, &everything(""), usize::MAX).await.unwrap();
    let rollups = store.rollups(pass, &everything(""), 3_600_000).await.unwrap();
    let anomalies = store.anomalies(pass, &filter).await.unwrap();
    let first = store.anomaly(pass, anomaly("s:a", 100).id).await.unwrap();
    samples.is_empty() && rollups.is_empty() && anomalies.is_empty() && first.is_none()
}

async fn removed_workspace_leaves_nothing_to_the_next_of_its_name(store: &dyn SeriesStore) {
    let (old, neighbour) = (fresh(), fresh());
    let new = next_generation(&old);
    for pass in [&old, &neighbour] {
        fill(store, pass).await;
        store.flush(pass).await.unwrap();
    }
    store.remove(&old).await.unwrap();
    store.remove(&old).await.unwrap();
    for pass in [&old, &new] {
        assert!(is_empty(store, pass).await);
        assert_eq!((store.cursor(pass).await.unwrap(), store.size_bytes(pass).await.unwrap()), (0, 0));
    }
    // The log of the new workspace begins again. Its events have the numbers and times of the old
    // ones, and are seen all the same.
    apply(store, &new, vec![at(1, "s:a", [0, DAY_MS])]).await;
    assert_eq!(store.flush(&new).await.unwrap(), 1);
    assert_eq!(rows(store, &new, &everything("")).await.len(), 2);
    let filter = AnomalyFilter { limit: 10, ..AnomalyFilter::default() };
    assert!(store.anomalies(&new, &filter).await.unwrap().is_empty());
    assert_eq!(rows(store, &neighbour, &everything("s:a")).await.len(), 200);
    assert_eq!(store.anomalies(&neighbour, &filter).await.unwrap().len(), 2);
}

async fn unflushed_events_go_with_the_workspace(store: &dyn SeriesStore) {
    let old = fresh();
    fill(store, &old).await;
    store.remove(&old).await.unwrap();
    assert!(is_empty(store, &old).await && is_empty(store, &next_generation(&old)).await);
}
