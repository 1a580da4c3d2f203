//! Turns: how much scoring state is on its way to the snapshot store at once.
//!
//! All KPIs become due at the same time. If all of them handed over at once, the node would hold
//! its whole state a second time. So a stream takes a turn for each part of its state first. The
//! turn ends when the part is saved; while the store fails, no more snapshots are made.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// State of all workspaces of a node that is on its way at once, KiB. A larger state of one KPI
/// takes all of it.
const MOST_KIB: u32 = 32 << 10;

/// Gives turns. Clones share the limit.
#[derive(Debug, Clone)]
pub struct SnapshotTurns(Arc<Semaphore>);

/// The right to have a snapshot on its way. It ends when it is dropped.
#[derive(Debug)]
pub struct SnapshotTurn {
    _permit: OwnedSemaphorePermit,
}

impl Default for SnapshotTurns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_KIB as usize)))
    }
}

impl SnapshotTurns {
    /// Waits for the turn of a state of about so many bytes, in order of asking.
    pub async fn take(&self, bytes: usize) -> Option<SnapshotTurn> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(MOST_KIB).clamp(1, MOST_KIB);
        // Nothing closes the semaphore.
        let permit = self.0.clone().acquire_many_owned(kib).await.ok()?;
        Some(SnapshotTurn { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn small_states_go_together_and_a_large_one_alone() {
        let turns = SnapshotTurns::default();
        let small: Vec<_> = (0..1_000).map(|_| turns.take(9_000).now_or_never().flatten()).collect();
        assert!(small.iter().all(Option::is_some));
        assert!(turns.take(3 << 30).now_or_never().is_none(), "others are on their way");
        drop(small);
        let large = turns.take(3 << 30).now_or_never().flatten();
        assert!(large.is_some() && turns.take(1).now_or_never().is_none());
        drop(large);
        assert!(turns.take(1).now_or_never().flatten().is_some());
    }
}
