//! Checking a whole database without changing it.
//!
//! fjall cannot open a database read-only. So the files are inspected first, and a copy is opened
//! to read the records. The copy shares the table files, which are never changed in place.

use std::io;
use std::path::{Path, PathBuf};

use super::inspect::{Finding, Inspection, Layout};
use super::journal::{self, End, Progress};
use super::mark::{Mark, Numbers};
use super::open::{guarded, no_mark, open_in, prepare};
use super::table::{TABLES, Table};
use crate::data_dir::{DataDir, OpenError};
use crate::settings::EmbeddedSettings;

/// The folder of the copy, in the data directory.
const COPY: &str = "db.check";

/// Checks the database in the data directory `dir`: every file, every checksum, every record. No
/// finding means that all acknowledged commits are there. Needs the space of the journal.
///
/// # Errors
/// When the directory is in use, of another format, or cannot be read or written to.
pub(crate) fn check(dir: &Path) -> Result<Vec<Finding>, OpenError> {
    match DataDir::claim_existing(dir)? {
        Ok(dir) => Ok(check_claimed(&dir)?.findings),
        Err(finding) => Ok(vec![finding]),
    }
}

/// The findings, and what the inspection of the files found.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    pub(super) inspection: Inspection,
}

pub(super) fn check_claimed(dir: &DataDir) -> Result<Checked, OpenError> {
    let not_readable = |source| OpenError::NotWritable { path: dir.path().to_owned(), source };
    if dir.creating().exists() {
        return Ok(Checked { findings: Vec::new(), inspection: Inspection::default() });
    }
    let layout = Layout::new(dir.database());
    let marked = Mark::load(&dir.mark()).map_err(not_readable)?;
    let numbers = marked.map_or([0; TABLES.len()], |mark| mark.numbers);
    let mut inspection = Inspection::of(&layout, &numbers).map_err(not_readable)?;
    let is_openable = inspection.findings.is_empty();
    inspection.check_contents();
    let mut findings = inspection.findings.clone();
    if marked.is_none() {
        findings.insert(0, no_mark(&dir.mark()));
    }
    if is_openable {
        let copy = Layout::new(dir.path().join(COPY));
        let records = copy_database(&layout, &copy, &inspection)
            .map_err(not_readable)
            .map(|()| read_all(&layout, &copy, &numbers));
        remove(&copy.root).map_err(not_readable)?;
        for finding in records? {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(Checked { findings, inspection })
}

/// Opens a copy of the database, and examines its numbers alone. Returns what is lost.
pub(super) fn examine_copy(
    dir: &DataDir,
    layout: &Layout,
    inspection: &Inspection,
    marked: &Numbers,
) -> io::Result<Vec<Finding>> {
    let copy = Layout::new(dir.path().join(COPY));
    copy_database(layout, &copy, inspection)?;
    let opened = guarded(|| open_in(&copy, &EmbeddedSettings::default(), marked));
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

/// Copies the database. Table files are linked if the file system can.
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
pub(super) fn copy_journals(from: &Layout, to: &Layout) -> io::Result<()> {
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
pub(super) fn copy_keyspace(from: &Path, to: &Path) -> io::Result<()> {
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
        if is_table && std::fs::hard_link(&file, copied.join(name)).is_err() {
            std::fs::copy(&file, copied.join(name))?;
        }
    }
    Ok(())
}

fn plain_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Opens the copy and reads every record.
fn read_all(original: &Layout, copy: &Layout, marked: &Numbers) -> Vec<Finding> {
    let opened = guarded(|| {
        let (instance, examined) = open_in(copy, &EmbeddedSettings::default(), marked)?;
        let mut findings = examined.err().unwrap_or_default();
        let snapshot = instance.snapshot();
        for table in Table::all() {
            if let Some(error) = snapshot.iter(table).find_map(|entry| entry.into_inner().err()) {
                findings.push(Finding { place: copy.table(table.code()), damage: error.to_string() });
            }
        }
        Ok(findings)
    });
    let mut findings = match opened {
        Ok(findings) => findings,
        Err(failure) => vec![failure.finding(&copy.root)],
    };
    name_original(&mut findings, original, copy);
    findings
}
