//! Logs that only their second marks name. The database may have lost the records of logs, and the
//! directories may be lost too: then the files in `ends` are all that tells which logs there were.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::check::{Lookup, Registered, named_by_files};
use super::deleted::DeletedLogs;
use super::deletion::interrupted_deletions;
use super::files::is_absent;
use super::mark::{StoredMark, end_path};
use earcon_model::WorkspaceId;

/// Adds the logs that second marks name, and that the database does not: those whose directory is
/// missing or names no log, and those in whose place another log is. `deleted` are logs whose marks
/// are leftovers.
///
/// # Errors
/// When a mark or the directory of a log may not be read.
pub(super) fn add_marked(
    logs: &Path,
    found: &mut BTreeMap<WorkspaceId, Lookup>,
    deleted: &DeletedLogs,
) -> io::Result<()> {
    let in_deletion: Vec<WorkspaceId> = match interrupted_deletions(logs) {
        Err(error) if is_absent(&error) => Vec::new(),
        list => list?.into_iter().map(|(workspace, _)| workspace).collect(),
    };
    for workspace in marked(logs)? {
        let dir = logs.join(workspace.as_str());
        let is_known = found.get(&workspace).is_some_and(|lookup| lookup.registered().is_some());
        // A start completes an interrupted deletion. It is no damage.
        if is_known || (in_deletion.contains(&workspace) && !dir.exists()) {
            continue;
        }
        let present = match named_by_files(&dir, &workspace) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            present => present.unwrap_or_default(),
        };
        if let Some(marked) = expected(&StoredMark::load(&end_path(&dir))?, present, deleted) {
            found.insert(workspace, Lookup::Marked(marked));
        }
    }
    Ok(())
}

/// The log that has to be where the files name the log `present`, by its second mark.
fn expected(end: &StoredMark, present: Option<u64>, deleted: &DeletedLogs) -> Option<Registered> {
    match end {
        // The mark of a log without events may be the rest of one that was never finished.
        StoredMark::Valid(mark) => {
            (present != Some(mark.log_id) && (present.is_some() || mark.next > 1) && deleted.get(mark.log_id).is_none())
                .then_some(Registered { next: mark.next, ..Registered::of(mark.log_id) })
        }
        // There was a log, and nothing else is known of it.
        StoredMark::Invalid | StoredMark::Unreadable(_) => present.is_none().then_some(Registered::of(0)),
        StoredMark::Missing => None,
    }
}

/// The workspaces with a second mark.
fn marked(logs: &Path) -> io::Result<Vec<WorkspaceId>> {
    let ends = end_path(&logs.join("any"));
    let folder = ends.parent().unwrap_or(logs);
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(found);
        }
        entries => entries?,
    };
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(|name| WorkspaceId::new(name).ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::deleted::DeletedLog;
    use super::super::mark::Mark;
    use super::*;

    #[test]
    fn second_mark_names_a_log_unless_it_is_there_or_was_deleted() {
        let end = |log_id, next| {
            let (epoch, database) = ("e".into(), None);
            let (first_segment, first, segment, offset, time_ms) = (1, 1, 1, 800, 5);
            let counter = 0;
            let mark = Mark { counter, log_id, first_segment, first, segment, offset, next, time_ms, epoch, database };
            StoredMark::Valid(mark)
        };
        let deleted: DeletedLogs = [DeletedLog { workspace: "w".into(), log_id: 9, last_ms: 5 }].into_iter().collect();
        let named = |end: &StoredMark, present| expected(end, present, &deleted).map(|log| (log.log_id, log.next));
        assert_eq!(named(&end(7, 5), None), Some((7, 5)), "nothing is left of the log");
        assert_eq!(named(&end(7, 5), Some(8)), Some((7, 5)), "another log is in its place");
        assert_eq!(named(&end(7, 1), Some(8)), Some((7, 1)), "another log is in its place");
        assert_eq!(named(&end(7, 5), Some(7)), None, "the log is there");
        assert_eq!(named(&end(7, 1), None), None, "it had no event");
        assert_eq!(named(&end(9, 5), None), None, "the log was deleted");
        assert_eq!(named(&end(9, 5), Some(8)), None, "the log was deleted, and made again");
        assert_eq!(named(&StoredMark::Invalid, None), Some((0, 0)), "there was a log");
        assert_eq!(named(&StoredMark::Invalid, Some(8)), None);
        assert_eq!(named(&StoredMark::Missing, None), None);
    }
}
