//! Accepting a loss: a new database is written from all records of the damaged one that can be
//! read, and the damaged one is kept in `damaged/`.
//!
//! The new database is complete before the old one is moved. A crash in between is finished by the
//! next repair.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::PersistMode;

use super::check::{check_claimed, copy_keyspace, remove};
use super::commit_numbers::{self, Lost, WINDOW};
use super::inspect::{Finding, Inspection, Layout, lost_sentence};
use super::instance::Instance;
use super::journal;
use super::keyspace_files::{forget_tables, lost_tables};
use super::mark::{Mark, MarkFile, Numbers};
use super::marks::{LastCommits, MarkFiles, StoredMarks};
use super::open::{Failure, create_in, damaged, guarded, new_identity, numbers_of, open_in, prepare};
use super::snapshot::Snapshot;
use super::table::{TABLES, Table, is_history, words};
use crate::data_dir::{DataDir, OpenError};
use crate::event_log::deleted::KEYS;
use crate::series_store;
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
/// moved to `damaged/` in the data directory. Without damage, nothing is changed. Needs the space
/// of a copy.
///
/// # Errors
/// When the directory is in use, of another format, or cannot be written to.
pub(crate) fn accept_loss(dir: &Path) -> Result<Salvaged, OpenError> {
    let dir = match DataDir::claim_existing(dir)? {
        Ok(dir) => dir,
        Err(finding) => {
            DataDir::restore_format(dir)?;
            let mut done = accept_loss(dir)?;
            done.findings.insert(0, finding);
            return Ok(done);
        }
    };
    let not_writable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    remove(&dir.path().join(SALVAGE)).map_err(not_writable)?;
    resume(&dir).map_err(not_writable)?;
    let checked = check_claimed(&dir)?;
    if checked.findings.is_empty() {
        return Ok(Salvaged::default());
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
        return Ok(Salvaged { findings, ..Salvaged::default() });
    }
    let explain = |failure: Failure| failure.into_error(dir.path(), &dir.database());
    let salvage = Layout::new(dir.path().join(SALVAGE));
    guarded(|| collect(&dir, &salvage, &checked.inspection)).map_err(explain)?;
    let is_rewound = findings.iter().any(|finding| concerns_history(&dir, finding));
    let kept = guarded(|| rewrite(&dir, &salvage, &marks, is_rewound)).map_err(explain)?;
    exchange(&dir).map_err(not_writable)?;
    remove(&salvage.root).map_err(not_writable)?;
    let layout = Layout::new(dir.database());
    findings.extend(kept.iter().enumerate().map(|(code, kept)| Finding::new(layout.table(code), kept.sentence(code))));
    if is_rewound {
        let text = "history is read again from the logs, as far as they go back. Samples from before that may be \
                    missing, or may be back although they were deleted";
        findings.push(Finding::new(&layout.root, text));
    }
    Ok(Salvaged { findings, is_rewound, older_than: marks.later_than_own() })
}

/// What was done to a damaged database.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    /// The damage, and the records kept of each table. Empty if there was no damage.
    pub(crate) findings: Vec<Finding>,
    /// Whether history is read again from the logs.
    pub(crate) is_rewound: bool,
    /// The commits that marks name, if the database was an older copy.
    pub(crate) older_than: Option<LastCommits>,
}

/// Whether a finding may be a loss of history: it is not in another table, and not a mark.
fn concerns_history(dir: &DataDir, finding: &Finding) -> bool {
    let layout = Layout::new(dir.database());
    let mut others = (0..TABLES.len()).filter(|code| !is_history(*code)).map(|code| layout.table(code));
    finding.place.starts_with(&layout.root) && !others.any(|table| finding.place.starts_with(table))
}

/// What is left of a table.
#[derive(Debug, Clone, Copy)]
struct Kept {
    records: u64,
    /// Whether a record could not be read.
    is_cut: bool,
    lost: Option<Lost>,
}

impl Kept {
    fn sentence(&self, code: usize) -> String {
        let mut text = format!("{} records of the {} were kept", self.records, words(code));
        if self.is_cut {
            text += ", and at least one was lost";
        }
        if code == Table::of_snapshots().code() && (self.is_cut || self.lost.is_some()) {
            text += "; scoring begins again from the logs";
        }
        if let Some(lost) = self.lost {
            text += &format!("; {}", lost_sentence(code, lost));
        }
        text
    }
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
    let mut journals = Vec::new();
    if damaged.root.is_dir() {
        for path in damaged.journals()?.values() {
            journals.push(journal::read(path)?);
        }
    }
    // fjall reads nothing if it has to create the journal.
    std::fs::write(salvage.root.join("0.jnl"), journal::salvage(&journals))?;
    Ok(prepare(salvage, None)?)
}

/// Writes the new database and its mark. Returns what was kept of each table.
fn rewrite(
    dir: &DataDir,
    salvage: &Layout,
    marks: &StoredMarks,
    is_rewound: bool,
) -> fjall::Result<[Kept; TABLES.len()]> {
    let settings = EmbeddedSettings::default();
    let new = Layout::new(dir.path().join(NEW));
    remove(&new.root)?;
    let (old, _) = open_in(salvage, &settings, &StoredMarks::default())?;
    // Behind all numbers that a mark names, so that no mark is ahead of the new database.
    let numbers: Numbers = marks.numbers().map(|number| number.max(WINDOW) + 1);
    let identity = marks.identity().unwrap_or_else(new_identity);
    let instance = create_in(&new, &settings, identity, &numbers)?;
    let snapshot = old.snapshot();
    let mut kept = [Kept { records: 0, is_cut: false, lost: None }; TABLES.len()];
    for (table, kept) in Table::all().into_iter().zip(&mut kept) {
        let change = if is_rewound && table == Table::of_heads() { rewound } else { |value| value };
        (kept.records, kept.is_cut) = copy_records(&snapshot, table, &instance, change)?;
        kept.lost = match numbers_of(&snapshot, table) {
            Ok((present, _)) => commit_numbers::examine(&present, marks.numbers()[table.code()]).err(),
            Err(_) => Some(Lost::Everything),
        };
    }
    let snapshots = &mut kept[Table::of_snapshots().code()];
    if snapshots.is_cut || snapshots.lost.is_some() {
        // States without some of their parts would hide series. A start that finds none at all
        // scores the logs again.
        clear(&instance, Table::of_snapshots())?;
        snapshots.records = 0;
    }
    instance.persist(PersistMode::SyncAll)?;
    drop(instance);
    MarkFile::create(&dir.path().join(NEW_MARK), identity, &numbers)?;
    Ok(kept)
}

/// A cursor of history at the beginning of the log. One that cannot be read stays.
fn rewound(value: fjall::UserValue) -> fjall::UserValue {
    series_store::rewound(&value).map_or(value, Into::into)
}

/// Copies the records of a table. Behind one that cannot be read, it goes on from the end of the
/// table backwards.
fn copy_records(
    snapshot: &Snapshot,
    table: Table,
    to: &Instance,
    change: fn(fjall::UserValue) -> fjall::UserValue,
) -> fjall::Result<(u64, bool)> {
    let (mut count, mut is_cut) = (0, false);
    let mut batch = to.batch(BATCH);
    let mut add = |key: fjall::UserKey, value: fjall::UserValue, count: &mut u64| -> fjall::Result<()> {
        batch.insert(to.keyspace(table), key, change(value));
        *count += 1;
        if batch.len() >= BATCH {
            std::mem::replace(&mut batch, to.batch(BATCH)).commit()?;
        }
        Ok(())
    };
    // They are among the keys that `iter` leaves out.
    for entry in snapshot.prefix(table, KEYS) {
        let Ok((key, value)) = entry.into_inner() else {
            is_cut = true;
            break;
        };
        add(key, value, &mut count)?;
    }
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

/// Removes the records of a table, but not the numbers of its commits.
fn clear(instance: &Arc<Instance>, table: Table) -> fjall::Result<()> {
    let mut batch = instance.batch(BATCH);
    for entry in instance.snapshot().iter(table) {
        let Ok((key, _)) = entry.into_inner() else { break };
        batch.remove(instance.keyspace(table), key);
        if batch.len() >= BATCH {
            std::mem::replace(&mut batch, instance.batch(BATCH)).commit()?;
        }
    }
    batch.commit()
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
