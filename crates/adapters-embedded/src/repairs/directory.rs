//! The plan of a repair of a data directory: the damages of the database and of each log, and the
//! losses. It is on the disk before the first change, and until all parts are repaired. A check and
//! a repair that follow a stopped one name the same losses.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::progress::{self, Losses, Progress};
use crate::database::{Finding, LastCommits};
use crate::event_log::damage::Missing;
use crate::event_log::repair::Repaired;
use earcon_model::WorkspaceId;

/// The plan of a repair of a data directory.
pub(crate) type DirectoryRepair = Progress<DirectoryLosses>;

/// The result of a repair of the database, and the rest of the report about the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DirectoryLosses {
    /// The damages of the database. Empty if it was whole.
    pub(crate) damage: Vec<Finding>,
    /// The records kept of each table, and what else is known of the rest.
    pub(crate) kept: Vec<Finding>,
    /// Whether history is read again from the logs.
    pub(crate) is_rewound: bool,
    /// Whether commits of any table may be lost, except those of the snapshots.
    pub(crate) is_lacking: bool,
    /// The commits that marks name, if the database was an older copy.
    pub(crate) older_than: Option<LastCommits>,
    /// Workspaces that were deleted, and that an older database still had.
    pub(crate) deleted: Vec<String>,
    /// Workspaces that were made again: what the database had of the earlier ones is deleted.
    pub(crate) cleared: Vec<String>,
    /// Whether the doubts about the logs are complete. Later, a log may be repaired already.
    pub(crate) is_doubted: bool,
    /// What may be lost, or may have come back although it was deleted.
    pub(crate) doubts: Vec<String>,
    /// The commits with which the repaired database begins.
    pub(crate) begins: Option<LastCommits>,
    /// The damaged logs.
    pub(crate) logs: Vec<LogLosses>,
}

/// A damaged log in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLosses {
    pub(crate) workspace: String,
    /// As they were found first, as sentences.
    pub(crate) damages: Vec<String>,
    /// The losses, as far as the damages tell.
    found: Vec<Missing>,
    /// The end of the log's repair. `None` until all of it is known.
    end: Option<LogEnd>,
}

/// What the repair of a log lost, and the name of its record in the log's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LogEnd {
    missing: Vec<Missing>,
    record: PathBuf,
    doubt: Option<String>,
}

impl LogLosses {
    pub(crate) fn new(workspace: &WorkspaceId, damages: Vec<String>, found: Vec<Missing>) -> Self {
        Self { workspace: workspace.as_str().to_owned(), damages, found, end: None }
    }

    /// The losses that are known.
    pub(crate) fn missing(&self) -> &[Missing] {
        self.end.as_ref().map_or(&self.found, |end| &end.missing)
    }

    /// What may have come back with the lost events, once that is known.
    pub(crate) fn doubt(&self) -> Option<&str> {
        self.end.as_ref()?.doubt.as_deref()
    }

    /// Whether the log has the record of the repair that this is about.
    pub(crate) fn is_recorded(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.record.exists())
    }

    fn repaired(&self) -> Option<Repaired> {
        let LogEnd { missing, record, doubt } = self.end.clone()?;
        let workspace = WorkspaceId::new(&self.workspace).ok()?;
        Some(Repaired { workspace, damages: self.damages.clone(), missing, record, doubt })
    }
}

impl DirectoryLosses {
    /// Whether the database was damaged.
    pub(crate) fn has_database(&self) -> bool {
        !self.damage.is_empty()
    }

    /// Forgets all about the database: a whole one is there.
    pub(crate) fn forget_database(&mut self) {
        *self = Self { logs: std::mem::take(&mut self.logs), ..Self::default() };
    }

    pub(crate) fn log(&self, workspace: &WorkspaceId) -> Option<&LogLosses> {
        self.logs.iter().find(|log| log.workspace == workspace.as_str())
    }

    /// Takes up a damaged log. Damages that a stopped attempt found stay as they are: by now they
    /// may look different. `is_begun` says that the repair of the log has changed files.
    pub(crate) fn take_up(&mut self, found: LogLosses, is_begun: bool) {
        match self.logs.iter_mut().find(|log| log.workspace == found.workspace) {
            // It was damaged again after its repair.
            Some(known) if known.is_recorded() && !is_begun => {
                known.damages.extend(found.damages);
                known.found.extend(found.found);
            }
            Some(_) => {}
            None => self.logs.push(found),
        }
    }

    /// Notes what a log has lost. What an earlier attempt noted stays.
    pub(crate) fn note(&mut self, log: &Repaired) {
        let name = log.workspace.as_str();
        let (mut missing, record, doubt) = (log.missing.clone(), log.record.clone(), log.doubt.clone());
        let Some(known) = self.logs.iter_mut().find(|known| known.workspace == name) else {
            let found = LogLosses::new(&log.workspace, log.damages.clone(), Vec::new());
            self.logs.push(LogLosses { end: Some(LogEnd { missing, record, doubt }), ..found });
            return;
        };
        let earlier = known.end.take();
        let earlier_doubt = earlier.as_ref().and_then(|end| end.doubt.clone());
        for lost in earlier.into_iter().flat_map(|end| end.missing) {
            if !missing.contains(&lost) {
                missing.push(lost);
            }
        }
        missing.sort_by_key(|missing| missing.first);
        known.end = Some(LogEnd { missing, record, doubt: doubt.or(earlier_doubt) });
    }

    /// The logs whose repair has ended.
    pub(crate) fn repaired(&self) -> Vec<Repaired> {
        let mut logs: Vec<Repaired> = self.logs.iter().filter_map(LogLosses::repaired).collect();
        logs.sort_by(|one, other| one.workspace.cmp(&other.workspace));
        logs
    }

    /// All doubts, also those about single logs.
    pub(crate) fn all_doubts(&self) -> Vec<String> {
        let of_logs = self.logs.iter().filter_map(LogLosses::doubt).map(str::to_owned);
        let mut doubts = self.doubts.clone();
        for doubt in of_logs {
            if !doubts.contains(&doubt) {
                doubts.push(doubt);
            }
        }
        doubts
    }

    /// The damages of all parts, as sentences.
    pub(crate) fn all_damages(&self) -> Vec<String> {
        let of_logs = self.logs.iter().flat_map(|log| log.damages.clone());
        self.damage.iter().map(ToString::to_string).chain(of_logs).collect()
    }

    pub(crate) fn add_damage(&mut self, findings: &[Finding]) {
        for finding in findings {
            if !self.damage.contains(finding) {
                self.damage.push(finding.clone());
            }
        }
    }
}

impl Losses for DirectoryLosses {
    fn text(&self) -> String {
        let mut text = String::new();
        if self.has_database() {
            text += "\nThe database:\n";
        }
        self.kept.iter().for_each(|kept| text += &format!("  {kept}\n"));
        for workspace in &self.deleted {
            text +=
                &format!("\nWorkspace {workspace} had been deleted. What an older database still had is deleted.\n");
        }
        for log in &self.logs {
            text += &format!("\nThe log of {}:\n", log.workspace);
            log.missing().iter().for_each(|missing| text += &format!("  lost: {missing}\n"));
            if log.missing().is_empty() {
                text += "  no event is lost\n";
            }
        }
        let doubts = self.all_doubts();
        if !doubts.is_empty() {
            text += "\nUncertain:\n";
        }
        doubts.iter().for_each(|doubt| text += &format!("  {doubt}\n"));
        text
    }
}

/// What a repair that did not end has found and lost so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// When it began, milliseconds UTC.
    pub began_ms: i64,
    /// The damages of the database, and how many records of each table were kept.
    pub database: Vec<Finding>,
    /// The workspaces whose logs are damaged, and the lost events of each.
    pub logs: Vec<(String, Vec<Missing>)>,
    /// Workspaces that were deleted, and that an older database still had.
    pub deleted: Vec<String>,
    /// What may be lost, or may have come back although it was deleted.
    pub doubts: Vec<String>,
}

impl Unfinished {
    /// `None` if no repair is under way, or if its plan is not valid.
    pub(crate) fn load(dir: &Path) -> Option<Self> {
        if !progress::is_begun(dir) {
            return None;
        }
        let DirectoryRepair { began_ms, losses, .. } = DirectoryRepair::stored(dir)?;
        let doubts = losses.all_doubts();
        let logs = losses.logs.iter().map(|log| (log.workspace.clone(), log.missing().to_vec())).collect();
        let database = losses.damage.into_iter().chain(losses.kept).collect();
        Some(Self { began_ms, database, logs, deleted: losses.deleted, doubts })
    }
}
