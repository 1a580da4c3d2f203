//! Whether the storage of this node takes new samples.
//!
//! The disk is measured from time to time. If less than a reserve is free, samples are refused
//! before a write can fail. Queries, followers and a shutdown need some room too; the reserve is
//! that room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Samples are taken again once the free space exceeds the reserve by this part of it. Without the
/// margin, the state would change with every write.
const MARGIN: u64 = 8;

/// Why the storage takes no samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageProblem {
    /// Less than the reserve is free.
    #[error("the disk has {} MB left, and {} MB are kept free", free_bytes >> 20, reserve_bytes >> 20)]
    Full {
        /// Free space, bytes.
        free_bytes: u64,
        /// The reserve, bytes.
        reserve_bytes: u64,
    },
    /// What was opened is no longer there, with the reason.
    #[error("{0}")]
    Lost(String),
}

/// The state of this node's storage. All clones share it.
#[derive(Debug, Clone, Default)]
pub struct StorageHealth(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Read for every batch, so that a batch rarely needs the lock.
    refuses: AtomicBool,
    problem: RwLock<Option<StorageProblem>>,
    /// Why settings, history and snapshots cannot be written. Samples are taken meanwhile: the log
    /// holds them, and history reads them from there later.
    database: RwLock<Option<String>>,
    /// Damage of the log under the running server. Samples are taken: they go to another segment.
    log: RwLock<Option<String>>,
}

impl StorageHealth {
    /// Why no samples are taken now; `None` if they are.
    pub fn problem(&self) -> Option<StorageProblem> {
        if !self.0.refuses.load(Ordering::Acquire) {
            return None;
        }
        self.0.problem.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why settings, history and snapshots cannot be written now; `None` if they can.
    pub fn database_problem(&self) -> Option<String> {
        self.0.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The part of the log that cannot be read, with its place; `None` if nothing is known to be
    /// damaged.
    pub fn log_damage(&self) -> Option<String> {
        self.0.log.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records damage of the log. Returns whether it is another one than before, or is gone.
    pub fn log_checked(&self, damage: Option<String>) -> bool {
        let mut known = self.0.log.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != damage;
        *known = damage;
        changed
    }

    /// Records why the database takes no writes. Returns whether it took them before and refuses
    /// them now, or the reverse.
    pub fn tended(&self, problem: Option<String>) -> bool {
        let mut known = self.0.database.write().unwrap_or_else(PoisonError::into_inner);
        let changed = known.is_some() != problem.is_some();
        *known = problem;
        changed
    }

    /// Records a measurement: the free bytes, or why the storage is lost. Returns whether samples
    /// were taken before and are refused now, or the reverse.
    pub fn measured(&self, free: Result<u64, String>, reserve_bytes: u64) -> bool {
        let before = self.problem();
        let after = decide(before.as_ref(), free, reserve_bytes);
        let changed = before.is_some() != after.is_some();
        let refuses = after.is_some();
        *self.0.problem.write().unwrap_or_else(PoisonError::into_inner) = after;
        self.0.refuses.store(refuses, Ordering::Release);
        changed
    }
}

fn decide(before: Option<&StorageProblem>, free: Result<u64, String>, reserve_bytes: u64) -> Option<StorageProblem> {
    let free_bytes = match free {
        Ok(bytes) => bytes,
        Err(reason) => return Some(StorageProblem::Lost(reason)),
    };
    let needed = match before {
        Some(StorageProblem::Full { .. }) => reserve_bytes + reserve_bytes / MARGIN,
        _ => reserve_bytes,
    };
    (free_bytes < needed).then_some(StorageProblem::Full { free_bytes, reserve_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_refused_below_the_reserve_and_taken_again_above_a_margin() {
        let health = StorageHealth::default();
        assert!(!health.measured(Ok(800), 800) && health.problem().is_none());
        assert!(health.measured(Ok(799), 800));
        assert_eq!(health.problem(), Some(StorageProblem::Full { free_bytes: 799, reserve_bytes: 800 }));
        assert!(!health.measured(Ok(899), 800) && health.problem().is_some(), "within the margin");
        assert!(health.measured(Ok(900), 800) && health.problem().is_none());
    }

    #[test]
    fn damage_of_the_log_is_new_once_and_refuses_no_samples() {
        let health = StorageHealth::default();
        assert!(!health.log_checked(None));
        assert!(health.log_checked(Some("segment 1".into())) && !health.log_checked(Some("segment 1".into())));
        assert_eq!((health.log_damage().as_deref(), health.problem()), (Some("segment 1"), None));
        assert!(health.log_checked(None) && health.log_damage().is_none());
    }

    #[test]
    fn lost_storage_refuses_until_it_is_back() {
        let health = StorageHealth::default();
        assert!(health.measured(Err("the directory was removed".into()), 8));
        assert_eq!(health.problem().unwrap().to_string(), "the directory was removed");
        assert!(health.measured(Ok(8), 8) && health.problem().is_none());
    }
}
