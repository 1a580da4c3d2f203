//! Both marks of a database: `db.mark` next to it, and `log/DATABASE` among the logs.
//!
//! A copy of `db` and `db.mark` that is put next to newer logs ends before the mark among the logs
//! says. A database of another installation has another identity.

use std::io;

use super::inspect::Finding;
use super::mark::{Mark, MarkFile, Numbers};
use super::table::TABLES;
use crate::data_dir::DataDir;

/// The marks as they are stored. `None` if a mark is missing or not valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredMarks {
    pub(super) own: Option<Mark>,
    pub(super) among_logs: Option<Mark>,
}

impl StoredMarks {
    pub(super) fn load(dir: &DataDir) -> io::Result<Self> {
        Ok(Self { own: Mark::load(&dir.mark())?, among_logs: Mark::load(&dir.log_mark())? })
    }

    /// The identity that the database has to have. `None` if no mark names it.
    pub(super) fn identity(&self) -> Option<u64> {
        self.among_logs.or(self.own).map(|mark| mark.identity)
    }

    /// The commits that the database has to have.
    pub(super) fn numbers(&self) -> Numbers {
        let mut numbers = [0; TABLES.len()];
        let same =
            [self.own, self.among_logs].into_iter().flatten().filter(|mark| Some(mark.identity) == self.identity());
        for mark in same {
            numbers.iter_mut().zip(mark.numbers).for_each(|(number, other)| *number = other.max(*number));
        }
        numbers
    }

    /// Whether the marks are of databases of two installations.
    pub(super) fn differ(&self) -> bool {
        matches!((self.own, self.among_logs), (Some(own), Some(among_logs)) if own.identity != among_logs.identity)
    }

    /// Whether the mark among the logs is of later commits than the one next to the database.
    pub(super) fn logs_are_later(&self) -> bool {
        let (Some(own), Some(among_logs)) = (self.own, self.among_logs) else { return false };
        own.numbers.iter().zip(among_logs.numbers).any(|(own, other)| *own < other)
    }

    /// Faults of the marks alone.
    pub(super) fn findings(&self, dir: &DataDir) -> Vec<Finding> {
        let (own, among_logs) = (dir.mark(), dir.log_mark());
        let lost = "it is missing or not valid";
        match (self.own, self.among_logs) {
            (None, None) => {
                let unknown = format!("{lost}, so it is unknown whether the last commits are there");
                vec![Finding::new(own, unknown), Finding::new(among_logs, lost)]
            }
            (None, Some(_)) => vec![Finding::new(&own, format!("{lost}; {} has what it held", among_logs.display()))],
            (Some(_), None) => vec![Finding::new(
                among_logs,
                format!("{lost}, so it is unknown whether the database is as new as the logs"),
            )],
            (Some(_), Some(_)) if self.differ() => vec![Finding::foreign(
                dir.database(),
                format!("the database belongs to another installation than the logs, as {} says", among_logs.display()),
            )],
            (Some(_), Some(_)) => Vec::new(),
        }
    }

    /// Explains losses of a database that is whole by its own mark.
    pub(super) fn explain(&self, dir: &DataDir, findings: &mut Vec<Finding>) {
        if !findings.is_empty() && self.logs_are_later() {
            let text = format!(
                "the database is older than the logs: {} is of later commits. If an older copy was put here, put back \
                 the newer db and db.mark",
                dir.log_mark().display()
            );
            findings.insert(0, Finding::new(dir.database(), text));
        }
    }
}

/// Both marks, open for writing.
#[derive(Debug)]
pub(super) struct MarkFiles {
    own: MarkFile,
    among_logs: MarkFile,
}

impl MarkFiles {
    /// Creates or replaces both files, durably.
    pub(super) fn create(dir: &DataDir, identity: u64, numbers: &Numbers) -> io::Result<Self> {
        let own = MarkFile::create(&dir.mark(), identity, numbers)?;
        crate::event_log::create_dir(&dir.logs())?;
        let among_logs = MarkFile::create(&dir.log_mark(), identity, numbers)?;
        Ok(Self { own, among_logs })
    }

    /// The identity of the database.
    pub(super) fn identity(&self) -> u64 {
        self.own.identity()
    }

    /// Whether a file was removed or replaced.
    pub(super) fn are_gone(&self, dir: &DataDir) -> io::Result<bool> {
        Ok(self.own.is_gone(&dir.mark())? || self.among_logs.is_gone(&dir.log_mark())?)
    }

    /// Writes `numbers` to both files, unsynced.
    pub(super) fn write(&mut self, numbers: &Numbers) -> io::Result<()> {
        self.own.write(numbers)?;
        self.among_logs.write(numbers)
    }

    pub(super) fn sync(&self, dir: &DataDir) -> io::Result<()> {
        self.own.sync(&dir.mark())?;
        self.among_logs.sync(&dir.log_mark())
    }
}
