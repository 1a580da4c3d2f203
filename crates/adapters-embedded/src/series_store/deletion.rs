//! Deleting what a person asked to delete.
//!
//! Everything applied before is flushed first. Then blocks and anomalies go in steps of a bounded
//! size, each one synced commit. The cursor stays before the deletion until a later flush, so after
//! a crash the deletion is applied again from the log, and finds less to do.

use super::flush::Draft;
use super::history::History;
use super::records::{IndexEntry, first_of};
use super::retention::{Candidate, Sealed};
use super::writer_state::WriterState;
use crate::database::{Database, Durability, Table, WriteBatch, prefix, unreadable};
use earcon_model::{Anomaly, DeletionScope, Event, KpiName, Labels, SeriesId, WorkspaceId};
use earcon_ports::PortError;

/// Blocks of one step. A block has about two thousand rows.
const STEP_BLOCKS: usize = 64;
/// Anomalies of one step.
const STEP_ANOMALIES: usize = 1_000;

/// Keys of one step, when a whole workspace goes.
const STEP_KEYS: usize = 2_000;

/// Deletes the history of a workspace. The head goes last.
pub(crate) fn remove_all(database: &Database, workspace: &WorkspaceId) -> Result<(), PortError> {
    let (tables, prefix) = (&database.history, prefix(workspace));
    let all = [
        tables.series,
        tables.open,
        tables.blocks,
        tables.index,
        tables.minutes,
        tables.anomalies,
        tables.anomaly_times,
    ];
    for table in all {
        remove_prefix(database, table, &prefix)?;
    }
    let mut batch = WriteBatch::default();
    batch.remove(tables.heads, workspace.as_str());
    database.commit(batch, Durability::Synced)
}

/// Deletes all records of a table under a prefix, in steps.
pub(crate) fn remove_prefix(database: &Database, table: Table, prefix: &[u8]) -> Result<(), PortError> {
    loop {
        let (mut batch, mut found) = (WriteBatch::default(), 0);
        for entry in database.snapshot()?.prefix(table, prefix).take(STEP_KEYS) {
            batch.remove(table, entry.key().map_err(unreadable)?.to_vec());
            found += 1;
        }
        if found == 0 {
            return Ok(());
        }
        database.commit(batch, Durability::Synced)?;
    }
}

impl History {
    /// Applies a deletion, unless it was applied before.
    pub(super) fn delete(&self, event: &Event) -> Result<(), PortError> {
        let Some((kpi, deletion)) = event.deletion() else { return Ok(()) };
        if event.seq <= self.reading().applied() {
            return Ok(());
        }
        let mut writer = self.writer();
        self.flush(&mut writer)?;
        if let Some((first_ms, last_ms)) = deletion.scope.span() {
            let none = Labels::none();
            let wanted = deletion.scope.labels().unwrap_or(&none);
            let series = self.reading().matching(kpi, wanted, 1, 0);
            for (id, ..) in &series {
                self.delete_rows(&mut writer, *id, first_ms, last_ms)?;
            }
            self.delete_anomalies(&mut writer, kpi, &deletion.scope)?;
            self.forget_empty(&mut writer, series.into_iter().map(|(id, ..)| id).collect())?;
        }
        self.writing().skip_to(event.seq);
        Ok(())
    }

    fn delete_rows(
        &self,
        writer: &mut WriterState,
        id: SeriesId,
        first_ms: i64,
        last_ms: i64,
    ) -> Result<(), PortError> {
        let draft = Draft::new(&self.database, &self.keys)?;
        let mut touched = Vec::new();
        for block in draft.candidates(&self.keys.series(id)) {
            let block = block?;
            if block.last_ms >= first_ms && first_of(&block.key)? <= last_ms {
                touched.push(block);
            }
        }
        drop(draft);
        let mut rest = touched.into_iter().peekable();
        while rest.peek().is_some() {
            let mut draft = Draft::new(&self.database, &self.keys)?;
            for block in rest.by_ref().take(STEP_BLOCKS) {
                draft.cut(block, first_ms, last_ms)?;
            }
            let cursor = writer.cursor();
            draft.commit(writer, cursor)?;
            writer.forget_blocks([id]);
        }
        Ok(())
    }

    fn delete_anomalies(
        &self,
        writer: &mut WriterState,
        kpi: &KpiName,
        scope: &DeletionScope,
    ) -> Result<(), PortError> {
        let mut gone: Vec<Anomaly> = Vec::new();
        self.view()?.visit_anomalies(Some(i64::MAX), |anomaly| {
            if anomaly.kpi == *kpi && scope.covers_anomaly(&anomaly) {
                gone.push(anomaly);
            }
            true
        })?;
        for step in gone.chunks(STEP_ANOMALIES) {
            let mut draft = Draft::new(&self.database, &self.keys)?;
            step.iter().try_for_each(|anomaly| draft.forget_anomaly(anomaly))?;
            let cursor = writer.cursor();
            draft.commit(writer, cursor)?;
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// Removes the rows of a time range from a block.
    fn cut(&mut self, block: Candidate, first_ms: i64, last_ms: i64) -> Result<(), PortError> {
        let (id, block_first_ms) = (block.series, first_of(&block.key)?);
        if first_ms <= block_first_ms && block.last_ms <= last_ms {
            self.forget(block);
            return Ok(());
        }
        let tables = &self.database.history;
        let table = if block.sealed.is_some() { tables.blocks } else { tables.open };
        let mut rows = self.read_block(table, id, block_first_ms)?;
        let before = rows.len();
        rows.retain(|row| !(first_ms..=last_ms).contains(&row.timestamp_ms));
        if rows.is_empty() {
            self.forget(block);
            return Ok(());
        }
        match block.sealed {
            _ if rows.len() == before => Ok(()),
            Some(Sealed { has_minutes }) => {
                let old = IndexEntry { last_ms: block.last_ms, bytes: block.bytes, has_minutes, hours: None };
                self.replace_sealed(id, block_first_ms, &old, &rows)
            }
            None => self.replace_open(id, block_first_ms, block.bytes, &rows),
        }
    }

    fn forget_anomaly(&mut self, anomaly: &Anomaly) -> Result<(), PortError> {
        let tables = &self.database.history;
        let key = self.keys.anomaly(anomaly.opened_at_ms, anomaly.id);
        let bytes = self.snapshot.size_of(tables.anomalies, &key).map_err(unreadable)?;
        self.remove(tables.anomaly_times, self.keys.anomaly_time(anomaly.id), 0);
        self.remove(tables.anomalies, key, u64::from(bytes.unwrap_or(0)));
        Ok(())
    }
}
