//! Where the history of a workspace stands.

use super::statements::Tables;
use earcon_model::{Seq, WorkspaceId};
use earcon_ports::PortError;

/// How far the log is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// The last event whose effects are in the database.
    pub(super) cursor: Seq,
    /// The newest write timestamp used: of that event, or of upkeep since.
    pub(super) stamp: i64,
    /// How often the log began again.
    pub(super) life: i64,
    /// How many samples there are, about.
    pub(super) samples: u64,
}

impl Tables {
    /// The head as it is stored; the default for a workspace without history.
    pub(super) async fn head(&self, workspace: &WorkspaceId) -> Result<Head, PortError> {
        let rows = self.database.rows::<HeadRow>(&self.heads.read, (workspace.as_str(),)).await?;
        Ok(rows.first().map_or_else(Head::default, |(cursor, stamp, life, samples)| Head {
            cursor: number(*cursor),
            stamp: stamp.unwrap_or(0),
            life: life.unwrap_or(0),
            samples: number(*samples),
        }))
    }

    /// Stores the head. Its write timestamp is its stamp, so a head can never replace one with a later stamp.
    pub(super) async fn put_head(&self, workspace: &WorkspaceId, head: &Head) -> Result<(), PortError> {
        let values = (
            workspace.as_str(),
            head.cursor.cast_signed(),
            head.stamp,
            head.life,
            head.samples.cast_signed(),
            head.stamp,
        );
        self.database.execute(&self.heads.write, values).await.map(drop)
    }
}

type HeadRow = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn number(stored: Option<i64>) -> u64 {
    stored.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}
