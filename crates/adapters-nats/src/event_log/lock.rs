//! Locking of values that are replaced as a whole.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the mutex. Values under these locks are replaced as a whole, so a panic leaves them valid.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
