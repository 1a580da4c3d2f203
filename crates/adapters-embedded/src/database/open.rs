//! Creating and opening the database.
//!
//! `db.creating` is written before anything else of a new directory and removed when all of it is
//! on the disk. A start that ended in between left no acknowledged data, so it is begun again.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{KeyspaceCreateOptions, PersistMode};

use super::commit_numbers::{self, AFTER_NUMBERS, WINDOW};
use super::inspect::{Finding, Inspection, Layout, lost_sentence};
use super::mark::{Mark, MarkFile, Numbers};
use super::snapshot::Snapshot;
use super::table::{TABLES, Table, first_numbers, words};
use crate::data_dir::{DataDir, OpenError};
use crate::settings::EmbeddedSettings;

/// Bytes that a keyspace collects in memory before it writes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// fjall's database, its tables by their code, and their numbers.
pub(super) struct Opened {
    pub(super) db: fjall::Database,
    pub(super) tables: [Table; TABLES.len()],
    pub(super) numbers: Numbers,
    pub(super) mark: MarkFile,
}

/// Opens or creates the database in `dir`.
pub(super) fn open(dir: &DataDir, settings: &EmbeddedSettings) -> Result<Opened, OpenError> {
    let not_writable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    let layout = Layout::new(dir.database());
    if dir.creating().exists() {
        let marked = Mark::load(&dir.mark()).map_err(not_writable)?;
        if marked.is_none_or(|mark| mark.numbers == [WINDOW; TABLES.len()]) {
            start_over(dir).map_err(not_writable)?;
            return create(dir, &layout, settings);
        }
        // Commits were made, so the creation had ended, and only the removal of the file was lost.
        dir.end_creation().map_err(not_writable)?;
    }
    recover(dir, &layout, settings)
}

/// Removes the rest of a creation that did not end.
fn start_over(dir: &DataDir) -> io::Result<()> {
    let absent = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    absent(std::fs::remove_dir_all(dir.database()))?;
    absent(std::fs::remove_file(dir.mark()))
}

fn create(dir: &DataDir, layout: &Layout, settings: &EmbeddedSettings) -> Result<Opened, OpenError> {
    let not_writable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    let explain = |failure: Failure| failure.into_error(dir.path(), &layout.root);
    let (db, tables) = guarded(|| create_in(layout, settings)).map_err(explain)?;
    let numbers = [WINDOW; TABLES.len()];
    let mark = MarkFile::create(&dir.mark(), &numbers).map_err(not_writable)?;
    dir.end_creation().map_err(not_writable)?;
    Ok(Opened { db, tables, numbers, mark })
}

/// Creates an empty database with all tables and their first numbers, durably.
pub(super) fn create_in(
    layout: &Layout,
    settings: &EmbeddedSettings,
) -> fjall::Result<(fjall::Database, [Table; TABLES.len()])> {
    let db = builder(&layout.root, settings).open()?;
    let tables = tables(&db)?;
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    tables.iter().for_each(|table| first_numbers(&mut batch, table));
    batch.commit()?;
    Ok((db, tables))
}

fn recover(dir: &DataDir, layout: &Layout, settings: &EmbeddedSettings) -> Result<Opened, OpenError> {
    let not_readable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    let marked = Mark::load(&dir.mark()).map_err(not_readable)?;
    let Some(marked) = marked else { return Err(damaged(dir.path(), &[no_mark(&dir.mark())])) };
    let inspection = Inspection::of(layout, &marked.numbers).map_err(not_readable)?;
    if !inspection.findings.is_empty() {
        return Err(damaged(dir.path(), &inspection.findings));
    }
    prepare(layout, inspection.torn.as_ref()).map_err(not_readable)?;
    let explain = |failure: Failure| failure.into_error(dir.path(), &layout.root);
    let (db, tables, numbers) = guarded(|| open_in(layout, settings, &marked.numbers)).map_err(explain)?;
    let numbers = numbers.map_err(|findings| damaged(dir.path(), &findings))?;
    let mark = MarkFile::create(&dir.mark(), &numbers).map_err(not_readable)?;
    Ok(Opened { db, tables, numbers, mark })
}

/// Cuts a batch that a crash tore, and replaces the empty file that fjall locks.
pub(super) fn prepare(layout: &Layout, torn: Option<&(PathBuf, u64)>) -> io::Result<()> {
    if let Some((journal, length)) = torn {
        let file = std::fs::File::options().write(true).open(journal)?;
        file.set_len(*length)?;
        file.sync_all()?;
    }
    if !layout.lock().exists() {
        std::fs::File::create(layout.lock())?;
    }
    Ok(())
}

/// The tables' last numbers, or what the tables lack.
pub(super) type Examined = Result<Numbers, Vec<Finding>>;

/// Opens an existing database whose files were inspected, and examines its numbers.
pub(super) fn open_in(
    layout: &Layout,
    settings: &EmbeddedSettings,
    marked: &Numbers,
) -> fjall::Result<(fjall::Database, [Table; TABLES.len()], Examined)> {
    let db = builder(&layout.root, settings).open()?;
    let missing: Vec<Finding> = (0..TABLES.len())
        .filter(|code| !db.keyspace_exists(TABLES[*code].0))
        .map(|code| Finding { place: layout.table(code), damage: format!("the {} are lost", words(code)) })
        .collect();
    let tables = tables(&db)?;
    let numbers = if missing.is_empty() { examine(layout, &db, &tables, marked)? } else { Err(missing) };
    Ok((db, tables, numbers))
}

fn examine(
    layout: &Layout,
    db: &fjall::Database,
    tables: &[Table; TABLES.len()],
    marked: &Numbers,
) -> fjall::Result<Examined> {
    let (mut numbers, mut findings) = (*marked, Vec::new());
    let snapshot = Snapshot::new(db.snapshot());
    for table in tables {
        let code = table.code();
        let mut present = Vec::new();
        for entry in snapshot.range::<&[u8]>(table, ..AFTER_NUMBERS.as_slice()) {
            match entry.key() {
                Ok(key) => present.extend(commit_numbers::number(&key)),
                Err(error) => {
                    findings.push(Finding { place: layout.table(code), damage: error.to_string() });
                    break;
                }
            }
        }
        match commit_numbers::examine(&present, marked[code]) {
            Ok(last) => numbers[code] = last,
            Err(_) if findings.iter().any(|finding| finding.place == layout.table(code)) => {}
            Err(lost) => findings.push(Finding { place: layout.table(code), damage: lost_sentence(code, lost) }),
        }
    }
    Ok(if findings.is_empty() { Ok(numbers) } else { Err(findings) })
}

fn builder(root: &Path, settings: &EmbeddedSettings) -> fjall::DatabaseBuilder<fjall::Database> {
    fjall::Database::builder(root)
        .cache_size(settings.cache_bytes)
        .max_journaling_size(settings.journal_bytes.max(64 << 20))
}

fn tables(db: &fjall::Database) -> fjall::Result<[Table; TABLES.len()]> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    let mut tables = Vec::with_capacity(TABLES.len());
    for (code, (name, _)) in TABLES.iter().enumerate() {
        tables.push(Table::new(code, db.keyspace(name, options)?));
    }
    tables.try_into().map_err(|_| fjall::Error::Unrecoverable)
}

/// Why fjall did not open the database.
#[derive(Debug)]
pub(super) enum Failure {
    Error(fjall::Error),
    /// fjall checks some of its files with assertions.
    Panic(String),
}

impl Failure {
    pub(super) fn into_error(self, dir: &Path, database: &Path) -> OpenError {
        match self {
            Self::Error(fjall::Error::Io(source)) if source.kind() != io::ErrorKind::UnexpectedEof => {
                OpenError::NotWritable { path: dir.to_owned(), source }
            }
            Self::Error(fjall::Error::Locked) => OpenError::InUse { path: dir.to_owned(), owner: String::new() },
            other => damaged(dir, &[other.finding(database)]),
        }
    }

    pub(super) fn finding(self, database: &Path) -> Finding {
        let reason = match self {
            Self::Error(error) => error.to_string(),
            Self::Panic(text) => text,
        };
        Finding { place: database.to_owned(), damage: format!("the database cannot be opened: {reason}") }
    }
}

/// Runs `open` and turns a panic into a failure.
pub(super) fn guarded<T>(open: impl FnOnce() -> fjall::Result<T>) -> Result<T, Failure> {
    let text = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned()),
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(result) => result.map_err(Failure::Error),
        Err(panic) => Err(Failure::Panic(text(panic))),
    }
}

/// The finding for a missing or unreadable mark.
pub(super) fn no_mark(path: &Path) -> Finding {
    let damage = "it is missing or not valid, so it is unknown whether the last commits are there";
    Finding { place: path.to_owned(), damage: damage.to_owned() }
}

fn damaged(path: &Path, findings: &[Finding]) -> OpenError {
    let reason = findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("; ");
    OpenError::Damaged { path: path.to_owned(), reason }
}
