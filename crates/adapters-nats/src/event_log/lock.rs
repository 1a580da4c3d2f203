//! Locking of values that are replaced as a whole.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What these locks guard is replaced as a whole, so a panic of a holder leaves it sound.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
