//! Deleting what a person asked to delete.
//!
//! Everything applied before is flushed first. Then the days of each series go one by one, and the
//! head is written last, with the deletion as its cursor. After a crash in between, the deletion is
//! applied again from the log, with the same write timestamps.
//!
//! Deletions are written just before the write timestamp of the event, and what is computed again
//! at it. So repeated writes of earlier events stay deleted, and later events are not touched.

use super::batching::BoundedTasks;
use super::directory::Day;
use super::head::Head;
use super::history::History;
use super::layout::DAY_MS;
use super::retention::{Listed, whole};
use super::rows::Span;
use super::statements::Tier;
use super::writer_state::WriterState;
use earcon_history::rollup::{Bucket, HOUR_MS, MINUTE_MS, buckets, start_of};
use earcon_model::{Anomaly, DeletionScope, Event, KpiName, Labels, SeriesId};
use earcon_ports::PortError;

/// The write timestamps of a deletion.
#[derive(Debug, Clone, Copy)]
struct WriteTimestamps {
    delete: i64,
    put: i64,
}

impl History {
    /// Applies a deletion, unless it was applied before.
    pub(super) async fn delete(&self, writer: &mut WriterState, event: &Event) -> Result<(), PortError> {
        let Some((kpi, deletion)) = event.deletion() else { return Ok(()) };
        if event.seq <= self.memtable().applied() {
            return Ok(());
        }
        self.flush(writer).await?;
        if event.seq <= self.memtable().applied() {
            // Another node has stored it.
            return Ok(());
        }
        let put = self.memtable().next_write_timestamp(event);
        let at = WriteTimestamps { delete: put - 1, put };
        let mut removed = 0;
        if let Some((from_ms, last_ms)) = deletion.scope.span() {
            let none = Labels::none();
            let wanted = deletion.scope.labels().unwrap_or(&none);
            for (id, _) in self.tables.series_of(&self.workspace, kpi, wanted).await? {
                removed += self.delete_rows(id, kpi, Span { from_ms, last_ms }, at).await?;
                writer.tails.remove(&id);
            }
            self.delete_anomalies(kpi, &deletion.scope, at).await?;
            // It may list days without anomalies.
            writer.anomaly_days = None;
        }
        let samples = writer.head.samples.saturating_sub(removed);
        let head = Head { cursor: event.seq, write_timestamp: put, samples, ..writer.head };
        self.tables.put_head(&self.workspace, &head).await?;
        writer.head = head;
        self.memtable().sync_to(&head);
        Ok(())
    }

    /// Deletes rows of a series. Returns about how many.
    async fn delete_rows(
        &self,
        id: SeriesId,
        kpi: &KpiName,
        span: Span,
        at: WriteTimestamps,
    ) -> Result<u64, PortError> {
        let days = self.tables.days(&self.workspace, id, span.from_ms, span.last_ms).await?;
        let mut work = BoundedTasks::new(self.tables.pace.in_flight);
        for (number, day) in days {
            work.add(self.delete_day(Listed { id, number, day }, span, at)).await?;
        }
        let removed = work.finish().await?.into_iter().sum();
        match self.tables.last_day(&self.workspace, id).await? {
            None => self.tables.forget_series(&self.workspace, kpi, id, at.delete).await?,
            Some((number, day)) => self.open_last_buckets(id, number, &day, at).await?,
        }
        Ok(removed)
    }

    /// Deletes a part of a day, or all of it. Its buckets are computed again from the rows that
    /// stay.
    async fn delete_day(&self, listed: Listed, span: Span, at: WriteTimestamps) -> Result<u64, PortError> {
        let Listed { id, number, day } = listed;
        let (tables, key, all) = (&self.tables, self.key(id), whole(number));
        let inside = Span { from_ms: span.from_ms.max(all.from_ms), last_ms: span.last_ms.min(all.last_ms) };
        let rest = if inside == all {
            Vec::new()
        } else {
            tables.forget_samples_in(key, inside, number, at.delete).await?;
            tables.day_rows(key, all).await?
        };
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            self.forget_day(&listed, at.delete).await?;
            return Ok(day.samples);
        };
        for (tier, width_ms) in [(&tables.minutes, MINUTE_MS), (&tables.hours, HOUR_MS)] {
            tables.forget_buckets(tier, key, all, at.delete).await?;
            self.put_all_buckets(tier, id, &buckets(&rest, width_ms), at).await?;
        }
        let left = Day { samples: rest.len() as u64, first_ms: first.timestamp_ms, last_ms: last.timestamp_ms };
        tables.put_days(&self.workspace, &[(id, number, left)], at.put).await?;
        Ok(day.samples.saturating_sub(left.samples))
    }

    async fn put_all_buckets(
        &self,
        tier: &Tier,
        id: SeriesId,
        all: &[Bucket],
        at: WriteTimestamps,
    ) -> Result<(), PortError> {
        for part in all.chunks(self.tables.pace.batch_rows) {
            self.tables.put_buckets(tier, self.key(id), part, at.put).await?;
        }
        Ok(())
    }

    /// The last minute and hour of a series are not stored, because more rows may follow.
    async fn open_last_buckets(
        &self,
        id: SeriesId,
        number: i64,
        day: &Day,
        at: WriteTimestamps,
    ) -> Result<(), PortError> {
        let end_ms = number.saturating_add(1).saturating_mul(DAY_MS).saturating_sub(1);
        for (tier, width_ms) in [(&self.tables.minutes, MINUTE_MS), (&self.tables.hours, HOUR_MS)] {
            let open = Span { from_ms: start_of(day.last_ms, width_ms), last_ms: end_ms };
            self.tables.forget_buckets(tier, self.key(id), open, at.put).await?;
        }
        Ok(())
    }

    async fn delete_anomalies(
        &self,
        kpi: &KpiName,
        scope: &DeletionScope,
        at: WriteTimestamps,
    ) -> Result<(), PortError> {
        let mut gone: Vec<Anomaly> = Vec::new();
        for (day, _) in self.tables.anomaly_days(&self.workspace, i64::MAX).await? {
            let visit = self.tables.visit_day(&self.workspace, day, i64::MAX, |anomaly| {
                if anomaly.kpi == *kpi && scope.covers_anomaly(&anomaly) {
                    gone.push(anomaly);
                }
                true
            });
            visit.await?;
        }
        let mut work = BoundedTasks::new(self.tables.pace.in_flight);
        for anomaly in &gone {
            work.add(async move {
                self.tables.forget_open(&self.workspace, anomaly, at.delete).await?;
                self.tables.forget_anomaly(&self.workspace, anomaly, at.delete).await
            })
            .await?;
        }
        work.finish().await.map(drop)
    }
}
