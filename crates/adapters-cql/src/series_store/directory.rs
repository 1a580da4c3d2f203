//! The directory: the series of a workspace, and the days on which they have samples.

use super::layout::{DAY_MS, corrupt, day_of};
use super::memtable::FlushSeries;
use super::statements::Tables;
use earcon_model::{KpiName, Labels, SeriesId, WorkspaceKey};
use earcon_ports::PortError;
use scylla::value::CqlTimestamp;

/// Partitions of a workspace's list of series, by KPI. Part of the stored format.
pub(super) const SERIES_SHARDS: i32 = 16;
/// Partitions of a workspace's list of days, by series. Part of the stored format.
pub(super) const DAY_SHARDS: i32 = 64;

/// The samples of a series on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    /// Approximate number of samples.
    pub(super) samples: u64,
    /// No sample is earlier.
    pub(super) first_ms: i64,
    /// The timestamp of the last sample.
    pub(super) last_ms: i64,
}

type DayRow = (i64, Option<i64>, Option<CqlTimestamp>, Option<CqlTimestamp>);
type ShardDayRow<'a> = (Vec<u8>, i64, Option<i64>, Option<CqlTimestamp>, Option<CqlTimestamp>);

impl Tables {
    /// The series of a KPI whose labels contain `wanted`.
    pub(super) async fn series_of(
        &self,
        workspace: &WorkspaceKey,
        kpi: &KpiName,
        wanted: &Labels,
    ) -> Result<Vec<(SeriesId, Labels)>, PortError> {
        let values = (workspace.as_str(), series_shard(kpi), kpi.as_str());
        let mut pages = self.database.pages::<(Vec<u8>, Option<String>)>(&self.directory.series_of_kpi, values)?;
        let mut found = Vec::new();
        while let Some(page) = pages.next().await? {
            for (id, labels) in page {
                let labels =
                    Labels::parse(&labels.unwrap_or_default()).map_err(|_| corrupt("the labels of a series"))?;
                if labels.contains(wanted) {
                    found.push((series_id(&id)?, labels));
                }
            }
        }
        Ok(found)
    }

    /// All series of one of the [`SERIES_SHARDS`].
    pub(super) async fn series_of_shard(
        &self,
        workspace: &WorkspaceKey,
        shard: i32,
    ) -> Result<Vec<(KpiName, SeriesId)>, PortError> {
        let values = (workspace.as_str(), shard);
        let rows = self.database.rows::<(String, Vec<u8>)>(&self.directory.series_of_shard, values).await?;
        let named = |(kpi, id): (String, Vec<u8>)| {
            Ok((KpiName::new(&kpi).map_err(|_| corrupt("the name of a KPI"))?, series_id(&id)?))
        };
        rows.into_iter().map(named).collect()
    }

    pub(super) async fn put_series(
        &self,
        workspace: &WorkspaceKey,
        series: &FlushSeries,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let (kpi, labels) = (series.kpi.as_str(), series.labels.as_str());
        let id = series.id.to_bytes();
        let values = (workspace.as_str(), series_shard(&series.kpi), kpi, id.as_slice(), labels, write_timestamp);
        self.database.execute(&self.directory.write_series, values).await.map(drop)
    }

    pub(super) async fn forget_series(
        &self,
        workspace: &WorkspaceKey,
        kpi: &KpiName,
        id: SeriesId,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let id = id.to_bytes();
        let values = (write_timestamp, workspace.as_str(), series_shard(kpi), kpi.as_str(), id.as_slice());
        self.database.execute(&self.directory.forget_series, values).await.map(drop)
    }

    /// The days from `from_ms` to `last_ms` on which a series has samples, in time order.
    pub(super) async fn days(
        &self,
        workspace: &WorkspaceKey,
        id: SeriesId,
        from_ms: i64,
        last_ms: i64,
    ) -> Result<Vec<(i64, Day)>, PortError> {
        let bytes = id.to_bytes();
        let values = (workspace.as_str(), day_shard(id), bytes.as_slice(), day_of(from_ms), day_of(last_ms));
        let rows = self.database.rows::<DayRow>(&self.directory.days, values).await?;
        // They are stored latest first.
        Ok(rows.into_iter().rev().map(day).collect())
    }

    /// The last day on which a series has samples.
    pub(super) async fn last_day(
        &self,
        workspace: &WorkspaceKey,
        id: SeriesId,
    ) -> Result<Option<(i64, Day)>, PortError> {
        let bytes = id.to_bytes();
        let values = (workspace.as_str(), day_shard(id), bytes.as_slice());
        let rows = self.database.rows::<DayRow>(&self.directory.last_day, values).await?;
        Ok(rows.into_iter().next().map(day))
    }

    /// All days of all series of one of the [`DAY_SHARDS`], those of one series together.
    pub(super) async fn days_of_shard(
        &self,
        workspace: &WorkspaceKey,
        shard: i32,
    ) -> Result<Vec<(SeriesId, i64, Day)>, PortError> {
        let values = (workspace.as_str(), shard);
        let mut pages = self.database.pages::<ShardDayRow<'_>>(&self.directory.days_of_shard, values)?;
        let mut found = Vec::new();
        while let Some(page) = pages.next().await? {
            for (id, number, samples, first, last) in page {
                let (number, day) = day((number, samples, first, last));
                found.push((series_id(&id)?, number, day));
            }
        }
        Ok(found)
    }

    /// Stores days of series that share a shard.
    pub(super) async fn put_days(
        &self,
        workspace: &WorkspaceKey,
        days: &[(SeriesId, i64, Day)],
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let values = |(id, number, day): &(SeriesId, i64, Day)| {
            let (first, last) = (CqlTimestamp(day.first_ms), CqlTimestamp(day.last_ms));
            let id_bytes = id.to_bytes().to_vec();
            let samples = day.samples.cast_signed();
            (
                workspace.as_str(),
                day_shard(*id),
                id_bytes,
                *number,
                samples,
                first,
                last,
                write_timestamp,
                self.ttl_seconds,
            )
        };
        let values: Vec<_> = days.iter().map(values).collect();
        self.database.batch(&self.directory.write_day, &values).await
    }

    pub(super) async fn forget_day(
        &self,
        workspace: &WorkspaceKey,
        id: SeriesId,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let bytes = id.to_bytes();
        let values = (write_timestamp, workspace.as_str(), day_shard(id), bytes.as_slice(), day);
        self.database.execute(&self.directory.forget_day, values).await.map(drop)
    }
}

/// Which of the [`DAY_SHARDS`] a series belongs to.
pub(super) fn day_shard(id: SeriesId) -> i32 {
    (id.0 % DAY_SHARDS.cast_unsigned() as u128) as i32
}

fn series_shard(kpi: &KpiName) -> i32 {
    (xxhash_rust::xxh3::xxh3_64(kpi.as_str().as_bytes()) % u64::from(SERIES_SHARDS.cast_unsigned())) as i32
}

fn day((number, samples, first, last): DayRow) -> (i64, Day) {
    let (earliest, latest) = (number.saturating_mul(DAY_MS), number.saturating_add(1).saturating_mul(DAY_MS));
    let first_ms = first.map_or(earliest, |time| time.0);
    let last_ms = last.map_or(latest - 1, |time| time.0);
    let samples = samples.and_then(|samples| u64::try_from(samples).ok()).unwrap_or(0);
    (number, Day { samples, first_ms, last_ms })
}

fn series_id(bytes: &[u8]) -> Result<SeriesId, PortError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| corrupt("the identifier of a series"))?;
    Ok(SeriesId(u128::from_be_bytes(bytes)))
}
