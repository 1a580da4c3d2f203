//! A mark: the last synced commit number of every table, outside of the database.
//!
//! The file has two slots with a checksum each, on pages of their own, and the writer alternates.
//! It is written after each synced commit, and synced when the store is. So it is exact after
//! `kill -9`. After a power cut it may be older than the database, never newer.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::table::TABLES;
use crate::event_log::files;

const MAGIC: [u8; 4] = *b"EDBM";
/// The format of the data directory, so that a mark confirms the FORMAT file.
const VERSION: u8 = crate::data_dir::FORMAT as u8;
/// Magic, version, count, generation, identity, numbers, checksum.
const SLOT: usize = 4 + 1 + 1 + 8 + 8 + 8 * TABLES.len() + 8;
/// Distance of the slots, so that one damaged page leaves one slot.
const STRIDE: u64 = 4_096;
const SLOTS: u64 = 2;

/// The last commit number of every table, by the code of the table.
pub(super) type Numbers = [u64; TABLES.len()];

/// The content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Grows with every write. The slot with the larger one is newer.
    generation: u64,
    /// Tells the database from those of other installations.
    pub(super) identity: u64,
    pub(super) numbers: Numbers,
}

impl Mark {
    /// A mark that is stored nowhere.
    pub(super) fn of(identity: u64, numbers: Numbers) -> Self {
        Self { generation: 0, identity, numbers }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOT);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[VERSION, TABLES.len() as u8]);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.identity.to_le_bytes());
        self.numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` if a byte of the slot is not as it was written.
    fn decode(slot: &[u8]) -> Option<Self> {
        let (content, checksum) = slot.get(..SLOT)?.split_last_chunk()?;
        let mut words = content.strip_prefix(&MAGIC)?.strip_prefix(&[VERSION, TABLES.len() as u8])?;
        if xxh3_64(content) != u64::from_le_bytes(*checksum) {
            return None;
        }
        let mut next = || {
            let (word, rest) = words.split_first_chunk()?;
            words = rest;
            Some(u64::from_le_bytes(*word))
        };
        let mut mark = Self { generation: next()?, identity: next()?, numbers: [0; TABLES.len()] };
        for number in &mut mark.numbers {
            *number = next()?;
        }
        Some(mark)
    }

    /// The newer of the slots in the content of a file. `None` if neither is valid.
    fn newest(file: &[u8]) -> Option<Self> {
        let slots = (0..SLOTS).filter_map(|slot| Self::decode(file.get((slot * STRIDE) as usize..)?));
        slots.max_by_key(|mark| mark.generation)
    }

    /// Reads the file at `path`. `None` if it is missing or neither slot is valid.
    pub(super) fn load(path: &Path) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|file| file.take(SLOTS * STRIDE).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Self::newest(&bytes)),
            // A directory may be in its place, or a file in that of its directory.
            Err(error) if files::is_absent(&error) || error.kind() == io::ErrorKind::IsADirectory => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file is a mark of this build's format.
pub(crate) fn is_mark(path: &Path) -> bool {
    matches!(Mark::load(path), Ok(Some(_)))
}

/// The open file.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    identity: u64,
    generation: u64,
}

impl MarkFile {
    /// Creates or replaces the file with `numbers` in both slots, and syncs it.
    pub(super) fn create(path: &Path, identity: u64, numbers: &Numbers) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let generation = Mark::load(path)?.map_or(0, |mark| mark.generation);
        let mut mark = Self { file, identity, generation };
        mark.write(numbers)?;
        mark.write(numbers)?;
        mark.sync(path)?;
        path.parent().map_or(Ok(()), files::sync_dir)?;
        Ok(mark)
    }

    /// Opens the file, and changes nothing in it. It is a valid mark.
    pub(super) fn open(path: &Path, identity: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let generation = Mark::load(path)?.map_or(0, |mark| mark.generation);
        Ok(Self { file, identity, generation })
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    /// Whether the file is no longer at `path`.
    pub(super) fn is_gone(&self, path: &Path) -> io::Result<bool> {
        files::is_gone(&self.file, path)
    }

    /// Writes `numbers` to the older slot, unsynced.
    pub(super) fn write(&mut self, numbers: &Numbers) -> io::Result<()> {
        self.generation += 1;
        let mark = Mark { generation: self.generation, identity: self.identity, numbers: *numbers };
        self.file.write_all_at(&mark.encode(), self.generation % SLOTS * STRIDE)
    }

    pub(super) fn sync(&self, path: &Path) -> io::Result<()> {
        files::sync(&self.file, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64) -> Numbers {
        std::array::from_fn(|table| seed + table as u64)
    }

    #[test]
    fn newest_numbers_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.mark");
        assert_eq!(Mark::load(&path).unwrap(), None);
        let mut mark = MarkFile::create(&path, 7, &numbers(64)).unwrap();
        assert_eq!(Mark::load(&path).unwrap().unwrap().numbers, numbers(64));
        for seed in 65..70 {
            mark.write(&numbers(seed)).unwrap();
            assert_eq!(Mark::load(&path).unwrap().unwrap().numbers, numbers(seed));
        }
        drop(mark);
        MarkFile::create(&path, 7, &numbers(3)).unwrap();
        assert_eq!(Mark::load(&path).unwrap().unwrap().numbers, numbers(3), "a new mark is newer than the old one");
    }

    #[test]
    fn damaged_slot_leaves_the_other_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.mark");
        let mut mark = MarkFile::create(&path, 7, &numbers(64)).unwrap();
        mark.write(&numbers(65)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = Mark::newest(&bytes).unwrap().numbers;
            assert!(found == numbers(64) || found == numbers(65), "bit {bit}");
        }
        assert_eq!(Mark::newest(&whole[..STRIDE as usize]).map(|mark| mark.numbers), Some(numbers(64)));
        assert_eq!(Mark::newest(&whole[..SLOT - 1]), None);
        assert_eq!(Mark::newest(&[0; 8_192]), None);
        assert_eq!(Mark::newest(&[]), None);
    }
}
