//! The head: how far the history of a workspace has applied the log.

use super::statements::Tables;
use earcon_model::{Seq, WorkspaceKey};
use earcon_ports::PortError;

/// How far the log is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// The last event whose effects are in the database.
    pub(super) cursor: Seq,
    /// The newest write timestamp in use: of that event, or of a deletion after it.
    pub(super) write_timestamp: i64,
    /// How often the log began again.
    pub(super) log_epoch: i64,
    /// Approximate number of samples.
    pub(super) samples: u64,
}

impl Tables {
    /// The stored head. The default for a workspace without history.
    pub(super) async fn head(&self, workspace: &WorkspaceKey) -> Result<Head, PortError> {
        let rows = self.database.rows::<HeadRow>(&self.heads.read, (workspace.as_str(),)).await?;
        Ok(rows.first().map_or_else(Head::default, |(cursor, write_timestamp, log_epoch, samples)| Head {
            cursor: number(*cursor),
            write_timestamp: write_timestamp.unwrap_or(0),
            log_epoch: log_epoch.unwrap_or(0),
            samples: number(*samples),
        }))
    }

    /// Stores the head at its own write timestamp, so that it never replaces a later head.
    pub(super) async fn put_head(&self, workspace: &WorkspaceKey, head: &Head) -> Result<(), PortError> {
        let values = (
            workspace.as_str(),
            head.cursor.cast_signed(),
            head.write_timestamp,
            head.log_epoch,
            head.samples.cast_signed(),
            head.write_timestamp,
        );
        self.database.execute(&self.heads.write, values).await.map(drop)
    }
}

type HeadRow = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn number(stored: Option<i64>) -> u64 {
    stored.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}
