//! Every statement of the series store, prepared once.

use std::sync::Arc;
use std::time::Duration;

use super::layout::{DAY_MS, PERIOD_MS, Pace};
use super::removal::Removal;
use super::settings::SeriesSettings;
use crate::database::{CqlDatabase, Prepared, Purpose};
use earcon_ports::PortError;

/// The prepared statements of the history tables. Their uses are in the files about each table.
pub(super) struct Tables {
    pub(super) database: Arc<CqlDatabase>,
    /// Time to live of written rows, seconds. 0 means no expiry.
    pub(super) ttl_seconds: i32,
    pub(super) pace: Pace,
    pub(super) heads: Heads,
    pub(super) directory: Directory,
    pub(super) samples: Samples,
    pub(super) minutes: Tier,
    pub(super) hours: Tier,
    pub(super) anomalies: Anomalies,
    pub(super) removal: Removal,
}

pub(super) struct Heads {
    pub(super) read: Prepared,
    pub(super) write: Prepared,
}

pub(super) struct Directory {
    pub(super) series_of_kpi: Prepared,
    pub(super) series_of_shard: Prepared,
    pub(super) write_series: Prepared,
    pub(super) forget_series: Prepared,
    pub(super) days: Prepared,
    pub(super) last_day: Prepared,
    pub(super) days_of_shard: Prepared,
    pub(super) write_day: Prepared,
    pub(super) forget_day: Prepared,
}

pub(super) struct Samples {
    pub(super) read: Prepared,
    pub(super) write: Prepared,
    pub(super) forget_day: Prepared,
    pub(super) forget_before: Prepared,
    pub(super) forget_range: Prepared,
}

/// Buckets of one width.
pub(super) struct Tier {
    /// Time covered by one partition.
    pub(super) partition_ms: i64,
    pub(super) read: Prepared,
    pub(super) write: Prepared,
    pub(super) forget: Prepared,
}

pub(super) struct Anomalies {
    pub(super) read: Prepared,
    pub(super) read_day: Prepared,
    pub(super) write: Prepared,
    pub(super) forget: Prepared,
    pub(super) time: Prepared,
    pub(super) write_time: Prepared,
    pub(super) forget_time: Prepared,
    pub(super) days: Prepared,
    pub(super) write_day: Prepared,
    pub(super) forget_day: Prepared,
    pub(super) open: Prepared,
    pub(super) write_open: Prepared,
    pub(super) forget_open: Prepared,
}

impl Tables {
    pub(super) async fn prepare(
        database: Arc<CqlDatabase>,
        settings: SeriesSettings,
        pace: Pace,
    ) -> Result<Self, PortError> {
        // The database accepts at most twenty years.
        let longest = Duration::from_secs(20 * 365 * 86_400);
        let seconds = settings.ttl.map_or(0, |ttl| ttl.min(longest).as_secs().max(1));
        Ok(Self {
            ttl_seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
            pace,
            heads: Heads::prepare(&database).await?,
            directory: Directory::prepare(&database).await?,
            samples: Samples::prepare(&database).await?,
            minutes: Tier::prepare(&database, "rollup_minutes", "day", DAY_MS).await?,
            hours: Tier::prepare(&database, "rollup_hours", "period", PERIOD_MS).await?,
            anomalies: Anomalies::prepare(&database).await?,
            removal: Removal::prepare(&database).await?,
            database,
        })
    }
}

impl Heads {
    async fn prepare(database: &CqlDatabase) -> Result<Self, PortError> {
        let read = "SELECT cursor, write_timestamp, log_epoch, samples FROM history_heads WHERE workspace = ?";
        let write = "INSERT INTO history_heads (workspace, cursor, write_timestamp, log_epoch, samples) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?";
        Ok(Self {
            read: database.prepare(read, Purpose::Read).await?,
            write: database.prepare(write, Purpose::Write).await?,
        })
    }
}

impl Directory {
    async fn prepare(database: &CqlDatabase) -> Result<Self, PortError> {
        let read = async |text: &str| database.prepare(text, Purpose::Read).await;
        let write = async |text: &str| database.prepare(text, Purpose::Write).await;
        let of_series = "FROM series_days WHERE workspace = ? AND shard = ? AND series = ?";
        Ok(Self {
            series_of_kpi: read("SELECT series, labels FROM series WHERE workspace = ? AND shard = ? AND kpi = ?").await?,
            series_of_shard: read("SELECT kpi, series FROM series WHERE workspace = ? AND shard = ?").await?,
            write_series: write(
                "INSERT INTO series (workspace, shard, kpi, series, labels) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            forget_series: write(
                "DELETE FROM series USING TIMESTAMP ? WHERE workspace = ? AND shard = ? AND kpi = ? AND series = ?",
            )
            .await?,
            days: read(&format!("SELECT day, samples, first_at, last_at {of_series} AND day >= ? AND day <= ?")).await?,
            last_day: read(&format!("SELECT day, samples, first_at, last_at {of_series} LIMIT 1")).await?,
            days_of_shard: read(
                "SELECT series, day, samples, first_at, last_at FROM series_days WHERE workspace = ? AND shard = ?",
            )
            .await?,
            write_day: write(
                "INSERT INTO series_days (workspace, shard, series, day, samples, first_at, last_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            )
            .await?,
            forget_day: write(
                "DELETE FROM series_days USING TIMESTAMP ? WHERE workspace = ? AND shard = ? AND series = ? AND day = ?",
            )
            .await?,
        })
    }
}

impl Samples {
    async fn prepare(database: &CqlDatabase) -> Result<Self, PortError> {
        let partition = "WHERE workspace = ? AND series = ? AND day = ?";
        let read = format!("SELECT at, value, scored FROM samples {partition} AND at >= ? AND at <= ? LIMIT ?");
        let write = "INSERT INTO samples (workspace, series, day, at, value, scored) VALUES (?, ?, ?, ?, ?, ?) \
                     USING TIMESTAMP ? AND TTL ?";
        let forget = format!("DELETE FROM samples USING TIMESTAMP ? {partition}");
        Ok(Self {
            read: database.prepare(&read, Purpose::Read).await?,
            write: database.prepare(write, Purpose::Write).await?,
            forget_day: database.prepare(&forget, Purpose::Write).await?,
            forget_before: database.prepare(&format!("{forget} AND at < ?"), Purpose::Write).await?,
            forget_range: database.prepare(&format!("{forget} AND at >= ? AND at <= ?"), Purpose::Write).await?,
        })
    }
}

impl Tier {
    async fn prepare(database: &CqlDatabase, table: &str, column: &str, partition_ms: i64) -> Result<Self, PortError> {
        let range = format!("workspace = ? AND series = ? AND {column} = ? AND start_at >= ? AND start_at <= ?");
        let read = format!("SELECT start_at, bucket FROM {table} WHERE {range}");
        let write = format!(
            "INSERT INTO {table} (workspace, series, {column}, start_at, bucket) VALUES (?, ?, ?, ?, ?) \
             USING TIMESTAMP ? AND TTL ?"
        );
        let forget = format!("DELETE FROM {table} USING TIMESTAMP ? WHERE {range}");
        Ok(Self {
            partition_ms,
            read: database.prepare(&read, Purpose::Read).await?,
            write: database.prepare(&write, Purpose::Write).await?,
            forget: database.prepare(&forget, Purpose::Write).await?,
        })
    }
}

impl Anomalies {
    async fn prepare(database: &CqlDatabase) -> Result<Self, PortError> {
        let read = async |text: &str| database.prepare(text, Purpose::Read).await;
        let write = async |text: &str| database.prepare(text, Purpose::Write).await;
        Ok(Self {
            read: read("SELECT record FROM anomalies WHERE workspace = ? AND day = ? AND opened_at = ? AND id = ?")
                .await?,
            read_day: read("SELECT record FROM anomalies WHERE workspace = ? AND day = ? AND opened_at <= ?").await?,
            write: write(
                "INSERT INTO anomalies (workspace, day, opened_at, id, record) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            forget: write(
                "DELETE FROM anomalies USING TIMESTAMP ? WHERE workspace = ? AND day = ? AND opened_at = ? AND id = ?",
            )
            .await?,
            time: read("SELECT opened_at FROM anomaly_times WHERE workspace = ? AND id = ?").await?,
            write_time: write("INSERT INTO anomaly_times (workspace, id, opened_at) VALUES (?, ?, ?) USING TIMESTAMP ?")
                .await?,
            forget_time: write("DELETE FROM anomaly_times USING TIMESTAMP ? WHERE workspace = ? AND id = ?").await?,
            days: read("SELECT day, last_closed_at FROM anomaly_days WHERE workspace = ? AND day <= ?").await?,
            write_day: write(
                "INSERT INTO anomaly_days (workspace, day, last_closed_at) VALUES (?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            forget_day: write("DELETE FROM anomaly_days USING TIMESTAMP ? WHERE workspace = ? AND day = ?").await?,
            open: read("SELECT opened_at, id FROM open_anomalies WHERE workspace = ? AND opened_at <= ?").await?,
            write_open: write(
                "INSERT INTO open_anomalies (workspace, opened_at, id) VALUES (?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            forget_open: write(
                "DELETE FROM open_anomalies USING TIMESTAMP ? WHERE workspace = ? AND opened_at = ? AND id = ?",
            )
            .await?,
        })
    }
}
