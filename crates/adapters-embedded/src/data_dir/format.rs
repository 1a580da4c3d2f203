//! The FORMAT file: which layout a directory has, and whether it is a new one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::{CREATING, FORMAT, FORMAT_FILE, LOG_MARK, LOGS, MARK};
use crate::database::is_mark;
use crate::open_error::OpenError;

/// Begins the text of the FORMAT file. Builds before the first release wrote a bare number.
const FORMAT_PREFIX: &str = "earcon ";

/// Compares the format, and writes it into a new directory. Returns whether it is a new one.
pub(super) fn check_format(path: &Path, may_create: bool) -> Result<bool, OpenError> {
    let file = path.join(FORMAT_FILE);
    let not_writable = |source| OpenError::NotWritable { path: path.to_owned(), source };
    let damaged = |reason: &str| OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        // The file is written before the database, so a database without it is not a new directory.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && !path.join(CREATING).exists()
                && ["db", MARK, LOGS].iter().any(|name| path.join(name).exists()) =>
        {
            return Err(damaged("it holds a database or logs, but no FORMAT file"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !may_create => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            begin_creation(path).and_then(|()| write_format(&file)).map_err(not_writable)?;
            return Ok(true);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(not_writable(error)),
        Err(error) => return Err(damaged(&format!("its FORMAT file cannot be read: {error}"))),
    };
    let text = text.trim();
    let other = |found: String| {
        // The marks hold the format too, with a checksum.
        if [path.join(MARK), path.join(LOGS).join(LOG_MARK)].iter().any(|mark| is_mark(mark)) {
            let shown = text.escape_default();
            return damaged(&format!("its FORMAT file reads \"{shown}\", but its marks are of format {FORMAT}"));
        }
        OpenError::OtherFormat { path: path.to_owned(), found, supported: FORMAT }
    };
    match text.strip_prefix(FORMAT_PREFIX).unwrap_or_default().parse::<u32>() {
        Ok(FORMAT) => Ok(false),
        Ok(number) => Err(other(number.to_string())),
        Err(_) if text.parse::<u32>().is_ok() => Err(other(format!("\"{text}\", of a build before the first release"))),
        Err(_) => Err(damaged(&format!("its FORMAT file does not read \"{FORMAT_PREFIX}<number>\""))),
    }
}

/// Says, durably, that the directory holds no acknowledged data yet.
fn begin_creation(path: &Path) -> io::Result<()> {
    File::create(path.join(CREATING))?.sync_all()?;
    File::open(path)?.sync_all()
}

/// Writes another file and renames it, so that a crash leaves a whole file or none.
pub(super) fn write_format(file: &Path) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut out = File::create(&draft)?;
    writeln!(out, "{FORMAT_PREFIX}{FORMAT}")?;
    out.sync_all()?;
    std::fs::rename(&draft, file)
}
