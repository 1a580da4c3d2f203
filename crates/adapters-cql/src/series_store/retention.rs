//! Forgetting by age and by size: whole days of a series, and the beginning of a day where enough of it is to go. Both
//! flush first, so that everything there is lies in the database.
//!
//! What is deleted is deleted as of the last event stored: whatever is written again from the events up to it stays
//! deleted.

use std::collections::HashSet;

use super::batching::Several;
use super::directory::{DAY_SHARDS, Day, SERIES_SHARDS};
use super::flush::Upkeep;
use super::head::Head;
use super::rollup_maintenance::merged;
use super::rows::Span;
use super::{DAY_MS, History, SAMPLE_BYTES};
use earcon_history::rollup::{HOUR_MS, MINUTE_MS, buckets, start_of};
use earcon_model::SeriesId;
use earcon_ports::PortError;

/// A day loses its beginning when that is at least one part in so many of it, so that few deletions do.
const CUT_SHARE: u64 = 4;

/// What becomes of one day of a series.
#[derive(Debug, Clone, Copy)]
enum Change {
    Forget,
    /// Forget what is before this time; the day that is left.
    Cut(i64, Day),
}

/// One day of one series.
#[derive(Debug, Clone, Copy)]
struct Listed {
    id: SeriesId,
    number: i64,
    day: Day,
}

impl History {
    /// Forgets samples older than `before_ms`, and anomalies that closed before it.
    pub(super) async fn expire(&self, upkeep: &mut Upkeep, before_ms: i64) -> Result<(), PortError> {
        self.flush(upkeep).await?;
        if before_ms <= upkeep.nothing_due_before_ms {
            return Ok(());
        }
        let stamp = self.begin_upkeep(upkeep);
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
            self.change(upkeep, &changes, stamp).await?;
        }
        changed |= self.forget_series_but(&seen, stamp).await?;
        due_ms = due_ms.min(self.expire_anomalies(before_ms, stamp, &mut changed).await?);
        if changed || samples != upkeep.head.samples {
            self.end_upkeep(upkeep, Head { samples, stamp, ..upkeep.head }).await?;
        }
        // Anomalies of forgotten days may be in it.
        upkeep.anomaly_days = None;
        upkeep.nothing_due_before_ms = due_ms;
        Ok(())
    }

    /// Forgets the oldest samples until what is left occupies at most `max_bytes`.
    pub(super) async fn shrink(&self, upkeep: &mut Upkeep, max_bytes: u64) -> Result<(), PortError> {
        self.flush(upkeep).await?;
        if upkeep.head.samples.saturating_mul(SAMPLE_BYTES) <= max_bytes {
            return Ok(());
        }
        let stamp = self.begin_upkeep(upkeep);
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
        self.change(upkeep, &changes, stamp).await?;
        self.end_upkeep(upkeep, Head { samples, stamp, ..upkeep.head }).await
    }

    /// A stamp between those of the events stored and of those to come.
    fn begin_upkeep(&self, upkeep: &Upkeep) -> i64 {
        let stamp = upkeep.head.stamp + 1;
        self.live().stay_above(stamp);
        stamp
    }

    async fn end_upkeep(&self, upkeep: &mut Upkeep, head: Head) -> Result<(), PortError> {
        self.tables.put_head(&self.workspace, &head).await?;
        upkeep.head = head;
        Ok(())
    }

    async fn change(&self, upkeep: &mut Upkeep, changes: &[(Listed, Change)], stamp: i64) -> Result<(), PortError> {
        changes.iter().for_each(|(listed, _)| drop(upkeep.tails.remove(&listed.id)));
        let mut work = Several::new(self.tables.pace.in_flight);
        for (listed, change) in changes {
            work.add(self.change_day(listed, change, stamp)).await?;
        }
        work.finish().await.map(drop)
    }

    async fn change_day(&self, listed: &Listed, change: &Change, stamp: i64) -> Result<(), PortError> {
        match change {
            Change::Forget => self.forget_day(listed, stamp).await,
            Change::Cut(at_ms, left) => self.cut_day(listed, *at_ms, left, stamp).await,
        }
    }

    async fn forget_day(&self, listed: &Listed, stamp: i64) -> Result<(), PortError> {
        let (tables, place) = (&self.tables, self.place(listed.id));
        let day = whole(listed.number);
        tables.forget_samples(place, listed.number, stamp).await?;
        tables.forget_buckets(&tables.minutes, place, day, stamp).await?;
        tables.forget_buckets(&tables.hours, place, day, stamp).await?;
        tables.forget_day(&self.workspace, listed.id, listed.number, stamp).await
    }

    /// Forgets the beginning of a day, and makes the buckets again that lose a part.
    async fn cut_day(&self, listed: &Listed, at_ms: i64, left: &Day, stamp: i64) -> Result<(), PortError> {
        let (tables, place, day) = (&self.tables, self.place(listed.id), whole(listed.number));
        tables.forget_samples_before(place, at_ms, listed.number, stamp).await?;
        let (minute_ms, hour_ms) = (start_of(at_ms, MINUTE_MS), start_of(at_ms, HOUR_MS));
        let minute = Span { from_ms: minute_ms, last_ms: minute_ms.saturating_add(MINUTE_MS - 1) };
        let hour = Span { from_ms: hour_ms, last_ms: hour_ms.saturating_add(HOUR_MS - 1) };
        for (tier, start_ms) in [(&tables.minutes, minute_ms), (&tables.hours, hour_ms)] {
            let before = Span { last_ms: start_ms.saturating_sub(1), ..day };
            if before.from_ms <= before.last_ms {
                tables.forget_buckets(tier, place, before, stamp).await?;
            }
        }
        let start = |span: Span| Span { last_ms: span.from_ms, ..span };
        if !tables.buckets(&tables.minutes, place, start(minute), [listed.number]).await?.is_empty() {
            let again = buckets(&tables.day_rows(place, minute).await?, MINUTE_MS);
            if again.is_empty() {
                tables.forget_buckets(&tables.minutes, place, start(minute), stamp).await?;
            }
            tables.put_buckets(&tables.minutes, place, &again, stamp).await?;
        }
        if !tables.buckets(&tables.hours, place, start(hour), [listed.number]).await?.is_empty() {
            let minutes = tables.buckets(&tables.minutes, place, hour, [listed.number]).await?;
            match merged(hour_ms, minutes.iter()) {
                Some(again) => tables.put_buckets(&tables.hours, place, &[again], stamp).await?,
                None => tables.forget_buckets(&tables.hours, place, start(hour), stamp).await?,
            }
        }
        tables.put_days(&self.workspace, &[(listed.id, listed.number, *left)], stamp).await
    }

    /// Forgets the names of series without any day.
    async fn forget_series_but(&self, seen: &HashSet<SeriesId>, stamp: i64) -> Result<bool, PortError> {
        let mut changed = false;
        for shard in 0..SERIES_SHARDS {
            let mut empty = self.tables.series_of_shard(&self.workspace, shard).await?;
            empty.retain(|(_, id)| !seen.contains(id));
            changed |= !empty.is_empty();
            let mut work = Several::new(self.tables.pace.in_flight);
            for (kpi, id) in &empty {
                work.add(self.tables.forget_series(&self.workspace, kpi, *id, stamp)).await?;
            }
            work.finish().await?;
        }
        Ok(changed)
    }

    /// Forgets anomalies that closed before `before_ms`; what is open stays. Returns when the next one may be due.
    async fn expire_anomalies(&self, before_ms: i64, stamp: i64, changed: &mut bool) -> Result<i64, PortError> {
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
            let mut work = Several::new(self.tables.pace.in_flight);
            for anomaly in &gone {
                work.add(self.tables.forget_anomaly(&self.workspace, anomaly, stamp)).await?;
            }
            work.finish().await?;
            if kept == 0 {
                self.tables.forget_anomaly_day(&self.workspace, day, stamp).await?;
            }
        }
        Ok(due_ms)
    }
}

fn whole(number: i64) -> Span {
    let from_ms = number.saturating_mul(DAY_MS);
    Span { from_ms, last_ms: from_ms.saturating_add(DAY_MS - 1) }
}

/// What `before_ms` asks of a day, if it is worth a deletion.
fn expired(day: &Day, before_ms: i64) -> Option<Change> {
    if day.last_ms < before_ms {
        return Some(Change::Forget);
    }
    let old = samples_before(day, before_ms);
    let worth = old > 0 && old.saturating_mul(CUT_SHARE) >= day.samples;
    worth.then(|| Change::Cut(before_ms, Day { samples: day.samples - old, first_ms: before_ms, ..*day }))
}

/// When a day next loses something.
fn due(day: &Day) -> i64 {
    let length = day.last_ms.saturating_sub(day.first_ms);
    day.first_ms.saturating_add(length / CUT_SHARE.cast_signed())
}

/// About how many samples of a day are earlier, as if they were spread evenly; not all of them.
fn samples_before(day: &Day, before_ms: i64) -> u64 {
    if before_ms <= day.first_ms {
        return 0;
    }
    let share = (before_ms - day.first_ms) as f64 / (day.last_ms - day.first_ms + 1) as f64;
    ((day.samples as f64 * share) as u64).min(day.samples.saturating_sub(1))
}

/// Cuts a day so that about `excess` of its samples go.
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
    fn a_cut_takes_as_many_as_it_was_asked_to() {
        let Change::Cut(at_ms, left) = cut_to(&DAY, 667) else { panic!("a cut") };
        assert_eq!((at_ms, left.samples), (6_670, 333));
    }
}
