//! Checking and repairing a data directory that no server uses.

use std::path::{Path, PathBuf};

use crate::data_dir::LOGS;
use crate::database::{self, Checked, Database, DatabaseRepair, Finding};
use crate::event_log::damage::Damage;
use crate::event_log::deletion::{complete_deletions, remove_data, still_known};
use crate::event_log::limits;
use crate::event_log::registry::unusable;
use crate::event_log::remade::remade;
use crate::event_log::repair::{DAMAGED, RepairContext, Repaired, name_aside};
use crate::event_log::report::{LogReport, doubt_of_earlier};
use crate::event_log::states::{Checks, State, check_all, check_with, deleted_names};
pub use crate::open_error::OpenError;
use crate::settings::EmbeddedSettings;

/// The state of a data directory.
#[derive(Debug)]
pub struct Report {
    /// The logs, by workspace. Those in wrong places are not among them.
    pub logs: Vec<LogReport>,
    /// Whole logs in wrong directories, and what to do. A repair changes nothing before that.
    pub misplaced: Vec<Damage>,
    /// Damages of the database with settings, history and snapshots.
    pub database: Vec<Finding>,
}

impl Report {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.misplaced.is_empty() && self.logs.iter().all(|log| log.damages.is_empty())
    }

    /// Why a repair is refused: parts of another installation, or logs in wrong places. The message
    /// says what to do.
    pub fn refusal(&self, dir: &Path) -> Option<OpenError> {
        let path = dir.to_owned();
        if self.has_foreign_database() {
            return Some(OpenError::Foreign { path, reason: self.mixture() });
        }
        if !self.misplaced.is_empty() {
            return Some(OpenError::MisplacedLogs { path, is_begun: false, damages: self.misplaced.clone() });
        }
        // A damaged database does not tell which of two logs of a workspace is the present one.
        let has_foreign_log = self.database.is_empty() && self.logs.iter().any(|log| log.is_foreign);
        has_foreign_log.then(|| OpenError::ForeignLog { path, reason: self.mixture() })
    }

    fn has_foreign_database(&self) -> bool {
        self.database.iter().any(|finding| finding.is_foreign)
    }

    /// Which parts are of different installations, and what the logs hold.
    fn mixture(&self) -> String {
        let database = self.database.iter().filter(|finding| finding.is_foreign).map(Finding::to_string);
        let logs = self.logs.iter().map(|log| match log.damages.first() {
            Some(damage) if log.is_foreign => damage.to_string(),
            _ => format!("the log of {} has {} events in {} segments", log.workspace, log.events, log.segments),
        });
        database.chain(logs).collect::<Vec<_>>().join("; ")
    }
}

/// What a repair has done.
#[derive(Debug)]
pub struct Repairs {
    /// The damages of the database, and how many records of each table were kept. Empty if it was
    /// whole.
    pub database: Vec<Finding>,
    /// The record of the repair of the database, for people.
    pub record: Option<PathBuf>,
    /// The logs that were damaged.
    pub logs: Vec<Repaired>,
    /// Workspaces that were deleted, and that an older database still had. The rest is deleted.
    pub deleted: Vec<String>,
    /// What may be lost, or may have come back although it was deleted, as sentences without a full
    /// stop.
    pub doubts: Vec<String>,
}

/// Checks every file, checksum and record of the directory, and writes nothing into it. Needs the
/// space of the database's journal for a copy, in the directory for temporary files.
///
/// # Errors
/// If there are no data, or the directory is in use, of another format, or cannot be read. Damage
/// is no error here.
pub fn check(dir: &Path) -> Result<Report, OpenError> {
    let Checked { findings, logs: records, .. } = database::check_all(dir)?;
    let logs = dir.join(LOGS);
    let is_whole = findings.is_empty() && records.is_some();
    // The list of another installation says nothing about these logs.
    let records = records.filter(|_| findings.iter().all(|finding| !finding.is_foreign)).unwrap_or_default();
    let Checks { misplaced, states } = check_with(&logs, &records, is_whole).map_err(|error| unusable(dir, error))?;
    Ok(Report { logs: states.iter().map(|state| state.report(&logs)).collect(), misplaced, database: findings })
}

/// Repairs the database, then all damaged logs. Keeps all whole records, and all whole events under
/// their sequence numbers. Records the missing events, keeps the damaged files, and begins a new
/// epoch in each damaged log.
///
/// # Errors
/// See [`OpenError`]. A mixture of two installations, and logs in wrong places, are refused before
/// anything is changed.
pub fn repair(dir: &Path, now_ms: i64) -> Result<Repairs, OpenError> {
    if let Some(refusal) = check(dir)?.refusal(dir) {
        return Err(refusal);
    }
    let mut plan = database::begin_repair(dir, now_ms).map_err(|error| not_mended(error, &dir.join("db")))?;
    let database = Database::open_to_repair(dir).map_err(|error| not_mended(error, &dir.join("db")))?;
    let (logs, doubts) = repair_logs(&database, plan.as_mut(), now_ms)?;
    drop(database);
    let Some(plan) = plan else {
        return Ok(Repairs { database: Vec::new(), record: None, logs, deleted: Vec::new(), doubts });
    };
    let not_writable = |source| OpenError::NotWritable { path: dir.to_owned(), source };
    let record = Some(database::end_repair(&plan, dir).map_err(not_writable)?);
    let losses = plan.losses;
    let findings = losses.damage.into_iter().chain(losses.kept).collect();
    Ok(Repairs { database: findings, record, logs, deleted: losses.deleted, doubts })
}

/// Repairs the damaged logs, once the database is whole. Returns them, and the doubts.
fn repair_logs(
    database: &Database,
    mut plan: Option<&mut DatabaseRepair>,
    now_ms: i64,
) -> Result<(Vec<Repaired>, Vec<String>), OpenError> {
    let dir = database.path();
    let failure = |error| unusable(dir, error);
    let not_writable = |source| OpenError::NotWritable { path: dir.to_owned(), source };
    let mut deleted = Vec::new();
    if let Some(plan) = &mut plan {
        deleted = still_known(database).map_err(failure)?;
        let names = deleted.iter().map(|workspace| workspace.as_str().to_owned());
        plan.losses.deleted.extend(names);
        plan.losses.deleted.dedup();
        plan.save(dir).map_err(not_writable)?;
    }
    complete_deletions(database).map_err(failure)?;
    clear_earlier(database, plan.as_deref_mut())?;
    deleted.iter().try_for_each(|workspace| remove_data(database, workspace)).map_err(failure)?;
    let logs = database.log_dir();
    let Checks { misplaced, states } = check_all(database).map_err(failure)?;
    if !misplaced.is_empty() {
        return Err(OpenError::MisplacedLogs { path: dir.to_owned(), is_begun: plan.is_some(), damages: misplaced });
    }
    let began_ms = plan.as_ref().map_or(now_ms, |plan| plan.began_ms);
    let mut doubts = Vec::new();
    let mut set_aside = Vec::new();
    if let Some(plan) = plan {
        let losses = &mut plan.losses;
        let earlier = deleted_names(database).map_err(failure)?;
        for state in states.iter().filter(|_| !losses.is_doubted) {
            let is_again = losses.is_lacking && earlier.contains(state.workspace().as_str());
            let of_earlier = is_again.then(|| doubt_of_earlier(state.workspace()));
            let of_history = if losses.is_rewound { state.report(&logs).doubts_of_history() } else { Vec::new() };
            let of_end = losses.older_than.as_ref().and_then(|newest| state.doubt_of_end(newest));
            let place = dir.join(DAMAGED).join(name_aside(state.workspace(), plan.began_ms));
            let of_other = state.doubt_of_other(&place);
            if of_other.is_some() {
                let damages = state.damages(&logs).iter().map(ToString::to_string).collect();
                losses.set_aside.push((state.workspace().as_str().to_owned(), damages));
            }
            let found = of_earlier.into_iter().chain(of_history).chain(of_end).chain(of_other);
            let new: Vec<_> = found.filter(|doubt| !losses.doubts.contains(doubt)).collect();
            losses.doubts.extend(new);
        }
        losses.is_doubted = true;
        plan.save(dir).map_err(not_writable)?;
        doubts.clone_from(&plan.losses.doubts);
        set_aside.clone_from(&plan.losses.set_aside);
    } else if let Some(other) = states.iter().find(|state| state.is_foreign()) {
        let reason = other.damages(&logs).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(OpenError::ForeignLog { path: dir.to_owned(), reason });
    }
    let context = RepairContext { database, limits: limits(&EmbeddedSettings::default()), now_ms, began_ms };
    // What the segments of other logs say is checked again in their own directories.
    let states = if context.bring_home(&states).map_err(failure)? {
        check_all(database).map_err(failure)?.states
    } else {
        states
    };
    let (mut repaired, mut failed) = (Vec::new(), None);
    for state in states.into_iter().filter(|state| !state.damages(&logs).is_empty()) {
        let place = logs.join(state.workspace().as_str());
        let earlier = set_aside.iter().find(|(name, _)| name == state.workspace().as_str());
        match context.repair(state, earlier.map(|(_, damages)| damages.clone())) {
            Ok(done) => repaired.extend(done),
            // The other logs are repaired nevertheless.
            Err(error) => failed = failed.or(Some(not_mended(failure(error), &place))),
        }
    }
    doubts.extend(repaired.iter().filter_map(|log: &Repaired| log.doubt.clone()));
    failed.map_or(Ok((repaired, doubts)), Err)
}

/// Deletes what the database has of workspaces that were deleted and made again since. Their logs
/// stay.
fn clear_earlier(database: &Database, mut plan: Option<&mut DatabaseRepair>) -> Result<(), OpenError> {
    let dir = database.path();
    let failure = |error| unusable(dir, error);
    let (is_lacking, cleared) =
        plan.as_ref().map_or((false, Vec::new()), |plan| (plan.losses.is_lacking, plan.losses.cleared.clone()));
    let found = remade(database, is_lacking, &cleared).map_err(failure)?;
    if let Some(plan) = &mut plan {
        for remade in &found {
            let (losses, name) = (&mut plan.losses, remade.workspace.as_str());
            if let Some(sentence) = remade.sentence().filter(|_| !cleared.iter().any(|cleared| cleared == name)) {
                losses.cleared.push(name.to_owned());
                losses.kept.push(Finding::new(database.log_dir().join(name), sentence));
            }
            losses.doubts.extend(remade.doubt());
        }
        plan.save(dir).map_err(|source| OpenError::NotWritable { path: dir.to_owned(), source })?;
    }
    found.iter().try_for_each(|remade| remade.clear(database)).map_err(failure)
}

/// Damage that is left must not be answered with the advice to repair: that was just done.
fn not_mended(error: OpenError, part: &Path) -> OpenError {
    match error {
        OpenError::Damaged { path, reason } => OpenError::NotMended { path, reason, part: part.to_owned() },
        error => error,
    }
}

impl State {
    /// Whether another log is in the place of this one.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Checked(check) if check.is_foreign())
    }
}

#[cfg(test)]
mod tests;
