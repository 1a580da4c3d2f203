//! Moving files of a log without ever losing one: no move overwrites a file, and a repair that was
//! killed between two steps finds every file under one of its names.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::check::{LogCheck, read_header, segment_path};
use super::super::files;
use super::{DAMAGED, OTHER_NAMES};
use crate::repairs::steps::step;

/// Extension of segments that are on the way to their own names.
pub(in super::super) const MOVED: &str = "moved";

/// The folder of damaged files of one log, and the names in it.
pub(super) struct Aside {
    folder: PathBuf,
    /// Ends the name of each file.
    suffix: String,
}

impl Aside {
    pub(super) fn new(dir: &Path, now_ms: i64) -> Self {
        Self { folder: dir.join(DAMAGED), suffix: now_ms.to_string() }
    }

    /// Gives segments of this log their own names back, and moves all other files away.
    pub(super) fn put_in_place(&self, found: &LogCheck) -> io::Result<()> {
        let mut moved = found.moved.clone();
        let foreign = found.segments.iter().filter(|segment| segment.file.foreign.is_some());
        for path in found.strays.iter().chain(foreign.map(|segment| &segment.file.path)) {
            if own_place(found, path).is_none() {
                self.take(path)?;
                continue;
            }
            let path = move_to(path, &path.with_extension(MOVED))?;
            // It has been there already if an earlier repair was killed between the two names.
            if !moved.contains(&path) {
                moved.push(path);
            }
        }
        for path in moved {
            match own_place(found, &path) {
                Some(target) => self.place(&path, &target)?,
                None => self.take(&path)?,
            }
        }
        files::sync_dir(&found.dir)
    }

    /// Gives a segment its own name. A valid segment that has the name already keeps it.
    fn place(&self, path: &Path, target: &Path) -> io::Result<()> {
        if target.exists() && !is_same(path, target)? {
            if read_header(target).is_ok_and(|header| header.is_some()) {
                return self.take(path);
            }
            self.take(target)?;
        }
        move_exactly(path, target)
    }

    /// Moves a file into the folder.
    pub(super) fn take(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        step()?;
        move_to(path, &self.target(path)?)?;
        self.sync(path)
    }

    /// Keeps a file in the folder that is about to be replaced. Its bytes must not be changed in
    /// place: on most file systems it is the same file under two names.
    pub(super) fn keep(&self, path: &Path) -> io::Result<()> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
        if metadata.is_dir() {
            // It cannot be replaced by a file.
            return self.take(path);
        }
        step()?;
        let base = self.target(path)?;
        for name in names(&base) {
            match fs::hard_link(path, &name) {
                Ok(()) => return self.sync(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if is_same(path, &name)? {
                        return self.sync(path);
                    }
                }
                Err(_) if !name.exists() => {
                    let copied = fs::copy(path, &name).and_then(|_| fs::File::open(&name)?.sync_all());
                    return copied.and_then(|()| self.sync(path));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Whether the folder has any file.
    pub(super) fn has_files(&self) -> bool {
        fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some())
    }

    fn target(&self, path: &Path) -> io::Result<PathBuf> {
        files::create_dir(&self.folder)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        Ok(self.folder.join(format!("{name}-{}", self.suffix)))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        files::sync_dir(&self.folder)?;
        path.parent().map_or(Ok(()), files::sync_dir)
    }
}

/// The path that a file has as a segment of this log. `None` if it is none, or one that was
/// trimmed.
fn own_place(found: &LogCheck, path: &Path) -> Option<PathBuf> {
    let (header, _) = read_header(path).ok().flatten()?;
    let own = header.belongs(&found.workspace, found.log_id, header.number);
    let is_trimmed = found.own_mark().is_some_and(|mark| header.number < mark.first_segment);
    (own && !is_trimmed).then(|| segment_path(&found.dir, header.number))
}

/// A name, and others for the case that it is taken.
fn names(base: &Path) -> impl Iterator<Item = PathBuf> {
    let base = base.to_owned();
    let extension = base.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
    let other = {
        let base = base.clone();
        // The extension stays, because it says what the file is.
        move |number: u32| base.with_extension(format!("{number}.{extension}"))
    };
    std::iter::once(base).chain((1..OTHER_NAMES).map(other))
}

/// Moves a file to `target`, or to another name next to it if that is taken. Returns the name.
pub(super) fn move_to(path: &Path, target: &Path) -> io::Result<PathBuf> {
    for name in names(target) {
        if fs::symlink_metadata(&name).is_err() || is_same(path, &name)? {
            move_exactly(path, &name)?;
            return Ok(name);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Moves a file and overwrites none.
fn move_exactly(path: &Path, target: &Path) -> io::Result<()> {
    step()?;
    match fs::hard_link(path, target) {
        Ok(()) => {}
        // A repair was killed between the two names.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same(path, target)? => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // A directory, or a file system without links. Nothing else uses the directory.
        Err(_) if fs::symlink_metadata(target).is_err() => return fs::rename(path, target),
        Err(error) => return Err(error),
    }
    target.parent().map_or(Ok(()), files::sync_dir)?;
    step()?;
    fs::remove_file(path)
}

/// Whether both names are of one file.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let identity = |path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    Ok(identity(one)? == identity(other)?)
}
