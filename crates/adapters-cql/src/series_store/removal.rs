//! Deleting all history of a workspace.
//!
//! Whole partitions go, found by the directory. A part of the directory goes after everything that
//! it lists, so that a removal that is interrupted finds the rest when it is repeated. The
//! deletions carry the present time, which is above all write timestamps: no later write of this
//! generation of the workspace is seen.

use scylla::serialize::row::SerializeRow;
use uuid::Uuid;

use super::batching::BoundedTasks;
use super::directory::{DAY_SHARDS, SERIES_SHARDS};
use super::layout::DAY_MS;
use super::statements::Tables;
use crate::database::{CqlDatabase, Prepared, Purpose};
use earcon_model::{SeriesId, WorkspaceKey};
use earcon_ports::PortError;

/// Deletions of whole partitions.
pub(super) struct Removal {
    samples: Prepared,
    minutes: Prepared,
    hours: Prepared,
    days: Prepared,
    series: Prepared,
    anomaly_ids: Prepared,
    anomaly_time: Prepared,
    anomalies: Prepared,
    anomaly_days: Prepared,
    open_anomalies: Prepared,
    head: Prepared,
}

impl Removal {
    pub(super) async fn prepare(database: &CqlDatabase) -> Result<Self, PortError> {
        let delete = async |table: &str, keys: &[&str]| {
            let keys: String = keys.iter().map(|key| format!(" AND {key} = ?")).collect();
            let text = format!("DELETE FROM {table} WHERE workspace = ?{keys}");
            database.prepare(&text, Purpose::Write).await
        };
        let ids = "SELECT id FROM anomalies WHERE workspace = ? AND day = ?";
        Ok(Self {
            samples: delete("samples", &["series", "day"]).await?,
            minutes: delete("rollup_minutes", &["series", "day"]).await?,
            hours: delete("rollup_hours", &["series", "period"]).await?,
            days: delete("series_days", &["shard"]).await?,
            series: delete("series", &["shard"]).await?,
            anomaly_ids: database.prepare(ids, Purpose::Read).await?,
            anomaly_time: delete("anomaly_times", &["id"]).await?,
            anomalies: delete("anomalies", &["day"]).await?,
            anomaly_days: delete("anomaly_days", &[]).await?,
            open_anomalies: delete("open_anomalies", &[]).await?,
            head: delete("history_heads", &[]).await?,
        })
    }
}

impl Tables {
    /// Deletes all rows of the workspace.
    pub(super) async fn remove_workspace(&self, workspace: &WorkspaceKey) -> Result<(), PortError> {
        for shard in 0..DAY_SHARDS {
            let mut work = BoundedTasks::new(self.pace.in_flight);
            for (id, day, _) in self.days_of_shard(workspace, shard).await? {
                work.add(self.remove_day(workspace, id, day)).await?;
            }
            work.finish().await?;
            self.run(&self.removal.days, (workspace.as_str(), shard)).await?;
        }
        for shard in 0..SERIES_SHARDS {
            self.run(&self.removal.series, (workspace.as_str(), shard)).await?;
        }
        for (day, _) in self.anomaly_days(workspace, i64::MAX).await? {
            self.remove_anomalies(workspace, day).await?;
        }
        for statement in [&self.removal.anomaly_days, &self.removal.open_anomalies, &self.removal.head] {
            self.run(statement, (workspace.as_str(),)).await?;
        }
        Ok(())
    }

    async fn remove_day(&self, workspace: &WorkspaceKey, id: SeriesId, day: i64) -> Result<(), PortError> {
        let (workspace, bytes) = (workspace.as_str(), id.to_bytes());
        let period = self.hours.partition(day.saturating_mul(DAY_MS));
        self.run(&self.removal.samples, (workspace, bytes.as_slice(), day)).await?;
        self.run(&self.removal.minutes, (workspace, bytes.as_slice(), day)).await?;
        self.run(&self.removal.hours, (workspace, bytes.as_slice(), period)).await
    }

    async fn remove_anomalies(&self, workspace: &WorkspaceKey, day: i64) -> Result<(), PortError> {
        let mut pages = self.database.pages::<(Uuid,)>(&self.removal.anomaly_ids, (workspace.as_str(), day))?;
        while let Some(page) = pages.next().await? {
            let mut work = BoundedTasks::new(self.pace.in_flight);
            for (id,) in page {
                work.add(self.run(&self.removal.anomaly_time, (workspace.as_str(), id))).await?;
            }
            work.finish().await?;
        }
        self.run(&self.removal.anomalies, (workspace.as_str(), day)).await
    }

    async fn run(&self, statement: &Prepared, values: impl SerializeRow) -> Result<(), PortError> {
        self.database.execute(statement, values).await.map(drop)
    }
}
