//! Creating and opening the database.
//!
//! `db.creating` is written before anything else of a new directory and removed when all of it is
//! on the disk. A start that ended in between left no acknowledged data, so it is begun again.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{KeyspaceCreateOptions, PersistMode};

use super::check;
use super::commit_numbers::{self, AFTER_NUMBERS, WINDOW};
use super::inspect::{Finding, Inspection, Layout, lost_sentence};
use super::instance::Instance;
use super::journal;
use super::mark::{Mark, Numbers};
use super::marks::{MarkFiles, StoredMarks};
use super::snapshot::{self, ReadError, Snapshot};
use super::table::{TABLES, Table, first_numbers, words};
use super::undo::Undo;
use crate::data_dir::DataDir;
use crate::event_log::files;
use crate::open_error::OpenError;
use crate::settings::EmbeddedSettings;

/// Bytes that a keyspace collects in memory before it writes a table.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// The open database and its numbers.
pub(super) struct Opened {
    pub(super) instance: Arc<Instance>,
    pub(super) numbers: Numbers,
    pub(super) marks: MarkFiles,
    /// What the opening changed.
    pub(super) undo: Undo,
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
    let (identity, numbers) = (new_identity(), [WINDOW; TABLES.len()]);
    let instance = guarded(|| create_in(layout, settings, identity, &numbers))
        .map_err(|failure| failure.of_creation(dir.path()))?;
    let marks = MarkFiles::create(dir, identity, &numbers).map_err(not_writable)?;
    dir.end_creation().map_err(not_writable)?;
    Ok(Opened { instance, numbers, marks, undo: Undo::default() })
}

/// A name for a database that no other has.
pub(super) fn new_identity() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// Creates an empty database with all tables and their numbers up to `last`, durably.
pub(super) fn create_in(
    layout: &Layout,
    settings: &EmbeddedSettings,
    identity: u64,
    last: &Numbers,
) -> fjall::Result<Arc<Instance>> {
    let instance = instance(builder(&layout.root, settings).open()?)?;
    first_numbers(&instance, identity, last).durability(Some(PersistMode::SyncAll)).commit()?;
    Ok(instance)
}

fn recover(dir: &DataDir, layout: &Layout, settings: &EmbeddedSettings) -> Result<Opened, OpenError> {
    let not_readable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    let marks = StoredMarks::load(dir).map_err(not_readable)?;
    let mut findings = marks.findings(dir);
    if !findings.is_empty() {
        let inspection = Inspection::of(layout, &marks).map_err(not_readable)?;
        findings.extend(inspection.findings.into_iter().filter(|finding| finding.is_foreign));
        return Err(damaged(dir.path(), &findings));
    }
    let Recovered { instance, identity, numbers, undo } = recover_at(dir, layout, settings, &marks)?;
    let marks = MarkFiles::open(dir, identity).map_err(not_readable)?;
    Ok(Opened { instance, numbers, marks, undo })
}

/// Opens the database again after a failed write of this process, with exactly the commits that
/// succeeded. `numbers` are the last of them. The database must be closed.
///
/// # Errors
/// If the disk still fails, or if one of the commits is lost.
pub(super) fn reopen(
    dir: &DataDir,
    settings: &EmbeddedSettings,
    identity: u64,
    numbers: &Numbers,
) -> Result<Opened, OpenError> {
    let layout = Layout::new(dir.database());
    write_last_journal_again(&layout, numbers)
        .map_err(|source| OpenError::NotWritable { path: dir.path().to_owned(), source })?;
    let known = StoredMarks { own: Some(Mark::of(identity, *numbers)), ..StoredMarks::default() };
    let Recovered { instance, identity, numbers, mut undo } = recover_at(dir, &layout, settings, &known)?;
    undo.forget();
    let marks = MarkFiles::create(dir, identity, &numbers)
        .map_err(|source| OpenError::NotWritable { path: dir.path().to_owned(), source })?;
    Ok(Opened { instance, numbers, marks, undo })
}

/// Writes the journal that was in use to a new file, without what follows the last successful
/// commit. After a failed sync, the system may count bytes as written that are not on the disk. It
/// does not write them again, but it still shows them to a reader.
fn write_last_journal_again(layout: &Layout, numbers: &Numbers) -> io::Result<()> {
    for (_, path) in layout.journals()?.into_iter().rev() {
        let (mut bytes, unreadable) = journal::read_noting(&path)?;
        if let Some(at) = unreadable {
            return Err(io::Error::other(format!("{} cannot be read at byte {at}", path.display())));
        }
        if bytes.is_empty() {
            // It was created, and nothing was written to it.
            continue;
        }
        bytes.truncate(journal::length_up_to(&bytes, numbers));
        let draft = path.with_extension("new");
        let written = std::fs::File::create(&draft).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        if let Err(error) = written {
            // It may have taken the last of the space.
            let _left = std::fs::remove_file(&draft).is_err();
            return Err(error);
        }
        std::fs::rename(&draft, &path)?;
        return std::fs::File::open(&layout.root)?.sync_all();
    }
    Ok(())
}

/// The database that was opened, and what its tables say.
struct Recovered {
    instance: Arc<Instance>,
    identity: u64,
    numbers: Numbers,
    undo: Undo,
}

/// Opens the database, which must be the one of the marks and hold their commits.
fn recover_at(
    dir: &DataDir,
    layout: &Layout,
    settings: &EmbeddedSettings,
    marks: &StoredMarks,
) -> Result<Recovered, OpenError> {
    let not_readable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    let lost = |mut findings: Vec<Finding>| {
        marks.explain(dir, &mut findings);
        damaged(dir.path(), &findings)
    };
    let inspection = Inspection::of(layout, marks).map_err(not_readable)?;
    if !inspection.findings.is_empty() {
        return Err(lost(inspection.findings));
    }
    if inspection.torn.is_some() {
        // A refused start changes nothing: the batch is cut only if the rest is whole.
        let findings = check::examine_copy(dir, layout, &inspection, marks).map_err(not_readable)?;
        if !findings.is_empty() {
            return Err(lost(findings));
        }
    }
    // Dropped last if the opening fails.
    let undo = Undo::of(layout, inspection.torn.as_ref()).map_err(not_readable)?;
    prepare(layout, inspection.torn.as_ref()).map_err(not_readable)?;
    let explain = |failure: Failure| failure.into_error(dir.path(), &layout.root);
    let (instance, examined) = guarded(|| open_in(layout, settings, marks)).map_err(explain)?;
    let Examined { identity, numbers } = examined.map_err(lost)?;
    Ok(Recovered { instance, identity, numbers, undo })
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

/// What the tables of a database say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Examined {
    pub(super) identity: u64,
    /// The last number of each table.
    pub(super) numbers: Numbers,
}

/// The identity and the numbers, or the damages.
type Examination = Result<Examined, Vec<Finding>>;

/// Opens an existing database whose files were inspected, and examines its numbers.
pub(super) fn open_in(
    layout: &Layout,
    settings: &EmbeddedSettings,
    marks: &StoredMarks,
) -> fjall::Result<(Arc<Instance>, Examination)> {
    let db = builder(&layout.root, settings).open()?;
    let missing: Vec<Finding> = (0..TABLES.len())
        .filter(|code| !db.keyspace_exists(TABLES[*code].0))
        .map(|code| Finding::new(layout.table(code), format!("the {} are lost", words(code))))
        .collect();
    let instance = instance(db)?;
    let examined = if missing.is_empty() { examine(layout, &instance, marks) } else { Err(missing) };
    Ok((instance, examined))
}

fn examine(layout: &Layout, instance: &Arc<Instance>, marks: &StoredMarks) -> Examination {
    let (mut numbers, mut findings) = (marks.numbers(), Vec::new());
    let mut identity = marks.identity();
    let snapshot = instance.snapshot();
    for table in Table::all() {
        let code = table.code();
        let (present, writer) = match numbers_of(&snapshot, table) {
            Ok(found) => found,
            Err(error) => {
                findings.push(Finding::new(layout.table(code), error.to_string()));
                continue;
            }
        };
        if let Some((other, _)) = writer.filter(|(written, _)| *written != code) {
            let text = format!("it holds the {}, and not the {}", words(other), words(code));
            findings.push(Finding::new(layout.table(code), text));
            continue;
        }
        if let Some(found) =
            writer.map(|(_, identity)| identity).filter(|found| *found != *identity.get_or_insert(*found))
        {
            let text = format!("the {} belong to another installation ({found:016x})", words(code));
            findings.push(Finding::foreign(layout.table(code), text));
            continue;
        }
        match commit_numbers::examine(&present, numbers[code]) {
            Ok(last) => numbers[code] = last,
            Err(lost) => findings.push(Finding::new(layout.table(code), lost_sentence(code, lost))),
        }
    }
    if findings.is_empty() { Ok(Examined { identity: identity.unwrap_or_default(), numbers }) } else { Err(findings) }
}

/// The code of a table, and the identity of its database.
type WrittenBy = (usize, u64);

/// The numbers that a table holds, and the table and database of the last one.
pub(super) fn numbers_of(snapshot: &Snapshot, table: Table) -> Result<(Vec<u64>, Option<WrittenBy>), ReadError> {
    let (mut present, mut writer) = (Vec::new(), None);
    for entry in snapshot.range::<&[u8]>(table, ..AFTER_NUMBERS.as_slice()) {
        let (key, value) = entry.into_inner()?;
        if let Some(number) = commit_numbers::number(&key) {
            present.push(number);
            writer = commit_numbers::code_and_identity(&value);
        }
    }
    Ok((present, writer))
}

fn builder(root: &Path, settings: &EmbeddedSettings) -> fjall::DatabaseBuilder<fjall::Database> {
    fjall::Database::builder(root)
        .cache_size(settings.cache_bytes)
        .max_journaling_size(settings.journal_bytes.max(64 << 20))
}

fn instance(db: fjall::Database) -> fjall::Result<Arc<Instance>> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    let mut keyspaces = Vec::with_capacity(TABLES.len());
    for (name, _) in &TABLES {
        keyspaces.push(db.keyspace(name, options)?);
    }
    let keyspaces = keyspaces.try_into().map_err(|_| fjall::Error::Unrecoverable)?;
    Ok(Instance::new(db, keyspaces))
}

/// Opens a database whose numbers do not matter.
pub(super) fn open_at(layout: &Layout, settings: &EmbeddedSettings) -> fjall::Result<Arc<Instance>> {
    instance(builder(&layout.root, settings).open()?)
}

/// Why fjall did not open or write the database.
#[derive(Debug)]
pub(super) enum Failure {
    Error(fjall::Error),
    /// fjall checks some of its files with assertions.
    Panic(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Error(error.into())
    }
}

impl Failure {
    /// Whether the system refused to read or write a file, so that the content of files does not
    /// matter.
    pub(super) fn is_of_disk(&self) -> bool {
        match self {
            Self::Error(fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) => {
                // A file that is missing, ends early, has other bytes or cannot be read is damage.
                use io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof};
                let of_content = [InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof];
                !of_content.contains(&error.kind()) && !files::is_unreadable(error)
            }
            Self::Error(_) | Self::Panic(_) => false,
        }
    }

    /// The error of the system, if it refused to read or write a file.
    pub(super) fn io(&self) -> Option<io::Error> {
        match self {
            Self::Error(fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)))
                if self.is_of_disk() =>
            {
                let text = error.to_string();
                Some(
                    error
                        .raw_os_error()
                        .map_or_else(|| io::Error::new(error.kind(), text), io::Error::from_raw_os_error),
                )
            }
            _ => None,
        }
    }

    pub(super) fn into_error(self, dir: &Path, database: &Path) -> OpenError {
        if let Some(source) = self.io() {
            return OpenError::NotWritable { path: dir.to_owned(), source };
        }
        match self {
            Self::Error(fjall::Error::Locked) => OpenError::InUse { path: dir.to_owned(), owner: String::new() },
            other => damaged(dir, &[other.finding(database)]),
        }
    }

    /// A failure to create an empty database, where nothing can be damaged.
    pub(super) fn of_creation(self, dir: &Path) -> OpenError {
        let source = self.io().unwrap_or_else(|| io::Error::other(self.text()));
        OpenError::NotWritable { path: dir.to_owned(), source }
    }

    fn text(&self) -> String {
        match self {
            Self::Error(error) => snapshot::described(error),
            Self::Panic(text) => text.clone(),
        }
    }

    pub(super) fn finding(self, database: &Path) -> Finding {
        Finding::new(database, format!("the database cannot be opened: {}", self.text()))
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

pub(super) fn damaged(path: &Path, findings: &[Finding]) -> OpenError {
    let shown = |foreign: bool| {
        let shown = findings.iter().filter(|finding| !foreign || finding.is_foreign);
        shown.map(Finding::to_string).collect::<Vec<_>>().join("; ")
    };
    if findings.iter().any(|finding| finding.is_foreign) {
        return OpenError::Foreign { path: path.to_owned(), reason: shown(true) };
    }
    let reason = shown(false);
    OpenError::Damaged { path: path.to_owned(), reason }
}
