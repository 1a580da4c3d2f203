//! Flushing: the content of memory becomes blocks, rollups and records, in one batch with the
//! cursor.

use std::sync::Arc;

use super::block::{self, SEALED_ROWS};
use super::history::History;
use super::memtable::FlushBatch;
use super::records::{Head, IndexEntry, Keys, decode, encode, first_of};
use super::rows::{in_time_order, merged};
use super::writer_state::{OpenBlock, Tail, WriterState};
use crate::database::{Database, Durability, Snapshot, Table, WriteBatch, corrupt, unreadable};
use earcon_history::rollup::{HOUR_MS, MINUTE_MS, buckets};
use earcon_model::{Anomaly, Seq, SeriesId};
use earcon_ports::{PortError, SampleRow};

/// Buckets are stored only if they are at least this many times fewer than their rows. Reading and
/// adding up rows takes about as long as reading a tenth as many buckets.
const ROLLUP_GAIN: usize = 16;
/// Approximate size of an index entry, bytes.
const INDEX_BYTES: usize = 64;

impl History {
    /// Writes everything applied so far.
    pub(super) fn flush(&self, writer: &mut WriterState) -> Result<Seq, PortError> {
        let unflushed = self.writing().begin_flush();
        if unflushed.cursor == writer.head.cursor && unflushed.series.is_empty() && unflushed.anomalies.is_empty() {
            return Ok(writer.head.cursor);
        }
        let mut draft = Draft::new(&self.database, &self.keys)?;
        let tails = draft.add_unflushed(&unflushed, writer)?;
        draft.commit(writer, unflushed.cursor)?;
        writer.tails.extend(tails);
        for series in &unflushed.series {
            let first_ms = series.rows.iter().map(|row| row.timestamp_ms).min();
            first_ms.into_iter().for_each(|first_ms| writer.oldest.got_rows(series.id, first_ms));
        }
        self.writing().end_flush(&unflushed);
        Ok(writer.head.cursor)
    }

    /// Writes everything applied so far, then sets the cursor back to 0.
    pub(super) fn rewind(&self, writer: &mut WriterState) -> Result<(), PortError> {
        self.flush(writer)?;
        Draft::new(&self.database, &self.keys)?.commit(writer, 0)?;
        self.writing().rewind();
        Ok(())
    }
}

/// Changes to the stored history that become visible together.
///
/// A key may be put or removed once, never both: all items of a fjall batch have one sequence
/// number, so the order of the two would be undefined.
pub(super) struct Draft<'a> {
    pub(super) database: &'a Arc<Database>,
    pub(super) keys: &'a Keys,
    /// The state before the changes.
    pub(super) snapshot: Snapshot,
    batch: WriteBatch,
    added: u64,
    removed: u64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(database: &'a Arc<Database>, keys: &'a Keys) -> Result<Self, PortError> {
        let (snapshot, batch) = (database.snapshot()?, WriteBatch::default());
        Ok(Self { database, keys, snapshot, batch, added: 0, removed: 0 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Size of the history after a commit of this draft.
    pub(super) fn bytes_after(&self, writer: &WriterState) -> u64 {
        (writer.head.bytes + self.added).saturating_sub(self.removed)
    }

    /// Writes the draft and the head, synced.
    pub(super) fn commit(mut self, writer: &mut WriterState, cursor: Seq) -> Result<(), PortError> {
        let head = Head { cursor, bytes: self.bytes_after(writer) };
        self.batch.insert(self.database.history.heads, writer.workspace.as_str(), encode(&head)?);
        self.database.commit(self.batch, Durability::Synced)?;
        writer.head = head;
        Ok(())
    }

    pub(super) fn remove(&mut self, table: Table, key: Vec<u8>, bytes: u64) {
        self.removed += bytes;
        self.batch.remove(table, key);
    }

    fn add_unflushed(
        &mut self,
        unflushed: &FlushBatch,
        writer: &WriterState,
    ) -> Result<Vec<(SeriesId, Tail)>, PortError> {
        let mut tails = Vec::with_capacity(unflushed.series.len());
        for series in &unflushed.series {
            if let Some(record) = &series.record {
                self.batch.insert(self.database.history.series, self.keys.series(series.id), encode(record)?);
            }
            let mut tail = match writer.tails.get(&series.id) {
                Some(tail) => tail.clone(),
                None => self.load_tail(series.id)?,
            };
            self.add_rows(series.id, &in_time_order(series.rows.to_vec()), &mut tail)?;
            tails.push((series.id, tail));
        }
        unflushed.anomalies.iter().try_for_each(|anomaly| self.put_anomaly(anomaly))?;
        Ok(tails)
    }

    /// Replaces an open block by one with these rows.
    pub(super) fn replace_open(
        &mut self,
        id: SeriesId,
        old_first_ms: i64,
        old_bytes: u64,
        rows: &[SampleRow],
    ) -> Result<(), PortError> {
        let kept = self.put_open(id, rows, &mut Tail::default())?;
        self.removed += old_bytes;
        if kept != Some(old_first_ms) {
            self.batch.remove(self.database.history.open, self.keys.block(id, old_first_ms));
        }
        Ok(())
    }

    fn load_tail(&self, id: SeriesId) -> Result<Tail, PortError> {
        let tables = &self.database.history;
        let mut tail = Tail::default();
        if let Some(entry) = self.snapshot.prefix(tables.index, self.keys.series(id)).next_back() {
            let entry: IndexEntry = decode(&entry.value().map_err(unreadable)?)?;
            tail.sealed_last_ms = Some(entry.last_ms);
        }
        for entry in self.snapshot.prefix(tables.open, self.keys.series(id)) {
            let (key, bytes) = entry.into_inner().map_err(unreadable)?;
            let (rows, last_ms) = block::extent(&bytes)?;
            let (first_ms, rows) = (first_of(&key)?, rows as usize);
            tail.open.push(OpenBlock { first_ms, last_ms, rows, bytes: bytes.len() as u64 });
        }
        Ok(tail)
    }

    fn add_rows(&mut self, id: SeriesId, rows: &[SampleRow], tail: &mut Tail) -> Result<(), PortError> {
        let late = tail.sealed_last_ms.map_or(0, |last| rows.partition_point(|row| row.timestamp_ms <= last));
        let (late, fresh) = rows.split_at(late);
        self.add_late(id, late)?;
        if fresh.is_empty() { Ok(()) } else { self.add_fresh(id, fresh, tail) }
    }

    /// Adds rows later than every sealed block. Merges them with open blocks, and seals them if
    /// there are enough.
    fn add_fresh(&mut self, id: SeriesId, fresh: &[SampleRow], tail: &mut Tail) -> Result<(), PortError> {
        let mut rows = fresh.to_vec();
        let open: usize = tail.open.iter().map(|block| block.rows).sum();
        let sealing = open + rows.len() >= SEALED_ROWS;
        let (kept, mut merged_firsts) = (tail.kept(rows.len()), Vec::new());
        while let Some(block) = tail.open.last().copied() {
            let overlaps = rows.first().is_some_and(|row| row.timestamp_ms <= block.last_ms);
            if !(sealing || overlaps || tail.open.len() > kept) {
                break;
            }
            let stored = self.read_block(self.database.history.open, id, block.first_ms)?;
            rows = merged(stored, &rows);
            merged_firsts.push(block.first_ms);
            self.removed += block.bytes;
            tail.open.pop();
        }
        let sealed = if sealing { rows.len() - rows.len() % SEALED_ROWS } else { 0 };
        for part in rows[..sealed].chunks(SEALED_ROWS) {
            self.put_sealed(id, part)?;
            tail.sealed_last_ms = part.last().map(|row| row.timestamp_ms);
        }
        let kept = self.put_open(id, &rows[sealed..], tail)?;
        for first_ms in merged_firsts.into_iter().filter(|first_ms| Some(*first_ms) != kept) {
            self.batch.remove(self.database.history.open, self.keys.block(id, first_ms));
        }
        Ok(())
    }

    fn put_open(&mut self, id: SeriesId, rows: &[SampleRow], tail: &mut Tail) -> Result<Option<i64>, PortError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let (first_ms, last_ms) = (first.timestamp_ms, last.timestamp_ms);
        let encoded = block::encode(rows)?;
        let bytes = encoded.len() as u64;
        self.added += bytes;
        self.batch.insert(self.database.history.open, self.keys.block(id, first_ms), encoded);
        tail.open.push(OpenBlock { first_ms, last_ms, rows: rows.len(), bytes });
        Ok(Some(first_ms))
    }

    /// Adds rows that are not later than the last sealed row. Each goes into the last block that
    /// starts at or before it, or into the first block.
    fn add_late(&mut self, id: SeriesId, late: &[SampleRow]) -> Result<(), PortError> {
        let mut rest = late;
        while let Some(row) = rest.first() {
            let (first_ms, entry) = self.sealed_for(id, row.timestamp_ms)?;
            let next_ms = match first_ms.checked_add(1) {
                Some(behind) => self.sealed_from(id, behind)?,
                None => None,
            };
            let here = next_ms.map_or(rest.len(), |next| rest.partition_point(|row| row.timestamp_ms < next));
            let stored = self.read_block(self.database.history.blocks, id, first_ms)?;
            self.replace_sealed(id, first_ms, &entry, &merged(stored, &rest[..here]))?;
            rest = &rest[here..];
        }
        Ok(())
    }

    fn sealed_for(&self, id: SeriesId, timestamp_ms: i64) -> Result<(i64, IndexEntry), PortError> {
        let index = self.database.history.index;
        let before = self.keys.block(id, i64::MIN)..=self.keys.block(id, timestamp_ms);
        let found = match self.snapshot.range(index, before).next_back() {
            Some(found) => found,
            None => self.snapshot.prefix(index, self.keys.series(id)).next().ok_or_else(|| corrupt("the index"))?,
        };
        let (key, value) = found.into_inner().map_err(unreadable)?;
        Ok((first_of(&key)?, decode(&value)?))
    }

    /// Start of the first sealed block at or after `from_ms`.
    fn sealed_from(&self, id: SeriesId, from_ms: i64) -> Result<Option<i64>, PortError> {
        let behind = self.keys.block(id, from_ms)..=self.keys.block(id, i64::MAX);
        let next = self.snapshot.range(self.database.history.index, behind).next();
        next.map(|entry| first_of(&entry.key().map_err(unreadable)?)).transpose()
    }

    pub(super) fn replace_sealed(
        &mut self,
        id: SeriesId,
        old_first_ms: i64,
        old: &IndexEntry,
        rows: &[SampleRow],
    ) -> Result<(), PortError> {
        let parts = if rows.len() * 2 > SEALED_ROWS * 3 { rows.len().div_ceil(SEALED_ROWS) } else { 1 };
        let (mut keeps_block, mut keeps_minutes) = (false, false);
        for part in rows.chunks(rows.len().div_ceil(parts).max(1)) {
            let has_minutes = self.put_sealed(id, part)?;
            if part[0].timestamp_ms == old_first_ms {
                (keeps_block, keeps_minutes) = (true, has_minutes);
            }
        }
        let (key, tables) = (self.keys.block(id, old_first_ms), &self.database.history);
        self.removed += old.bytes;
        if !keeps_block {
            self.batch.remove(tables.blocks, key.clone());
            self.batch.remove(tables.index, key.clone());
        }
        if old.has_minutes && !keeps_minutes {
            self.batch.remove(tables.minutes, key);
        }
        Ok(())
    }

    /// Writes a sealed block with its index entry and rollups. Returns whether it stored minute
    /// buckets.
    fn put_sealed(&mut self, id: SeriesId, rows: &[SampleRow]) -> Result<bool, PortError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(false) };
        let (key, tables) = (self.keys.block(id, first.timestamp_ms), &self.database.history);
        let encoded = block::encode(rows)?;
        let mut bytes = encoded.len() + INDEX_BYTES;
        let minutes = buckets(rows, MINUTE_MS);
        let has_minutes = minutes.len() * ROLLUP_GAIN <= rows.len();
        if has_minutes {
            let minutes = block::buckets::encode(&minutes)?;
            bytes += minutes.len();
            self.batch.insert(tables.minutes, key.clone(), minutes);
        }
        let hours = Some(buckets(rows, HOUR_MS)).filter(|hours| hours.len() * ROLLUP_GAIN <= rows.len());
        let hours = hours.map(|hours| block::buckets::encode(&hours)).transpose()?;
        bytes += hours.as_ref().map_or(0, Vec::len);
        let entry = IndexEntry { last_ms: last.timestamp_ms, bytes: bytes as u64, has_minutes, hours };
        self.added += entry.bytes;
        self.batch.insert(tables.index, key.clone(), encode(&entry)?);
        self.batch.insert(tables.blocks, key, encoded);
        Ok(has_minutes)
    }

    fn put_anomaly(&mut self, anomaly: &Anomaly) -> Result<(), PortError> {
        let tables = &self.database.history;
        let (key, time_key) = (self.keys.anomaly(anomaly.opened_at_ms, anomaly.id), self.keys.anomaly_time(anomaly.id));
        if let Some(known) = self.snapshot.get(tables.anomaly_times, &time_key).map_err(unreadable)? {
            let old_key = self.keys.anomaly(decode(&known)?, anomaly.id);
            let old_bytes = self.snapshot.size_of(tables.anomalies, &old_key).map_err(unreadable)?;
            self.removed += u64::from(old_bytes.unwrap_or(0));
            if old_key != key {
                self.batch.remove(tables.anomalies, old_key);
            }
        }
        let encoded = encode(anomaly)?;
        self.added += encoded.len() as u64;
        self.batch.insert(tables.anomalies, key, encoded);
        self.batch.insert(tables.anomaly_times, time_key, encode(&anomaly.opened_at_ms)?);
        Ok(())
    }

    pub(super) fn read_block(&self, table: Table, id: SeriesId, first_ms: i64) -> Result<Vec<SampleRow>, PortError> {
        let stored = self.snapshot.get(table, self.keys.block(id, first_ms)).map_err(unreadable)?;
        block::decode(&stored.ok_or_else(|| corrupt("a block"))?)
    }
}
