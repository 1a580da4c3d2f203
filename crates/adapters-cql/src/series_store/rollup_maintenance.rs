//! Keeping rollups and the list of days correct while rows arrive.
//!
//! A bucket is stored once a later row has arrived. Until then it is *open*, and readers compute it
//! from rows. So the stored buckets of a series have no gap up to the last of them. Rows in time
//! order are folded in memory. A late row recomputes its buckets: the minute from rows, the hour
//! from minutes. Repeating a computation gives the same result.

use std::collections::{BTreeMap, HashMap};

use super::directory::Day;
use super::layout::{DAY_MS, day_of};
use super::memtable::VersionedRow;
use super::rows::{SeriesKey, Span};
use super::statements::Tables;
use earcon_history::rollup::{Bucket, HOUR_MS, MINUTE_MS, buckets, start_of};
use earcon_ports::{PortError, SampleRow};

/// If at least this many minutes of an hour are late, the hour's rows are read at once.
const MANY_MINUTES: usize = 6;

/// The stored end of a series.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Timestamp of the last row; `None` for a series without rows.
    last_ms: Option<i64>,
    /// The open minute.
    minute: Option<Bucket>,
    /// The open hour.
    hour: Option<Bucket>,
    /// Days written recently.
    days: HashMap<i64, Day>,
}

/// Changes of rollups and days that follow from new rows.
#[derive(Debug, Default)]
pub(super) struct RollupChanges {
    pub(super) tail: Tail,
    pub(super) minutes: Vec<Bucket>,
    pub(super) hours: Vec<Bucket>,
    pub(super) days: Vec<(i64, Day)>,
    /// Number of samples added.
    pub(super) added: i64,
}

impl Tail {
    /// Whether the series has no rows.
    pub(super) fn is_new(&self) -> bool {
        self.last_ms.is_none()
    }

    /// Reads the end of a series.
    pub(super) async fn load(tables: &Tables, key: SeriesKey<'_>) -> Result<Self, PortError> {
        let Some((number, day)) = tables.last_day(key.workspace, key.id).await? else { return Ok(Self::default()) };
        let minute_ms = start_of(day.last_ms, MINUTE_MS);
        // Later rows belong to an unfinished flush, which will be repeated.
        let rows = tables.day_rows(key, Span { from_ms: minute_ms, last_ms: day.last_ms }).await?;
        let minute = buckets(&rows, MINUTE_MS).pop();
        let hour_ms = start_of(day.last_ms, HOUR_MS);
        let before = Span { from_ms: hour_ms, last_ms: minute_ms.saturating_sub(1) };
        let closed = if hour_ms < minute_ms {
            tables.buckets(&tables.minutes, key, before, [number]).await?
        } else {
            Vec::new()
        };
        let hour = merged(hour_ms, closed.iter().chain(&minute));
        Ok(Self { last_ms: Some(day.last_ms), minute, hour, days: HashMap::from([(number, day)]) })
    }
}

/// Computes the changes that follow from `rows`, which are in time order and already stored.
pub(super) async fn update_rollups(
    tables: &Tables,
    key: SeriesKey<'_>,
    tail: Tail,
    rows: &[VersionedRow],
) -> Result<RollupChanges, PortError> {
    let mut rolling =
        RollupUpdate { tables, key, tail, minutes: BTreeMap::new(), hours: BTreeMap::new(), days: BTreeMap::new() };
    let known_to_ms = rolling.tail.last_ms;
    let late = known_to_ms.map_or(0, |last| rows.partition_point(|versioned| versioned.row.timestamp_ms <= last));
    let (late, fresh) = rows.split_at(late);
    fresh.iter().for_each(|versioned| rolling.fold(&versioned.row));
    for hour in late.chunk_by(|a, b| start_of(a.row.timestamp_ms, HOUR_MS) == start_of(b.row.timestamp_ms, HOUR_MS)) {
        rolling.recompute(hour).await?;
    }
    rolling.finish(rows, known_to_ms).await
}

struct RollupUpdate<'a> {
    tables: &'a Tables,
    key: SeriesKey<'a>,
    tail: Tail,
    minutes: BTreeMap<i64, Bucket>,
    hours: BTreeMap<i64, Bucket>,
    /// Number of samples added to each day.
    days: BTreeMap<i64, i64>,
}

impl RollupUpdate<'_> {
    /// Adds a row that is later than all others.
    fn fold(&mut self, row: &SampleRow) {
        fold(&mut self.tail.minute, row, MINUTE_MS, &mut self.minutes);
        fold(&mut self.tail.hour, row, HOUR_MS, &mut self.hours);
        self.tail.last_ms = Some(row.timestamp_ms);
        *self.days.entry(day_of(row.timestamp_ms)).or_default() += 1;
    }

    /// Recomputes the buckets of late rows, which belong to one hour.
    async fn recompute(&mut self, late: &[VersionedRow]) -> Result<(), PortError> {
        let Some(first) = late.first() else { return Ok(()) };
        let (hour_ms, day) = (start_of(first.row.timestamp_ms, HOUR_MS), day_of(first.row.timestamp_ms));
        let hour = Span { from_ms: hour_ms, last_ms: hour_ms.saturating_add(HOUR_MS - 1) };
        let mut known: BTreeMap<i64, Bucket> = BTreeMap::new();
        let stored = self.tables.buckets(&self.tables.minutes, self.key, hour, [day]).await?;
        known.extend(stored.into_iter().map(|bucket| (bucket.start_ms, bucket)));
        known.extend(self.minutes.range(hour.from_ms..=hour.last_ms));
        let open_ms = self.tail.minute.map(|minute| minute.start_ms);
        known.extend(
            self.tail.minute.filter(|minute| start_of(minute.start_ms, HOUR_MS) == hour_ms).map(|m| (m.start_ms, m)),
        );

        for minute in self.recompute_minutes(hour, late).await? {
            let before = known.insert(minute.start_ms, minute).map_or(0, |bucket| bucket.count);
            *self.days.entry(day).or_default() += minute.count.cast_signed() - before.cast_signed();
            if open_ms == Some(minute.start_ms) {
                self.tail.minute = Some(minute);
            } else {
                self.minutes.insert(minute.start_ms, minute);
            }
        }
        let Some(bucket) = merged(hour_ms, known.values()) else { return Ok(()) };
        match &mut self.tail.hour {
            Some(open) if open.start_ms == hour_ms => *open = bucket,
            _ => drop(self.hours.insert(hour_ms, bucket)),
        }
        Ok(())
    }

    /// The minute buckets of `late`, computed from rows.
    async fn recompute_minutes(&self, hour: Span, late: &[VersionedRow]) -> Result<Vec<Bucket>, PortError> {
        let mut touched: Vec<i64> =
            late.iter().map(|versioned| start_of(versioned.row.timestamp_ms, MINUTE_MS)).collect();
        touched.dedup();
        // Later rows belong to an unfinished flush, which will be repeated.
        let known_to_ms = self.tail.last_ms.unwrap_or(i64::MAX);
        let until = |end_ms: i64| end_ms.min(known_to_ms);
        if touched.len() >= MANY_MINUTES {
            let rows = self.tables.day_rows(self.key, Span { last_ms: until(hour.last_ms), ..hour }).await?;
            let mut all = buckets(&rows, MINUTE_MS);
            all.retain(|bucket| touched.binary_search(&bucket.start_ms).is_ok());
            return Ok(all);
        }
        let mut found = Vec::with_capacity(touched.len());
        for minute_ms in touched {
            let minute = Span { from_ms: minute_ms, last_ms: until(minute_ms.saturating_add(MINUTE_MS - 1)) };
            found.extend(buckets(&self.tables.day_rows(self.key, minute).await?, MINUTE_MS));
        }
        Ok(found)
    }

    async fn finish(mut self, rows: &[VersionedRow], known_to_ms: Option<i64>) -> Result<RollupChanges, PortError> {
        let mut days = Vec::with_capacity(self.days.len());
        let mut added = 0;
        for part in rows.chunk_by(|a, b| day_of(a.row.timestamp_ms) == day_of(b.row.timestamp_ms)) {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let (first_ms, last_ms) = (first.row.timestamp_ms, last.row.timestamp_ms);
            let number = day_of(first_ms);
            let more = self.days.get(&number).copied().unwrap_or(0);
            let day = match self.day(number, known_to_ms).await? {
                Some(day) => Day {
                    samples: day.samples.saturating_add_signed(more),
                    first_ms: day.first_ms.min(first_ms),
                    last_ms: day.last_ms.max(last_ms),
                },
                None => Day { samples: u64::try_from(more).unwrap_or(0), first_ms, last_ms },
            };
            added += more;
            days.push((number, day));
        }
        // Usually only the last days are written again.
        self.tail.days.clear();
        self.tail.days.extend(days.iter().rev().take(2).copied());
        let (minutes, hours) = (self.minutes.into_values().collect(), self.hours.into_values().collect());
        Ok(RollupChanges { tail: self.tail, minutes, hours, days, added })
    }

    /// The stored day.
    async fn day(&self, number: i64, known_to_ms: Option<i64>) -> Result<Option<Day>, PortError> {
        if let Some(day) = self.tail.days.get(&number) {
            return Ok(Some(*day));
        }
        if known_to_ms.is_none_or(|last| day_of(last) < number) {
            return Ok(None);
        }
        let start_ms = number.saturating_mul(DAY_MS);
        let found = self.tables.days(self.key.workspace, self.key.id, start_ms, start_ms).await?;
        Ok(found.first().map(|(_, day)| *day))
    }
}

fn fold(open: &mut Option<Bucket>, row: &SampleRow, width_ms: i64, closed: &mut BTreeMap<i64, Bucket>) {
    let bucket = Bucket::from_row(row, width_ms);
    match open {
        Some(open) if open.start_ms == bucket.start_ms => open.merge(&bucket),
        _ => closed.extend(open.replace(bucket).map(|done| (done.start_ms, done))),
    }
}

/// Merges smaller buckets, in time order, into one.
pub(super) fn merged<'a>(start_ms: i64, parts: impl Iterator<Item = &'a Bucket>) -> Option<Bucket> {
    parts.copied().map(|part| Bucket { start_ms, ..part }).reduce(|mut whole, part| {
        whole.merge(&part);
        whole
    })
}
