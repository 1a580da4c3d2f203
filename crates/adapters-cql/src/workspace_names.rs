//! Which workspaces there are: a small table in a few partitions, because asking all of the database would scan it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use xxhash_rust::xxh3::xxh3_64;

use super::database::{CqlDatabase, Prepared, Purpose};
use super::failure::unreadable;
use earcon_model::WorkspaceId;
use earcon_ports::PortError;

const PARTS: i32 = 4;

pub(super) struct WorkspaceNames {
    database: Arc<CqlDatabase>,
    insert: Prepared,
    select: Prepared,
    /// Those that are certainly in the table; a name is never taken out of it.
    known: Mutex<HashSet<WorkspaceId>>,
}

impl WorkspaceNames {
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let insert = "INSERT INTO workspaces (part, workspace) VALUES (?, ?)";
        let insert = database.prepare(insert, Purpose::Write).await?;
        let select = database.prepare("SELECT workspace FROM workspaces WHERE part = ?", Purpose::Read).await?;
        Ok(Self { database, insert, select, known: Mutex::default() })
    }

    /// Makes the name known before anything is written under it, so that nothing is stored that nobody would look for.
    pub(super) async fn remember(&self, workspace: &WorkspaceId) -> Result<(), PortError> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(workspace) {
            return Ok(());
        }
        let part = (xxh3_64(workspace.as_str().as_bytes()) % PARTS as u64) as i32;
        self.database.execute(&self.insert, (part, workspace.as_str())).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(workspace.clone());
        Ok(())
    }

    /// All of them, in order.
    pub(super) async fn all(&self) -> Result<Vec<WorkspaceId>, PortError> {
        let parts = (0..PARTS).map(|part| self.database.rows::<(String,)>(&self.select, (part,)));
        let names = try_join_all(parts).await?;
        let names = names.iter().flatten().map(|(name,)| WorkspaceId::new(name).map_err(unreadable));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
    }
}
