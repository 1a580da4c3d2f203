//! The names of all workspaces: a small table in a few partitions. Listing the other tables would
//! scan them.

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
    /// Names known to be in the table. A name is never removed from it.
    known: Mutex<HashSet<WorkspaceId>>,
}

impl WorkspaceNames {
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let insert = "INSERT INTO workspaces (part, workspace) VALUES (?, ?)";
        let insert = database.prepare(insert, Purpose::Write).await?;
        let select = database.prepare("SELECT workspace FROM workspaces WHERE part = ?", Purpose::Read).await?;
        Ok(Self { database, insert, select, known: Mutex::default() })
    }

    /// Stores the name before anything else of the workspace, so that all stored data can be found.
    pub(super) async fn remember(&self, workspace: &WorkspaceId) -> Result<(), PortError> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(workspace) {
            return Ok(());
        }
        let part = (xxh3_64(workspace.as_str().as_bytes()) % PARTS as u64) as i32;
        self.database.execute(&self.insert, (part, workspace.as_str())).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(workspace.clone());
        Ok(())
    }

    /// All names, in order.
    pub(super) async fn all(&self) -> Result<Vec<WorkspaceId>, PortError> {
        let parts = (0..PARTS).map(|part| self.database.rows::<(String,)>(&self.select, (part,)));
        let names = try_join_all(parts).await?;
        let names = names.iter().flatten().map(|(name,)| WorkspaceId::new(name).map_err(unreadable));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
    }
}
