//! Files of the log: created whole, written and read at positions.

use std::cell::RefCell;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use earcon_ports::{ErrorKind, PortError};

#[cfg(test)]
pub(crate) mod power;

/// Extension of files that are not complete yet.
pub(super) const DRAFT: &str = "new";

/// Bytes that can be read at any position.
pub(crate) trait Source {
    /// Reads up to `into.len()` bytes. Fewer only at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
}

impl Source for File {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match FileExt::read_at(self, &mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl Source for [u8] {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = into.len().min(self.len() - from);
        into[..count].copy_from_slice(&self[from..from + count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A source whose unreadable pages read as zeros, which are never a valid frame.
#[derive(Debug)]
pub(crate) struct Salvaged<'s, S: Source + ?Sized> {
    source: &'s S,
    /// The unreadable pages so far: their beginnings and ends.
    unreadable: RefCell<Vec<(u64, u64)>>,
}

/// The unit in which a disk fails to read.
const PAGE: u64 = 4_096;

impl<'s, S: Source + ?Sized> Salvaged<'s, S> {
    pub(crate) fn new(source: &'s S) -> Self {
        Self { source, unreadable: RefCell::default() }
    }

    /// Whether a page that could not be read is between two offsets.
    pub(crate) fn lacks(&self, from: u64, to: u64) -> bool {
        self.unreadable.borrow().iter().any(|(start, end)| *start < to && from < *end)
    }

    /// The first byte that could not be read.
    pub(crate) fn first_unreadable(&self) -> Option<u64> {
        self.unreadable.borrow().iter().map(|(start, _)| *start).min()
    }

    fn read_pages(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (into.len() as u64).min(self.source.size()?.saturating_sub(offset));
        let mut done = 0;
        while done < wanted {
            let at = offset + done;
            let count = (PAGE - at % PAGE).min(wanted - done);
            let page = &mut into[done as usize..(done + count) as usize];
            match self.source.read_at(page, at) {
                Ok(0) => break,
                Ok(read) => done += read as u64,
                Err(error) if is_unreadable(&error) => {
                    page.fill(0);
                    self.unreadable.borrow_mut().push((at, at + count));
                    done += count;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done as usize)
    }
}

impl<S: Source + ?Sized> Source for Salvaged<'_, S> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.source.read_at(into, offset) {
            Err(error) if is_unreadable(&error) => self.read_pages(into, offset),
            result => result,
        }
    }

    fn size(&self) -> io::Result<u64> {
        self.source.size()
    }
}

/// Whether the disk does not give back the bytes that were written.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Makes the bytes of a file durable, and its length. `path` is its name.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(test)]
    power::may_sync(path)?;
    file.sync_data()?;
    #[cfg(test)]
    power::synced(path, file);
    #[cfg(not(test))]
    let _only_in_tests = path;
    Ok(())
}

pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Whether the file is no longer at its path: it was deleted, moved or replaced, or its directory
/// was. Bytes written to it are then lost.
pub(crate) fn is_gone(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match std::fs::metadata(path) {
        Ok(found) => Ok(identity(found) != identity(file.metadata()?)),
        Err(error) if is_absent(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether there is nothing at a path.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Creates a directory that only its owner may use, durably. Its parent exists.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result?,
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    power::may_sync(path)?;
    File::open(path)?.sync_all()?;
    #[cfg(test)]
    power::synced_dir(path);
    Ok(())
}

/// Creates or replaces a file that only its owner may use. After a crash it is there with all of
/// `bytes`, or as it was before.
pub(crate) fn create_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(DRAFT);
    let draft = Path::new(&name);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let written = write_all_at(&file, bytes, 0)
        .and_then(|()| sync(&file, path))
        .and_then(|()| std::fs::rename(draft, path))
        .and_then(|()| path.parent().map_or(Ok(()), sync_dir));
    if let Err(error) = written {
        // It is replaced by the next attempt in any case.
        let _left = std::fs::remove_file(draft).is_err();
        return Err(error);
    }
    Ok(file)
}

/// Extends a file to `length` bytes of zeros, with space on the disk if the file system can promise
/// it.
pub(super) fn allocate(file: &File, from: u64, length: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), from, length - from) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let _unused = from;
    file.set_len(length)
}

/// Whether the disk, or the quota on it, is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Converts a failed write into an error of the port.
pub(super) fn write_failure(path: &Path, error: io::Error) -> PortError {
    if is_full(&error) {
        return PortError::caused(ErrorKind::StorageFull, format!("no space for {}", path.display()), error);
    }
    PortError::caused(ErrorKind::Unavailable, format!("writing {} failed", path.display()), error)
}

/// Converts a failed read into an error of the port.
pub(super) fn read_failure(path: &Path, error: io::Error) -> PortError {
    PortError::caused(ErrorKind::Unavailable, format!("reading {} failed", path.display()), error)
}
