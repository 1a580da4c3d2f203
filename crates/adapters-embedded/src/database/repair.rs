//! Accepting a loss: a new database is written from all records of the damaged one that can be
//! read, and the damaged one is kept in `damaged/`.
//!
//! The new database is complete before the old one is moved. The findings are in a plan on the
//! disk from the first change on, so a repair that was killed at any step ends as an undisturbed
//! one, with the same list of losses. The plan ends when the logs are repaired too.

use std::io;
use std::path::{Path, PathBuf};

use super::check::{check_claimed, remove};
use super::commit_numbers::WINDOW;
use super::inspect::{Finding, Layout};
use super::mark::{Mark, MarkFile, Numbers};
use super::marks::{LastCommits, MarkFiles, StoredMarks};
use super::open::{Failure, damaged, new_identity};
use super::rewrite::{Rewritten, rewrite};
use super::salvage::Salvage;
use crate::data_dir::DataDir;
use crate::open_error::OpenError;
use crate::repairs::directory::{DirectoryLosses, DirectoryRepair};
use crate::repairs::progress::{self, PROGRESS, Progress};
use crate::repairs::steps::step;

/// Keeps the damaged files.
const DAMAGED: &str = "damaged";
/// The copies that are read, the new database, and its mark.
const SALVAGE: &str = "db.salvage";
const NEW: &str = "db.new";
const NEW_MARK: &str = "db.mark.new";

/// Whether the database that is there is the one that a stopped repair made.
fn is_repaired(losses: &DirectoryLosses, marks: &StoredMarks) -> bool {
    losses.begins.is_some_and(|begins| marks.own.is_some_and(|own| begins.is_held_by(&own)))
}

/// Makes a damaged database usable with all of its records that can be read. The damaged files are
/// moved to `damaged/` in the data directory. Without damage, nothing is changed. Needs the space
/// of a copy.
///
/// Returns the plan, which stays on the disk until [`end`]. `None` if there was no damage, and no
/// repair of a log is under way.
///
/// # Errors
/// When the directory is in use, of another format, or cannot be written to.
pub(crate) fn begin(path: &Path, now_ms: i64) -> Result<Option<DirectoryRepair>, OpenError> {
    let (dir, format) = DataDir::claim_existing(path)?;
    let repair = Repair { dir: &dir, plan: Progress::load(path, now_ms) };
    repair.run(format)
}

/// Writes the record for people, and removes the plan. Returns the path of the record.
pub(crate) fn end(plan: &DirectoryRepair, dir: &Path) -> io::Result<PathBuf> {
    let place = dir.join(DAMAGED);
    let rest = if place.is_dir() { "\nThe original files are in the folder \"damaged\".\n" } else { "" };
    let all = DirectoryRepair { damages: plan.losses.all_damages(), ..plan.clone() };
    all.end(dir, rest)
}

struct Repair<'a> {
    dir: &'a DataDir,
    plan: DirectoryRepair,
}

impl Repair<'_> {
    fn not_writable(&self) -> impl Fn(io::Error) -> OpenError + use<> {
        let path = self.dir.path().to_owned();
        move |source| OpenError::NotWritable { path: path.clone(), source }
    }

    fn run(mut self, format: Option<Finding>) -> Result<Option<DirectoryRepair>, OpenError> {
        let (dir, failed) = (self.dir, self.not_writable());
        let was_begun = progress::is_begun(dir.path());
        remove(&dir.path().join(SALVAGE)).map_err(&failed)?;
        resume(dir).map_err(&failed)?;
        let checked = check_claimed(dir)?;
        let findings: Vec<Finding> = format.clone().into_iter().chain(checked).collect();
        if findings.iter().any(|finding| finding.is_foreign) {
            return Err(damaged(dir.path(), &findings));
        }
        let marks = StoredMarks::load(dir).map_err(&failed)?;
        let is_repaired = was_begun && is_repaired(&self.plan.losses, &marks);
        if findings.is_empty() && !was_begun {
            return Ok(None);
        }
        if was_begun && DirectoryRepair::stored(dir.path()).is_none() {
            let lost = "its content is not valid, so it is unknown what the repair that did not end has lost";
            self.plan.losses.add_damage(&[Finding::new(dir.path().join(PROGRESS), lost)]);
        } else if findings.is_empty() && !is_repaired {
            // Only logs were damaged, or a whole database was put back since.
            self.plan.losses.forget_database();
            if self.plan.losses.logs.is_empty() {
                progress::remove(dir.path()).map_err(&failed)?;
                return Ok(None);
            }
            self.save().map_err(&failed)?;
            return Ok(Some(self.plan));
        }
        let is_of_marks = |finding: &Finding| is_of_marks(dir, finding);
        if !is_repaired || !findings.iter().all(is_of_marks) {
            self.plan.losses.add_damage(&findings);
        }
        self.save().map_err(&failed)?;
        if format.is_some() {
            step().and_then(|()| dir.restore_format()).map_err(&failed)?;
        }
        self.clear_places(&findings).map_err(&failed)?;
        if findings.iter().all(is_of_marks) && marks.identity().is_some() {
            self.write_marks(&marks, is_repaired).map_err(&failed)?;
        } else {
            self.write_database(&marks)?;
        }
        Ok(Some(self.plan))
    }

    fn save(&self) -> io::Result<()> {
        self.plan.save(self.dir.path())
    }

    /// Moves a file away that is in the place of a directory, or the reverse.
    fn clear_places(&self, findings: &[Finding]) -> io::Result<()> {
        let dir = self.dir;
        for (path, is_wrong) in [
            (dir.logs(), dir.logs().is_file()),
            (dir.mark(), dir.mark().is_dir()),
            (dir.log_mark(), dir.log_mark().is_dir()),
        ] {
            if is_wrong && findings.iter().any(|finding| finding.place == path) {
                step()?;
                let place = free_place(&dir.path().join(DAMAGED))?;
                std::fs::rename(&path, place.join(path.file_name().unwrap_or_default()))?;
            }
        }
        Ok(())
    }

    fn write_marks(&mut self, marks: &StoredMarks, is_repaired: bool) -> io::Result<()> {
        let (dir, numbers) = (self.dir, marks.numbers());
        let Some(identity) = marks.identity() else { return Ok(()) };
        if !is_repaired {
            let losses = &mut self.plan.losses;
            losses.begins = Some(LastCommits::of(identity, numbers));
            if losses.damage.iter().any(|finding| [dir.mark(), dir.log_mark()].contains(&finding.place)) {
                let text = "it is whole, and its marks were written again";
                losses.kept = vec![Finding::new(dir.database(), text)];
            }
            self.save()?;
        }
        step()?;
        MarkFiles::create(dir, identity, &numbers).map(drop)
    }

    fn write_database(&mut self, marks: &StoredMarks) -> Result<(), OpenError> {
        let (dir, failed) = (self.dir, self.not_writable());
        let root = dir.path().join(SALVAGE);
        // Behind all numbers that a mark names, so that no mark is ahead of the new database.
        let numbers: Numbers = marks.numbers().map(|number| number.max(WINDOW) + 1);
        let identity = marks.identity().unwrap_or_else(new_identity);
        let written = self.rewrite(&root, marks, identity, &numbers).and_then(|rewritten| {
            self.note(&rewritten, marks, LastCommits::of(identity, numbers));
            self.save()?;
            step()?;
            MarkFile::create(&dir.path().join(NEW_MARK), identity, &numbers)?;
            Ok(exchange(dir)?)
        });
        // A test refuses steps in the place of a kill, which leaves everything.
        if step().is_ok() {
            let _left = remove(&root).is_err();
        }
        written.map_err(|failure: Failure| match failure.io() {
            Some(source) => failed(source),
            None => failure.into_error(dir.path(), &dir.database()),
        })
    }

    fn rewrite(
        &self,
        root: &Path,
        marks: &StoredMarks,
        identity: u64,
        numbers: &Numbers,
    ) -> Result<Rewritten, Failure> {
        let new = self.dir.path().join(NEW);
        step()?;
        remove(&new)?;
        let mut salvage = Salvage::of(&Layout::new(self.dir.database()), root, marks)?;
        step()?;
        rewrite(&mut salvage, &new, marks, identity, numbers)
    }

    fn note(&mut self, done: &Rewritten, marks: &StoredMarks, begins: LastCommits) {
        let (layout, losses) = (Layout::new(self.dir.database()), &mut self.plan.losses);
        let kept = done.kept.iter().enumerate();
        losses.kept = kept.map(|(code, kept)| Finding::new(layout.table(code), kept.sentence(code))).collect();
        (losses.is_rewound, losses.is_lacking) = (done.is_rewound, done.is_lacking);
        losses.older_than = marks.later_than_own();
        losses.begins = Some(begins);
        losses.is_doubted = false;
        if done.is_rewound {
            let text = "history is read again from the logs, as far as they go back. Samples from before that may be \
                        missing, or may be back although they were deleted";
            losses.kept.push(Finding::new(&layout.root, text));
        }
    }
}

/// Whether a finding is about the marks or the FORMAT file, and not about the database itself.
fn is_of_marks(dir: &DataDir, finding: &Finding) -> bool {
    [dir.mark(), dir.log_mark(), dir.logs(), dir.path().to_owned()].contains(&finding.place)
}

/// Ends an exchange that a crash interrupted. Its first step moves the damaged database away. A
/// database that is there may have been restored since, so it is not replaced by what was saved of
/// another one.
fn resume(dir: &DataDir) -> io::Result<()> {
    let (new, new_mark) = (dir.path().join(NEW), dir.path().join(NEW_MARK));
    if !new_mark.exists() {
        return remove(&new);
    }
    let is_exchanged = !new.exists() && dir.database().exists() && !dir.mark().exists();
    let was_moved = new.exists() && !dir.database().exists();
    if is_exchanged || was_moved {
        return exchange(dir);
    }
    remove(&new)?;
    std::fs::remove_file(new_mark)
}

/// Moves the damaged database and its mark away, and puts the new ones in their place.
fn exchange(dir: &DataDir) -> io::Result<()> {
    let (new, new_mark) = (dir.path().join(NEW), dir.path().join(NEW_MARK));
    if new.exists() {
        step()?;
        let place = free_place(&dir.path().join(DAMAGED))?;
        for path in [dir.database(), dir.mark()] {
            step()?;
            let target = place.join(path.file_name().unwrap_or_default());
            match std::fs::rename(&path, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        step()?;
        std::fs::rename(new, dir.database())?;
    }
    let new = Mark::load(&new_mark)?.ok_or_else(|| io::Error::other("the new mark is not valid"))?;
    step()?;
    std::fs::rename(new_mark, dir.mark())?;
    step()?;
    MarkFiles::create(dir, new.identity, &new.numbers)?;
    std::fs::File::open(dir.path())?.sync_all()
}

/// A new folder in `damaged`.
fn free_place(damaged: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(damaged)?;
    for number in 1u64.. {
        let place = damaged.join(number.to_string());
        match std::fs::create_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| place),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Repairs the database alone. Returns the damages, and the records that were kept.
#[cfg(test)]
pub(crate) fn accept_loss(dir: &Path) -> Result<Vec<Finding>, OpenError> {
    let Some(plan) = begin(dir, 5)? else { return Ok(Vec::new()) };
    end(&plan, dir).map_err(|source| OpenError::NotWritable { path: dir.to_owned(), source })?;
    Ok(plan.losses.damage.into_iter().chain(plan.losses.kept).collect())
}
