//! The stored history at one moment.

use std::sync::Arc;

use super::records::{Keys, decode};
use crate::database::{Database, Snapshot, unreadable};
use earcon_model::{Anomaly, AnomalyId};
use earcon_ports::PortError;

/// A snapshot of the database with the keys of one workspace.
pub(super) struct View<'a> {
    pub(super) database: &'a Arc<Database>,
    pub(super) snapshot: Snapshot,
    pub(super) keys: &'a Keys,
}

impl View<'_> {
    /// The stored anomaly.
    pub(super) fn anomaly(&self, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let tables = &self.database.history;
        let time = self.snapshot.get(tables.anomaly_times, self.keys.anomaly_time(id)).map_err(unreadable)?;
        let Some(time) = time else { return Ok(None) };
        let stored = self.snapshot.get(tables.anomalies, self.keys.anomaly(decode(&time)?, id)).map_err(unreadable)?;
        stored.map(|bytes| decode(&bytes)).transpose()
    }

    /// Calls `seen` with the stored anomalies opened at `latest_ms` or earlier, latest first, until
    /// it returns `false`.
    pub(super) fn visit_anomalies(
        &self,
        latest_ms: Option<i64>,
        mut seen: impl FnMut(Anomaly) -> bool,
    ) -> Result<(), PortError> {
        let Some(latest_ms) = latest_ms else { return Ok(()) };
        let end = self.keys.anomaly(i64::MIN, AnomalyId(uuid::Uuid::max()));
        for entry in self.snapshot.range(self.database.history.anomalies, self.keys.anomalies_from(latest_ms)..=end) {
            if !seen(decode(&entry.value().map_err(unreadable)?)?) {
                break;
            }
        }
        Ok(())
    }
}
