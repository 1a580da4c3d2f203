//! The states of all logs of a data directory, as a start and the doctor find them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use super::check::{LogCheck, Lookup, Registered, check, open_end};
use super::damage::Damage;
use super::deleted::{DeletedLogs, KEYS};
use super::deletion::interrupted_deletions;
use super::ends::add_marked;
use super::files;
use super::log::lock;
use super::mark::marked_end;
use super::places::{Misplaced, misplaced};
use super::registry::{decode, directories, known};
use super::remade::is_outdated;
use super::wanderers::explain;
use crate::database::{Database, LastCommits};
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::PortError;

/// Threads that check logs at a start.
const THREADS: usize = 2;

/// The result of checking one log.
pub(crate) enum State {
    Checked(Box<LogCheck>),
    /// The database has a record of the log, but the directory is missing.
    Vanished(WorkspaceId, Registered),
    /// The directory cannot be read, with the reason.
    Unreadable {
        workspace: WorkspaceId,
        registered: Option<Registered>,
        reason: String,
    },
}

impl State {
    pub(crate) fn workspace(&self) -> &WorkspaceId {
        match self {
            Self::Checked(check) => &check.workspace,
            Self::Vanished(workspace, _) | Self::Unreadable { workspace, .. } => workspace,
        }
    }

    /// Whether a repair of the log has begun and not ended.
    pub(crate) fn is_in_repair(&self) -> bool {
        matches!(self, Self::Checked(check) if check.in_repair)
    }

    /// The number of the log, if it is known.
    pub(super) fn log_id(&self) -> Option<u64> {
        match self {
            Self::Checked(check) => Some(check.log_id),
            _ => self.registered().map(|registered| registered.log_id),
        }
    }

    pub(super) fn registered(&self) -> Option<Registered> {
        match self {
            Self::Checked(check) => check.registered,
            Self::Vanished(_, registered) => Some(*registered),
            Self::Unreadable { registered, .. } => *registered,
        }
    }

    /// A sentence if this log may be older than acknowledged events too: its mark is of earlier
    /// commits than the marks that say so of the database.
    pub(crate) fn doubt_of_end(&self, newest: &LastCommits) -> Option<String> {
        let Self::Checked(check) = self else { return None };
        let known = check.own_mark().and_then(|mark| mark.database);
        if !check.damages.is_empty() || known.is_some_and(|known| !known.is_behind(newest)) {
            return None;
        }
        let next = check.next()?;
        Some(format!(
            "workspace {}: the database was an older copy, and the log may be one too. Then events from sequence \
             number {next} on are lost",
            check.workspace
        ))
    }

    /// A sentence if the database or the second mark knows another log than the one that is here. A
    /// repair moves this one to `place`.
    pub(crate) fn doubt_of_other(&self, place: &Path) -> Option<String> {
        let Self::Checked(check) = self else { return None };
        let other = check.other.as_ref()?;
        Some(format!(
            "workspace {0}: {1} knows another log than the one that was here, and commits of the database are lost, so \
             nothing tells which one is the present one. The one that was here, with {2} events in {3} segments, is \
             kept in {4}. To keep it instead, move the log of workspace {0}, ends/{0}, db and db.mark out of the \
             directory, put it in the place of that log, and repair again",
            check.workspace,
            if check.is_marked { format!("ends/{}", check.workspace) } else { "the database".to_owned() },
            other.events,
            other.segments,
            place.display()
        ))
    }

    /// The damages of the log.
    pub(crate) fn damages(&self, logs: &Path) -> Vec<Damage> {
        let what = match self {
            Self::Checked(check) if check.is_unfinished() => return Vec::new(),
            Self::Checked(check) => return check.damages.clone(),
            Self::Vanished(..) => "the directory of the log is missing".to_owned(),
            Self::Unreadable { reason, .. } => format!("the directory of the log cannot be read: {reason}"),
        };
        let path = logs.join(self.workspace().as_str());
        let known = |registered: Registered| registered.next.max(marked_end(&path, registered.log_id));
        let missing = self.registered().map(|registered| open_end(1, known(registered)));
        vec![Damage { path, offset: None, what, missing, frames_behind: 0 }]
    }
}

/// All logs of a directory: those in wrong places, and the states of the others.
pub(crate) struct Checks {
    pub(crate) misplaced: Vec<Damage>,
    pub(crate) states: Vec<State>,
}

/// Checks all logs, on a few threads.
pub(crate) fn check_all(database: &Database) -> Result<Checks, PortError> {
    let dir = database.log_dir();
    if !dir.exists() {
        files::create_dir(&dir).map_err(|error| files::write_failure(&dir, error))?;
    }
    let (mut logs, deleted) = (known(database)?, deleted_logs(database)?);
    let failure = |error| files::read_failure(&dir, error);
    // A start completes an interrupted deletion, and deletes the rest of a deleted workspace. It is
    // no damage.
    let is_gone = |workspace: &WorkspaceId| !dir.join(workspace.as_str()).exists();
    for (workspace, _) in interrupted_deletions(&dir).map_err(failure)? {
        if is_gone(&workspace) {
            logs.remove(&workspace);
        }
    }
    let is_of_deleted = |lookup: &Lookup| lookup.registered().is_some_and(|log| deleted.get(log.log_id).is_some());
    logs.retain(|workspace, lookup| !(is_of_deleted(lookup) && is_gone(workspace)));
    for (workspace, lookup) in &mut logs {
        if lookup.registered().is_some_and(|record| is_outdated(&dir, workspace, record, &deleted)) {
            *lookup = Lookup::Absent;
        }
    }
    add_marked(&dir, &mut logs, &deleted).map_err(failure)?;
    let misplaced = misplaced(&dir, &numbers_of(&logs), &deleted).map_err(failure)?;
    check_rest(&dir, logs, misplaced)
}

/// Checks the logs in a directory with the known part of the database's list, and with the cursors
/// of history. `is_whole` says that no record of the list is missing. Writes nothing.
pub(crate) fn check_with(
    dir: &Path,
    records: &[(Vec<u8>, Vec<u8>)],
    cursors: &[(Vec<u8>, Seq)],
    is_whole: bool,
) -> Result<Checks, PortError> {
    let failure = |error| files::read_failure(dir, error);
    let (gone, records): (Vec<_>, Vec<_>) = records.iter().partition(|(key, _)| key.starts_with(KEYS));
    let mut deleted = DeletedLogs::of_records(gone.into_iter().map(|(_, value)| value.as_slice()))?;
    deleted.extend(DeletedLogs::read(dir).map_err(failure)?.iter().cloned());
    let mut found = BTreeMap::new();
    for (key, value) in records {
        let (workspace, registered) = decode(key, value)?;
        let registered = registered.read_by(cursors, &workspace);
        // A start deletes the rest of a deleted workspace. It is no damage. A log in its place is
        // of a workspace that was made again, which this database does not know.
        if deleted.get(registered.log_id).is_none() {
            found.insert(workspace, Lookup::Found(registered));
        }
    }
    let mut wrong = Misplaced::default();
    if dir.is_dir() {
        let other = if is_whole { Lookup::Absent } else { Lookup::Unknown };
        for workspace in directories(dir)? {
            found.entry(workspace).or_insert(other);
        }
        // A start completes an interrupted deletion. It is no damage.
        for (workspace, _) in interrupted_deletions(dir).map_err(failure)? {
            if !dir.join(workspace.as_str()).exists() {
                found.remove(&workspace);
            }
        }
    }
    add_marked(dir, &mut found, &deleted).map_err(failure)?;
    if dir.is_dir() {
        wrong = misplaced(dir, &numbers_of(&found), &deleted).map_err(failure)?;
    }
    check_rest(dir, found, wrong)
}

/// Checks the logs that are in their places.
fn check_rest(dir: &Path, mut logs: BTreeMap<WorkspaceId, Lookup>, misplaced: Misplaced) -> Result<Checks, PortError> {
    logs.retain(|workspace, _| !misplaced.workspaces.contains(workspace));
    let mut states = check_each(dir, logs)?;
    explain(dir, &mut states).map_err(|error| files::read_failure(dir, error))?;
    Ok(Checks { misplaced: misplaced.damages, states })
}

fn check_each(dir: &Path, logs: BTreeMap<WorkspaceId, Lookup>) -> Result<Vec<State>, PortError> {
    let todo = Mutex::new(logs.into_iter());
    let done = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let Some((workspace, lookup)) = lock(&todo).next() else { break };
            let path = dir.join(workspace.as_str());
            let state = match (check(&path, &workspace, lookup), lookup.registered()) {
                (Ok(check), _) => Ok(State::Checked(Box::new(check))),
                (Err(error), Some(registered)) if files::is_absent(&error) && !path.exists() => {
                    Ok(State::Vanished(workspace, registered))
                }
                (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(files::read_failure(&path, error))
                }
                (Err(error), registered) => Ok(State::Unreadable { workspace, registered, reason: error.to_string() }),
            };
            let mut done = lock(&done);
            match (&mut *done, state) {
                (Ok(states), Ok(state)) => states.push(state),
                (done @ Ok(_), Err(error)) => *done = Err(error),
                (Err(_), _) => break,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(work);
        }
        work();
    });
    let mut states = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)?;
    states.sort_by(|one, other| one.workspace().cmp(other.workspace()));
    Ok(states)
}

/// All deleted logs that the database or the file among the logs knows.
pub(super) fn deleted_logs(database: &Database) -> Result<DeletedLogs, PortError> {
    let dir = database.log_dir();
    let mut deleted = DeletedLogs::of_database(database)?;
    let in_file = DeletedLogs::read(&dir).map_err(|error| files::read_failure(&dir, error))?;
    deleted.extend(in_file.iter().cloned());
    Ok(deleted)
}

/// The names of workspaces that were deleted. New ones may have the same names.
pub(crate) fn deleted_names(database: &Database) -> Result<BTreeSet<String>, PortError> {
    Ok(deleted_logs(database)?.iter().map(|deleted| deleted.workspace.clone()).collect())
}

fn numbers_of(logs: &BTreeMap<WorkspaceId, Lookup>) -> BTreeMap<WorkspaceId, u64> {
    let number = |(workspace, lookup): (&WorkspaceId, &Lookup)| Some((workspace.clone(), lookup.registered()?.log_id));
    logs.iter().filter_map(number).collect()
}
