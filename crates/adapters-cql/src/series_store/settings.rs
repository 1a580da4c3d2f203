//! Settings of the series store.

use std::time::Duration;

/// Settings of the series store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesSettings {
    /// The database deletes samples and rollups this long after they were written. `None` keeps
    /// them until they are deleted. Should be a little longer than retention.
    pub ttl: Option<Duration>,
}
