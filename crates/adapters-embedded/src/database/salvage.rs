//! Collecting all that is whole of a damaged database in a copy that fjall can open.
//!
//! Names say little after a damage: files may have been swapped, renamed or copied. So table files
//! are found by their content, folders of tables by the commit numbers in them, and journals by
//! the numbers of their batches. What fjall does not open is left out, one table at a time.

mod folders;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::folders::{Folder, Kept};
use super::check::remove;
use super::commit_numbers::{AFTER_NUMBERS, WINDOW, code_and_identity};
use super::inspect::Layout;
use super::instance::Instance;
use super::journal;
use super::mark::Numbers;
use super::marks::StoredMarks;
use super::open::{Failure, create_in, guarded, open_at, prepare};
use super::snapshot::Snapshot;
use super::table::{TABLES, Table, folder};
use crate::settings::EmbeddedSettings;

/// A folder for each table, as the position in the list of folders.
type Places = [Option<usize>; TABLES.len()];

/// The copies of a damaged database. They are below one folder.
pub(super) struct Salvage {
    root: PathBuf,
    /// An empty database: fjall numbers its keyspaces in the same way.
    empty: Layout,
    folders: Vec<Folder>,
    places: Places,
    /// All whole batches of the journals.
    journal: Vec<u8>,
    /// Copies that were made.
    copies: usize,
}

impl Salvage {
    /// Examines the database in `damaged`. Copies are made below `root`. Batches of another
    /// database than that of the marks are left out.
    pub(super) fn of(damaged: &Layout, root: &Path, marks: &StoredMarks) -> Result<Self, Failure> {
        remove(root)?;
        std::fs::create_dir_all(root)?;
        let empty = Layout::new(root.join("empty"));
        guarded(|| create_in(&empty, &EmbeddedSettings::default(), 0, &[WINDOW; TABLES.len()]).map(drop))?;
        for journal in empty.journals()?.into_values() {
            std::fs::remove_file(journal)?;
        }
        let folders = folders::find(damaged)?;
        let journal = journal::salvage(&read_journals(damaged, &marks.numbers())?, marks.identity());
        let (root, places) = (root.to_owned(), [None; TABLES.len()]);
        let mut salvage = Self { root, empty, folders, places, journal, copies: 0 };
        salvage.places = salvage.find_places()?;
        Ok(salvage)
    }

    /// Opens the copy with all that can be opened.
    pub(super) fn open(&mut self) -> Result<Arc<Instance>, Failure> {
        let (places, journal) = (self.places, std::mem::take(&mut self.journal));
        let opened = self.open_most(places, &journal);
        self.journal = journal;
        opened
    }

    /// Opens another copy, without the table files that are damaged in part.
    pub(super) fn open_whole_files(&mut self) -> Result<Arc<Instance>, Failure> {
        self.folders.iter_mut().for_each(|folder| folder.kept = folder.kept.max(Kept::WholeFiles));
        self.open()
    }

    /// Whether a part of a table may be missing, or an older state may be back.
    pub(super) fn is_in_doubt(&self, table: Table) -> bool {
        self.places[table.code()].is_none_or(|place| self.folders[place].is_in_doubt())
    }

    /// Which folder belongs to which table. The commit numbers in it say so; without any, its name
    /// does.
    fn find_places(&mut self) -> Result<Places, Failure> {
        let named = |code: usize| self.folders.iter().position(|found| found.name == folder(code));
        let named: Places = std::array::from_fn(named);
        let mut tables = vec![None; self.folders.len()];
        self.identify(named, &mut tables)?;
        let is_right = |code: usize| named[code].is_some_and(|place| tables[place].is_none_or(|table| table == code));
        if (0..TABLES.len()).all(is_right) {
            return Ok(named);
        }
        let others: Vec<usize> = (0..self.folders.len()).filter(|place| !named.contains(&Some(*place))).collect();
        for some in others.chunks(TABLES.len()) {
            self.identify(std::array::from_fn(|code| some.get(code).copied()), &mut tables)?;
        }
        let place = |code: usize| {
            let own = named[code].filter(|place| tables[*place] == Some(code));
            let other = || tables.iter().position(|table| *table == Some(code));
            own.or_else(other).or(named[code].filter(|place| tables[*place].is_none()))
        };
        Ok(std::array::from_fn(place))
    }

    /// Opens the folders in `places`, and reads which tables they are.
    fn identify(&mut self, places: Places, tables: &mut [Option<usize>]) -> Result<(), Failure> {
        let instance = self.open_most(places, &[])?;
        let snapshot = instance.snapshot();
        for (table, place) in Table::all().into_iter().zip(places) {
            if let Some(place) = place {
                tables[place] = guarded(|| Ok(code_in(&snapshot, table))).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Opens a copy with the folders in `places`. Of those that do not open, less and less is kept.
    fn open_most(&mut self, places: Places, journal: &[u8]) -> Result<Arc<Instance>, Failure> {
        loop {
            let failure = match self.try_open(&places, journal) {
                Err(failure) if !failure.is_of_disk() => failure,
                result => return result,
            };
            let mut is_less = false;
            for code in 0..TABLES.len() {
                let mut alone: Places = [None; TABLES.len()];
                alone[code] = places[code];
                while self.may_keep_less(places[code]) && self.try_open(&alone, journal).is_err() {
                    is_less |= self.keep_less(places[code]);
                }
            }
            // Each opens alone, but not all of them.
            if !is_less {
                let lessened = places.iter().filter(|place| self.keep_less(**place)).count();
                if lessened == 0 {
                    return Err(failure);
                }
            }
        }
    }

    fn may_keep_less(&self, place: Option<usize>) -> bool {
        place.is_some_and(|place| self.folders[place].kept < Kept::Nothing)
    }

    fn keep_less(&mut self, place: Option<usize>) -> bool {
        let may = self.may_keep_less(place);
        if let Some(place) = place.filter(|_| may) {
            let kept = &mut self.folders[place].kept;
            *kept = kept.less();
        }
        may
    }

    fn try_open(&mut self, places: &Places, journal: &[u8]) -> Result<Arc<Instance>, Failure> {
        // fjall's threads may still use the copy of an attempt that failed.
        self.copies += 1;
        let copy = Layout::new(self.root.join(self.copies.to_string()));
        std::fs::create_dir_all(copy.keyspaces())?;
        std::fs::copy(self.empty.version(), copy.version())?;
        folders::copy_folder(&self.empty.names(), &copy.names())?;
        for (code, place) in places.iter().enumerate() {
            let target = copy.table(code);
            folders::copy_folder(&self.empty.table(code), &target)?;
            if let Some(place) = place {
                self.folders[*place].put(&target)?;
            }
        }
        // fjall reads nothing if it has to create the journal.
        std::fs::write(copy.root.join("0.jnl"), journal)?;
        prepare(&copy, None)?;
        guarded(|| open_at(&copy, &EmbeddedSettings::default()))
    }
}

/// The journals of a damaged database. Files with other names count only if they hold commits that
/// those with the names of journals lack: they may be old copies.
fn read_journals(damaged: &Layout, marked: &Numbers) -> io::Result<Vec<Vec<u8>>> {
    if !damaged.root.is_dir() {
        return Ok(Vec::new());
    }
    let named = damaged.journals()?;
    let mut journals = Vec::new();
    for path in named.values() {
        journals.push(journal::read(path)?);
    }
    let mut progress = journal::Progress::default();
    let is_whole = journals.iter().all(|bytes| journal::walk(bytes, &mut progress) == journal::End::Whole)
        && named.keys().is_sorted_by(|one, next| **one + 1 == **next);
    let is_lacking = |(table, number): &(usize, u64)| match progress.last[*table] {
        _ if !is_whole => true,
        Some(last) => *number > last,
        None => number + WINDOW > marked[*table],
    };
    for entry in std::fs::read_dir(&damaged.root)? {
        let path = entry?.path();
        if path.is_file() && !named.values().any(|known| *known == path) {
            let bytes = journal::read(&path)?;
            if journal::is_journal(&bytes) && journal::numbers_in(&bytes).iter().any(is_lacking) {
                journals.push(bytes);
            }
        }
    }
    Ok(journals)
}

/// Which table the commit numbers in a keyspace are of.
fn code_in(snapshot: &Snapshot, table: Table) -> Option<usize> {
    let entry = snapshot.range::<&[u8]>(table, ..AFTER_NUMBERS.as_slice()).next_back()?;
    let value = entry.value().ok()?;
    code_and_identity(&value).map(|(code, _)| code).filter(|code| *code < TABLES.len())
}
