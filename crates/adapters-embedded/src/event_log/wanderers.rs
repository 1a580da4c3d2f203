//! Segment files that are whole, and lie in the directory of another log or under a wrong name.
//! Their headers name the log and the number, so a repair moves them home.

use std::io;
use std::path::{Path, PathBuf};

use super::check::{read_header, segment_path};
use super::files;
use super::registry::directories;
use super::repair::aside::MOVED;
use super::states::State;
use crate::repairs::progress::PROGRESS;
use earcon_model::WorkspaceId;

/// A segment that is not at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanderer {
    pub(super) path: PathBuf,
    /// The directory in which it lies.
    pub(super) from: WorkspaceId,
    /// The workspace to whose log it belongs.
    pub(super) home: WorkspaceId,
    pub(super) log_id: u64,
    pub(super) number: u64,
}

/// Finds all of them.
///
/// # Errors
/// When a directory cannot be read.
pub(crate) fn wanderers(logs: &Path) -> io::Result<Vec<Wanderer>> {
    let mut found = Vec::new();
    if !logs.is_dir() {
        return Ok(found);
    }
    for from in directories(logs).map_err(io::Error::other)? {
        let dir = logs.join(from.as_str());
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            // The check of the log names it.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            // A repair may have been killed before its plan was on the disk.
            if extension != Some("seg") && extension != Some(MOVED) {
                continue;
            }
            let Ok(Some((header, _))) = read_header(&path) else { continue };
            let Ok(home) = WorkspaceId::new(&header.workspace) else { continue };
            let (log_id, number) = (header.log_id, header.number);
            if path != segment_path(&logs.join(home.as_str()), number) {
                found.push(Wanderer { path, from: from.clone(), home, log_id, number });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

impl Wanderer {
    /// Whether this is a segment of the log in `state`.
    pub(super) fn is_of(&self, state: &State) -> bool {
        *state.workspace() == self.home && state.log_id() == Some(self.log_id)
    }

    /// Whether this is a segment of the log in `state`, and that log lacks it. Of two copies, that
    /// at home stays. A segment that was trimmed is not wanted any more.
    pub(super) fn is_missed_by(&self, state: &State) -> bool {
        if !self.is_of(state) {
            return false;
        }
        let State::Checked(check) = state else { return true };
        let is_trimmed = check.own_mark().is_some_and(|mark| self.number < mark.first_segment);
        let has = |number| check.segments.iter().any(|own| own.file.number == number && own.file.header.is_some());
        !is_trimmed && !has(self.number)
    }

    /// The name on the way home, in the directory of its log.
    pub(super) fn way_home(&self, logs: &Path) -> PathBuf {
        segment_path(&logs.join(self.home.as_str()), self.number).with_extension(MOVED)
    }
}

/// Says where missing segments of the logs are, and does not count them as lost.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn explain(logs: &Path, states: &mut [State]) -> io::Result<()> {
    let found = wanderers(logs)?;
    for state in states.iter_mut().filter(|_| !found.is_empty()) {
        let own: Vec<&Wanderer> = found.iter().filter(|wanderer| wanderer.is_of(state)).collect();
        let State::Checked(check) = state else { continue };
        let place = |number| segment_path(&check.dir, number);
        let through = |path: &Path| {
            let lost = check.segments.iter().find(|segment| segment.file.path == *path && segment.scan.is_none());
            lost.map(|segment| (segment.file.number, segment.through))
        };
        let is_here = |number: u64| own.iter().any(|wanderer| wanderer.number == number);
        check.damages.retain(|damage| {
            let is_open = damage.missing.is_some_and(|missing| missing.is_open);
            let is_gone = through(&damage.path).is_some() || !damage.path.exists();
            // The end is known once the last segment is back.
            !(is_open && is_gone && own.iter().any(|wanderer| place(wanderer.number) == damage.path))
        });
        for damage in check.damages.iter_mut().filter(|damage| damage.missing.is_some()) {
            let Some((first, last)) = through(&damage.path) else { continue };
            // A run of segments is one damage.
            let Some(found) = own.iter().find(|wanderer| (first..=last).contains(&wanderer.number)) else { continue };
            if (first..=last).take(own.len() + 1).all(is_here) {
                damage.missing = None;
            }
            let more = if last > first { " and others are in wrong places" } else { "" };
            damage.what +=
                &format!(". Segment {} is {}{more}; a repair moves it back", found.number, found.path.display());
        }
    }
    Ok(())
}

/// Whether a repair of a log has begun in a directory.
pub(super) fn is_in_repair(dir: &Path) -> bool {
    dir.join(PROGRESS).exists()
}

/// Creates the directory of a log to which segments come home.
pub(super) fn create_home(dir: &Path) -> io::Result<()> {
    if dir.exists() { Ok(()) } else { files::create_dir(dir) }
}
