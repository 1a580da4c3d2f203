//! Repairing a log: all whole frames stay where they are, and gap frames take the place of the
//! damaged bytes. No event gets another sequence number, and no number is used twice.
//!
//! A gap frame fills exactly the bytes that are damaged, so segments that are whole do not change.
//! The originals of all files that change are kept in the folder `damaged`. A repair that was
//! stopped at any step is run again, with the same result.

pub(super) mod aside;
mod fill;
mod losses;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::aside::Aside;
use self::losses::LostEvents;
use super::check::{LogCheck, Lookup, Registered, check, epoch_number, open_end};
use super::damage::Missing;
use super::files::{self, write_failure};
use super::log::{Disk, Log};
use super::mark::{MARK, end_path};
use super::registry::{RESERVE, register};
use super::report::doubt;
use super::states::State;
use super::wanderers::{create_home, is_in_repair, wanderers};
use super::writer::{Faults, SegmentLimits};
use crate::database::Database;
use crate::repairs::progress::{PROGRESS, Progress};
use crate::repairs::steps::step;
use crate::{meta_store, series_store, snapshot_store};
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::{ErrorKind, OPENING_RECORD, PortError};

/// The folder for the originals of damaged files.
pub(crate) const DAMAGED: &str = "damaged";
/// Names that are tried for a file if others have its own.
const OTHER_NAMES: u32 = 10_000;

/// What a repair of one log did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The damages that were found, as sentences.
    pub damages: Vec<String>,
    /// The events that are lost.
    pub missing: Vec<Missing>,
    /// The file that records it.
    pub record: PathBuf,
    /// What may have come back with the lost events, as a sentence without a full stop. `None` if
    /// no event is lost.
    pub doubt: Option<String>,
}

/// Takes the losses of a log to the plan of the whole repair, durably.
pub(crate) type Note<'a> = &'a mut dyn FnMut(Repaired) -> io::Result<()>;

/// What the repair of one log needs.
pub(crate) struct RepairContext<'a> {
    pub(crate) database: &'a Database,
    pub(crate) limits: SegmentLimits,
    pub(crate) now_ms: i64,
    /// When the first attempt of this repair began.
    pub(crate) began_ms: i64,
}

/// The name under which the whole directory of a log is kept.
pub(crate) fn name_aside(workspace: &WorkspaceId, began_ms: i64) -> String {
    format!("{workspace}-{began_ms}")
}

impl RepairContext<'_> {
    /// Repairs a damaged log and begins a new epoch in it. A file in the place of a log that the
    /// database does not know is moved away, and nothing is noted.
    ///
    /// A log that the database does not know, in the place of one that it knows, is kept in the
    /// folder `damaged` of the data directory. `damages` are those of the plan. The losses are
    /// given to `note` once all of them are known, before the plan of the log is removed.
    pub(crate) fn repair(&self, state: State, damages: Vec<String>, note: Note<'_>) -> Result<(), PortError> {
        let logs = self.database.log_dir();
        let dir = logs.join(state.workspace().as_str());
        let (workspace, registered) = (state.workspace().clone(), state.registered());
        match state {
            State::Checked(check) if check.is_foreign() => {
                let registered = check.registered.unwrap_or(Registered::of(check.log_id));
                self.set_aside(&dir).map_err(|error| write_failure(&dir, error))?;
                self.create_again(&dir, &workspace, registered, damages, note)
            }
            State::Checked(found) => self.repair_files(*found, damages, note),
            State::Unreadable { .. } => {
                self.set_aside(&dir).map_err(|error| write_failure(&dir, error))?;
                registered.map_or(Ok(()), |registered| self.create_again(&dir, &workspace, registered, damages, note))
            }
            State::Vanished(_, registered) => self.create_again(&dir, &workspace, registered, damages, note),
        }
    }

    /// Moves segments that lie in directories of other logs into those of their own. The damages of
    /// all logs that change are on the disk before. Returns whether any was moved.
    ///
    /// # Errors
    /// When a file cannot be moved. Run it again then.
    pub(crate) fn bring_home(&self, states: &[State]) -> Result<bool, PortError> {
        let logs = self.database.log_dir();
        let failed = |error| write_failure(&logs, error);
        let mut found = wanderers(&logs).map_err(failed)?;
        found.retain(|one| one.from != one.home && states.iter().any(|state| one.is_missed_by(state)));
        for state in states {
            let (workspace, dir) = (state.workspace(), logs.join(state.workspace().as_str()));
            if found.iter().any(|wanderer| [&wanderer.from, &wanderer.home].contains(&workspace)) {
                create_home(&dir).map_err(failed)?;
                if !is_in_repair(&dir) {
                    let mut progress: Progress<LostEvents> = Progress::load(&dir, self.began_ms);
                    progress.add_damages(state.damages(&logs).iter().map(ToString::to_string));
                    progress.save(&dir).map_err(failed)?;
                }
            }
        }
        for wanderer in &found {
            aside::move_to(&wanderer.path, &wanderer.way_home(&logs)).map_err(failed)?;
            files::sync_dir(&logs.join(wanderer.from.as_str())).map_err(failed)?;
        }
        Ok(!found.is_empty())
    }

    fn create_again(
        &self,
        dir: &Path,
        workspace: &WorkspaceId,
        registered: Registered,
        damages: Vec<String>,
        note: Note<'_>,
    ) -> Result<(), PortError> {
        let failed = |error| write_failure(dir, error);
        step().map_err(failed)?;
        files::create_dir(dir).map_err(failed)?;
        self.repair_files(check(dir, workspace, Lookup::Found(registered)).map_err(failed)?, damages, note)
    }

    fn repair_files(&self, found: LogCheck, damages: Vec<String>, note: Note<'_>) -> Result<(), PortError> {
        let (dir, workspace, log_id) = (found.dir.clone(), found.workspace.clone(), found.log_id);
        let failed = |error| write_failure(&dir, error);
        let aside = Aside::new(&dir, self.now_ms);
        let mut progress: Progress<LostEvents> = Progress::load(&dir, self.began_ms);
        progress.add_damages(damages.into_iter().filter(|_| !found.in_repair));
        progress.save(&dir).map_err(failed)?;
        self.clear_end(&dir).map_err(failed)?;
        aside.put_in_place(&found).map_err(failed)?;
        let registered = found.registered;
        let known = registered.unwrap_or(Registered::of(log_id));
        let found = check(&dir, &workspace, Lookup::Found(known)).map_err(failed)?;
        let next = self.plan(&found, registered, &mut progress.losses)?;
        progress.save(&dir).map_err(failed)?;
        let is_continued = self.is_continued(&found, &progress.losses)?;

        let (log_id, log) = if found.has_content() {
            fill::fill(&found, &aside).map_err(failed)?;
            let filled = check(&dir, &workspace, Lookup::Found(known)).map_err(failed)?;
            step().map_err(failed)?;
            (log_id, Log::load(filled, self.disk()).map_err(failed)?)
        } else {
            self.create(&found, &aside)?
        };
        step().map_err(failed)?;
        // First, so that a follower that has seen lost events is not taken for one of this history.
        let epoch = uuid::Uuid::new_v4().to_string();
        log.begin_epoch(&epoch)?;
        step().map_err(failed)?;
        log.skip_to(next)?;
        log.sync_marks()?;
        let reserved = log.next().saturating_add(RESERVE);
        let recorded = Registered { log_id, next: log.next(), reserved, epoch: epoch_number(&epoch) };
        drop(log);
        let after = check(&dir, &workspace, Lookup::Found(recorded)).map_err(failed)?;
        if let Some(left) = after.damages.iter().find(|damage| damage.path != dir.join(PROGRESS)) {
            return Err(PortError::new(ErrorKind::Corrupt, format!("the repair is not complete: {left}")));
        }
        step().map_err(failed)?;
        register(self.database, &workspace, recorded)?;
        if is_continued {
            step().map_err(failed)?;
            meta_store::replace(self.database, &workspace, OPENING_RECORD, epoch.as_bytes())?;
        }
        let doubt = doubt(&workspace, &progress.losses.missing);
        let rest = rest_of_record(doubt.as_deref(), &aside);
        let (damages, missing) = (progress.damages.clone(), progress.losses.missing.clone());
        note(Repaired { workspace, damages, missing, record: progress.record(&dir), doubt }).map_err(failed)?;
        progress.end(&dir, &rest).map_err(failed).map(drop)
    }

    /// Whether history and snapshots have read this log and no other one. Then they need not read
    /// it again, although the epoch that they know may be lost: a repaired log uses no number
    /// twice.
    fn is_continued(&self, found: &LogCheck, losses: &LostEvents) -> Result<bool, PortError> {
        let Some(known) = meta_store::value(self.database, &found.workspace, OPENING_RECORD)? else { return Ok(false) };
        let is_known = |epoch: &str| epoch.as_bytes() == known;
        let is_of_log = found.epochs().iter().any(|entry| is_known(&entry.epoch));
        let is_of_mark = found.own_mark().is_some_and(|mark| is_known(&mark.epoch));
        Ok(is_of_log || is_of_mark || !losses.missing.is_empty())
    }

    /// Completes the list of losses, and decides where the log goes on: behind every number that an
    /// acknowledged event can have.
    fn plan(
        &self,
        found: &LogCheck,
        registered: Option<Registered>,
        losses: &mut LostEvents,
    ) -> Result<Seq, PortError> {
        let held = found.known_next();
        if let Some(next) = losses.next {
            losses.add(found.damages.iter().filter_map(|damage| damage.missing).filter(|lost| !lost.is_open));
            return Ok(next.max(held));
        }
        let known = self.known_next(&found.workspace)?.max(found.known_outside());
        let lost = found.damages.iter().filter_map(|damage| damage.missing);
        losses.add(lost.filter(|lost| !lost.is_open));
        let next = if found.ends_for_certain() && known <= held {
            held
        } else {
            losses.add([open_end(held, known)]);
            let beyond = registered.map_or(0, |registered| registered.reserved);
            let newest = held.max(known);
            if beyond > newest { beyond } else { newest.saturating_add(RESERVE) }
        };
        losses.next = Some(next);
        Ok(next)
    }

    /// The first sequence number behind all that history and snapshots have seen. The watermark is
    /// not behind the log's record in the database.
    fn known_next(&self, workspace: &WorkspaceId) -> Result<Seq, PortError> {
        let history = series_store::cursor(self.database, workspace)?;
        let snapshots = snapshot_store::newest(self.database, workspace)?;
        Ok(history.max(snapshots) + 1)
    }

    /// Creates the log in a directory in which nothing is left of it. It begins with event 1, so
    /// that it holds the loss of all earlier ones.
    fn create(&self, found: &LogCheck, aside: &Aside) -> Result<(u64, Log), PortError> {
        let failed = |error| write_failure(&found.dir, error);
        let files = found.segments.iter().map(|segment| &segment.file.path).chain(&found.leftovers);
        for path in files {
            aside.take(path).map_err(failed)?;
        }
        aside.take(&found.dir.join(MARK)).map_err(failed)?;
        let log_id = uuid::Uuid::new_v4().as_u64_pair().0;
        step().map_err(failed)?;
        let log = Log::create(&found.dir, &found.workspace, (log_id, 1), self.disk())?;
        Ok((log_id, log))
    }

    fn disk(&self) -> Disk {
        (self.limits, Arc::<Faults>::default(), self.database.synced_commits())
    }

    /// Moves away a file in the place of the second mark, or of the folder of these marks.
    fn clear_end(&self, dir: &Path) -> io::Result<()> {
        let path = end_path(dir);
        let folder = path.parent().filter(|folder| folder.exists() && !folder.is_dir());
        for wrong in folder.into_iter().chain(path.is_dir().then_some(path.as_path())) {
            self.set_aside(wrong)?;
        }
        Ok(())
    }

    /// Moves what is in the place of a log's directory into the folder `damaged` of the data
    /// directory.
    fn set_aside(&self, path: &Path) -> io::Result<()> {
        Aside::new(self.database.path(), self.began_ms).take(path)
    }
}

/// The end of the record: what may have come back, and where the original files are.
fn rest_of_record(doubt: Option<&str>, aside: &Aside) -> String {
    let mut text = String::new();
    if let Some(doubt) = doubt {
        text += &format!("\nDeleted data: {doubt}.\n");
    }
    if aside.has_files() {
        text += &format!("\nThe original files are in the folder \"{DAMAGED}\".\n");
    }
    text
}
