//! Checking a whole database without changing it.
//!
//! fjall cannot open a database read-only. So the files are inspected first, and a copy is opened
//! to read the records. The copy shares the table files, which are never changed in place.

use std::io;
use std::path::{Path, PathBuf};

use super::inspect::{Finding, Inspection, Layout};
use super::journal::{self, End, Progress};
use super::marks::StoredMarks;
use super::open::{guarded, open_in, prepare};
use super::table::Table;
use crate::data_dir::DataDir;
use crate::event_log::deleted::KEYS;
use crate::open_error::OpenError;
use crate::repairs::progress::{self, NOT_ENDED, PROGRESS};
use crate::series_store;
use crate::settings::EmbeddedSettings;
use earcon_model::Seq;

/// The folder of a copy that a start makes, in the data directory.
const COPY: &str = "db.check";
/// Used for the copy of a check if the directory for temporary files is full.
const MEMORY: &str = "/dev/shm";

/// Checks the database in the data directory `dir`: every file, every checksum, every record. No
/// finding means that all acknowledged commits are there. Writes nothing into the directory. Needs
/// the space of the journal in the directory for temporary files.
///
/// # Errors
/// When the directory has no data, is in use, of another format, or cannot be read.
pub(crate) fn check_all(dir: &Path) -> Result<Checked, OpenError> {
    let (dir, format) = DataDir::look(dir)?;
    let mut checked = examine(&dir)?;
    checked.findings.splice(..0, format);
    if progress::is_begun(dir.path()) {
        checked.findings.push(Finding::new(dir.path().join(PROGRESS), NOT_ENDED));
    }
    Ok(checked)
}

/// The findings of [`check_all`].
#[cfg(test)]
pub(crate) fn check(dir: &Path) -> Result<Vec<Finding>, OpenError> {
    check_all(dir).map(|checked| checked.findings)
}

/// The result of a check.
pub(crate) struct Checked {
    pub(crate) findings: Vec<Finding>,
    /// The records of the list of event logs. `None` if it cannot be read.
    pub(crate) logs: Option<Records>,
    /// How far history has read the log of each workspace, as far as that can be read.
    pub(crate) cursors: Cursors,
}

/// How far history has read the log of each workspace, by name.
pub(crate) type Cursors = Vec<(Vec<u8>, Seq)>;

/// Keys and values of a table.
pub(crate) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// The findings in the database of a directory that is claimed already.
pub(super) fn check_claimed(dir: &DataDir) -> Result<Vec<Finding>, OpenError> {
    Ok(examine(dir)?.findings)
}

fn examine(dir: &DataDir) -> Result<Checked, OpenError> {
    let not_readable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    if dir.creating().exists() {
        return Ok(Checked { findings: Vec::new(), logs: None, cursors: Vec::new() });
    }
    let layout = Layout::new(dir.database());
    let marks = StoredMarks::load(dir).map_err(not_readable)?;
    let mut inspection = Inspection::of(&layout, &marks).map_err(not_readable)?;
    let is_openable = inspection.findings.is_empty();
    inspection.check_contents();
    let mut findings = inspection.findings.clone();
    let (mut logs, mut cursors) = (None, Vec::new());
    if is_openable {
        let copy = Scratch::of(&layout, &inspection)?;
        let found;
        (found, logs, cursors) = read_all(&layout, &copy.0, &marks);
        let new: Vec<_> = found.into_iter().filter(|finding| !findings.contains(finding)).collect();
        findings.extend(new);
    }
    marks.explain(dir, &mut findings);
    findings.splice(..0, marks.findings(dir));
    Ok(Checked { findings, logs, cursors })
}

/// A copy of the database in the directory for temporary files, removed when it is dropped.
struct Scratch(Layout);

impl Scratch {
    /// A copy in the first place that has room.
    fn of(layout: &Layout, inspection: &Inspection) -> Result<Self, OpenError> {
        let places = [std::env::temp_dir(), PathBuf::from(MEMORY)];
        let mut failure = None;
        for place in places.into_iter().filter(|place| place.is_dir()) {
            let copy = Self(Layout::new(place.join(format!("earcon-check-{}", uuid::Uuid::new_v4()))));
            match copy_database(layout, &copy.0, inspection) {
                Ok(()) => return Ok(copy),
                Err(source) => failure = failure.or(Some(OpenError::NoScratch { path: place, source })),
            }
        }
        Err(failure.unwrap_or_else(|| OpenError::NoScratch {
            path: std::env::temp_dir(),
            source: io::ErrorKind::NotFound.into(),
        }))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left = remove(&self.0.root).is_err();
    }
}

/// Opens a copy of the database, and examines its numbers alone. Returns the losses.
pub(super) fn examine_copy(
    dir: &DataDir,
    layout: &Layout,
    inspection: &Inspection,
    marks: &StoredMarks,
) -> io::Result<Vec<Finding>> {
    let copy = Layout::new(dir.path().join(COPY));
    copy_database(layout, &copy, inspection)?;
    let opened = guarded(|| open_in(&copy, &EmbeddedSettings::default(), marks));
    let mut findings = match opened {
        Ok((_, examined)) => examined.err().unwrap_or_default(),
        Err(failure) => vec![failure.finding(&copy.root)],
    };
    name_original(&mut findings, layout, &copy);
    remove(&copy.root)?;
    Ok(findings)
}

/// Findings in a copy are those of the original.
fn name_original(findings: &mut [Finding], original: &Layout, copy: &Layout) {
    for finding in findings {
        if let Ok(part) = finding.place.strip_prefix(&copy.root) {
            finding.place = original.root.join(part);
        }
    }
}

/// Removes a folder of an earlier or this check.
pub(super) fn remove(root: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Copies the database. Table files are linked, by name if it is another file system.
fn copy_database(from: &Layout, to: &Layout, inspection: &Inspection) -> io::Result<()> {
    remove(&to.root)?;
    std::fs::create_dir_all(to.keyspaces())?;
    std::fs::copy(from.version(), to.version())?;
    copy_journals(from, to)?;
    prepare(to, None)?;
    for folder in inspection.tables.keys() {
        let name = folder.file_name().unwrap_or_default();
        copy_keyspace(folder, &to.keyspaces().join(name))?;
    }
    Ok(())
}

/// Copies the whole batches of the journals.
fn copy_journals(from: &Layout, to: &Layout) -> io::Result<()> {
    let mut progress = Progress::default();
    for path in from.journals()?.values() {
        let bytes = journal::read(path)?;
        let whole = match journal::walk(&bytes, &mut progress) {
            End::Whole => bytes.len(),
            End::Unreadable { from, .. } => from,
        };
        std::fs::write(to.root.join(path.file_name().unwrap_or_default()), &bytes[..whole])?;
    }
    Ok(())
}

/// Copies a keyspace. fjall creates a folder of table files that is missing.
fn copy_keyspace(from: &Path, to: &Path) -> io::Result<()> {
    let (tables, copied) = (from.join("tables"), to.join("tables"));
    std::fs::create_dir_all(&copied)?;
    for file in plain_files(from)? {
        std::fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
    }
    if !tables.is_dir() {
        return Ok(());
    }
    for file in plain_files(&tables)? {
        let name = file.file_name().unwrap_or_default();
        // Other names end fjall with an error.
        let is_table = name.to_str().is_some_and(|name| name.parse::<u64>().is_ok());
        if is_table && link(&file, &copied.join(name)).is_err() {
            std::fs::copy(&file, copied.join(name))?;
        }
    }
    Ok(())
}

/// Gives a file another name. Another file system can only refer to the name.
pub(super) fn link(file: &Path, name: &Path) -> io::Result<()> {
    match std::fs::hard_link(file, name) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            std::os::unix::fs::symlink(std::path::absolute(file)?, name)
        }
        result => result,
    }
}

pub(super) fn plain_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Opens the copy and reads every record. Returns those of the list of event logs, and the cursors
/// of history.
fn read_all(original: &Layout, copy: &Layout, marks: &StoredMarks) -> (Vec<Finding>, Option<Records>, Cursors) {
    let (mut logs, mut cursors) = (None, Vec::new());
    let opened = guarded(|| {
        let (instance, examined) = open_in(copy, &EmbeddedSettings::default(), marks)?;
        let mut findings = examined.err().unwrap_or_default();
        let snapshot = instance.snapshot();
        let logs_of = Table::of_logs();
        let records = snapshot.prefix(logs_of, KEYS).chain(snapshot.iter(logs_of)).map(|entry| entry.into_inner());
        logs = records.map(|record| record.ok().map(|(key, value)| (key.to_vec(), value.to_vec()))).collect();
        cursors = series_store::cursors(&snapshot);
        for table in Table::all() {
            if let Some(error) = snapshot.iter(table).find_map(|entry| entry.into_inner().err()) {
                findings.push(Finding::new(copy.table(table.code()), error.to_string()));
            }
        }
        Ok(findings)
    });
    let mut findings = match opened {
        Ok(findings) => findings,
        Err(failure) => vec![failure.finding(&copy.root)],
    };
    name_original(&mut findings, original, copy);
    (findings, logs, cursors)
}
