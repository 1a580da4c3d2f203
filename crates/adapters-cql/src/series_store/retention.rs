//! Deleting history by age and by size: whole days of a series, or the beginning of a day if it is
//! a large enough part. Both flush first, so that all rows are in the database.
//!
//! Deletions carry a write timestamp just after the last stored event, so repeated writes of
//! earlier events stay deleted.

use std::collections::HashSet;

use super::batching::BoundedTasks;
use super::directory::{DAY_SHARDS, Day, SERIES_SHARDS};
use super::head::Head;
use super::history::History;
use super::layout::{DAY_MS, SAMPLE_BYTES};
use super::rollup_maintenance::merged;
use super::rows::Span;
use super::writer_state::WriterState;
use earcon_history::rollup::{HOUR_MS, MINUTE_MS, buckets, start_of};
use earcon_model::SeriesId;
use earcon_ports::PortError;

/// The beginning of a day is deleted only if it is at least this fraction (1/n) of it, to limit the
/// number of deletions.
const CUT_SHARE: u64 = 4;

/// The deletion for one day of a series.
#[derive(Debug, Clone, Copy)]
enum Change {
    Forget,
    /// Deletes everything before this time. The day is the remaining part.
    Cut(i64, Day),
}

/// One day of one series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) id: SeriesId,
    pub(super) number: i64,
    pub(super) day: Day,
}

impl History {
    /// Deletes samples older than `before_ms`, and anomalies that closed before it.
    pub(super) async fn expire(&self, writer: &mut WriterState, before_ms: i64) -> Result<(), PortError> {
        self.flush(writer).await?;
        if before_ms <= writer.nothing_due_before_ms {
            return Ok(());
        }
        let write_timestamp = self.begin_deletion(writer);
        let (mut samples, mut changed, mut due_ms) = (0, false, i64::MAX);
        let mut seen = HashSet::new();
        for shard in 0..DAY_SHARDS {
            let mut changes = Vec::new();
            for (id, number, day) in self.tables.days_of_shard(&self.workspace, shard).await? {
                let change = expired(&day, before_ms);
                let left = match change {
                    Some(Change::Forget) => None,
                    Some(Change::Cut(_, left)) => Some(left),
                    None => Some(day),
                };
                changes.extend(change.map(|change| (Listed { id, number, day }, change)));
                if let Some(left) = left {
                    seen.insert(id);
                    samples += left.samples;
                    due_ms = due_ms.min(due(&left));
                }
            }
            changed |= !changes.is_empty();
            self.change(writer, &changes, write_timestamp).await?;
        }
        changed |= self.forget_series_but(&seen, write_timestamp).await?;
        due_ms = due_ms.min(self.expire_anomalies(before_ms, write_timestamp, &mut changed).await?);
        if changed || samples != writer.head.samples {
            self.end_deletion(writer, Head { samples, write_timestamp, ..writer.head }).await?;
        }
        // It may list deleted days.
        writer.anomaly_days = None;
        writer.nothing_due_before_ms = due_ms;
        Ok(())
    }

    /// Deletes the oldest samples until the rest occupies at most `max_bytes`.
    pub(super) async fn shrink(&self, writer: &mut WriterState, max_bytes: u64) -> Result<(), PortError> {
        self.flush(writer).await?;
        if writer.head.samples.saturating_mul(SAMPLE_BYTES) <= max_bytes {
            return Ok(());
        }
        let write_timestamp = self.begin_deletion(writer);
        let mut all = Vec::new();
        for shard in 0..DAY_SHARDS {
            let days = self.tables.days_of_shard(&self.workspace, shard).await?;
            all.extend(days.into_iter().map(|(id, number, day)| Listed { id, number, day }));
        }
        all.sort_unstable_by_key(|listed| (listed.day.last_ms, listed.id));
        let mut samples: u64 = all.iter().map(|listed| listed.day.samples).sum();
        let allowed = max_bytes / SAMPLE_BYTES;
        let mut changes = Vec::new();
        let mut left = all.into_iter();
        for listed in left.by_ref() {
            let excess = samples.saturating_sub(allowed);
            if excess == 0 && allowed > 0 {
                break;
            }
            let change = if excess >= listed.day.samples { Change::Forget } else { cut_to(&listed.day, excess) };
            samples -= match change {
                Change::Forget => listed.day.samples,
                Change::Cut(_, left) => listed.day.samples.saturating_sub(left.samples),
            };
            changes.push((listed, change));
            if matches!(change, Change::Cut(..)) {
                break;
            }
        }
        self.change(writer, &changes, write_timestamp).await?;
        self.end_deletion(writer, Head { samples, write_timestamp, ..writer.head }).await
    }

    /// A write timestamp after the stored events and before all later ones.
    fn begin_deletion(&self, writer: &WriterState) -> i64 {
        let write_timestamp = writer.head.write_timestamp + 1;
        self.memtable().stay_above(write_timestamp);
        write_timestamp
    }

    async fn end_deletion(&self, writer: &mut WriterState, head: Head) -> Result<(), PortError> {
        self.tables.put_head(&self.workspace, &head).await?;
        writer.head = head;
        Ok(())
    }

    async fn change(
        &self,
        writer: &mut WriterState,
        changes: &[(Listed, Change)],
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        changes.iter().for_each(|(listed, _)| drop(writer.tails.remove(&listed.id)));
        let mut work = BoundedTasks::new(self.tables.pace.in_flight);
        for (listed, change) in changes {
            work.add(self.change_day(listed, change, write_timestamp)).await?;
        }
        work.finish().await.map(drop)
    }

    async fn change_day(&self, listed: &Listed, change: &Change, write_timestamp: i64) -> Result<(), PortError> {
        match change {
            Change::Forget => self.forget_day(listed, write_timestamp).await,
            Change::Cut(at_ms, left) => self.cut_day(listed, *at_ms, left, write_timestamp).await,
        }
    }

    pub(super) async fn forget_day(&self, listed: &Listed, write_timestamp: i64) -> Result<(), PortError> {
        let (tables, key) = (&self.tables, self.key(listed.id));
        let day = whole(listed.number);
        tables.forget_samples(key, listed.number, write_timestamp).await?;
        tables.forget_buckets(&tables.minutes, key, day, write_timestamp).await?;
        tables.forget_buckets(&tables.hours, key, day, write_timestamp).await?;
        tables.forget_day(&self.workspace, listed.id, listed.number, write_timestamp).await
    }

    /// Deletes the beginning of a day, and recomputes the buckets that lose a part.
    async fn cut_day(&self, listed: &Listed, at_ms: i64, left: &Day, write_timestamp: i64) -> Result<(), PortError> {
        let (tables, key, day) = (&self.tables, self.key(listed.id), whole(listed.number));
        tables.forget_samples_before(key, at_ms, listed.number, write_timestamp).await?;
        let (minute_ms, hour_ms) = (start_of(at_ms, MINUTE_MS), start_of(at_ms, HOUR_MS));
        let minute = Span { from_ms: minute_ms, last_ms: minute_ms.saturating_add(MINUTE_MS - 1) };
        let hour = Span { from_ms: hour_ms, last_ms: hour_ms.saturating_add(HOUR_MS - 1) };
        for (tier, start_ms) in [(&tables.minutes, minute_ms), (&tables.hours, hour_ms)] {
            let before = Span { last_ms: start_ms.saturating_sub(1), ..day };
            if before.from_ms <= before.last_ms {
                tables.forget_buckets(tier, key, before, write_timestamp).await?;
            }
        }
        let start = |span: Span| Span { last_ms: span.from_ms, ..span };
        if !tables.buckets(&tables.minutes, key, start(minute), [listed.number]).await?.is_empty() {
            let again = buckets(&tables.day_rows(key, minute).await?, MINUTE_MS);
            if again.is_empty() {
                tables.forget_buckets(&tables.minutes, key, start(minute), write_timestamp).await?;
            }
            tables.put_buckets(&tables.minutes, key, &again, write_timestamp).await?;
        }
        if !tables.buckets(&tables.hours, key, start(hour), [listed.number]).await?.is_empty() {
            let minutes = tables.buckets(&tables.minutes, key, hour, [listed.number]).await?;
            match merged(hour_ms, minutes.iter()) {
                Some(again) => tables.put_buckets(&tables.hours, key, &[again], write_timestamp).await?,
                None => tables.forget_buckets(&tables.hours, key, start(hour), write_timestamp).await?,
            }
        }
        tables.put_days(&self.workspace, &[(listed.id, listed.number, *left)], write_timestamp).await
    }

    /// Removes series without any day from the directory.
    async fn forget_series_but(&self, seen: &HashSet<SeriesId>, write_timestamp: i64) -> Result<bool, PortError> {
        let mut changed = false;
        for shard in 0..SERIES_SHARDS {
            let mut empty = self.tables.series_of_shard(&self.workspace, shard).await?;
            empty.retain(|(_, id)| !seen.contains(id));
            changed |= !empty.is_empty();
            let mut work = BoundedTasks::new(self.tables.pace.in_flight);
            for (kpi, id) in &empty {
                work.add(self.tables.forget_series(&self.workspace, kpi, *id, write_timestamp)).await?;
            }
            work.finish().await?;
        }
        Ok(changed)
    }

    /// Deletes anomalies that closed before `before_ms`. Open ones stay. Returns when the next one
    /// may be due.
    async fn expire_anomalies(
        &self,
        before_ms: i64,
        write_timestamp: i64,
        changed: &mut bool,
    ) -> Result<i64, PortError> {
        let mut due_ms = i64::MAX;
        for (day, _) in self.tables.anomaly_days(&self.workspace, i64::MAX).await? {
            let start_ms = day.saturating_mul(DAY_MS);
            if start_ms >= before_ms {
                due_ms = due_ms.min(start_ms);
                continue;
            }
            let (mut gone, mut kept) = (Vec::new(), 0);
            let visit = self.tables.visit_day(&self.workspace, day, i64::MAX, |anomaly| {
                match anomaly.closed_at_ms {
                    Some(closed_at_ms) if closed_at_ms < before_ms => gone.push(anomaly),
                    closed_at_ms => {
                        kept += 1;
                        due_ms = due_ms.min(closed_at_ms.unwrap_or(i64::MAX));
                    }
                }
                true
            });
            visit.await?;
            *changed |= !gone.is_empty();
            let mut work = BoundedTasks::new(self.tables.pace.in_flight);
            for anomaly in &gone {
                work.add(self.tables.forget_anomaly(&self.workspace, anomaly, write_timestamp)).await?;
            }
            work.finish().await?;
            if kept == 0 {
                self.tables.forget_anomaly_day(&self.workspace, day, write_timestamp).await?;
            }
        }
        Ok(due_ms)
    }
}

pub(super) fn whole(number: i64) -> Span {
    let from_ms = number.saturating_mul(DAY_MS);
    Span { from_ms, last_ms: from_ms.saturating_add(DAY_MS - 1) }
}

/// The deletion that `before_ms` requires for a day, if it is worth one.
fn expired(day: &Day, before_ms: i64) -> Option<Change> {
    if day.last_ms < before_ms {
        return Some(Change::Forget);
    }
    let old = samples_before(day, before_ms);
    let worth = old > 0 && old.saturating_mul(CUT_SHARE) >= day.samples;
    worth.then(|| Change::Cut(before_ms, Day { samples: day.samples - old, first_ms: before_ms, ..*day }))
}

/// When the next deletion of a day is due.
fn due(day: &Day) -> i64 {
    let length = day.last_ms.saturating_sub(day.first_ms);
    day.first_ms.saturating_add(length / CUT_SHARE.cast_signed())
}

/// Approximate number of a day's samples before `before_ms`, as if they were spread evenly. Never
/// all of them.
fn samples_before(day: &Day, before_ms: i64) -> u64 {
    if before_ms <= day.first_ms {
        return 0;
    }
    let share = (before_ms - day.first_ms) as f64 / (day.last_ms - day.first_ms + 1) as f64;
    ((day.samples as f64 * share) as u64).min(day.samples.saturating_sub(1))
}

/// Cuts a day so that about `excess` of its samples are deleted.
fn cut_to(day: &Day, excess: u64) -> Change {
    let length = (day.last_ms - day.first_ms + 1) as f64;
    let share = excess as f64 / day.samples.max(1) as f64;
    let at_ms = day.first_ms.saturating_add((length * share).ceil() as i64).min(day.last_ms);
    Change::Cut(at_ms, Day { samples: day.samples - excess.min(day.samples), first_ms: at_ms, ..*day })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day { samples: 1_000, first_ms: 0, last_ms: 9_999 };

    #[test]
    fn day_is_deleted_if_all_is_old_and_cut_if_a_quarter_is() {
        assert!(matches!(expired(&DAY, 10_000), Some(Change::Forget)));
        assert!(expired(&DAY, 2_400).is_none() && expired(&DAY, -5).is_none());
        let Some(Change::Cut(at_ms, left)) = expired(&DAY, 2_500) else { panic!("a quarter is old") };
        assert_eq!((at_ms, left.samples, left.first_ms, left.last_ms), (2_500, 750, 2_500, 9_999));
        assert!(expired(&DAY, due(&DAY)).is_none() && expired(&DAY, due(&DAY) + 2).is_some());
    }

    #[test]
    fn cut_deletes_the_requested_number_of_samples() {
        let Change::Cut(at_ms, left) = cut_to(&DAY, 667) else { panic!("a cut") };
        assert_eq!((at_ms, left.samples), (6_670, 333));
    }
}
