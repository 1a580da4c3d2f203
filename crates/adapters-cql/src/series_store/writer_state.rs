//! State that the writer of a workspace keeps between flushes.

use std::collections::HashMap;

use super::head::Head;
use super::rollup_maintenance::Tail;
use earcon_model::SeriesId;

/// The stored state that the writer remembers.
pub(super) struct WriterState {
    pub(super) head: Head,
    /// The ends of the series written since another node last moved the head.
    pub(super) tails: HashMap<SeriesId, Tail>,
    /// The days on which anomalies opened, each with the latest closing time of its anomalies. Read
    /// when needed.
    pub(super) anomaly_days: Option<HashMap<i64, Option<i64>>>,
    /// No stored row or anomaly expires before this time.
    pub(super) nothing_due_before_ms: i64,
}

impl Default for WriterState {
    fn default() -> Self {
        Self { head: Head::default(), tails: HashMap::new(), anomaly_days: None, nothing_due_before_ms: i64::MIN }
    }
}

impl WriterState {
    /// Drops the remembered state if another node has written.
    pub(super) fn sync_to(&mut self, head: Head) {
        if head != self.head {
            *self = Self { head, ..Self::default() };
        }
    }

    pub(super) fn due_from(&mut self, time_ms: i64) {
        self.nothing_due_before_ms = self.nothing_due_before_ms.min(time_ms);
    }
}
