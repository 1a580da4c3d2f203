//! Anomalies as rows of their tables.

use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::layout::{corrupt, day_of};
use super::memtable::ChangedAnomaly;
use super::statements::Tables;
use earcon_model::{Anomaly, AnomalyId, WorkspaceKey};
use earcon_ports::{ErrorKind, PortError};

/// The first byte of every stored anomaly.
const VERSION: u8 = 1;

type Record = (Option<Vec<u8>>,);

impl Tables {
    /// The stored anomaly.
    pub(super) async fn anomaly(&self, workspace: &WorkspaceKey, id: AnomalyId) -> Result<Option<Anomaly>, PortError> {
        let time = self.database.rows::<(Option<CqlTimestamp>,)>(&self.anomalies.time, (workspace.as_str(), id.0));
        match time.await?.first() {
            Some((Some(opened_at),)) => self.anomaly_at(workspace, opened_at.0, id).await,
            _ => Ok(None),
        }
    }

    /// The stored anomaly with this opening time.
    pub(super) async fn anomaly_at(
        &self,
        workspace: &WorkspaceKey,
        opened_at_ms: i64,
        id: AnomalyId,
    ) -> Result<Option<Anomaly>, PortError> {
        let values = (workspace.as_str(), day_of(opened_at_ms), CqlTimestamp(opened_at_ms), id.0);
        let rows = self.database.rows::<Record>(&self.anomalies.read, values).await?;
        rows.first().and_then(|(record,)| record.as_deref()).map(decode).transpose()
    }

    /// Calls `seen` with the anomalies of a day that opened at `latest_ms` or earlier, latest
    /// first, until it returns `false`.
    pub(super) async fn visit_day(
        &self,
        workspace: &WorkspaceKey,
        day: i64,
        latest_ms: i64,
        mut seen: impl FnMut(Anomaly) -> bool,
    ) -> Result<(), PortError> {
        let values = (workspace.as_str(), day, CqlTimestamp(latest_ms));
        let mut pages = self.database.pages::<Record>(&self.anomalies.read_day, values)?;
        while let Some(page) = pages.next().await? {
            for (record,) in page {
                if let Some(record) = record
                    && !seen(decode(&record)?)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The days up to `latest` on which anomalies opened, latest first, each with the latest
    /// closing time of its anomalies.
    pub(super) async fn anomaly_days(
        &self,
        workspace: &WorkspaceKey,
        latest: i64,
    ) -> Result<Vec<(i64, Option<i64>)>, PortError> {
        let values = (workspace.as_str(), latest);
        let rows = self.database.rows::<(i64, Option<CqlTimestamp>)>(&self.anomalies.days, values).await?;
        Ok(rows.into_iter().map(|(day, last)| (day, last.map(|last| last.0))).collect())
    }

    /// The open anomalies that opened at `latest_ms` or earlier, latest first.
    pub(super) async fn open_anomalies(
        &self,
        workspace: &WorkspaceKey,
        latest_ms: i64,
    ) -> Result<Vec<(i64, AnomalyId)>, PortError> {
        let values = (workspace.as_str(), CqlTimestamp(latest_ms));
        let rows = self.database.rows::<(CqlTimestamp, Uuid)>(&self.anomalies.open, values).await?;
        Ok(rows.into_iter().map(|(opened_at, id)| (opened_at.0, AnomalyId(id))).collect())
    }

    pub(super) async fn put_anomaly(
        &self,
        workspace: &WorkspaceKey,
        changed: &ChangedAnomaly,
    ) -> Result<(), PortError> {
        let ChangedAnomaly { anomaly, write_timestamp } = changed;
        let (name, id, opened_at) = (workspace.as_str(), anomaly.id.0, CqlTimestamp(anomaly.opened_at_ms));
        let values = (name, day_of(anomaly.opened_at_ms), opened_at, id, encode(anomaly)?, *write_timestamp);
        self.database.execute(&self.anomalies.write, values).await?;
        self.database.execute(&self.anomalies.write_time, (name, id, opened_at, *write_timestamp)).await?;
        if anomaly.closed_at_ms.is_none() {
            self.database.execute(&self.anomalies.write_open, (name, opened_at, id, *write_timestamp)).await?;
        } else {
            self.database.execute(&self.anomalies.forget_open, (*write_timestamp, name, opened_at, id)).await?;
        }
        Ok(())
    }

    pub(super) async fn put_anomaly_day(
        &self,
        workspace: &WorkspaceKey,
        day: i64,
        last_closed_at_ms: Option<i64>,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let values = (workspace.as_str(), day, last_closed_at_ms.map(CqlTimestamp), write_timestamp);
        self.database.execute(&self.anomalies.write_day, values).await.map(drop)
    }

    pub(super) async fn forget_anomaly(
        &self,
        workspace: &WorkspaceKey,
        anomaly: &Anomaly,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let (name, id, opened_at) = (workspace.as_str(), anomaly.id.0, CqlTimestamp(anomaly.opened_at_ms));
        self.database.execute(&self.anomalies.forget_time, (write_timestamp, name, id)).await?;
        let values = (write_timestamp, name, day_of(anomaly.opened_at_ms), opened_at, id);
        self.database.execute(&self.anomalies.forget, values).await.map(drop)
    }

    /// Removes an anomaly that may be open from the list of open ones.
    pub(super) async fn forget_open(
        &self,
        workspace: &WorkspaceKey,
        anomaly: &Anomaly,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        let values = (write_timestamp, workspace.as_str(), CqlTimestamp(anomaly.opened_at_ms), anomaly.id.0);
        self.database.execute(&self.anomalies.forget_open, values).await.map(drop)
    }

    pub(super) async fn forget_anomaly_day(
        &self,
        workspace: &WorkspaceKey,
        day: i64,
        write_timestamp: i64,
    ) -> Result<(), PortError> {
        self.database.execute(&self.anomalies.forget_day, (write_timestamp, workspace.as_str(), day)).await.map(drop)
    }
}

/// A version byte and the anomaly.
fn encode(anomaly: &Anomaly) -> Result<Vec<u8>, PortError> {
    postcard::to_extend(anomaly, vec![VERSION])
        .map_err(|error| PortError::caused(ErrorKind::Invalid, "an anomaly cannot be encoded", error))
}

fn decode(bytes: &[u8]) -> Result<Anomaly, PortError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| corrupt("an anomaly")),
        _ => Err(corrupt("an anomaly")),
    }
}
