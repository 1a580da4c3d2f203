//! Flushing: writes rows, then rollups, the directory, anomalies, and the head last.
//!
//! If a step fails, the next flush repeats it with the same result, on this node or another.

use std::collections::BTreeMap;

use super::batching::BoundedTasks;
use super::directory::{Day, day_shard};
use super::head::Head;
use super::history::History;
use super::layout::day_of;
use super::memtable::{FlushBatch, FlushSeries, VersionedRow, in_time_order};
use super::rollup_maintenance::{RollupChanges, Tail, update_rollups};
use super::statements::Tier;
use super::writer_state::WriterState;
use earcon_history::rollup::Bucket;
use earcon_model::{Seq, SeriesId};
use earcon_ports::PortError;

/// A series being flushed.
struct Work {
    id: SeriesId,
    rows: Vec<VersionedRow>,
    tail: Tail,
}

impl History {
    /// Reads the head and updates the state of the writer and the memtable.
    pub(super) async fn refresh_head(&self, writer: &mut WriterState) -> Result<(), PortError> {
        let head = self.tables.head(&self.workspace).await?;
        writer.sync_to(head);
        self.memtable().sync_to(&head);
        Ok(())
    }

    /// Writes everything applied so far.
    ///
    /// A node that lost the workspace finds a newer head and drops its memtable. If it does not see
    /// that head yet, it writes the same data as the other node, with the same write timestamps, so
    /// nothing changes.
    pub(super) async fn flush(&self, writer: &mut WriterState) -> Result<Seq, PortError> {
        self.refresh_head(writer).await?;
        let unflushed = self.memtable().begin_flush();
        if unflushed.cursor == writer.head.cursor && unflushed.series.is_empty() && unflushed.anomalies.is_empty() {
            return Ok(writer.head.cursor);
        }
        self.write_unflushed(&unflushed, writer).await?;
        self.memtable().end_flush(&unflushed);
        Ok(writer.head.cursor)
    }

    pub(super) async fn write_unflushed(
        &self,
        unflushed: &FlushBatch,
        writer: &mut WriterState,
    ) -> Result<(), PortError> {
        let rolled = self.write_series(unflushed, writer).await?;
        self.write_anomalies(unflushed, writer).await?;
        let added: i64 = rolled.iter().map(|(_, rolled)| rolled.added).sum();
        let head = Head {
            cursor: unflushed.cursor,
            write_timestamp: unflushed.write_timestamp,
            log_epoch: writer.head.log_epoch,
            samples: writer.head.samples.saturating_add_signed(added),
        };
        self.tables.put_head(&self.workspace, &head).await?;
        writer.head = head;
        writer.tails.extend(rolled.into_iter().map(|(id, rolled)| (id, rolled.tail)));
        let ended = unflushed.anomalies.iter().map(|changed| changed.anomaly.closed_at_ms.unwrap_or(i64::MAX));
        let rows = unflushed.series.iter().flat_map(|series| series.rows.iter());
        let earliest = rows.map(|versioned| versioned.row.timestamp_ms).chain(ended).min();
        writer.due_from(earliest.unwrap_or(i64::MAX));
        Ok(())
    }

    /// Writes everything applied so far, then starts again at the beginning of the log.
    pub(super) async fn rewind(&self, writer: &mut WriterState) -> Result<(), PortError> {
        self.flush(writer).await?;
        let head = Head {
            cursor: 0,
            log_epoch: writer.head.log_epoch + 1,
            write_timestamp: writer.head.write_timestamp + 1,
            ..writer.head
        };
        self.tables.put_head(&self.workspace, &head).await?;
        writer.head = head;
        self.memtable().sync_to(&head);
        Ok(())
    }

    pub(super) async fn write_series(
        &self,
        unflushed: &FlushBatch,
        writer: &WriterState,
    ) -> Result<Vec<(SeriesId, RollupChanges)>, PortError> {
        let work = self.begin(unflushed, writer).await?;
        let mut writes = BoundedTasks::new(self.tables.pace.in_flight);
        for series in &work {
            for (day, rows) in batches(&series.rows, self.tables.pace.batch_rows) {
                writes.add(self.tables.put_samples(self.key(series.id), day, rows)).await?;
            }
        }
        writes.finish().await?;
        let mut rolls = BoundedTasks::new(self.tables.pace.in_flight);
        for Work { id, rows, tail } in work {
            rolls.add(async move { Ok((id, update_rollups(&self.tables, self.key(id), tail, &rows).await?)) }).await?;
        }
        let rolled = rolls.finish().await?;
        self.write_buckets(&rolled, unflushed.write_timestamp).await?;
        self.write_days(&rolled, unflushed.write_timestamp).await?;
        Ok(rolled)
    }

    /// Finds the end of every series, and adds new series to the directory.
    async fn begin(&self, unflushed: &FlushBatch, writer: &WriterState) -> Result<Vec<Work>, PortError> {
        let mut work = BoundedTasks::new(self.tables.pace.in_flight);
        for series in &unflushed.series {
            let known = writer.tails.get(&series.id).cloned();
            work.add(self.begin_series(series, known, unflushed.write_timestamp)).await?;
        }
        work.finish().await
    }

    async fn begin_series(
        &self,
        series: &FlushSeries,
        known: Option<Tail>,
        write_timestamp: i64,
    ) -> Result<Work, PortError> {
        let tail = match known {
            Some(tail) => tail,
            None => Tail::load(&self.tables, self.key(series.id)).await?,
        };
        if tail.is_new() {
            self.tables.put_series(&self.workspace, series, write_timestamp).await?;
        }
        Ok(Work { id: series.id, rows: in_time_order(series.rows.to_vec()), tail })
    }

    async fn write_buckets(&self, rolled: &[(SeriesId, RollupChanges)], write_timestamp: i64) -> Result<(), PortError> {
        let mut writes = BoundedTasks::new(self.tables.pace.in_flight);
        for (id, rolled) in rolled {
            for (tier, buckets) in [(&self.tables.minutes, &rolled.minutes), (&self.tables.hours, &rolled.hours)] {
                for part in partitions(tier, buckets, self.tables.pace.batch_rows) {
                    writes.add(self.tables.put_buckets(tier, self.key(*id), part, write_timestamp)).await?;
                }
            }
        }
        writes.finish().await.map(drop)
    }

    async fn write_days(&self, rolled: &[(SeriesId, RollupChanges)], write_timestamp: i64) -> Result<(), PortError> {
        let mut shards: BTreeMap<i32, Vec<(SeriesId, i64, Day)>> = BTreeMap::new();
        for (id, rolled) in rolled {
            let days = rolled.days.iter().map(|(number, day)| (*id, *number, *day));
            shards.entry(day_shard(*id)).or_default().extend(days);
        }
        let mut writes = BoundedTasks::new(self.tables.pace.in_flight);
        for days in shards.values() {
            for part in days.chunks(self.tables.pace.batch_rows) {
                writes.add(self.tables.put_days(&self.workspace, part, write_timestamp)).await?;
            }
        }
        writes.finish().await.map(drop)
    }
}

/// Groups rows, in time order, into batches of one day each. Each batch comes with its day.
fn batches(rows: &[VersionedRow], most: usize) -> Vec<(i64, &[VersionedRow])> {
    let days = rows.chunk_by(|a, b| day_of(a.row.timestamp_ms) == day_of(b.row.timestamp_ms));
    let batches = days.flat_map(|day| day.chunks(most));
    batches.filter_map(|rows| Some((day_of(rows.first()?.row.timestamp_ms), rows))).collect()
}

/// Groups buckets, in time order, into batches of one partition each.
fn partitions<'a>(tier: &Tier, buckets: &'a [Bucket], most: usize) -> Vec<&'a [Bucket]> {
    let same = |a: &Bucket, b: &Bucket| tier.partition(a.start_ms) == tier.partition(b.start_ms);
    buckets.chunk_by(same).flat_map(|part| part.chunks(most)).collect()
}
