//! State that the writer of a workspace keeps between flushes.

use std::collections::HashMap;

use super::records::Head;
use earcon_model::{Seq, SeriesId, WorkspaceId};

/// The stored state that the next flush needs.
pub(super) struct WriterState {
    pub(super) workspace: WorkspaceId,
    pub(super) head: Head,
    /// The ends of the series written since the start.
    pub(super) tails: HashMap<SeriesId, Tail>,
}

/// The end of a series.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Timestamp of the last row in a sealed block.
    pub(super) sealed_last_ms: Option<i64>,
    /// The open blocks in time order. All are later than the sealed ones.
    pub(super) open: Vec<OpenBlock>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct OpenBlock {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) rows: usize,
    pub(super) bytes: u64,
}

impl WriterState {
    pub(super) fn new(workspace: &WorkspaceId, head: Head) -> Self {
        Self { workspace: workspace.clone(), head, tails: HashMap::new() }
    }

    pub(super) fn cursor(&self) -> Seq {
        self.head.cursor
    }

    pub(super) fn bytes(&self) -> u64 {
        self.head.bytes
    }

    /// Drops the ends of these series. The next flush that writes to one reads its end again.
    pub(super) fn forget_tails(&mut self, series: impl IntoIterator<Item = SeriesId>) {
        series.into_iter().for_each(|id| drop(self.tails.remove(&id)));
    }
}
