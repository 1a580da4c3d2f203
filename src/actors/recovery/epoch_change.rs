//! A log that went back: it was created again, or restored from an old copy, while snapshots and
//! history stayed. Its numbers cannot be compared with theirs. So scoring begins again, and history
//! reads the log from its beginning, in addition to the samples it has. Every KPI that snapshots or
//! history know stays known: its history can be read at once.
//!
//! The stores hold positions without epochs. They were written since the last opening, or before,
//! and so they belong to this history if it contains them in the epoch of that opening.

use std::collections::BTreeSet;

use crate::actors::context::Backends;
use crate::actors::snapshotter::{load_watermark, save_watermark};
use earcon_model::{KpiName, Seq};
use earcon_ports::{ErrorKind, LogHead, OPENING_RECORD, PortError, Revision, Snapshot};
use earcon_tenancy::WorkspacePass;

/// An opening whose record had no room on the disk. It has to be recorded before the stores are
/// ahead of the epoch that is recorded.
#[derive(Debug, Clone)]
pub struct UnrecordedOpening {
    head: LogHead,
    before: Option<String>,
}

impl UnrecordedOpening {
    /// Records it.
    ///
    /// # Errors
    /// `StorageFull` while there is no room. Those of the store.
    pub async fn record(&self, backends: &Backends, pass: &WorkspacePass) -> Result<(), PortError> {
        record_opening(backends, pass, &self.head, self.before.as_deref()).await
    }
}

/// Makes the stores fit the log. Called after opening it for writing. `fresh` is the state of a KPI
/// that has seen nothing. A full disk is no reason to stay closed: the opening is recorded later.
///
/// # Errors
/// `Conflict` when another node has opened the log since. Those of the stores.
pub(super) async fn prepare(
    backends: &Backends,
    pass: &WorkspacePass,
    head: &LogHead,
    fresh: impl Fn(&KpiName) -> Vec<u8>,
) -> Result<Option<UnrecordedOpening>, PortError> {
    let (_, known) = last_opening(backends, pass).await?;
    if let Some(known) = known.as_deref().filter(|known| head.epochs.end_of(known).is_none())
        && let Some(now) = backends.event_log.head(pass).await?
        && now.epochs.end_of(known).is_some()
    {
        return Err(PortError::new(ErrorKind::Conflict, "another node has opened the log since"));
    }
    if went_back(backends, pass, end_of_known(head, known.as_deref())).await? {
        tracing::warn!(
            workspace = %pass.workspace(),
            "the log is not the one that was written before; scoring begins again, and history reads the log in \
             addition to what it has. What was deleted since the log was copied may come back: delete it again"
        );
        begin_again(backends, pass, fresh).await?;
        backends.series_store.rewind(pass).await?;
    } else if lost_snapshots(backends, pass).await? {
        tracing::warn!(
            workspace = %pass.workspace(),
            "the scoring snapshots are lost; scoring begins again with what the log holds"
        );
        begin_again(backends, pass, fresh).await?;
    }
    match record_opening(backends, pass, head, known.as_deref()).await {
        Ok(()) => Ok(None),
        Err(error) if error.kind == ErrorKind::StorageFull => {
            tracing::warn!(workspace = %pass.workspace(), %error, "the opening of the log is recorded once there is room");
            Ok(Some(UnrecordedOpening { head: head.clone(), before: known }))
        }
        Err(error) => Err(error),
    }
}

/// Whether there is no snapshot, although events are recorded as parts of snapshots: a repair of
/// the database keeps none if it lost some.
async fn lost_snapshots(backends: &Backends, pass: &WorkspacePass) -> Result<bool, PortError> {
    if load_watermark(backends, pass).await? == 0 {
        return Ok(false);
    }
    let mut is_empty = true;
    backends.snapshot_store.visit(pass, &mut |_| is_empty = false).await?;
    Ok(is_empty)
}

/// Scoring begins again for every KPI that is known.
async fn begin_again(
    backends: &Backends,
    pass: &WorkspacePass,
    fresh: impl Fn(&KpiName) -> Vec<u8>,
) -> Result<(), PortError> {
    let mut kpis = BTreeSet::new();
    backends.snapshot_store.visit(pass, &mut |snapshot| kpis.extend([snapshot.kpi])).await?;
    match backends.series_store.kpis(pass).await {
        Ok(known) => kpis.extend(known),
        // An unavailable history must not keep the workspace closed.
        Err(error) => tracing::warn!(workspace = %pass.workspace(), %error, "cannot read which KPIs history knows"),
    }
    for kpi in kpis {
        backends.snapshot_store.delete(pass, &kpi).await?;
        let state = fresh(&kpi);
        backends.snapshot_store.put(pass, Snapshot { kpi, part: 0, seq: 0, state }).await?;
    }
    save_watermark(backends, pass, 0).await
}

/// The revision of the record of the last opening, and its epoch.
async fn last_opening(backends: &Backends, pass: &WorkspacePass) -> Result<(Revision, Option<String>), PortError> {
    let record = backends.meta_store.get(pass, OPENING_RECORD).await?;
    Ok(record.map_or((0, None), |record| (record.revision, Some(String::from_utf8_lossy(&record.value).into_owned()))))
}

/// Records this opening, in place of the record of the opening `before` or one since that this
/// history has. A record of a later opening stays.
async fn record_opening(
    backends: &Backends,
    pass: &WorkspacePass,
    head: &LogHead,
    before: Option<&str>,
) -> Result<(), PortError> {
    loop {
        let (revision, found) = last_opening(backends, pass).await?;
        let replaced =
            found.as_deref() == before || found.as_deref().is_none_or(|found| head.epochs.end_of(found).is_some());
        if found.as_deref() == Some(head.epoch()) || !replaced {
            return Ok(());
        }
        match backends.meta_store.put(pass, OPENING_RECORD, revision, head.epoch().as_bytes().to_vec()).await {
            // Another node opened the log at the same time.
            Err(error) if error.kind == ErrorKind::Conflict => {}
            put => return put.map(drop),
        }
    }
}

/// The first event that is not of the epoch `known` or earlier. 0 if the log does not have that
/// epoch. If no epoch is known, the log's end counts.
fn end_of_known(head: &LogHead, known: Option<&str>) -> Seq {
    match known.map(|known| head.epochs.end_of(known)) {
        None | Some(Some(None)) => head.next,
        Some(Some(Some(end))) => end,
        Some(None) => 0,
    }
}

/// Whether one of the stores has seen events at or after `end`, which its log never had: the log
/// was restored from an old copy, or has lost its end. New events would get numbers that these
/// stores know already.
async fn went_back(backends: &Backends, pass: &WorkspacePass, end: Seq) -> Result<bool, PortError> {
    if load_watermark(backends, pass).await? >= end {
        return Ok(true);
    }
    let mut is_ahead = false;
    backends.snapshot_store.visit(pass, &mut |snapshot| is_ahead |= snapshot.seq >= end).await?;
    if is_ahead {
        return Ok(true);
    }
    match backends.series_store.cursor(pass).await {
        Ok(cursor) => Ok(cursor >= end),
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
    use earcon_model::{Event, KpiEvent, WorkspaceId};
    use earcon_ports::{Epochs, StoredBatch};
    use earcon_tenancy::Authorizer;

    /// The state of a KPI that is known and has seen nothing.
    fn begun_again() -> Snapshot {
        Snapshot { kpi: KpiName::new("k").unwrap(), part: 0, seq: 0, state: vec![9] }
    }

    #[tokio::test]
    async fn log_that_went_back_forgets_snapshots_and_rewinds_history() {
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
        let snapshot = Snapshot { kpi: kpi.clone(), part: 0, seq: 5, state: vec![1] };
        backends.snapshot_store.put(&pass, snapshot).await.unwrap();
        save_watermark(&backends, &pass, 5).await.unwrap();
        let now = LogHead { next: 6, ..head.clone() };

        let fresh = |_: &KpiName| vec![9];
        prepare(&backends, &pass, &now, fresh).await.unwrap();
        prepare(&backends, &pass, &now, fresh).await.unwrap();
        let restarted = backends.event_log.open(&pass).await.unwrap();
        prepare(&backends, &pass, &restarted, fresh).await.unwrap();
        assert!(!backends.snapshot_store.get(&pass, &kpi).await.unwrap().is_empty(), "a restart changes nothing");
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 5);

        let key = crate::services::records::Family::Recovery.key("epoch");
        assert_eq!(key, OPENING_RECORD);
        let record = backends.meta_store.get(&pass, &key).await.unwrap().unwrap();
        backends.meta_store.put(&pass, &key, record.revision, head.epoch().into()).await.unwrap();
        let mut epochs = head.epochs.clone();
        epochs.begin("restored", 4);
        prepare(&backends, &pass, &LogHead { epochs, next: 9, ..head.clone() }, fresh).await.unwrap();
        assert_eq!(
            backends.snapshot_store.get(&pass, &kpi).await.unwrap(),
            [begun_again()],
            "a copy that has grown since"
        );
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 0);

        let events = (1..=5).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
        backends.series_store.apply(&pass, StoredBatch { events: events.collect() }).await.unwrap();
        backends.series_store.flush(&pass).await.unwrap();
        let snapshot = Snapshot { kpi: kpi.clone(), part: 0, seq: 5, state: vec![1] };
        backends.snapshot_store.put(&pass, snapshot).await.unwrap();

        let another = LogHead { epochs: Epochs::new("another", 1), ..now };
        prepare(&backends, &pass, &another, fresh).await.unwrap();
        assert_eq!(backends.snapshot_store.get(&pass, &kpi).await.unwrap(), [begun_again()]);
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 0);
        assert_eq!(load_watermark(&backends, &pass).await.unwrap(), 0);

        backends.snapshot_store.delete(&pass, &kpi).await.unwrap();
        save_watermark(&backends, &pass, 1).await.unwrap();
        backends
            .series_store
            .apply(&pass, StoredBatch { events: vec![Arc::new(Event::new(1, 0, kpi.clone(), KpiEvent::Resumed))] })
            .await
            .unwrap();
        backends.series_store.flush(&pass).await.unwrap();
        prepare(&backends, &pass, &another, fresh).await.unwrap();
        assert_eq!(backends.snapshot_store.get(&pass, &kpi).await.unwrap(), [begun_again()], "lost snapshots");
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 1, "history goes on");
        assert_eq!(load_watermark(&backends, &pass).await.unwrap(), 0);

        save_watermark(&backends, &pass, 9).await.unwrap();
        prepare(&backends, &pass, &another, fresh).await.unwrap();
        assert_eq!(load_watermark(&backends, &pass).await.unwrap(), 0, "a log that went back counts as another");

        let snapshot = Snapshot { kpi: kpi.clone(), part: 0, seq: 6, state: vec![1] };
        backends.snapshot_store.put(&pass, snapshot).await.unwrap();
        prepare(&backends, &pass, &another, fresh).await.unwrap();
        assert_eq!(
            backends.snapshot_store.get(&pass, &kpi).await.unwrap(),
            [begun_again()],
            "so does one behind a snapshot"
        );

        let ahead = (1..=6).map(|seq| Arc::new(Event::new(seq, 0, kpi.clone(), KpiEvent::Resumed)));
        backends.series_store.apply(&pass, StoredBatch { events: ahead.collect() }).await.unwrap();
        backends.series_store.flush(&pass).await.unwrap();
        prepare(&backends, &pass, &another, fresh).await.unwrap();
        assert_eq!(backends.series_store.cursor(&pass).await.unwrap(), 0, "and one behind the history");
    }
}
