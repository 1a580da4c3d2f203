//! Writing what is in memory: rows, then their rollups, then the directory, then anomalies, and the head last. Whatever
//! fails in between is done again by the next flush, here or on another node, with the same result.

use std::collections::{BTreeMap, HashMap};

use super::History;
use super::batching::Several;
use super::day_of;
use super::directory::{Day, day_shard};
use super::head::Head;
use super::memtable::{FlushBatch, StampedRow, UnflushedSeries, in_time_order};
use super::rollup_maintenance::{Rolled, Tail, roll};
use super::rows::Place;
use super::statements::Tier;
use earcon_history::rollup::Bucket;
use earcon_model::{Seq, SeriesId};
use earcon_ports::PortError;

/// What is known of the database by whoever writes to it.
pub(super) struct Upkeep {
    pub(super) head: Head,
    /// The ends of the series that were written to since the head was last moved by somebody else.
    pub(super) tails: HashMap<SeriesId, Tail>,
    /// The days on which anomalies opened, and when the last one of them closed that is closed; read when it is needed.
    pub(super) anomaly_days: Option<HashMap<i64, Option<i64>>>,
    /// Nothing expires that was written with a time before this.
    pub(super) nothing_due_before_ms: i64,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { head: Head::default(), tails: HashMap::new(), anomaly_days: None, nothing_due_before_ms: i64::MIN }
    }
}

impl Upkeep {
    /// Forgets what was known when another node has written.
    fn adopt(&mut self, head: Head) {
        if head != self.head {
            *self = Self { head, ..Self::default() };
        }
    }

    fn due_from(&mut self, time_ms: i64) {
        self.nothing_due_before_ms = self.nothing_due_before_ms.min(time_ms);
    }
}

/// A series being flushed.
struct Work {
    id: SeriesId,
    rows: Vec<StampedRow>,
    tail: Tail,
}

impl History {
    /// Reads the head and takes notice of it.
    pub(super) async fn take_notice(&self, upkeep: &mut Upkeep) -> Result<(), PortError> {
        let head = self.tables.head(&self.workspace).await?;
        upkeep.adopt(head);
        self.live().adopt(&head);
        Ok(())
    }

    /// Writes everything that was applied so far.
    ///
    /// A node that has lost the workspace finds a head that is further, and forgets what it had. If it does not see it
    /// yet, it writes what the other node has written or will write, with the same stamps: nothing changes.
    pub(super) async fn flush(&self, upkeep: &mut Upkeep) -> Result<Seq, PortError> {
        self.take_notice(upkeep).await?;
        let unflushed = self.live().begin_flush();
        if unflushed.cursor == upkeep.head.cursor && unflushed.series.is_empty() && unflushed.anomalies.is_empty() {
            return Ok(upkeep.head.cursor);
        }
        self.write_unflushed(&unflushed, upkeep).await?;
        self.live().end_flush(&unflushed);
        Ok(upkeep.head.cursor)
    }

    pub(super) async fn write_unflushed(&self, unflushed: &FlushBatch, upkeep: &mut Upkeep) -> Result<(), PortError> {
        let rolled = self.write_series(unflushed, upkeep).await?;
        self.write_anomalies(unflushed, upkeep).await?;
        let added: i64 = rolled.iter().map(|(_, rolled)| rolled.added).sum();
        let head = Head {
            cursor: unflushed.cursor,
            stamp: unflushed.stamp,
            life: upkeep.head.life,
            samples: upkeep.head.samples.saturating_add_signed(added),
        };
        self.tables.put_head(&self.workspace, &head).await?;
        upkeep.head = head;
        upkeep.tails.extend(rolled.into_iter().map(|(id, rolled)| (id, rolled.tail)));
        let ended = unflushed.anomalies.iter().map(|changed| changed.anomaly.closed_at_ms.unwrap_or(i64::MAX));
        let rows = unflushed.series.iter().flat_map(|series| series.rows.iter());
        let earliest = rows.map(|stamped| stamped.row.timestamp_ms).chain(ended).min();
        upkeep.due_from(earliest.unwrap_or(i64::MAX));
        Ok(())
    }

    /// Writes everything, then begins again at the beginning of the log.
    pub(super) async fn rewind(&self, upkeep: &mut Upkeep) -> Result<(), PortError> {
        self.flush(upkeep).await?;
        let head = Head { cursor: 0, life: upkeep.head.life + 1, stamp: upkeep.head.stamp + 1, ..upkeep.head };
        self.tables.put_head(&self.workspace, &head).await?;
        upkeep.head = head;
        self.live().adopt(&head);
        Ok(())
    }

    pub(super) async fn write_series(
        &self,
        unflushed: &FlushBatch,
        upkeep: &Upkeep,
    ) -> Result<Vec<(SeriesId, Rolled)>, PortError> {
        let work = self.begin(unflushed, upkeep).await?;
        let mut writes = Several::new(self.tables.pace.in_flight);
        for series in &work {
            for (day, rows) in batches(&series.rows, self.tables.pace.batch_rows) {
                writes.add(self.tables.put_samples(self.place(series.id), day, rows)).await?;
            }
        }
        writes.finish().await?;
        let mut rolls = Several::new(self.tables.pace.in_flight);
        for Work { id, rows, tail } in work {
            rolls.add(async move { Ok((id, roll(&self.tables, self.place(id), tail, &rows).await?)) }).await?;
        }
        let rolled = rolls.finish().await?;
        self.write_buckets(&rolled, unflushed.stamp).await?;
        self.write_days(&rolled, unflushed.stamp).await?;
        Ok(rolled)
    }

    /// Finds the end of every series, and makes those known that are new.
    async fn begin(&self, unflushed: &FlushBatch, upkeep: &Upkeep) -> Result<Vec<Work>, PortError> {
        let mut work = Several::new(self.tables.pace.in_flight);
        for series in &unflushed.series {
            let known = upkeep.tails.get(&series.id).cloned();
            work.add(self.begin_series(series, known, unflushed.stamp)).await?;
        }
        work.finish().await
    }

    async fn begin_series(&self, series: &UnflushedSeries, known: Option<Tail>, stamp: i64) -> Result<Work, PortError> {
        let tail = match known {
            Some(tail) => tail,
            None => Tail::load(&self.tables, self.place(series.id)).await?,
        };
        if tail.is_new() {
            self.tables.put_series(&self.workspace, series, stamp).await?;
        }
        Ok(Work { id: series.id, rows: in_time_order(series.rows.to_vec()), tail })
    }

    async fn write_buckets(&self, rolled: &[(SeriesId, Rolled)], stamp: i64) -> Result<(), PortError> {
        let mut writes = Several::new(self.tables.pace.in_flight);
        for (id, rolled) in rolled {
            for (tier, buckets) in [(&self.tables.minutes, &rolled.minutes), (&self.tables.hours, &rolled.hours)] {
                for part in partitions(tier, buckets, self.tables.pace.batch_rows) {
                    writes.add(self.tables.put_buckets(tier, self.place(*id), part, stamp)).await?;
                }
            }
        }
        writes.finish().await.map(drop)
    }

    async fn write_days(&self, rolled: &[(SeriesId, Rolled)], stamp: i64) -> Result<(), PortError> {
        let mut shards: BTreeMap<i32, Vec<(SeriesId, i64, Day)>> = BTreeMap::new();
        for (id, rolled) in rolled {
            let days = rolled.days.iter().map(|(number, day)| (*id, *number, *day));
            shards.entry(day_shard(*id)).or_default().extend(days);
        }
        let mut writes = Several::new(self.tables.pace.in_flight);
        for days in shards.values() {
            for part in days.chunks(self.tables.pace.batch_rows) {
                writes.add(self.tables.put_days(&self.workspace, part, stamp)).await?;
            }
        }
        writes.finish().await.map(drop)
    }

    pub(super) fn place(&self, id: SeriesId) -> Place<'_> {
        Place { workspace: &self.workspace, id }
    }
}

/// Rows in time order as what is written together, each with its day.
fn batches(rows: &[StampedRow], most: usize) -> Vec<(i64, &[StampedRow])> {
    let days = rows.chunk_by(|a, b| day_of(a.row.timestamp_ms) == day_of(b.row.timestamp_ms));
    let batches = days.flat_map(|day| day.chunks(most));
    batches.filter_map(|rows| Some((day_of(rows.first()?.row.timestamp_ms), rows))).collect()
}

/// Buckets in time order as what is written together.
fn partitions<'a>(tier: &Tier, buckets: &'a [Bucket], most: usize) -> Vec<&'a [Bucket]> {
    let same = |a: &Bucket, b: &Bucket| tier.partition(a.start_ms) == tier.partition(b.start_ms);
    buckets.chunk_by(same).flat_map(|part| part.chunks(most)).collect()
}
