//! State that the writer of a workspace keeps between flushes.

use std::collections::HashMap;

use super::head::Head;
use super::rollup_maintenance::Tail;
use earcon_model::SeriesId;

/// What is known of the database by whoever writes to it.
pub(super) struct WriterState {
    pub(super) head: Head,
    /// The ends of the series that were written to since the head was last moved by somebody else.
    pub(super) tails: HashMap<SeriesId, Tail>,
    /// The days on which anomalies opened, and when the last one of them closed that is closed; read when it is needed.
    pub(super) anomaly_days: Option<HashMap<i64, Option<i64>>>,
    /// Nothing expires that was written with a time before this.
    pub(super) nothing_due_before_ms: i64,
}

impl Default for WriterState {
    fn default() -> Self {
        Self { head: Head::default(), tails: HashMap::new(), anomaly_days: None, nothing_due_before_ms: i64::MIN }
    }
}

impl WriterState {
    /// Forgets what was known when another node has written.
    pub(super) fn sync_to(&mut self, head: Head) {
        if head != self.head {
            *self = Self { head, ..Self::default() };
        }
    }

    pub(super) fn due_from(&mut self, time_ms: i64) {
        self.nothing_due_before_ms = self.nothing_due_before_ms.min(time_ms);
    }
}
