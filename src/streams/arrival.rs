//! The circumstances of an arrival: live or history, when, and under which limit of series.

use earcon_model::Arrival;

/// How samples arrive, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArrivalContext {
    pub(super) arrival: Arrival,
    /// Wall time, milliseconds UTC.
    pub(super) now_ms: i64,
}

/// The number of series up to which another one may be added.
#[derive(Debug, Clone, Copy)]
pub(super) enum SeriesLimit {
    /// The limit of the settings, or that of the workspace's rules if it is lower.
    Sender(Option<u32>),
    /// No limit: the log only holds series that were admitted under the limit of their time.
    Replay,
}
