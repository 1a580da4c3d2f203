//! Finding anomalies: those that changed since the last flush are in memory, the others in an index by opening time.

use fjall::Readable;

use super::History;
use super::query::View;
use super::records::decode;
use crate::database::unreadable;
use earcon_history::filter::{start_of, wanted};
use earcon_model::{Anomaly, AnomalyId};
use earcon_ports::{AnomalyFilter, PortError};

impl History {
    pub(super) fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let live = self.reading();
        if let Some(anomaly) = live.changed_anomaly(id) {
            return Ok(Some(anomaly.clone()));
        }
        let view = self.view();
        drop(live);
        view.anomaly(id)
    }

    /// Latest opened first, ties in order of identifier.
    pub(super) fn anomalies(&self, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        let (changed, view) = {
            let live = self.reading();
            (live.changed_anomalies(), self.view())
        };
        let mut found: Vec<Anomaly> = changed.values().filter(|anomaly| wanted(filter, anomaly)).cloned().collect();
        let mut stored = 0;
        view.visit_anomalies(start_of(filter), |anomaly| {
            if stored < filter.limit && !changed.contains_key(&anomaly.id) && wanted(filter, &anomaly) {
                found.push(anomaly);
                stored += 1;
            }
            stored < filter.limit
        })?;
        found.sort_by_key(|anomaly| (std::cmp::Reverse(anomaly.opened_at_ms), anomaly.id));
        found.truncate(filter.limit);
        Ok(found)
    }

    /// Shows `seen` every anomaly opened in `from_ms..to_ms`, in no particular order.
    pub(super) fn visit_opened(
        &self,
        from_ms: i64,
        to_ms: i64,
        mut seen: impl FnMut(&Anomaly),
    ) -> Result<(), PortError> {
        let (changed, view) = {
            let live = self.reading();
            (live.changed_anomalies(), self.view())
        };
        changed.values().filter(|anomaly| (from_ms..to_ms).contains(&anomaly.opened_at_ms)).for_each(&mut seen);
        view.visit_anomalies(to_ms.checked_sub(1), |anomaly| {
            let inside = anomaly.opened_at_ms >= from_ms;
            if inside && !changed.contains_key(&anomaly.id) {
                seen(&anomaly);
            }
            inside
        })
    }
}

impl View<'_> {
    /// The stored anomaly.
    pub(super) fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let tables = &self.database.history;
        let time = self.snapshot.get(&tables.anomaly_times, self.keys.anomaly_time(id)).map_err(unreadable)?;
        let Some(time) = time else { return Ok(None) };
        let stored = self.snapshot.get(&tables.anomalies, self.keys.anomaly(decode(&time)?, id)).map_err(unreadable)?;
        stored.map(|bytes| decode(&bytes)).transpose()
    }

    /// Shows `seen` the stored anomalies opened at `latest_ms` or earlier, latest first, until it says `false`.
    pub(super) fn visit_anomalies(
        &self,
        latest_ms: Option<i64>,
        mut seen: impl FnMut(Anomaly) -> bool,
    ) -> Result<(), PortError> {
        let Some(latest_ms) = latest_ms else { return Ok(()) };
        let end = self.keys.anomaly(i64::MIN, AnomalyId(uuid::Uuid::max()));
        for entry in self.snapshot.range(&self.database.history.anomalies, self.keys.anomalies_from(latest_ms)..=end) {
            if !seen(decode(&entry.value().map_err(unreadable)?)?) {
                break;
            }
        }
        Ok(())
    }
}
