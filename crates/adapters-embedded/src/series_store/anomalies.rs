//! Finding anomalies: in memory if they changed since the last flush, else in an index by opening
//! time.

use super::history::History;
use earcon_history::filter::{start_of, wanted};
use earcon_model::{Anomaly, AnomalyId};
use earcon_ports::{AnomalyFilter, PortError};

impl History {
    pub(super) fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let memtable = self.reading();
        if let Some(anomaly) = memtable.changed_anomaly(id) {
            return Ok(Some(anomaly.clone()));
        }
        let view = self.view()?;
        drop(memtable);
        view.anomaly(id)
    }

    /// Latest opened first, ties in order of identifier.
    pub(super) fn anomalies(&self, filter: &AnomalyFilter) -> Result<Vec<Anomaly>, PortError> {
        let (changed, view) = {
            let memtable = self.reading();
            (memtable.changed_anomalies(), self.view()?)
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

    /// Calls `seen` with every anomaly opened in `from_ms..to_ms`, in no particular order.
    pub(super) fn visit_opened(
        &self,
        from_ms: i64,
        to_ms: i64,
        mut seen: impl FnMut(&Anomaly),
    ) -> Result<(), PortError> {
        let (changed, view) = {
            let memtable = self.reading();
            (memtable.changed_anomalies(), self.view()?)
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
