//! Files of the log: created whole, written and read at positions.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use earcon_ports::{ErrorKind, PortError};

/// Extension of files that are not complete yet.
pub(super) const DRAFT: &str = "new";

/// Bytes that can be read at any position.
pub(super) trait Source {
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

pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Whether the file has no name any more: bytes written to it are lost.
pub(super) fn is_deleted(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 0)
}

/// Creates a directory that only its owner may use, durably. Its parent exists.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        result => result?,
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates or replaces a file that only its owner may use. After a crash it is there with all of
/// `bytes`, or as it was before.
pub(super) fn create_whole(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(DRAFT);
    let draft = Path::new(&name);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let written = write_all_at(&file, bytes, 0)
        .and_then(|()| file.sync_all())
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
