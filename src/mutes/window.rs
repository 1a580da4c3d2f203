//! Windows of time.

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First moment, milliseconds UTC.
    pub from_ms: i64,
    /// First moment after it.
    pub until_ms: i64,
}

/// Windows in order; those that touch are merged.
pub(super) fn merged(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable();
    let mut apart: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match apart.last_mut() {
            Some(last) if window.from_ms <= last.until_ms => last.until_ms = last.until_ms.max(window.until_ms),
            _ => apart.push(window),
        }
    }
    apart
}
