//! The steps of a repair that change files. A test stops a repair before any of them.

use std::io;

#[cfg(test)]
thread_local! {
    /// The steps that may still happen on this thread; `None` for all.
    static LEFT: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Call it before each change.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "its twin in tests fails")]
pub(crate) fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) fn step() -> io::Result<()> {
    LEFT.with(|left| match left.get() {
        Some(0) => Err(io::Error::other("stopped by the test")),
        Some(count) => {
            left.set(Some(count - 1));
            Ok(())
        }
        None => Ok(()),
    })
}

/// Stops repairs on this thread after `count` steps, or no longer.
#[cfg(test)]
pub(crate) fn stop_after(count: Option<u64>) {
    LEFT.with(|left| left.set(count));
}
