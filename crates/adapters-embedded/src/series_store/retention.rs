//! Deleting history by age and by size, one block at a time.
//!
//! Both flush first, so that all rows are in blocks.

use super::block;
use super::flush::Draft;
use super::history::History;
use super::records::{IndexEntry, decode, series_of};
use super::writer_state::WriterState;
use crate::database::{Entry, unreadable};
use earcon_model::SeriesId;
use earcon_ports::PortError;

/// A block that may be deleted.
pub(super) struct Candidate {
    pub(super) last_ms: i64,
    pub(super) series: SeriesId,
    pub(super) key: Vec<u8>,
    pub(super) bytes: u64,
    /// `None` for an open block.
    pub(super) sealed: Option<Sealed>,
}

pub(super) struct Sealed {
    pub(super) has_minutes: bool,
}

impl History {
    /// Deletes blocks whose last row is older than `before_ms`, and anomalies that closed before
    /// it.
    pub(super) fn expire(&self, before_ms: i64) -> Result<(), PortError> {
        let mut writer = self.writer();
        self.flush(&mut writer)?;
        let mut draft = Draft::new(&self.database, &self.keys)?;
        let mut touched = Vec::new();
        let mut ids = self.reading().series_ids();
        ids.retain(|id| writer.oldest.may_end_before(*id, before_ms));
        #[cfg(test)]
        {
            writer.expiries += ids.len();
        }
        for id in ids {
            let (old, oldest_kept_ms) = draft.blocks_before(id, before_ms)?;
            if old.is_empty() {
                writer.oldest.ends_at(id, oldest_kept_ms);
            } else {
                touched.push(id);
            }
            old.into_iter().for_each(|block| draft.forget(block));
        }
        draft.forget_anomalies(before_ms)?;
        self.finish(draft, &mut writer, touched)
    }

    /// Deletes the oldest blocks until the rest occupies at most `max_bytes`.
    pub(super) fn shrink(&self, max_bytes: u64) -> Result<(), PortError> {
        let mut writer = self.writer();
        self.flush(&mut writer)?;
        if writer.bytes() <= max_bytes {
            return Ok(());
        }
        let mut draft = Draft::new(&self.database, &self.keys)?;
        let mut blocks = draft.all_blocks()?;
        blocks.sort_unstable_by_key(|block| block.last_ms);
        let mut touched = Vec::new();
        for block in blocks {
            if draft.bytes_after(&writer) <= max_bytes {
                break;
            }
            touched.push(block.series);
            draft.forget(block);
        }
        touched.sort_unstable();
        touched.dedup();
        self.finish(draft, &mut writer, touched)
    }

    /// Commits the draft, then removes the series without blocks.
    fn finish(&self, draft: Draft<'_>, writer: &mut WriterState, touched: Vec<SeriesId>) -> Result<(), PortError> {
        if draft.is_empty() {
            return Ok(());
        }
        let cursor = writer.cursor();
        draft.commit(writer, cursor)?;
        writer.forget_blocks(touched.iter().copied());
        self.forget_empty(writer, touched)
    }

    /// Removes those of the series that have no block.
    pub(super) fn forget_empty(&self, writer: &mut WriterState, touched: Vec<SeriesId>) -> Result<(), PortError> {
        let cursor = writer.cursor();
        let mut draft = Draft::new(&self.database, &self.keys)?;
        let mut empty = touched;
        empty.retain(|id| draft.has_no_blocks(*id));
        let empty = self.writing().begin_forgetting(empty);
        if empty.is_empty() {
            return Ok(());
        }
        let table = self.database.history.series;
        empty.iter().for_each(|id| draft.remove(table, self.keys.series(*id), 0));
        draft.commit(writer, cursor)?;
        self.writing().end_forgetting(&empty);
        Ok(())
    }
}

impl Draft<'_> {
    pub(super) fn forget(&mut self, block: Candidate) {
        let tables = &self.database.history;
        let Some(sealed) = block.sealed else {
            self.remove(tables.open, block.key, block.bytes);
            return;
        };
        if sealed.has_minutes {
            self.remove(tables.minutes, block.key.clone(), 0);
        }
        self.remove(tables.index, block.key.clone(), 0);
        self.remove(tables.blocks, block.key, block.bytes);
    }

    /// Blocks of a series that end before `before_ms`, and the end of the block behind them.
    fn blocks_before(&self, id: SeriesId, before_ms: i64) -> Result<(Vec<Candidate>, Option<i64>), PortError> {
        let mut found = Vec::new();
        for block in self.candidates(&self.keys.series(id)) {
            let block = block?;
            if block.last_ms >= before_ms {
                return Ok((found, Some(block.last_ms)));
            }
            found.push(block);
        }
        Ok((found, None))
    }

    fn all_blocks(&self) -> Result<Vec<Candidate>, PortError> {
        self.candidates(self.keys.all()).collect()
    }

    /// Sealed blocks under `prefix`, then open ones. Those of one series are in time order.
    pub(super) fn candidates(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Candidate, PortError>> + use<> {
        let tables = &self.database.history;
        let sealed = self.snapshot.prefix(tables.index, prefix).map(|entry| {
            let (key, value) = entry.into_inner().map_err(unreadable)?;
            let IndexEntry { last_ms, bytes, has_minutes, .. } = decode(&value)?;
            let (series, sealed) = (series_of(&key)?, Some(Sealed { has_minutes }));
            Ok(Candidate { last_ms, series, key: key.to_vec(), bytes, sealed })
        });
        let open = self.snapshot.prefix(tables.open, prefix).map(|entry| {
            let (key, value) = entry.into_inner().map_err(unreadable)?;
            let (series, (_, last_ms)) = (series_of(&key)?, block::extent(&value)?);
            Ok(Candidate { last_ms, series, key: key.to_vec(), bytes: value.len() as u64, sealed: None })
        });
        sealed.chain(open)
    }

    fn has_no_blocks(&self, id: SeriesId) -> bool {
        let (tables, prefix) = (&self.database.history, self.keys.series(id));
        let empty = |table| self.snapshot.prefix(table, &prefix).next().is_none();
        empty(tables.index) && empty(tables.open)
    }

    /// Deletes anomalies that closed before `before_ms`. Open ones stay.
    fn forget_anomalies(&mut self, before_ms: i64) -> Result<(), PortError> {
        let tables = &self.database.history;
        let start = self.keys.anomalies_from(before_ms);
        for entry in self.snapshot.range(tables.anomalies, start..).map(Entry::into_inner) {
            let (key, value) = entry.map_err(unreadable)?;
            if !key.starts_with(self.keys.all()) {
                break;
            }
            let anomaly: earcon_model::Anomaly = decode(&value)?;
            if anomaly.closed_at_ms.is_some_and(|closed_at_ms| closed_at_ms < before_ms) {
                self.remove(tables.anomaly_times, self.keys.anomaly_time(anomaly.id), 0);
                self.remove(tables.anomalies, key.to_vec(), value.len() as u64);
            }
        }
        Ok(())
    }
}
