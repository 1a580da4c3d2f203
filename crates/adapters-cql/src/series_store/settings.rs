//! Settings of the series store.

use std::time::Duration;

/// What the store is told about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesSettings {
    /// After this time the database itself forgets samples and rollups, counted from when they were written; `None` keeps
    /// them until they are deleted. Should be a little more than retention asks for.
    pub ttl: Option<Duration>,
}
