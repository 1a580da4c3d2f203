//! What a start changes in the database's files before all logs are checked, so that a start that
//! is refused changes nothing. Opening removes old lists of table files, and cuts a batch that a
//! crash tore. Both are put back, unless the start succeeds or the database is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::check::plain_files;
use super::inspect::Layout;
use super::journal;

/// Larger files are no lists of table files.
const MOST_BYTES: u64 = 1 << 20;

/// The files as they were. Dropping the value puts them back.
#[derive(Debug, Default)]
pub(super) struct Undo {
    lists: Vec<(PathBuf, Vec<u8>)>,
    tail: Option<Tail>,
}

/// The bytes of a journal behind its last whole batch.
#[derive(Debug)]
struct Tail {
    journal: PathBuf,
    from: u64,
    bytes: Vec<u8>,
    /// The length of the file.
    length: u64,
}

impl Undo {
    /// Notes the lists of table files, and the torn end of the active journal.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn of(layout: &Layout, torn: Option<&(PathBuf, u64)>) -> io::Result<Self> {
        let mut undo = Self::default();
        for entry in std::fs::read_dir(layout.keyspaces())? {
            let folder = entry?.path();
            if !folder.is_dir() {
                continue;
            }
            for path in plain_files(&folder)? {
                if is_list(&path) && path.metadata()?.len() <= MOST_BYTES {
                    let bytes = std::fs::read(&path)?;
                    undo.lists.push((path, bytes));
                }
            }
        }
        if let Some((path, from)) = torn {
            let written = journal::read(path)?;
            let bytes = written.get(usize::try_from(*from).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec();
            undo.tail = Some(Tail { journal: path.clone(), from: *from, bytes, length: path.metadata()?.len() });
        }
        Ok(undo)
    }

    /// Keeps the changes: the start succeeded.
    pub(super) fn forget(&mut self) {
        self.lists.clear();
        self.tail = None;
    }

    fn put_back(&self) -> io::Result<()> {
        for (path, bytes) in &self.lists {
            if !path.exists() {
                std::fs::write(path, bytes)?;
            }
        }
        let Some(Tail { journal, from, bytes, length }) = &self.tail else { return Ok(()) };
        let file = File::options().write(true).open(journal)?;
        file.write_all_at(bytes, *from)?;
        file.set_len(*length)
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // The files are not needed. They are put back so that a refused start changes nothing.
        let _left = self.put_back().is_err();
    }
}

/// Whether the file has the name of a list of table files.
fn is_list(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_prefix('v')).is_some_and(|number| number.parse::<u64>().is_ok())
}
