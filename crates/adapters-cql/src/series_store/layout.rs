//! Layout of the tables: days, periods, sizes, and how a flush batches its writes.

use earcon_ports::{ErrorKind, PortError};

pub(super) const DAY_MS: i64 = 86_400_000;
/// Time covered by one partition of hourly rollups. Part of the stored format.
pub(super) const PERIOD_MS: i64 = 32 * DAY_MS;
/// Approximate size of a sample on disk, in bytes: compressed, one replica, with its share of the
/// rollups. Repeating values take half of it.
pub(super) const SAMPLE_BYTES: u64 = 48;

/// How a flush writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Rows of one partition that are written together. A row takes about 120 bytes of the request.
    /// ScyllaDB warns of batches above 128 KiB; Cassandra does not warn within one partition.
    pub(super) batch_rows: usize,
    /// Statements in flight at once. The database adapter bounds those of all workspaces together.
    pub(super) in_flight: usize,
}

/// Measured: smaller batches cost the database more per row; more in flight gains nothing.
pub(super) const PACE: Pace = Pace { batch_rows: 256, in_flight: 32 };

/// The day of a time, UTC, counted from 1970.
pub(super) fn day_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// The error for stored data that cannot be decoded.
pub(super) fn corrupt(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("{what} in the database cannot be read"))
}
