//! The keys of all workspaces: a small table in a few partitions. Listing the other tables would
//! scan them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use xxhash_rust::xxh3::xxh3_64;

use super::database::{CqlDatabase, Prepared, Purpose};
use earcon_model::WorkspaceKey;
use earcon_ports::{ErrorKind, PortError};

const PARTS: i32 = 4;

pub(super) struct WorkspaceNames {
    database: Arc<CqlDatabase>,
    insert: Prepared,
    select: Prepared,
    delete: Prepared,
    /// Keys known to be in the table.
    known: Mutex<HashSet<WorkspaceKey>>,
}

impl WorkspaceNames {
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let insert = "INSERT INTO workspaces (part, workspace) VALUES (?, ?)";
        let insert = database.prepare(insert, Purpose::Write).await?;
        let select = database.prepare("SELECT workspace FROM workspaces WHERE part = ?", Purpose::Read).await?;
        let delete = "DELETE FROM workspaces WHERE part = ? AND workspace = ?";
        let delete = database.prepare(delete, Purpose::Write).await?;
        Ok(Self { database, insert, select, delete, known: Mutex::default() })
    }

    /// Stores the name before anything else of the workspace, so that all stored data can be found.
    pub(super) async fn remember(&self, workspace: &WorkspaceKey) -> Result<(), PortError> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(workspace) {
            return Ok(());
        }
        self.database.execute(&self.insert, (part(workspace), workspace.as_str())).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(workspace.clone());
        Ok(())
    }

    /// Removes the name, after everything else of the workspace.
    pub(super) async fn forget(&self, workspace: &WorkspaceKey) -> Result<(), PortError> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(workspace);
        self.database.execute(&self.delete, (part(workspace), workspace.as_str())).await.map(drop)
    }

    /// All keys, in order.
    pub(super) async fn all(&self) -> Result<Vec<WorkspaceKey>, PortError> {
        let parts = (0..PARTS).map(|part| self.database.rows::<(String,)>(&self.select, (part,)));
        let names = try_join_all(parts).await?;
        let names = names.iter().flatten().map(|(name,)| WorkspaceKey::parse(name).ok_or_else(|| strange(name)));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
    }
}

fn part(workspace: &WorkspaceKey) -> i32 {
    (xxh3_64(workspace.as_str().as_bytes()) % PARTS as u64) as i32
}

fn strange(name: &str) -> PortError {
    PortError::new(ErrorKind::Corrupt, format!("the database names a workspace {name:?}, which is no key of one"))
}
