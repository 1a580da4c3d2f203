//! Inspecting the directory of the database before fjall opens it.
//!
//! fjall deletes, creates or cuts without a word: a journal at the first byte that it cannot read,
//! a keyspace without its marker, a missing journal. So everything that it would treat in this way
//! is found here first, and nothing is written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::commit_numbers::Lost;
use super::journal::{self, End, Progress};
use super::keyspace_files::{self, Defect, TableFile};
use super::mark::Numbers;
use super::marks::StoredMarks;
use super::table::{TABLES, folder, words};

/// Damage of the database, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file or the folder.
    pub place: PathBuf,
    /// The damage and the loss, as sentences without a full stop.
    pub damage: String,
    /// Whether it is no damage, but the database or a part of it is that of another installation.
    pub is_foreign: bool,
}

impl Finding {
    /// Damage at a place.
    pub(crate) fn new(place: impl Into<PathBuf>, damage: impl Into<String>) -> Self {
        Self { place: place.into(), damage: damage.into(), is_foreign: false }
    }

    /// Something of another installation.
    pub(super) fn foreign(place: impl Into<PathBuf>, damage: impl Into<String>) -> Self {
        Self { is_foreign: true, ..Self::new(place, damage) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place.display(), self.damage)
    }
}

/// The folder of fjall and its parts.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn version(&self) -> PathBuf {
        self.root.join("version")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn keyspaces(&self) -> PathBuf {
        self.root.join("keyspaces")
    }

    pub(super) fn table(&self, code: usize) -> PathBuf {
        self.keyspaces().join(folder(code))
    }

    /// fjall's own keyspace, with the names of the others.
    pub(super) fn names(&self) -> PathBuf {
        self.keyspaces().join("0")
    }

    /// The journals by their number.
    pub(super) fn journals(&self) -> io::Result<BTreeMap<u64, PathBuf>> {
        let mut journals = BTreeMap::new();
        for entry in std::fs::read_dir(&self.root)? {
            let path = entry?.path();
            if let Some(number) = journal_number(&path) {
                journals.insert(number, path);
            }
        }
        Ok(journals)
    }
}

/// The number of a journal, from its name.
fn journal_number(path: &Path) -> Option<u64> {
    let number = path.file_name()?.to_str()?.strip_suffix(".jnl")?;
    let parsed: u64 = number.parse().ok()?;
    (parsed.to_string() == number && path.is_file()).then_some(parsed)
}

/// The result of an inspection.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) findings: Vec<Finding>,
    /// The active journal and the length of its whole batches, if an unsynced batch is torn.
    pub(super) torn: Option<(PathBuf, u64)>,
    /// The table files of each whole keyspace, by its folder.
    pub(super) tables: BTreeMap<PathBuf, Vec<TableFile>>,
}

impl Inspection {
    /// Inspects the database in `layout`. The marks hold the last synced numbers.
    pub(super) fn of(layout: &Layout, marks: &StoredMarks) -> io::Result<Self> {
        let mut found = Self::default();
        if !layout.root.is_dir() {
            found.add(
                &layout.root,
                "the database is missing; the settings are lost, and the history from before the log begins",
            );
            return Ok(found);
        }
        found.check_version(layout);
        found.check_keyspaces(layout)?;
        found.check_journals(layout, marks)?;
        Ok(found)
    }

    fn add(&mut self, place: &Path, damage: impl Into<String>) {
        self.findings.push(Finding::new(place, damage));
    }

    fn add_defect(&mut self, (place, damage): Defect, lost: &str) {
        self.add(&place, format!("{damage}; {lost}"));
    }

    fn check_version(&mut self, layout: &Layout) {
        match std::fs::read(layout.version()) {
            Ok(bytes) if bytes == *b"FJL\x03" => {}
            Ok(_) => self.add(&layout.version(), "its content is not valid; it names the format of the database"),
            Err(_) => self.add(&layout.version(), "it is missing; it names the format of the database"),
        }
    }

    fn check_journals(&mut self, layout: &Layout, marks: &StoredMarks) -> io::Result<()> {
        let marked = &marks.numbers();
        self.check_names(layout)?;
        let journals = layout.journals()?;
        let Some((&active, _)) = journals.last_key_value() else {
            self.add(&layout.root, "no journal is there; the commits since the last write of table files are lost");
            return Ok(());
        };
        let (mut progress, mut before, mut identity) = (Progress::default(), None, None);
        let mut is_readable = true;
        for (&number, path) in &journals {
            if let Some(before) = before.filter(|before| before + 1 != number) {
                let missing = layout.root.join(format!("{}.jnl", before + 1));
                self.add(&missing, "this journal is missing; its commits may be lost");
            }
            before = Some(number);
            let (bytes, unreadable) = journal::read_noting(path)?;
            if let Some(at) = unreadable {
                is_readable = false;
                self.add(path, format!("the journal cannot be read from the disk at byte {at}"));
            }
            let end = journal::walk(&bytes, &mut progress);
            identity = progress.identity.or(identity);
            let End::Unreadable { from, numbers } = end else { continue };
            // All journals but the active one were synced before the next one was created.
            if number != active {
                is_readable = false;
                let text = format!("the journal cannot be read from byte {from} on, and it had been synced");
                self.add(path, text + &lost_behind(&numbers));
            } else if journal::holds_synced(&numbers, marked) {
                is_readable = false;
                let text = format!("the journal cannot be read at byte {from}, and acknowledged commits are behind it");
                self.add(path, text + &lost_behind(&numbers));
            } else if unreadable.is_none() {
                self.torn = Some((path.clone(), from as u64));
            }
            if number != active {
                // What follows cannot continue it.
                progress = Progress::default();
            }
        }
        if let (Some(written), Some(wanted)) = (identity, marks.identity())
            && written != wanted
        {
            // Numbers of another database say nothing about this one.
            let text = format!("the database belongs to another installation ({written:016x}) than its marks");
            self.findings.push(Finding::foreign(&layout.root, text));
        } else if is_readable {
            self.check_end(layout, active, &progress, marked);
        }
        Ok(())
    }

    /// A table that a journal mentions has its last number in the journals, because fjall removes
    /// the oldest ones first. The others have table files.
    fn check_end(&mut self, layout: &Layout, active: u64, progress: &Progress, marked: &Numbers) {
        let place = layout.root.join(format!("{active}.jnl"));
        for (table, (last, marked)) in progress.last.iter().zip(marked).enumerate() {
            let has_no_files = || self.tables.get(&layout.table(table)).is_some_and(Vec::is_empty);
            match last {
                Some(last) if last < marked => self.add(&place, lost_sentence(table, Lost::Last(marked - last))),
                None if has_no_files() => self.add(&place, lost_sentence(table, Lost::Everything)),
                _ => {}
            }
        }
    }

    /// Other names that end in `.jnl` end fjall with a panic or an error.
    fn check_names(&mut self, layout: &Layout) -> io::Result<()> {
        for entry in std::fs::read_dir(&layout.root)? {
            let path = entry?.path();
            let is_journal = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jnl"));
            let is_text = path.file_name().is_some_and(|name| name.to_str().is_some());
            if !is_text || (is_journal && journal_number(&path).is_none()) {
                self.add(&path, "no journal has this name, so the file is not of this database");
            }
        }
        Ok(())
    }

    fn check_keyspaces(&mut self, layout: &Layout) -> io::Result<()> {
        let root = layout.keyspaces();
        if !root.is_dir() {
            self.add(&root, "the folder of all tables is missing; the settings are lost, and the history from before the log begins");
            return Ok(());
        }
        for entry in std::fs::read_dir(&root)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let known = |name: &str| name == "0" || (0..TABLES.len()).any(|code| folder(code) == name);
            if path.is_dir() && !name.is_some_and(known) {
                self.add(&path, "no table has this folder");
            }
        }
        self.check_keyspace(&layout.names(), "names of all tables");
        // fjall deletes every keyspace that has no name, so the names must be right to the bit.
        for file in self.tables.get(&layout.names()).cloned().unwrap_or_default() {
            if let Err(defect) = keyspace_files::check_content(&layout.names(), file) {
                self.add_defect(defect, "it holds the names of all tables");
            }
        }
        for code in 0..TABLES.len() {
            self.check_keyspace(&layout.table(code), words(code));
        }
        Ok(())
    }

    fn check_keyspace(&mut self, folder: &Path, words: &str) {
        match keyspace_files::table_files(folder) {
            Ok(files) => {
                for defect in keyspace_files::check_tables(folder, &files) {
                    self.add_defect(defect, &format!("a part of the {words} is lost"));
                }
                self.tables.insert(folder.to_owned(), files);
            }
            Err(defect) => self.add_defect(defect, &format!("the {words} are lost")),
        }
    }

    /// Reads every table file and compares its checksum.
    pub(super) fn check_contents(&mut self) {
        for (folder, files) in std::mem::take(&mut self.tables) {
            for file in &files {
                if let Err(defect) = keyspace_files::check_content(&folder, *file)
                    && self.findings.iter().all(|finding| finding.place != defect.0)
                {
                    self.add_defect(defect, "records in it cannot be read");
                }
            }
            self.tables.insert(folder, files);
        }
    }
}

/// The loss of a table in words.
pub(super) fn lost_sentence(table: usize, lost: Lost) -> String {
    let verb = if lost == Lost::Last(1) { "is" } else { "are" };
    format!("{lost} of the {} {verb} lost", words(table))
}

fn lost_behind(numbers: &[(usize, u64)]) -> String {
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    numbers.iter().for_each(|(table, _)| *counts.entry(*table).or_default() += 1);
    let parts: Vec<String> = counts.iter().map(|(table, count)| format!("{count} of the {}", words(*table))).collect();
    if parts.is_empty() { String::new() } else { format!("; whole commits behind it: {}", parts.join(", ")) }
}
