//! The time zones of workspaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use earcon_model::WorkspaceId;

/// The time zones of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct LocalTimes {
    usual: TimeZone,
    by_workspace: Arc<BTreeMap<WorkspaceId, TimeZone>>,
}

impl LocalTimes {
    /// `usual` is the zone of workspaces that `by_workspace` does not name.
    pub fn new(usual: TimeZone, by_workspace: BTreeMap<WorkspaceId, TimeZone>) -> Self {
        Self { usual, by_workspace: Arc::new(by_workspace) }
    }

    /// The local time of a workspace.
    pub fn of_workspace(&self, workspace: &WorkspaceId) -> LocalTime {
        LocalTime(self.by_workspace.get(workspace).unwrap_or(&self.usual).clone())
    }
}

/// The local time of one workspace.
#[derive(Debug, Clone)]
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// The name of the time zone.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("local time")
    }

    /// The local time of a moment, in milliseconds.
    pub fn local_ms(&self, at_ms: i64) -> i64 {
        let offset = Timestamp::from_millisecond(at_ms).map_or(0, |at| self.0.to_offset(at).seconds());
        at_ms.saturating_add(i64::from(offset) * 1_000)
    }

    /// The hour of the day of a moment, 0 to 23.
    pub fn hour_of_day(&self, at_ms: i64) -> i64 {
        self.local_ms(at_ms).rem_euclid(86_400_000) / 3_600_000
    }
}
