//! The marks of a database: `db.mark` next to it, `log/DATABASE` among the logs, and the marks of
//! the logs themselves.
//!
//! A copy of `db` that is put next to newer logs ends before the marks there say, also if both
//! other marks were copied with it. A database of another installation has another identity.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::inspect::Finding;
use super::mark::{Mark, MarkFile, Numbers};
use super::table::TABLES;
use crate::data_dir::DataDir;
use crate::event_log::mark::{ENDS, database_commits, database_commits_beside};

/// The last synced commits of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastCommits {
    identity: u64,
    numbers: Numbers,
}

impl LastCommits {
    pub(super) fn of(identity: u64, numbers: Numbers) -> Self {
        Self { identity, numbers }
    }

    /// Whether a mark is of the same database, and of these commits or later ones.
    pub(super) fn is_held_by(&self, mark: &Mark) -> bool {
        self.identity == mark.identity && !Self::of(mark.identity, mark.numbers).is_behind(self)
    }

    /// Whether the other ones are of later commits of the same database.
    pub(crate) fn is_behind(&self, other: &Self) -> bool {
        self.identity == other.identity && self.numbers.iter().zip(other.numbers).any(|(own, other)| *own < other)
    }
}

/// The last synced commits of the open database, for the marks of the logs.
#[derive(Debug, Default)]
pub(crate) struct SyncedCommits(Mutex<Option<LastCommits>>);

impl SyncedCommits {
    pub(super) fn set(&self, identity: u64, numbers: Numbers) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(LastCommits { identity, numbers });
    }

    /// `None` if no database is open.
    pub(crate) fn get(&self) -> Option<LastCommits> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The marks as they are stored. `None` if a mark is missing or not valid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StoredMarks {
    pub(super) own: Option<Mark>,
    pub(super) among_logs: Option<Mark>,
    /// The newest of the marks of the logs.
    pub(super) in_logs: Option<Mark>,
    /// The newest of the second marks of the logs, of the same database. An older copy of both `db`
    /// and all logs ends before it says.
    pub(super) beside_logs: Option<Mark>,
}

impl StoredMarks {
    pub(super) fn load(dir: &DataDir) -> io::Result<Self> {
        let (own, among_logs) = (Mark::load(&dir.mark())?, Mark::load(&dir.log_mark())?);
        // One log with another identity is a foreign log, and not a foreign database.
        let agreed = own.filter(|own| among_logs.is_none_or(|other| other.identity == own.identity));
        let identity = |mark: Option<Mark>| mark.map(|mark| mark.identity);
        let in_logs = newest(&database_commits(&dir.logs())?, identity(agreed), identity(own));
        let mut marks = Self { own, among_logs, in_logs, beside_logs: None };
        let same = database_commits_beside(&dir.logs())?
            .into_iter()
            .filter(|commits| marks.identity().is_none_or(|identity| identity == commits.identity));
        marks.beside_logs = newest(&same.collect::<Vec<_>>(), None, None);
        Ok(marks)
    }

    /// Those that name the identity of the database.
    fn all(&self) -> impl Iterator<Item = Mark> {
        [self.among_logs, self.own, self.in_logs].into_iter().flatten()
    }

    /// The identity that the database has to have: the one of most marks. `None` if no mark names
    /// it.
    pub(super) fn identity(&self) -> Option<u64> {
        let count = |identity: u64| self.all().filter(|mark| mark.identity == identity).count();
        let mut best = None;
        for identity in self.all().map(|mark| mark.identity) {
            if best.is_none_or(|best| count(identity) > count(best)) {
                best = Some(identity);
            }
        }
        best
    }

    /// The commits that the database has to have.
    pub(super) fn numbers(&self) -> Numbers {
        let mut numbers = [0; TABLES.len()];
        let all = self.all().chain(self.beside_logs);
        for mark in all.filter(|mark| Some(mark.identity) == self.identity()) {
            numbers.iter_mut().zip(mark.numbers).for_each(|(number, other)| *number = other.max(*number));
        }
        numbers
    }

    /// The commits of the newest marks, if the database's own mark is of earlier ones.
    pub(super) fn later_than_own(&self) -> Option<LastCommits> {
        let own = self.own?;
        let newest = LastCommits { identity: own.identity, numbers: self.numbers() };
        LastCommits { identity: own.identity, numbers: own.numbers }.is_behind(&newest).then_some(newest)
    }

    /// Faults of the marks alone.
    pub(super) fn findings(&self, dir: &DataDir) -> Vec<Finding> {
        let is_file = dir.logs().is_file().then_some("it is a file and no directory, so all logs are missing");
        let mut findings: Vec<Finding> = is_file.map(|text| Finding::new(dir.logs(), text)).into_iter().collect();
        findings.extend(self.faults(dir));
        findings
    }

    fn faults(&self, dir: &DataDir) -> Vec<Finding> {
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
            (Some(one), Some(other)) if one.identity != other.identity => self.difference(dir, one, other),
            (Some(one), Some(_)) => match self.in_logs {
                Some(logs) if logs.identity != one.identity => {
                    let text = "the database belongs to another installation than the logs, as their marks say";
                    vec![Finding::foreign(dir.database(), text)]
                }
                _ => Vec::new(),
            },
        }
    }

    /// Marks of two databases. The marks of the logs say which one is in a wrong place.
    fn difference(&self, dir: &DataDir, own: Mark, among_logs: Mark) -> Vec<Finding> {
        let logs = self.in_logs.map(|mark| mark.identity);
        let (place, other) = if logs == Some(among_logs.identity) {
            (dir.mark(), own.identity)
        } else if logs == Some(own.identity) {
            (dir.log_mark(), among_logs.identity)
        } else {
            let text = format!(
                "the database belongs to another installation than the logs, as {} says",
                dir.log_mark().display()
            );
            return vec![Finding::foreign(dir.database(), text)];
        };
        let text = format!("it is the mark of another database ({other:016x}) than that of the logs");
        vec![Finding::new(place, text)]
    }

    /// Explains losses of a database that is whole by its own mark.
    pub(super) fn explain(&self, dir: &DataDir, findings: &mut Vec<Finding>) {
        let is_later = |later: Option<Mark>, than: Option<Mark>| match (later, than) {
            (Some(later), Some(than)) => later.numbers.iter().zip(than.numbers).any(|(later, than)| *later > than),
            _ => false,
        };
        let (place, parts) = if is_later(self.among_logs, self.own) {
            (dir.log_mark().display().to_string(), "db and db.mark")
        } else if is_later(self.in_logs, self.own) {
            (format!("a mark of a log in {}", dir.logs().display()), "db and db.mark")
        } else if is_later(self.beside_logs, self.own) {
            // The logs are older too.
            (format!("a mark of a log in {}", dir.path().join(ENDS).display()), "db, db.mark and log")
        } else {
            return;
        };
        if !findings.is_empty() && findings.iter().all(|finding| !finding.is_foreign) {
            let text = format!(
                "the database is older than the logs: {place} is of later commits. If an older copy was put here, put \
                 back the newer {parts}"
            );
            findings.insert(0, Finding::new(dir.database(), text));
        }
    }
}

/// The last commits that logs name, of the database `agreed` if one of them names it, else of the
/// one that most of them name. Of two that as many name, it is the one of the mark next to it.
fn newest(commits: &[LastCommits], agreed: Option<u64>, own: Option<u64>) -> Option<Mark> {
    let mut known: BTreeMap<u64, (usize, Numbers)> = BTreeMap::new();
    for LastCommits { identity, numbers } in commits {
        let (count, newest) = known.entry(*identity).or_insert((0, [0; TABLES.len()]));
        *count += 1;
        newest.iter_mut().zip(numbers).for_each(|(newest, number)| *newest = (*newest).max(*number));
    }
    let rank = |identity: u64, count: usize| (Some(identity) == agreed, count, Some(identity) == own);
    let (identity, (_, numbers)) = known.into_iter().max_by_key(|(identity, (count, _))| rank(*identity, *count))?;
    Some(Mark::of(identity, numbers))
}

/// Both files, open for writing.
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

    /// Opens both files, and changes nothing in them. They are valid marks.
    pub(super) fn open(dir: &DataDir, identity: u64) -> io::Result<Self> {
        let (own, among_logs) = (dir.mark(), dir.log_mark());
        Ok(Self { own: MarkFile::open(&own, identity)?, among_logs: MarkFile::open(&among_logs, identity)? })
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
