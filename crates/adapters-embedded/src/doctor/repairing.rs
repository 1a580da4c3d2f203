//! Repairing a data directory: the database first, then the logs.
//!
//! One plan is on the disk from the first change to the last. It has the damages and the losses of
//! all parts, so a repair that was stopped at any step names them again.

use std::io;
use std::path::Path;

use super::{OpenError, Repairs, check};
use crate::database::{self, Database, Finding};
use crate::event_log::deletion::{complete_deletions, remove_data, still_known};
use crate::event_log::limits;
use crate::event_log::registry::unusable;
use crate::event_log::remade::remade;
use crate::event_log::repair::{DAMAGED, RepairContext, name_aside};
use crate::event_log::report::doubt_of_earlier;
use crate::event_log::states::{Checks, State, check_all, deleted_names};
use crate::repairs::directory::{DirectoryRepair, LogLosses};
use crate::repairs::progress::{self, Progress};
use crate::settings::EmbeddedSettings;

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
    let plan = database::begin_repair(dir, now_ms).map_err(|error| not_mended(error, &dir.join("db")))?;
    let mut plan = plan.unwrap_or_else(|| Progress::new(now_ms));
    let database = Database::open_to_repair(dir).map_err(|error| not_mended(error, &dir.join("db")))?;
    let repairing = Repairing { database: &database, dir, now_ms };
    repairing.repair_logs(&mut plan)?;
    drop(database);
    let losses = &plan.losses;
    let mut done = Repairs {
        database: losses.damage.iter().chain(&losses.kept).cloned().collect(),
        record: None,
        logs: losses.repaired(),
        deleted: losses.deleted.clone(),
        doubts: losses.all_doubts(),
    };
    if progress::is_begun(dir) {
        done.record = Some(database::end_repair(&plan, dir).map_err(|source| not_writable(dir, source))?);
    }
    Ok(done)
}

fn not_writable(dir: &Path, source: io::Error) -> OpenError {
    OpenError::NotWritable { path: dir.to_owned(), source }
}

/// Damage that is left must not be answered with the advice to repair: that was just done.
fn not_mended(error: OpenError, part: &Path) -> OpenError {
    match error {
        OpenError::Damaged { path, reason } => OpenError::NotMended { path, reason, part: part.to_owned() },
        error => error,
    }
}

/// The repair of the logs, once the database is whole.
struct Repairing<'a> {
    database: &'a Database,
    dir: &'a Path,
    now_ms: i64,
}

impl Repairing<'_> {
    fn save(&self, plan: &DirectoryRepair) -> Result<(), OpenError> {
        plan.save(self.dir).map_err(|source| not_writable(self.dir, source))
    }

    fn repair_logs(&self, plan: &mut DirectoryRepair) -> Result<(), OpenError> {
        let (database, dir) = (self.database, self.dir);
        let failure = |error| unusable(dir, error);
        self.delete_earlier(plan)?;
        let logs = database.log_dir();
        let Checks { misplaced, states } = check_all(database).map_err(failure)?;
        if !misplaced.is_empty() {
            let is_begun = progress::is_begun(dir);
            return Err(OpenError::MisplacedLogs { path: dir.to_owned(), is_begun, damages: misplaced });
        }
        if plan.losses.has_database() {
            self.doubt(plan, &states)?;
        } else if let Some(other) = states.iter().find(|state| state.is_foreign()) {
            let reason = other.damages(&logs).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(OpenError::ForeignLog { path: dir.to_owned(), reason });
        }
        self.take_up(plan, &states)?;
        let context = RepairContext {
            database,
            limits: limits(&EmbeddedSettings::default()),
            now_ms: self.now_ms,
            began_ms: plan.began_ms,
        };
        // What the segments of other logs say is checked again in their own directories.
        let states = if context.bring_home(&states).map_err(failure)? {
            check_all(database).map_err(failure)?.states
        } else {
            states
        };
        let mut failed = None;
        for state in states.into_iter().filter(|state| !state.damages(&logs).is_empty()) {
            let place = logs.join(state.workspace().as_str());
            let known = plan.losses.log(state.workspace()).map(|log| log.damages.clone());
            let damages =
                known.unwrap_or_else(|| state.damages(&logs).iter().map(ToString::to_string).collect::<Vec<_>>());
            let mut note = |log| {
                plan.losses.note(&log);
                plan.save(dir)
            };
            if let Err(error) = context.repair(state, damages, &mut note) {
                // The other logs are repaired nevertheless.
                failed = failed.or(Some(not_mended(failure(error), &place)));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Takes the damaged logs into the plan, with their losses. The plan has those of logs that a
    /// stopped repair has repaired. Logs that were put back since have lost nothing.
    fn take_up(&self, plan: &mut DirectoryRepair, states: &[State]) -> Result<(), OpenError> {
        let logs = self.database.log_dir();
        let mut damaged = Vec::new();
        for state in states {
            let damages = state.damages(&logs);
            if damages.is_empty() {
                continue;
            }
            damaged.push(state.workspace().as_str());
            let missing = damages.iter().filter_map(|damage| damage.missing).collect();
            let sentences = damages.iter().map(ToString::to_string).collect();
            plan.losses.take_up(LogLosses::new(state.workspace(), sentences, missing), state.is_in_repair());
        }
        plan.losses.logs.retain(|log| log.is_recorded() || damaged.contains(&log.workspace.as_str()));
        if damaged.is_empty() && !progress::is_begun(self.dir) { Ok(()) } else { self.save(plan) }
    }

    /// Adds the doubts about the logs of a database that was damaged.
    fn doubt(&self, plan: &mut DirectoryRepair, states: &[State]) -> Result<(), OpenError> {
        let (dir, logs) = (self.dir, self.database.log_dir());
        let (losses, began_ms) = (&mut plan.losses, plan.began_ms);
        let earlier = deleted_names(self.database).map_err(|error| unusable(dir, error))?;
        for state in states.iter().filter(|_| !losses.is_doubted) {
            let is_again = losses.is_lacking && earlier.contains(state.workspace().as_str());
            let of_earlier = is_again.then(|| doubt_of_earlier(state.workspace()));
            let of_history = if losses.is_rewound { state.report(&logs).doubts_of_history() } else { Vec::new() };
            let of_end = losses.older_than.as_ref().and_then(|newest| state.doubt_of_end(newest));
            let of_other = state.doubt_of_other(&dir.join(DAMAGED).join(name_aside(state.workspace(), began_ms)));
            let found = of_earlier.into_iter().chain(of_history).chain(of_end).chain(of_other);
            let new: Vec<_> = found.filter(|doubt| !losses.doubts.contains(doubt)).collect();
            losses.doubts.extend(new);
        }
        losses.is_doubted = true;
        self.save(plan)
    }

    /// Completes interrupted deletions, and deletes what a damaged database still has of deleted
    /// workspaces.
    fn delete_earlier(&self, plan: &mut DirectoryRepair) -> Result<(), OpenError> {
        let failure = |error| unusable(self.dir, error);
        let mut deleted = Vec::new();
        if plan.losses.has_database() {
            deleted = still_known(self.database).map_err(failure)?;
            let names = deleted.iter().map(|workspace| workspace.as_str().to_owned());
            plan.losses.deleted.extend(names);
            plan.losses.deleted.dedup();
            self.save(plan)?;
        }
        complete_deletions(self.database).map_err(failure)?;
        self.clear_earlier(plan)?;
        deleted.iter().try_for_each(|workspace| remove_data(self.database, workspace)).map_err(failure)
    }

    /// Deletes what the database has of workspaces that were deleted and made again since. Their
    /// logs stay.
    fn clear_earlier(&self, plan: &mut DirectoryRepair) -> Result<(), OpenError> {
        let failure = |error| unusable(self.dir, error);
        let (is_damaged, cleared) = (plan.losses.has_database(), plan.losses.cleared.clone());
        let is_lacking = is_damaged && plan.losses.is_lacking;
        let found = remade(self.database, is_lacking, &cleared).map_err(failure)?;
        if is_damaged {
            for remade in &found {
                let (losses, name) = (&mut plan.losses, remade.workspace.as_str());
                if let Some(sentence) = remade.sentence().filter(|_| !cleared.iter().any(|cleared| cleared == name)) {
                    losses.cleared.push(name.to_owned());
                    losses.kept.push(Finding::new(self.database.log_dir().join(name), sentence));
                }
                losses.doubts.extend(remade.doubt());
            }
            self.save(plan)?;
        }
        found.iter().try_for_each(|remade| remade.clear(self.database)).map_err(failure)
    }
}
