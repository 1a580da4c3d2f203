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
    pub(super) oldest: OldestBlocks,
    /// How many series retention has read.
    #[cfg(test)]
    pub(super) expiries: usize,
}

/// When the oldest block of a series ends, or earlier. So retention reads only series whose oldest
/// block may be over. A series that is not here has to be read.
#[derive(Debug, Default)]
pub(super) struct OldestBlocks(HashMap<SeriesId, i64>);

impl OldestBlocks {
    /// Whether the series may have a block that ends before `before_ms`.
    pub(super) fn may_end_before(&self, id: SeriesId, before_ms: i64) -> bool {
        self.0.get(&id).is_none_or(|ends_ms| *ends_ms < before_ms)
    }

    /// Records the end of the oldest block, which was read.
    pub(super) fn ends_at(&mut self, id: SeriesId, last_ms: Option<i64>) {
        match last_ms {
            Some(last_ms) => drop(self.0.insert(id, last_ms)),
            None => drop(self.0.remove(&id)),
        }
    }

    /// Rows from `first_ms` on were written. Late ones may split the oldest block, or make another
    /// one before it.
    pub(super) fn got_rows(&mut self, id: SeriesId, first_ms: i64) {
        if self.may_end_before(id, first_ms) {
            return;
        }
        self.0.remove(&id);
    }
}

/// Blocks of a similar size that become one.
const MERGED: usize = 4;

/// The end of a series.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Timestamp of the last row in a sealed block.
    pub(super) sealed_last_ms: Option<i64>,
    /// The open blocks in time order. All are later than the sealed ones.
    pub(super) open: Vec<OpenBlock>,
}

impl Tail {
    /// How many open blocks stay as they are when so many rows follow them. The others are merged
    /// with the rows: whenever four runs are of a similar size, so that a row is rewritten about
    /// log₄ times, not log₂ times.
    pub(super) fn kept(&self, mut rows: usize) -> usize {
        let class = |rows: usize| rows.max(1).ilog2() / 2;
        let mut kept = self.open.len();
        loop {
            let similar = self.open[..kept].iter().rev().take_while(|block| class(block.rows) <= class(rows)).count();
            if similar + 1 < MERGED {
                return kept;
            }
            rows += self.open[kept - similar..kept].iter().map(|block| block.rows).sum::<usize>();
            kept -= similar;
        }
    }
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
        Self {
            workspace: workspace.clone(),
            head,
            tails: HashMap::new(),
            oldest: OldestBlocks::default(),
            #[cfg(test)]
            expiries: 0,
        }
    }

    pub(super) fn cursor(&self) -> Seq {
        self.head.cursor
    }

    pub(super) fn bytes(&self) -> u64 {
        self.head.bytes
    }

    /// Drops the knowledge of the blocks of these series. It is read again when it is needed.
    pub(super) fn forget_blocks(&mut self, series: impl IntoIterator<Item = SeriesId>) {
        for id in series {
            self.tails.remove(&id);
            self.oldest.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rewritten_few_times_and_blocks_stay_few() {
        let (mut tail, mut written, mut most) = (Tail::default(), 0, 0);
        for _ in 0..400 {
            let kept = tail.kept(5);
            let rows = 5 + tail.open.drain(kept..).map(|block| block.rows).sum::<usize>();
            tail.open.push(OpenBlock { first_ms: 0, last_ms: 0, rows, bytes: 0 });
            written += rows;
            most = most.max(tail.open.len());
        }
        assert_eq!(tail.open.iter().map(|block| block.rows).sum::<usize>(), 2_000);
        assert!(written <= 2_000 * 6 && most <= 16, "{written} rows written, {most} blocks");
    }
}
