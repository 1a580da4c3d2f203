//! Anomalies: in memory if they changed since the last flush, else by the day they opened. The
//! database also lists those days, and the open anomalies.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::batching::BoundedTasks;
use super::history::History;
use super::layout::{DAY_MS, corrupt, day_of};
use super::memtable::{ChangedAnomaly, FlushBatch};
use super::statements::Tables;
use super::writer_state::WriterState;
use earcon_history::filter::{start_of, wanted};
use earcon_model::{Anomaly, AnomalyId, Event, EventBody, WorkspaceId};
use earcon_ports::{AnomalyFilter, ErrorKind, PortError};

/// The first byte of every stored anomaly.
const VERSION: u8 = 1;

type Record = (Option<Vec<u8>>,);

impl History {
    pub(super) async fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.drop_what_others_stored().await?;
        let changed = self.memtable().changed_anomaly(id).map(|changed| changed.anomaly.clone());
        match changed {
            Some(anomaly) => Ok(Some(anomaly)),
            None => self.tables.anomaly(&self.workspace, id).await,
        }
    }

    /// Latest opened first, ties in order of identifier.
    pub(super) async fn anomalies(&self, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        self.drop_what_others_stored().await?;
        let changed = self.memtable().changed_anomalies();
        let mut found: Vec<Anomaly> = changed.values().filter(|anomaly| wanted(filter, anomaly)).cloned().collect();
        if let Some(latest_ms) = start_of(filter) {
            let mut stored = Listing { filter, changed: &changed, found: Vec::new() };
            self.list(latest_ms, &mut stored).await?;
            found.append(&mut stored.found);
        }
        found.sort_by_key(|anomaly| (Reverse(anomaly.opened_at_ms), anomaly.id));
        found.dedup_by_key(|anomaly| anomaly.id);
        found.truncate(filter.limit);
        Ok(found)
    }

    async fn list(&self, latest_ms: i64, listing: &mut Listing<'_>) -> Result<(), PortError> {
        let (tables, filter) = (&self.tables, listing.filter);
        let mut days = Vec::new();
        if filter.open != Some(true) {
            days = tables.anomaly_days(&self.workspace, day_of(latest_ms)).await?;
            // Skips days whose anomalies ended before the requested time. Their open anomalies are
            // added below.
            let over = |day: i64, last: Option<i64>| {
                let end_ms = day.saturating_add(1).saturating_mul(DAY_MS);
                filter.from_ms.is_some_and(|from_ms| end_ms <= from_ms && last.is_none_or(|last| last < from_ms))
            };
            days.retain(|(day, last)| !over(*day, *last));
        }
        if filter.open != Some(false) {
            let listed: HashSet<i64> = days.iter().map(|(day, _)| *day).collect();
            for (opened_at_ms, id) in tables.open_anomalies(&self.workspace, latest_ms).await? {
                if listing.is_full(opened_at_ms) {
                    break;
                }
                if !listed.contains(&day_of(opened_at_ms)) {
                    listing.found.extend(
                        tables.anomaly_at(&self.workspace, opened_at_ms, id).await?.filter(|one| listing.wants(one)),
                    );
                }
            }
        }
        for (day, _) in days {
            let end_ms = day.saturating_add(1).saturating_mul(DAY_MS).saturating_sub(1);
            if listing.is_full(end_ms) {
                break;
            }
            tables
                .visit_day(&self.workspace, day, latest_ms, |anomaly| {
                    let full = listing.is_full(anomaly.opened_at_ms);
                    if !full && listing.wants(&anomaly) {
                        listing.found.push(anomaly);
                    }
                    !full
                })
                .await?;
        }
        Ok(())
    }

    /// Calls `seen` with every anomaly opened in `from_ms..to_ms`, in no particular order.
    pub(super) async fn visit_opened(
        &self,
        from_ms: i64,
        to_ms: i64,
        mut seen: impl FnMut(&Anomaly) + Send,
    ) -> Result<(), PortError> {
        let changed = self.memtable().changed_anomalies();
        let inside = from_ms..to_ms;
        changed.values().filter(|anomaly| inside.contains(&anomaly.opened_at_ms)).for_each(&mut seen);
        let latest_ms = to_ms.saturating_sub(1);
        for (day, _) in self.tables.anomaly_days(&self.workspace, day_of(latest_ms)).await? {
            if day < day_of(from_ms) {
                break;
            }
            self.tables
                .visit_day(&self.workspace, day, latest_ms, |anomaly| {
                    if inside.contains(&anomaly.opened_at_ms) && !changed.contains_key(&anomaly.id) {
                        seen(&anomaly);
                    }
                    true
                })
                .await?;
        }
        Ok(())
    }

    /// The anomalies that `events` refer to, in their state before these events.
    pub(super) async fn known_anomalies(
        &self,
        events: &[std::sync::Arc<Event>],
    ) -> Result<HashMap<AnomalyId, ChangedAnomaly>, PortError> {
        let mut known = HashMap::new();
        let applied = self.memtable().applied();
        for event in events.iter().filter(|event| event.seq > applied) {
            let (id, opened_at_ms) = match &event.body {
                EventBody::AnomalyOpened(anomaly)
                | EventBody::AnomalyUpdated(anomaly)
                | EventBody::AnomalyClosed(anomaly) => (anomaly.id, Some(anomaly.opened_at_ms)),
                EventBody::AnomalyAcknowledged { id, .. } | EventBody::AnomalyJudged { id, .. } => (*id, None),
                _ => continue,
            };
            if known.contains_key(&id) {
                continue;
            }
            // A flush may remove it from memory before the event is applied, so the copy from
            // memory is kept too.
            let changed = self.memtable().changed_anomaly(id).cloned();
            let found = match (changed, opened_at_ms) {
                (Some(changed), _) => Some(changed.anomaly),
                (None, Some(time)) => self.tables.anomaly_at(&self.workspace, time, id).await?,
                (None, None) => self.tables.anomaly(&self.workspace, id).await?,
            };
            known.extend(found.map(|anomaly| (id, ChangedAnomaly { anomaly, write_timestamp: 0 })));
        }
        Ok(known)
    }

    pub(super) async fn write_anomalies(
        &self,
        unflushed: &FlushBatch,
        writer: &mut WriterState,
    ) -> Result<(), PortError> {
        if unflushed.anomalies.is_empty() {
            return Ok(());
        }
        let mut writes = BoundedTasks::new(self.tables.pace.in_flight);
        for changed in &unflushed.anomalies {
            writes.add(self.tables.put_anomaly(&self.workspace, changed)).await?;
        }
        writes.finish().await?;
        let mut days = match writer.anomaly_days.take() {
            Some(days) => days,
            None => self.tables.anomaly_days(&self.workspace, i64::MAX).await?.into_iter().collect(),
        };
        let mut written = HashSet::new();
        for anomaly in unflushed.anomalies.iter().map(|changed| &changed.anomaly) {
            let day = day_of(anomaly.opened_at_ms);
            let known = days.get(&day).copied();
            let last = known.flatten().max(anomaly.closed_at_ms);
            if known != Some(last) {
                days.insert(day, last);
                written.insert(day);
            }
        }
        let mut writes = BoundedTasks::new(self.tables.pace.in_flight);
        for day in written {
            let last = days.get(&day).copied().flatten();
            writes.add(self.tables.put_anomaly_day(&self.workspace, day, last, unflushed.write_timestamp)).await?;
        }
        writes.finish().await?;
        writer.anomaly_days = Some(days);
        Ok(())
    }
}

/// Stored anomalies that match a filter, in the order they are found: latest first, except for open
/// ones of skipped days.
struct Listing<'a> {
    filter: &'a AnomalyFilter,
    changed: &'a HashMap<AnomalyId, Anomaly>,
    found: Vec<Anomaly>,
}

impl Listing<'_> {
    fn wants(&self, anomaly: &Anomaly) -> bool {
        !self.changed.contains_key(&anomaly.id) && wanted(self.filter, anomaly)
    }

    /// Whether enough anomalies were found that opened after `opened_at_ms`.
    fn is_full(&self, opened_at_ms: i64) -> bool {
        self.found.len() >= self.filter.limit
            && self.found.iter().filter(|found| found.opened_at_ms > opened_at_ms).count() >= self.filter.limit
    }
}

impl Tables {
    /// The stored anomaly.
    async fn anomaly(&self, workspace: &WorkspaceId, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let time = self.database.rows::<(Option<CqlTimestamp>,)>(&self.anomalies.time, (workspace.as_str(), id.0));
        match time.await?.first() {
            Some((Some(opened_at),)) => self.anomaly_at(workspace, opened_at.0, id).await,
            _ => Ok(None),
        }
    }

    /// The stored anomaly with this opening time.
    async fn anomaly_at(
        &self,
        workspace: &WorkspaceId,
        opened_at_ms: i64,
        id: AnomalyId,
    ) -> Result<Option<Anomaly>, PortError> {
        let values = (workspace.as_str(), day_of(opened_at_ms), CqlTimestamp(opened_at_ms), id.0);
        let rows = self.database.rows::<Record>(&self.anomalies.read, values).await?;
        rows.first().and_then(|(record,)| record.as_deref()).map(decode).transpose()
    }

    /// Calls `seen` with the anomalies of a day that opened at `latest_ms` or earlier, latest
    /// first, until it returns `false`.
    pub(super) async fn visit_day(
        &self,
        workspace: &WorkspaceId,
        day: i64,
        latest_ms: i64,
        mut seen: impl FnMut(Anomaly) -> bool,
    ) -> Result<(), PortError> {
        let values = (workspace.as_str(), day, CqlTimestamp(latest_ms));
        let mut pages = self.database.pages::<Record>(&self.anomalies.read_day, values)?;
        while let Some(page) = pages.next().await? {
            for (record,) in page {
                if let Some(record) = record
                    && !seen(decode(&record)?)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The days up to `latest` on which anomalies opened, latest first, each with the latest
    /// closing time of its anomalies.
    pub(super) async fn anomaly_days(
        &self,
        workspace: &WorkspaceId,
        latest: i64,
    ) -> Result<Vec<(i64, Option<i64>)>, PortError> {
        let values = (workspace.as_str(), latest);
        let rows = self.database.rows::<(i64, Option<CqlTimestamp>)>(&self.anomalies.days, values).await?;
        Ok(rows.into_iter().map(|(day, last)| (day, last.map(|last| last.0))).collect())
    }

    /// The open anomalies that opened at `latest_ms` or earlier, latest first.
    async fn open_anomalies(
        &self,
        workspace: &WorkspaceId,
        latest_ms: i64,
    ) -> Result<Vec<(i64, AnomalyId)>, PortError> {
        let values = (workspace.as_str(), CqlTimestamp(latest_ms));
        let rows = self.database.rows::<(CqlTimestamp, Uuid)>(&self.anomalies.open, values).await?;
        Ok(rows.into_iter().map(|(opened_at, id)| (opened_at.0, AnomalyId(id))).collect())
    }

    async fn put_anomaly(&self, workspace: &WorkspaceId, changed: &ChangedAnomaly) -> Result<(), PortError> {
        let ChangedAnomaly { anomaly, write_timestamp } = changed;
        let (name, id, opened_at) = (workspace.as_str(), anomaly.id.0, CqlTimestamp(anomaly.opened_at_ms));
        let values = (name, day_of(anomaly.opened_at_ms), opened_at, id, encode(anomaly)?, *write_timestamp);
        self.database.execute(&self.anomalies.write, values).await?;
        self.database.execute(&self.anomalies.write_time, (name, id, opened_at, *write_timestamp)).await?;
        if anomaly.closed_at_ms.is_none() {
            self.database.execute(&self.anomalies.write_open, (name, opened_at, id, *write_timestamp)).await?;
        } else {
            self.database.execute(&self.anomalies.forget_open, (*write_timestamp, name, opened_at, id)).await?;
        }
        Ok(())
    }

    async fn put_anomaly_day(
        &self,
        workspace: &WorkspaceId,
        day: i64,
        last_closed_at_ms: Option<i64>,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let values = (workspace.as_str(), day, last_closed_at_ms.map(CqlTimestamp), write_timestamp);
        self.database.execute(&self.anomalies.write_day, values).await.map(drop)
    }

    pub(super) async fn forget_anomaly(
        &self,
        workspace: &WorkspaceId,
        anomaly: &Anomaly,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let (name, id, opened_at) = (workspace.as_str(), anomaly.id.0, CqlTimestamp(anomaly.opened_at_ms));
        self.database.execute(&self.anomalies.forget_time, (write_timestamp, name, id)).await?;
        let values = (write_timestamp, name, day_of(anomaly.opened_at_ms), opened_at, id);
        self.database.execute(&self.anomalies.forget, values).await.map(drop)
    }

    pub(super) async fn forget_anomaly_day(
        &self,
        workspace: &WorkspaceId,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        self.database.execute(&self.anomalies.forget_day, (write_timestamp, workspace.as_str(), day)).await.map(drop)
    }
}

/// A version byte and the anomaly.
fn encode(anomaly: &Anomaly) -> Result<Vec<u8>, PortError> {
    postcard::to_extend(anomaly, vec![VERSION])
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "an anomaly cannot be encoded", error))
}

fn decode(bytes: &[u8]) -> Result<Anomaly, PortError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| corrupt("an anomaly")),
        _ => Err(corrupt("an anomaly")),
    }
}
