//! A log that is not the one the stores have read: it was created again, or restored from an old
//! copy, while snapshots and history stayed. Its numbers cannot be compared with theirs. So the
//! snapshots are deleted, and history reads the log from its beginning, in addition to the samples
//! it has.

use crate::actors::context::Backends;
use crate::actors::snapshotter::{load_watermark, save_watermark};
use crate::services::records::Family;
use earcon_ports::{ErrorKind, LogHead, PortError};
use earcon_tenancy::WorkspacePass;

/// The epoch of the log that snapshots and history belong to.
const EPOCH: &str = "epoch";

/// Makes the stores fit the log. Called after opening it for writing.
pub(super) async fn prepare(backends: &Backends, pass: &WorkspacePass, head: &LogHead) -> Result<(), PortError> {
    let key = Family::Recovery.key(EPOCH);
    let record = backends.meta_store.get(pass, &key).await?;
    let (revision, known) = record.map_or((0, None), |record| (record.revision, Some(record.value)));
    let another = known.as_deref().is_some_and(|known| known != head.epoch().as_bytes());
    if another || went_back(backends, pass, head).await? {
        tracing::warn!(
            workspace = %pass.workspace(),
            "the log is not the one that was written before; scoring begins again, history is kept"
        );
        for snapshot in backends.snapshot_store.all(pass).await? {
            backends.snapshot_store.delete(pass, &snapshot.kpi).await?;
        }
        save_watermark(backends, pass, 0).await?;
        backends.series_store.rewind(pass).await?;
    }
    if known.as_deref() == Some(head.epoch().as_bytes()) {
        return Ok(());
    }
    match backends.meta_store.put(pass, &key, revision, head.epoch().as_bytes().to_vec()).await {
        // Another node opened the log at the same time; the log itself decides which of the two
        // goes on.
        Err(error) if error.kind != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// Whether one of the stores has seen events that the log does not have: the log was restored from
/// an old copy, or has lost its end. New events would get numbers that these stores know already.
async fn went_back(backends: &Backends, pass: &WorkspacePass, head: &LogHead) -> Result<bool, PortError> {
    if load_watermark(backends, pass).await? >= head.next {
        return Ok(true);
    }
    if backends.snapshot_store.all(pass).await?.iter().any(|snapshot| snapshot.seq >= head.next) {
        return Ok(true);
    }
    match backends.series_store.cursor(pass).await {
        Ok(cursor) => Ok(cursor >= head.next),
        // An unavailable history must not keep the workspace closed.
        Err(error) if error.kind == ErrorKind::Unavailable => {
            tracing::warn!(workspace = %pass.workspace(), %error, "cannot compare the history with the log");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
    use earcon_model::{Event, KpiEvent, KpiName, WorkspaceId};
    use earcon_ports::{Epochs, Snapshot, StoredBatch};
    use earcon_tenancy::Authorizer;

    #[tokio::test]
    async fn another_epoch_forgets_snapshots_and_rewinds_history() {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(directory.path(), &EmbeddedSettings::default()).unwrap();
        let backends = Backends {
            event_log: store.event_log(),
            series_store: store.series_store(),
            meta_store: store.meta_store(),
            snapshot_store: store.snapshot_store(),
            publisher: None,
        };
        let pass = Authorizer::new().system(&WorkspaceId::new("w").unwrap());
        let kpi = KpiName::new("k").unwrap();
        let head = backends.event_log.open(&pass).await.unwrap();
        let events: Vec<_> = (1..=5).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed))).collect();
        backends.event_log.append(&pass, events.clone()).await.unwrap();
        backends.series_store.apply(&pass, StoredBatch { events }).await.unwrap();
        backends.series_store.flush(&pass).await.unwrap();
        let snapshot = Snapshot { kpi: kpi.clone(), seq: 5, state: vec![1] };
        backends.snapshot_store.put(&pass, snapshot).await.unwrap();
        save_watermark(&backends, &pass, 5).await.unwrap();
        let now = LogHead { next: 6, ..head.clone() };

        prepare(&backends, &pass, &now).await.unwrap();
        prepare(&backends, &pass, &now).await.unwrap();
        assert!(backends.snapshot_store.get(&pass, &kpi).await.unwrap().is_some(), "the same log changes nothing");
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 5);

        let another = LogHead { epochs: Epochs::new("another", 1), ..now };
        prepare(&backends, &pass, &another).await.unwrap();
        assert!(backends.snapshot_store.get(&pass, &kpi).await.unwrap().is_none());
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 0);
        assert_eq!(load_watermark(&backends, &pass).await.unwrap(), 0);

        save_watermark(&backends, &pass, 9).await.unwrap();
        prepare(&backends, &pass, &another).await.unwrap();
        assert_eq!(load_watermark(&backends, &pass).await.unwrap(), 0, "a log that went back counts as another");

        let snapshot = Snapshot { kpi: kpi.clone(), seq: 6, state: vec![1] };
        backends.snapshot_store.put(&pass, snapshot).await.unwrap();
        prepare(&backends, &pass, &another).await.unwrap();
        assert!(backends.snapshot_store.get(&pass, &kpi).await.unwrap().is_none(), "so does one behind a snapshot");

        let ahead = (1..=6).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
        backends.series_store.apply(&pass, StoredBatch { events: ahead.collect() }).await.unwrap();
        backends.series_store.flush(&pass).await.unwrap();
        prepare(&backends, &pass, &another).await.unwrap();
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 0, "and one behind the history");
    }
}
