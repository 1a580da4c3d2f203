//! Anomalies: in memory if they changed since the last flush, else by the day they opened. The
//! database also lists those days, and the open anomalies.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::batching::BoundedTasks;
use super::history::History;
use super::layout::{DAY_MS, day_of};
use super::memtable::{ChangedAnomaly, FlushBatch};
use super::writer_state::WriterState;
use earcon_history::filter::{start_of, wanted};
use earcon_history::fold::HistoryChange;
use earcon_model::{Anomaly, AnomalyId, Event};
use earcon_ports::{AnomalyFilter, PortError};

impl History {
    pub(super) async fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        self.drop_if_stored_elsewhere().await?;
        let changed = self.memtable().changed_anomaly(id).map(|changed| changed.anomaly.clone());
        match changed {
            Some(anomaly) => Ok(Some(anomaly)),
            None => self.tables.anomaly(&self.workspace, id).await,
        }
    }

    /// Latest opened first, ties in order of identifier.
    pub(super) async fn anomalies(&self, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        self.drop_if_stored_elsewhere().await?;
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
            let Some(change) = HistoryChange::from_event(event) else { continue };
            let Some(id) = change.anomaly_id() else { continue };
            let opened_at_ms = match change {
                HistoryChange::Anomaly(anomaly) => Some(anomaly.opened_at_ms),
                HistoryChange::Rows(..) | HistoryChange::Acknowledged(..) | HistoryChange::Feedback(..) => None,
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
