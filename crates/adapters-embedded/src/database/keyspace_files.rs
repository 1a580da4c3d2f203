//! Reading the files of a keyspace before fjall does: fjall expects them to be whole.
//!
//! Format (lsm-tree 3.1): `current` names the version file `v<number>` and its checksum. The
//! version file lists the table files in `tables/` with the checksum of each. Version files and
//! table files are archives of the crate sfa: sections, then a table of contents, then a trailer.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const CURRENT: &str = "current";
const TABLES: &str = "tables";
/// Magic, version, kind of checksum, checksum, position and length of the contents.
const TRAILER: usize = 4 + 1 + 1 + 16 + 8 + 8;
const TRAILER_START: [u8; 6] = *b"SFA!\x01\x00";
const CONTENTS_START: [u8; 4] = *b"TOC!";
/// The section with the table files, and the length of one: id, kind of checksum, checksum,
/// sequence number.
const LIST: &[u8] = b"tables";
const ENTRY: usize = 8 + 1 + 16 + 8;
/// The section of a table file that describes it, and the name of its number there.
const META: &[u8] = b"meta";
const ID: &[u8] = b"table_id";

/// A table file in a version file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableFile {
    pub(super) id: u64,
    pub(super) checksum: u128,
    /// Added to the sequence numbers of its records.
    pub(super) seqno: u64,
}

/// The table files of a keyspace: levels, their runs, the files of a run.
pub(super) type Levels = Vec<Vec<Vec<TableFile>>>;

/// A damaged or missing file, and the damage in words.
pub(super) type Defect = (PathBuf, String);

/// The table files of the keyspace in `folder`.
pub(super) fn table_files(folder: &Path) -> Result<Vec<TableFile>, Defect> {
    Ok(listed_levels(folder)?.into_iter().flatten().flatten().collect())
}

/// The same, in levels and runs.
pub(super) fn listed_levels(folder: &Path) -> Result<Levels, Defect> {
    let current = folder.join(CURRENT);
    let bytes = std::fs::read(&current).map_err(|error| unreadable(&current, &error))?;
    let (id, checksum) = decode_current(&bytes).ok_or_else(|| (current, "its content is not valid".to_owned()))?;
    let version = version(folder, id);
    let bytes = std::fs::read(&version).map_err(|error| unreadable(&version, &error))?;
    if xxh3_128(&bytes) != checksum {
        return Err((version, "its checksum is wrong".to_owned()));
    }
    levels(&bytes).ok_or_else(|| (version, "its list of table files cannot be read".to_owned()))
}

/// The list of the newest version file that can be read, whatever `current` says, and whether there
/// is no other one.
pub(super) fn newest_levels(folder: &Path) -> Option<(Levels, bool)> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix('v')?.parse::<u64>().ok();
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut versions: Vec<(u64, PathBuf)> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
    versions.sort();
    let found = versions.iter().rev().find_map(|(_, path)| levels(&std::fs::read(path).ok()?));
    found.map(|levels| (levels, versions.len() == 1))
}

/// Makes the version of a keyspace list other table files.
pub(super) fn list_tables(folder: &Path, levels: &Levels) -> io::Result<()> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let (id, _) = decode_current(&std::fs::read(folder.join(CURRENT))?).ok_or_else(invalid)?;
    let version = version(folder, id);
    let bytes = with_list(&std::fs::read(&version)?, levels).ok_or_else(invalid)?;
    std::fs::write(&version, &bytes)?;
    let current = [&id.to_le_bytes()[..], &xxh3_128(&bytes).to_le_bytes(), &[0]].concat();
    std::fs::write(folder.join(CURRENT), current)
}

fn version(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("v{id}"))
}

/// Checks the folder of the table files: each of `files` is there with a whole trailer, and nothing
/// is there that ends fjall with a panic.
pub(super) fn check_tables(folder: &Path, files: &[TableFile]) -> Vec<Defect> {
    let folder = folder.join(TABLES);
    let mut defects = Vec::new();
    for file in files {
        let path = path_of(&folder, *file);
        if let Err(defect) = check_trailer(&path) {
            defects.push(defect);
        }
    }
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let name = path.file_name().and_then(|name| name.to_str());
                if !path.is_file() || name.is_none_or(|name| name.parse::<u64>().is_err()) {
                    defects.push((path, "no table file has this name".to_owned()));
                }
            }
        }
        // lsm-tree creates the folder if it is missing, which is right if it listed no file.
        Err(error) => defects.push(unreadable(&folder, &error)),
    }
    defects
}

/// Whether the end of a table file is whole, so that it can be opened.
pub(super) fn has_end(path: &Path) -> bool {
    check_trailer(path).is_ok()
}

/// The number that a table file has inside, which is its name as well.
pub(super) fn id_inside(path: &Path) -> Option<u64> {
    let bytes = std::fs::read(path).ok()?;
    let (_, meta) = sections(&bytes)?.into_iter().find(|(name, _)| *name == META)?;
    let at = meta.windows(ID.len()).position(|window| window == ID)? + ID.len();
    // The length of the value, then the value.
    let (length, rest) = meta.get(at..)?.split_first()?;
    let (id, _) = rest.split_first_chunk()?;
    (usize::from(*length) == id.len()).then(|| u64::from_le_bytes(*id))
}

/// The checksum of a whole file.
pub(super) fn content_checksum(path: &Path) -> io::Result<u128> {
    File::open(path).and_then(checksum)
}

/// Reads all bytes of the table file and compares the checksum.
pub(super) fn check_content(folder: &Path, file: TableFile) -> Result<(), Defect> {
    let path = path_of(&folder.join(TABLES), file);
    let checksum = content_checksum(&path).map_err(|error| unreadable(&path, &error))?;
    if checksum == file.checksum { Ok(()) } else { Err((path, "its checksum is wrong".to_owned())) }
}

/// The file that names the version of the keyspace in `folder`.
pub(super) fn current(folder: &Path) -> PathBuf {
    folder.join(CURRENT)
}

/// The folder of the table files of the keyspace in `folder`.
pub(super) fn tables(folder: &Path) -> PathBuf {
    folder.join(TABLES)
}

/// The path of a table file in the folder of table files.
pub(super) fn path_of(tables: &Path, file: TableFile) -> PathBuf {
    tables.join(file.id.to_string())
}

fn unreadable(path: &Path, error: &io::Error) -> Defect {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    (path.to_owned(), text)
}

fn checksum(mut file: impl Read) -> io::Result<u128> {
    let (mut hasher, mut chunk) = (Xxh3::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.digest128()),
            count => hasher.update(&chunk[..count]),
        }
    }
}

fn decode_current(bytes: &[u8]) -> Option<(u64, u128)> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (checksum, kind) = rest.split_first_chunk()?;
    (kind == [0]).then(|| (u64::from_le_bytes(*id), u128::from_le_bytes(*checksum)))
}

/// Checks the end of an archive: trailer and table of contents.
fn check_trailer(path: &Path) -> Result<(), Defect> {
    let read = || -> io::Result<Option<()>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let Some(start) = length.checked_sub(TRAILER as u64) else { return Ok(None) };
        file.seek(SeekFrom::Start(start))?;
        let mut trailer = [0; TRAILER];
        file.read_exact(&mut trailer)?;
        let Some((checksum, contents)) = decode_trailer(&trailer) else { return Ok(None) };
        let Some(size) = start.checked_sub(contents).filter(|size| *size <= 1 << 20) else { return Ok(None) };
        file.seek(SeekFrom::Start(contents))?;
        let mut bytes = vec![0; size as usize];
        file.read_exact(&mut bytes)?;
        Ok((bytes.starts_with(&CONTENTS_START) && xxh3_128(&bytes) == checksum).then_some(()))
    };
    match read() {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err((path.to_owned(), "its end is damaged or missing".to_owned())),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Checksum and position of the table of contents.
fn decode_trailer(trailer: &[u8]) -> Option<(u128, u64)> {
    let (checksum, rest) = trailer.strip_prefix(&TRAILER_START)?.split_first_chunk()?;
    let (position, _length) = rest.split_first_chunk()?;
    Some((u128::from_le_bytes(*checksum), u64::from_le_bytes(*position)))
}

/// A section of an archive and its name.
type Section<'a> = (&'a [u8], &'a [u8]);

/// The sections of an archive, in order.
fn sections(archive: &[u8]) -> Option<Vec<Section<'_>>> {
    let (_, position) = decode_trailer(archive.get(archive.len().checked_sub(TRAILER)?..)?)?;
    let contents = archive.get(usize::try_from(position).ok()?..)?.strip_prefix(&CONTENTS_START)?;
    let (count, mut rest) = contents.split_first_chunk()?;
    let mut sections = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (position, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let (name_length, after) = after.split_first_chunk()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*name_length)))?;
        rest = after;
        let start = usize::try_from(u64::from_le_bytes(*position)).ok()?;
        let end = start.checked_add(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        sections.push((name, archive.get(start..end)?));
    }
    Some(sections)
}

/// The list of table files in a version file.
fn levels(version: &[u8]) -> Option<Levels> {
    let (_, mut list) = sections(version)?.into_iter().find(|(name, _)| *name == LIST)?;
    let mut take = |count: usize| {
        let (taken, rest) = list.split_at_checked(count)?;
        list = rest;
        Some(taken)
    };
    let mut levels = Vec::new();
    for _ in 0..take(1)?[0] {
        let mut runs = Vec::new();
        for _ in 0..take(1)?[0] {
            let count = u32::from_le_bytes(take(4)?.try_into().ok()?);
            let mut run = Vec::new();
            for _ in 0..count {
                run.push(decode_entry(take(ENTRY)?)?);
            }
            runs.push(run);
        }
        levels.push(runs);
    }
    Some(levels)
}

fn decode_entry(entry: &[u8]) -> Option<TableFile> {
    let (id, rest) = entry.split_first_chunk()?;
    let (checksum, rest) = rest.strip_prefix(&[0])?.split_first_chunk()?;
    let (seqno, _) = rest.split_first_chunk()?;
    Some(TableFile {
        id: u64::from_le_bytes(*id),
        checksum: u128::from_le_bytes(*checksum),
        seqno: u64::from_le_bytes(*seqno),
    })
}

fn encode_entry(file: &TableFile, into: &mut Vec<u8>) {
    into.extend_from_slice(&file.id.to_le_bytes());
    into.push(0);
    into.extend_from_slice(&file.checksum.to_le_bytes());
    into.extend_from_slice(&file.seqno.to_le_bytes());
}

/// A version file with other table files. Empty runs are left out.
fn with_list(version: &[u8], levels: &Levels) -> Option<Vec<u8>> {
    let (mut archive, mut contents) = (Vec::new(), CONTENTS_START.to_vec());
    let sections = sections(version)?;
    contents.extend_from_slice(&u32::try_from(sections.len()).ok()?.to_le_bytes());
    for (name, bytes) in sections {
        let start = archive.len();
        if name == LIST {
            archive.extend(encode_list(levels)?);
        } else {
            archive.extend_from_slice(bytes);
        }
        contents.extend_from_slice(&(start as u64).to_le_bytes());
        contents.extend_from_slice(&((archive.len() - start) as u64).to_le_bytes());
        contents.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
        contents.extend_from_slice(name);
    }
    let position = archive.len() as u64;
    archive.extend_from_slice(&contents);
    archive.extend_from_slice(&TRAILER_START);
    archive.extend_from_slice(&xxh3_128(&contents).to_le_bytes());
    archive.extend_from_slice(&position.to_le_bytes());
    archive.extend_from_slice(&(contents.len() as u64).to_le_bytes());
    Some(archive)
}

fn encode_list(levels: &Levels) -> Option<Vec<u8>> {
    let mut bytes = vec![u8::try_from(levels.len()).ok()?];
    for runs in levels {
        let runs: Vec<_> = runs.iter().filter(|run| !run.is_empty()).collect();
        bytes.push(u8::try_from(runs.len()).ok()?);
        for run in runs {
            bytes.extend_from_slice(&u32::try_from(run.len()).ok()?.to_le_bytes());
            run.iter().for_each(|file| encode_entry(file, &mut bytes));
        }
    }
    Some(bytes)
}
