//! The time zones of workspaces.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::reader::Reader;
use earcon_model::WorkspaceId;

/// The time zones whose days and weeks scoring follows.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeZones {
    /// The time zone of workspaces without an own one.
    pub usual: TimeZone,
    /// The time zones of single workspaces.
    pub of: BTreeMap<WorkspaceId, TimeZone>,
}

const UNKNOWN: &str = "is not a time zone; it must be an IANA name such as \"Europe/Berlin\" or \"UTC\"";

pub(super) fn time_zones(read: &mut Reader) -> TimeZones {
    let name = read.text("streams.time_zone");
    let usual = zone(&name).unwrap_or_else(|| {
        read.problem("streams.time_zone", format!("{name:?} {UNKNOWN}"));
        TimeZone::UTC
    });
    let mut of = BTreeMap::new();
    for entry in read.list("streams.time_zones") {
        match assignment(&entry) {
            Ok((workspace, zone)) => {
                of.insert(workspace, zone);
            }
            Err(problem) => read.problem("streams.time_zones", problem),
        }
    }
    TimeZones { usual, of }
}

fn assignment(entry: &str) -> Result<(WorkspaceId, TimeZone), String> {
    let (workspace, name) = entry
        .split_once('=')
        .ok_or_else(|| format!("{entry:?} must be a workspace and its time zone, such as \"shop=Europe/Berlin\""))?;
    let workspace = WorkspaceId::new(workspace.trim()).map_err(|error| format!("{workspace:?}: {error}"))?;
    let zone = zone(name.trim()).ok_or_else(|| format!("{:?} {UNKNOWN}", name.trim()))?;
    Ok((workspace, zone))
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignment_gives_workspace_its_zone() {
        let (workspace, zone) = assignment("shop = Europe/Berlin").unwrap();
        assert_eq!((workspace.as_str(), zone.iana_name()), ("shop", Some("Europe/Berlin")));
    }

    #[test]
    fn invalid_zone_or_workspace_is_named() {
        assert!(assignment("shop").unwrap_err().contains("\"shop\" must be a workspace and its time zone"));
        assert!(assignment("shop=Mars/Olympus").unwrap_err().contains("\"Mars/Olympus\" is not a time zone"));
        assert!(assignment("a shop!=UTC").unwrap_err().contains("a shop!"));
    }
}
