//! Reading fjall's journal before fjall does. fjall cuts a journal at the first byte that it cannot
//! read, so damage must be found before it opens the directory.
//!
//! Format (fjall 3.1, `journal/entry.rs`): a batch is a start with the number of its items and its
//! sequence number, the items, and an end with the XXH3 of the items and a magic number. A new
//! journal is 64 MiB of zeros.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::commit_numbers::{code_and_identity, number};
use super::mark::Numbers;
use super::table::{TABLES, is_history};
use crate::event_log::files::{Salvaged, Source};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Where the sequence number is in a batch: behind the tag and the number of its items.
const SEQNO: usize = 5;
/// A value, and not a deletion.
const VALUE: u8 = 0;
/// Larger sequence numbers are damage: the checksum of a batch does not contain them.
const MAX_SEQNO: u64 = 1 << 48;

/// A whole batch.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    /// Length in bytes.
    length: usize,
    seqno: u64,
    /// Code of the table and number of the commit.
    numbers: Vec<(usize, u64)>,
    /// The database that wrote it, if it holds numbers.
    identity: Option<u64>,
}

/// Takes bytes from the front of a slice.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Reads the batch at the start of `bytes`. `None` if there is no whole one.
fn batch(bytes: &[u8]) -> Option<Batch> {
    let mut rest = Bytes(bytes);
    if rest.byte()? != START {
        return None;
    }
    let (items, seqno) = (rest.u32()?, rest.u64()?);
    let body = rest.0;
    let (mut numbers, mut identity) = (Vec::new(), None);
    for _ in 0..items {
        if let Some((number, writer)) = item(&mut rest)? {
            numbers.push(number);
            identity = Some(writer);
        }
    }
    let body = &body[..body.len() - rest.0.len()];
    let is_whole = rest.byte()? == END && rest.u64()? == xxh3_64(body) && rest.array()? == MAGIC;
    is_whole.then_some(Batch { length: bytes.len() - rest.0.len(), seqno, numbers, identity })
}

/// Skips an item. Returns table and number, and the identity of the database, if it is the number
/// of a commit.
fn item(rest: &mut Bytes<'_>) -> Option<Option<((usize, u64), u64)>> {
    if rest.byte()? != ITEM {
        return None;
    }
    let kind = rest.byte()?;
    let (_compression, _keyspace) = (rest.byte()?, rest.u64()?);
    let key = u16::from_le_bytes(rest.array()?);
    let (_plain, stored) = (rest.u32()?, rest.u32()?);
    let (key, value) = (rest.take(usize::from(key))?, rest.take(stored as usize)?);
    Some(match (kind, number(key), code_and_identity(value)) {
        (VALUE, Some(number), Some((code, identity))) if code < TABLES.len() => Some(((code, number), identity)),
        _ => None,
    })
}

/// What the journals before a batch held.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seqno: Option<u64>,
    /// The last commit number of each table.
    pub(super) last: [Option<u64>; TABLES.len()],
    /// The database that wrote the last commit.
    pub(super) identity: Option<u64>,
}

impl Progress {
    /// Whether the batch continues the ones before it.
    fn continues(&self, batch: &Batch) -> bool {
        let in_order = |(table, number): &(usize, u64)| self.last[*table].is_none_or(|last| last + 1 == *number);
        batch.seqno <= MAX_SEQNO
            && self.seqno.is_none_or(|seqno| seqno < batch.seqno)
            && (is_creation(batch) || batch.numbers.iter().all(in_order))
    }

    fn add(&mut self, batch: &Batch) {
        self.seqno = Some(batch.seqno);
        self.identity = batch.identity.or(self.identity);
        batch.numbers.iter().for_each(|(table, number)| self.last[*table] = Some(*number));
    }
}

/// The first batch of a database holds many numbers of each table.
fn is_creation(batch: &Batch) -> bool {
    batch.numbers.first().is_some_and(|(_, number)| *number == 1)
}

/// Where reading a journal ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All bytes were read.
    Whole,
    /// The bytes from `from` on are no batch that continues the ones before. `numbers` are those of
    /// whole batches behind.
    Unreadable { from: usize, numbers: Vec<(usize, u64)> },
}

/// Reads the batches of a journal. `bytes` come without the zeros at the end.
pub(super) fn walk(bytes: &[u8], progress: &mut Progress) -> End {
    let mut at = 0;
    while at < bytes.len() {
        match batch(&bytes[at..]) {
            Some(batch) if progress.continues(&batch) => {
                progress.add(&batch);
                at += batch.length;
            }
            _ => return End::Unreadable { from: at, numbers: numbers_in(&bytes[at..]) },
        }
    }
    End::Whole
}

/// The length of the whole batches at the start of `bytes` whose commits are not after `numbers`.
pub(super) fn length_up_to(bytes: &[u8], numbers: &Numbers) -> usize {
    let mut at = 0;
    while let Some(found) = batch(&bytes[at..])
        && found.numbers.iter().all(|(table, number)| *number <= numbers[*table])
    {
        at += found.length;
    }
    at
}

/// Where the whole batches at the start of a journal end.
#[cfg(test)]
pub(super) fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(found) = batch(&bytes[ends[ends.len() - 1]..]) {
        ends.push(ends[ends.len() - 1] + found.length);
    }
    ends
}

/// The numbers of all whole batches anywhere in `bytes`.
pub(super) fn numbers_in(bytes: &[u8]) -> Vec<(usize, u64)> {
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == START
            && let Some(found) = batch(&bytes[at..])
        {
            at += found.length;
            numbers.extend(found.numbers);
        } else {
            at += 1;
        }
    }
    numbers
}

/// A whole batch in a journal.
struct Piece<'a> {
    bytes: &'a [u8],
    batch: Batch,
    /// Whether bytes that are no batch are before it in its journal.
    is_after_damage: bool,
}

impl Piece<'_> {
    fn changes_history(&self) -> bool {
        self.batch.numbers.iter().any(|(table, _)| is_history(*table))
    }
}

/// One journal with all whole batches of `journals`, also those behind damage. Records of settings
/// and snapshots do not depend on earlier ones. Parts of history do: those behind damage are left
/// out, because history can be read again from the logs.
///
/// The journals may have any order and names, and one may be there twice. Batches of another
/// database than `identity` are left out.
pub(super) fn salvage(journals: &[Vec<u8>], identity: Option<u64>) -> Vec<u8> {
    let is_foreign = |batch: &Batch| identity.is_some_and(|own| batch.identity.is_some_and(|other| other != own));
    let mut journals: Vec<Vec<Piece<'_>>> = journals.iter().map(|bytes| pieces(bytes)).collect();
    journals.iter_mut().for_each(|pieces| pieces.retain(|piece| !is_foreign(&piece.batch)));
    journals.retain(|pieces| !pieces.is_empty());
    // The one in the middle, because a sequence number is not in the checksum.
    journals.sort_by_key(|pieces| pieces[pieces.len() / 2].batch.seqno);
    let mut seen = HashSet::new();
    let (mut kept, mut progress, mut is_behind) = (Vec::new(), Progress::default(), false);
    for piece in journals.into_iter().flatten() {
        if !seen.insert(piece.bytes) {
            continue;
        }
        is_behind |= piece.is_after_damage || !progress.continues(&piece.batch);
        if !is_behind {
            progress.add(&piece.batch);
        }
        kept.push((piece, is_behind));
    }
    in_order(&kept)
}

/// All whole batches of a journal.
fn pieces(bytes: &[u8]) -> Vec<Piece<'_>> {
    let (mut pieces, mut at, mut is_after_damage) = (Vec::new(), 0, false);
    while at < bytes.len() {
        let found = if bytes[at] == START { batch(&bytes[at..]) } else { None };
        let Some(batch) = found else {
            (is_after_damage, at) = (true, at + 1);
            continue;
        };
        let end = at + batch.length;
        pieces.push(Piece { bytes: &bytes[at..end], batch, is_after_damage });
        at = end;
    }
    pieces
}

/// Whether a file of any name begins as a journal does.
pub(super) fn is_journal(bytes: &[u8]) -> bool {
    batch(bytes).is_some()
}

/// Writes the pieces with ascending sequence numbers: the checksum of a batch does not contain
/// them, so one may be wrong. Each comes with whether damage is before it.
fn in_order(pieces: &[(Piece<'_>, bool)]) -> Vec<u8> {
    let mut ends = vec![u64::MAX; pieces.len()];
    for at in (1..pieces.len()).rev() {
        ends[at - 1] = ends[at].min(pieces[at].0.batch.seqno);
    }
    let (mut out, mut last) = (Vec::new(), None);
    for ((piece, is_behind), end) in pieces.iter().zip(ends) {
        let own = piece.batch.seqno;
        let is_right = last.is_none_or(|last| last < own) && own < end && own <= MAX_SEQNO;
        let seqno = if is_right { own } else { last.map_or(0, |last| last + 1) };
        last = Some(seqno);
        if *is_behind && piece.changes_history() {
            continue;
        }
        let start = out.len();
        out.extend_from_slice(piece.bytes);
        out[start + SEQNO..start + SEQNO + 8].copy_from_slice(&seqno.to_le_bytes());
    }
    out
}

/// Whether one of `numbers` was synced, according to `marked`.
pub(super) fn holds_synced(numbers: &[(usize, u64)], marked: &Numbers) -> bool {
    numbers.iter().any(|(table, number)| *number <= marked[*table])
}

/// Reads a journal without the zeros at its end. The unused rest of a journal is a hole of up to
/// 64 MiB, which is skipped. Pages that the disk does not give back are zeros.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_noting(path).map(|(bytes, _)| bytes)
}

/// The same, and the first byte that cannot be read from the disk.
pub(super) fn read_noting(path: &Path) -> io::Result<(Vec<u8>, Option<u64>)> {
    let file = File::open(path)?;
    let disk = OnDisk::new(&file);
    let source = Salvaged::new(&disk);
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(start) = next_data(&file, at)? {
        let mut chunk = vec![0; CHUNK];
        let count = source.read_at(&mut chunk, start)?;
        if count == 0 {
            break;
        }
        let start_of_page = usize::try_from(start).map_err(io::Error::other)?;
        if let Some(length) = written(&chunk[..count]) {
            bytes.resize(start_of_page, 0);
            bytes.extend_from_slice(&chunk[..length]);
        }
        at = start + count as u64;
    }
    Ok((bytes, source.first_unreadable()))
}

/// A journal's file. A test makes a part of it unreadable.
struct OnDisk<'f> {
    file: &'f File,
    #[cfg(test)]
    unreadable: Option<std::ops::Range<u64>>,
}

#[cfg(test)]
thread_local! {
    /// The parts of files, by their inodes, that this thread cannot read.
    static UNREADABLE: std::cell::RefCell<Vec<(u64, std::ops::Range<u64>)>> =
        const { std::cell::RefCell::new(Vec::new()) };
}

/// Makes a part of a file unreadable to this thread.
#[cfg(test)]
pub(crate) fn make_unreadable(path: &Path, part: std::ops::Range<u64>) {
    UNREADABLE.with_borrow_mut(|parts| parts.push((inode(&File::open(path).unwrap()), part)));
}

#[cfg(test)]
fn inode(file: &File) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap())
}

impl<'f> OnDisk<'f> {
    #[cfg(not(test))]
    fn new(file: &'f File) -> Self {
        Self { file }
    }

    #[cfg(test)]
    fn new(file: &'f File) -> Self {
        let own = inode(file);
        let unreadable =
            UNREADABLE.with_borrow(|parts| parts.iter().find(|(inode, _)| *inode == own).map(|(_, part)| part.clone()));
        Self { file, unreadable }
    }
}

impl Source for OnDisk<'_> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(test)]
        if self.unreadable.as_ref().is_some_and(|part| part.start < offset + into.len() as u64 && offset < part.end) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        Source::read_at(self.file, into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;
const ZEROS: [u8; 4_096] = [0; 4_096];

/// The length up to the last byte that is not zero. `None` if all are. Pages are compared first,
/// which is many times faster than one byte after the other.
fn written(bytes: &[u8]) -> Option<usize> {
    let page = bytes.chunks(ZEROS.len()).rposition(|page| *page != ZEROS[..page.len()])? * ZEROS.len();
    let last = bytes[page..].iter().take(ZEROS.len()).rposition(|byte| *byte != 0)?;
    Some(page + last + 1)
}

/// The next position with data from `at` on. `None` if there is only a hole up to the end.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        Ok(start) => return Ok(Some(start)),
        Err(rustix::io::Errno::NXIO) => return Ok(None),
        // The file system does not know holes.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((at < file.metadata()?.len()).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::super::commit_numbers::{key, value};
    use super::*;

    fn write(seqno: u64, items: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in items {
            body.extend_from_slice(&[ITEM, VALUE, 0]);
            body.extend_from_slice(&3u64.to_le_bytes());
            body.extend_from_slice(&(key.len() as u16).to_le_bytes());
            body.extend_from_slice(&(value.len() as u32).to_le_bytes());
            body.extend_from_slice(&(value.len() as u32).to_le_bytes());
            body.extend_from_slice(key);
            body.extend_from_slice(value);
        }
        let mut bytes = vec![START];
        bytes.extend_from_slice(&(items.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&seqno.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.push(END);
        bytes.extend_from_slice(&xxh3_64(&body).to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes
    }

    fn journal(numbers: impl Iterator<Item = u64>) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for number in numbers {
            bytes.extend(write(number * 10, &[(b"w\0key", &[7; 40]), (&key(number), &value(2, 7))]));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn whole_journal_is_read_to_its_end() {
        let (bytes, _) = journal(70..80);
        let mut progress = Progress::default();
        assert_eq!(walk(&bytes, &mut progress), End::Whole);
        assert_eq!((progress.last[2], progress.last[3]), (Some(79), None));
    }

    #[test]
    fn every_flipped_bit_is_found_with_the_commits_behind_it() {
        let (bytes, ends) = journal(70..74);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let batch = ends.iter().position(|end| bit / 8 < *end).unwrap();
            let start = if batch == 0 { 0 } else { ends[batch - 1] };
            match walk(&damaged, &mut Progress::default()) {
                // The sequence number is not part of the checksum. A change that keeps the order is
                // harmless, and one that does not is noticed at the next batch.
                End::Whole => assert!((5..13).contains(&(bit / 8 - start)), "bit {bit}"),
                End::Unreadable { from, numbers } => {
                    assert!(from == start || (5..13).contains(&(bit / 8 - start)), "bit {bit}");
                    let behind: Vec<u64> = numbers.iter().map(|(_, number)| *number).collect();
                    assert!(
                        behind.ends_with(&(70 + batch as u64 + 1..74).collect::<Vec<_>>()),
                        "bit {bit}: {behind:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn missing_commit_ends_the_journal() {
        let (bytes, ends) = journal([70, 71, 73].into_iter());
        assert_eq!(walk(&bytes, &mut Progress::default()), End::Unreadable { from: ends[1], numbers: vec![(2, 73)] });
    }

    #[test]
    fn torn_last_batch_has_nothing_behind_it() {
        let (bytes, ends) = journal(70..72);
        for length in ends[0] + 1..ends[1] {
            let end = walk(&bytes[..length], &mut Progress::default());
            assert_eq!(end, End::Unreadable { from: ends[0], numbers: Vec::new() });
        }
    }

    #[test]
    fn commits_after_the_last_successful_one_are_left_out() {
        let (bytes, ends) = journal(70..74);
        for last in 70..76 {
            let mut numbers = [0; TABLES.len()];
            numbers[2] = last;
            assert_eq!(length_up_to(&bytes, &numbers), ends[(last as usize - 70).min(3)]);
            assert_eq!(length_up_to(&bytes[..ends[1] + 9], &numbers), ends[(last as usize - 70).min(1)]);
        }
    }

    /// The commits of a journal that was salvaged, and its sequence numbers.
    fn commits(bytes: &[u8]) -> (Vec<u64>, Vec<u64>) {
        let (mut at, mut numbers, mut seqnos) = (0, Vec::new(), Vec::new());
        while let Some(found) = batch(&bytes[at..]) {
            numbers.extend(found.numbers.iter().map(|(_, number)| *number));
            seqnos.push(found.seqno);
            at += found.length;
        }
        assert_eq!(at, bytes.len());
        (numbers, seqnos)
    }

    #[test]
    fn whole_batches_behind_damage_are_kept_in_order() {
        let (bytes, ends) = journal(70..76);
        assert_eq!(salvage(&[bytes[..ends[2]].to_vec(), bytes[ends[2]..].to_vec()], None), bytes);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let hit = 70 + ends.iter().position(|end| bit / 8 < *end).unwrap() as u64;
            let (numbers, seqnos) = commits(&salvage(&[damaged], None));
            let others: Vec<u64> = (70..76).filter(|number| *number != hit).collect();
            assert!(numbers == others || numbers == (70..76).collect::<Vec<_>>(), "bit {bit}: {numbers:?}");
            assert!(seqnos.is_sorted() && seqnos.windows(2).all(|pair| pair[0] < pair[1]), "bit {bit}: {seqnos:?}");
        }
    }

    #[test]
    fn history_behind_damage_is_left_out() {
        let of = |number: u64, table: usize| write(number, &[(&key(number), &value(table, 7))]);
        let before = [of(70, 5), of(71, 1)].concat();
        let behind = [of(73, 5), of(72, 2), of(74, 6)].concat();
        let damaged = [before.as_slice(), &[9; 20], &behind].concat();
        assert_eq!(commits(&salvage(&[damaged], None)).0, [70, 71, 72]);
    }

    #[test]
    fn zeros_at_the_end_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jnl");
        for length in [0, 1, 255 << 10, 256 << 10, 700_000] {
            let mut bytes = vec![0; length];
            if let Some(last) = bytes.last_mut() {
                *last = 3;
            }
            std::fs::write(&path, &bytes).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
            assert_eq!(read(&path).unwrap(), bytes);
        }
    }
}
