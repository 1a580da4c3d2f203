//! Accepting a loss: a new database is written from all records of the damaged one that can be
//! read, and the damaged one is kept in `damaged/`.
//!
//! The new database is complete before the old one is moved. A crash in between is finished by the
//! next repair.

use std::io;
use std::path::{Path, PathBuf};

use fjall::PersistMode;

use super::check::{check_claimed, copy_journals, copy_keyspace, remove};
use super::commit_numbers::WINDOW;
use super::inspect::{Finding, Inspection, Layout};
use super::instance::Instance;
use super::keyspace_files::{forget_tables, lost_tables};
use super::mark::{Mark, MarkFile, Numbers};
use super::marks::{MarkFiles, StoredMarks};
use super::open::{Failure, create_in, damaged, guarded, new_identity, open_in, prepare};
use super::snapshot::Snapshot;
use super::table::{TABLES, Table, words};
use crate::data_dir::{DataDir, OpenError};
use crate::settings::EmbeddedSettings;

/// Records written in one batch.
const BATCH: usize = 1_000;
/// Keeps the damaged files.
const DAMAGED: &str = "damaged";
/// The copy that is read, the new database, and its mark.
const SALVAGE: &str = "db.salvage";
const NEW: &str = "db.new";
const NEW_MARK: &str = "db.mark.new";

/// Makes a damaged database usable with all of its records that can be read. The damaged files are
/// moved to `damaged/` in the data directory. Returns the damage and the records kept of each
/// table. Without damage, nothing is changed and nothing returned. Needs the space of a copy.
///
/// # Errors
/// When the directory is in use, of another format, or cannot be written to.
pub(crate) fn accept_loss(dir: &Path) -> Result<Vec<Finding>, OpenError> {
    let dir = match DataDir::claim_existing(dir)? {
        Ok(dir) => dir,
        Err(finding) => {
            DataDir::restore_format(dir)?;
            let mut findings = accept_loss(dir)?;
            findings.insert(0, finding);
            return Ok(findings);
        }
    };
    let not_writable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    remove(&dir.path().join(SALVAGE)).map_err(not_writable)?;
    resume(&dir).map_err(not_writable)?;
    let checked = check_claimed(&dir)?;
    if checked.findings.is_empty() {
        return Ok(Vec::new());
    }
    let mut findings = checked.findings;
    if findings.iter().any(|finding| finding.is_foreign) {
        return Err(damaged(dir.path(), &findings));
    }
    let marks = StoredMarks::load(&dir).map_err(not_writable)?;
    if let Some(identity) = marks.identity()
        && findings.iter().all(|finding| [dir.mark(), dir.log_mark()].contains(&finding.place))
    {
        MarkFiles::create(&dir, identity, &marks.numbers()).map_err(not_writable)?;
        findings.push(Finding::new(dir.database(), "it is whole, and its marks were written again"));
        return Ok(findings);
    }
    let explain = |failure: Failure| failure.into_error(dir.path(), &dir.database());
    let salvage = Layout::new(dir.path().join(SALVAGE));
    guarded(|| collect(&dir, &salvage, &checked.inspection)).map_err(explain)?;
    let kept = guarded(|| rewrite(&dir, &salvage, &marks)).map_err(explain)?;
    exchange(&dir).map_err(not_writable)?;
    remove(&salvage.root).map_err(not_writable)?;
    for (code, (count, is_cut)) in kept.into_iter().enumerate() {
        let rest = if is_cut { ", and at least one was lost" } else { "" };
        let damage = format!("{count} records of the {} were kept{rest}", words(code));
        findings.push(Finding::new(Layout::new(dir.database()).table(code), damage));
    }
    Ok(findings)
}

/// Fills `salvage` with all parts of the damaged database that fjall can open. The rest comes from
/// an empty database, which numbers its keyspaces in the same way.
fn collect(dir: &DataDir, salvage: &Layout, inspection: &Inspection) -> fjall::Result<()> {
    remove(&salvage.root)?;
    drop(create_in(salvage, &EmbeddedSettings::default(), 0, &[WINDOW; TABLES.len()])?);
    for journal in salvage.journals()?.into_values() {
        std::fs::remove_file(journal)?;
    }
    let damaged = Layout::new(dir.database());
    for code in 0..TABLES.len() {
        let folder = damaged.table(code);
        let Some(files) = inspection.tables.get(&folder) else { continue };
        let target = salvage.table(code);
        std::fs::remove_dir_all(&target)?;
        copy_keyspace(&folder, &target)?;
        forget_tables(&target, &lost_tables(&folder, files))?;
    }
    if damaged.root.is_dir() {
        copy_journals(&damaged, salvage)?;
    }
    if salvage.journals()?.is_empty() {
        // fjall reads nothing if it has to create the journal.
        std::fs::File::create(salvage.root.join("0.jnl"))?;
    }
    Ok(prepare(salvage, None)?)
}

/// Writes the new database and its mark. Returns for each table how many records were kept, and
/// whether one could not be read.
fn rewrite(dir: &DataDir, salvage: &Layout, marks: &StoredMarks) -> fjall::Result<[(u64, bool); TABLES.len()]> {
    let settings = EmbeddedSettings::default();
    let new = Layout::new(dir.path().join(NEW));
    remove(&new.root)?;
    let unknown = StoredMarks { own: None, among_logs: None };
    let (old, _) = open_in(salvage, &settings, &unknown)?;
    // Behind all numbers that a mark names, so that no mark is ahead of the new database.
    let numbers: Numbers = marks.numbers().map(|number| number.max(WINDOW) + 1);
    let identity = marks.identity().unwrap_or_else(new_identity);
    let instance = create_in(&new, &settings, identity, &numbers)?;
    let snapshot = old.snapshot();
    let mut kept = [(0, false); TABLES.len()];
    for (table, kept) in Table::all().into_iter().zip(&mut kept) {
        *kept = copy_records(&snapshot, table, &instance)?;
    }
    instance.persist(PersistMode::SyncAll)?;
    drop(instance);
    MarkFile::create(&dir.path().join(NEW_MARK), identity, &numbers)?;
    Ok(kept)
}

/// Copies the records of a table. Behind one that cannot be read, it goes on from the end of the
/// table backwards.
fn copy_records(snapshot: &Snapshot, table: Table, to: &Instance) -> fjall::Result<(u64, bool)> {
    let (mut count, mut is_cut) = (0, false);
    let mut batch = to.batch(BATCH);
    let mut add = |key: fjall::UserKey, value: fjall::UserValue, count: &mut u64| -> fjall::Result<()> {
        batch.insert(to.keyspace(table), key, value);
        *count += 1;
        if batch.len() >= BATCH {
            std::mem::replace(&mut batch, to.batch(BATCH)).commit()?;
        }
        Ok(())
    };
    let mut last = None;
    for entry in snapshot.iter(table) {
        let Ok((key, value)) = entry.into_inner() else {
            is_cut = true;
            break;
        };
        last = Some(key.clone());
        add(key, value, &mut count)?;
    }
    if is_cut {
        for entry in snapshot.iter(table).rev() {
            let Ok((key, value)) = entry.into_inner() else { break };
            if Some(&key) <= last.as_ref() {
                break;
            }
            add(key, value, &mut count)?;
        }
    }
    batch.commit()?;
    Ok((count, is_cut))
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
        let place = free_place(&dir.path().join(DAMAGED))?;
        for path in [dir.database(), dir.mark()] {
            let target = place.join(path.file_name().unwrap_or_default());
            match std::fs::rename(&path, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        std::fs::rename(new, dir.database())?;
    }
    let new = Mark::load(&new_mark)?.ok_or_else(|| io::Error::other("the new mark is not valid"))?;
    std::fs::rename(new_mark, dir.mark())?;
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
