//! The latest scoring state of every KPI, without transactions: the database itself keeps the higher `seq`.
//!
//! A row's `snapshot` is written with a timestamp made of its `seq`, and of two values of a cell the one with the higher
//! timestamp stays, in whatever order they come. Deleting begins another *life* of the KPI, a row of its own, so that lower
//! numbers count again; whoever writes asks at the same time which life it is, and writes once more if it was another.
//! (Of two different states with the same `seq` the database keeps the larger one.)
//!
//! A state of up to 32 KiB is in the row itself. A larger one is in pieces in another table, under a random name, written
//! before the row that names it and removed after a row that replaces it; whoever finds pieces missing looks again.

mod cell;
mod chunks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use xxhash_rust::xxh3::xxh3_64;

use self::cell::{Cell, Content};
use self::chunks::Chunks;
use super::database::{CqlDatabase, Prepared, Purpose};
use super::failure::unreadable;
use super::workspace_names::WorkspaceNames;
use earcon_model::{KpiName, Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError, Snapshot, SnapshotStore};
use earcon_tenancy::WorkspacePass;

/// Partitions of a workspace: enough to spread 20,000 KPIs, few enough to read them all.
const PARTS: i32 = 16;
/// Rows of a page, so that one of full rows has 8 MiB.
const PAGE: i32 = 256;
/// Largest state in the row itself, bytes.
const INLINE: usize = 32 << 10;
/// How often a snapshot that changes under the reader, or a life under the writer, is tried.
const ATTEMPTS: usize = 8;
/// Large snapshots read at once by [`SnapshotStore::all`].
const LARGE_AT_ONCE: usize = 8;

/// The snapshots of all workspaces.
pub struct CqlSnapshots {
    database: Arc<CqlDatabase>,
    names: WorkspaceNames,
    chunks: Chunks,
    write_small: Prepared,
    write_large: Prepared,
    no_longer_large: Prepared,
    life: Prepared,
    filled: Prepared,
    get: Prepared,
    all: Prepared,
    begin_life: Prepared,
    delete_lives: Prepared,
    /// Lives that are not the first, as last seen. A guess that saves the second write; the database knows.
    lives: Mutex<HashMap<(WorkspaceId, KpiName), i32>>,
}

impl CqlSnapshots {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let write_small = "INSERT INTO snapshots (workspace, part, kpi, life, snapshot) VALUES (?, ?, ?, ?, ?) \
                           USING TIMESTAMP ?";
        let write_large = "INSERT INTO snapshots (workspace, part, kpi, life, snapshot, large) \
                           VALUES (?, ?, ?, ?, ?, true) USING TIMESTAMP ?";
        let no_longer_large = "INSERT INTO snapshots (workspace, part, kpi, life, large) VALUES (?, ?, ?, ?, false) \
                               USING TIMESTAMP ?";
        let life = "SELECT life, large FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let filled = "SELECT life, WRITETIME(snapshot) FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let get = "SELECT life, snapshot FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let all = "SELECT kpi, life, snapshot FROM snapshots WHERE workspace = ? AND part = ?";
        let begin_life = "INSERT INTO snapshots (workspace, part, kpi, life) VALUES (?, ?, ?, ?)";
        let delete_lives = "DELETE FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ? AND life <= ?";
        Ok(Self {
            names: WorkspaceNames::open(database.clone()).await?,
            chunks: Chunks::open(database.clone()).await?,
            write_small: database.prepare(write_small, Purpose::Write).await?,
            write_large: database.prepare(write_large, Purpose::Write).await?,
            no_longer_large: database.prepare(no_longer_large, Purpose::Write).await?,
            life: database.prepare(life, Purpose::Read).await?,
            filled: database.prepare(filled, Purpose::Read).await?,
            get: database.prepare(get, Purpose::Read).await?,
            all: database.prepare(all, Purpose::Read).await?.in_pages_of(PAGE),
            begin_life: database.prepare(begin_life, Purpose::Write).await?,
            delete_lives: database.prepare(delete_lives, Purpose::Write).await?,
            lives: Mutex::default(),
            database,
        })
    }

    /// Writes into what seems to be the KPI's life. Returns the life that it is, and whether large ones were in it.
    async fn write(
        &self,
        (workspace, kpi): (&str, &str),
        life: i32,
        seq: i64,
        content: &Content,
    ) -> Result<(i32, bool), PortError> {
        let part = part(kpi);
        let write = if matches!(content, Content::Pieces(_)) { &self.write_large } else { &self.write_small };
        let values = (workspace, part, kpi, life, cell::encode(seq, content), timestamp(seq));
        let written = self.database.execute(write, values);
        let found = self.database.rows::<(i32, Option<bool>)>(&self.life, (workspace, part, kpi));
        let (_, found) = try_join(written, found).await?;
        let (now, large) = found.last().map_or((life, false), |(life, large)| (*life, *large == Some(true)));
        Ok((now.max(life), large))
    }

    /// Removes the pieces that a snapshot has replaced.
    async fn sweep(&self, (workspace, kpi): (&str, &str), life: i32, seq: i64, large: bool) -> Result<(), PortError> {
        self.chunks.delete_before((workspace, kpi), life, seq).await?;
        if !large {
            // With the timestamp of this snapshot: a later one that is large says so in spite of it.
            let values = (workspace, part(kpi), kpi, life, timestamp(seq));
            self.database.execute(&self.no_longer_large, values).await?;
        }
        Ok(())
    }

    /// The state behind a cell; `None` when its pieces are gone.
    async fn state(&self, at: (&str, &str), life: i32, cell: Cell) -> Result<Option<Vec<u8>>, PortError> {
        match cell.content {
            Content::Inline(state) => Ok(Some(state)),
            Content::Pieces(pieces) => self.chunks.read(at, life, cell.seq, &pieces).await,
        }
    }

    async fn read(&self, workspace: &WorkspaceId, kpi: &KpiName) -> Result<Option<Snapshot>, PortError> {
        let at = (workspace.as_str(), kpi.as_str());
        for _ in 0..ATTEMPTS {
            let lives: Vec<(i32, Option<Vec<u8>>)> = self.database.rows(&self.get, (at.0, part(at.1), at.1)).await?;
            let Some((life, cell)) = lives.into_iter().next_back() else { return Ok(None) };
            self.note(workspace, kpi, life);
            let Some(cell) = cell else { return Ok(None) };
            let cell = cell::decode(&cell)?;
            let seq = cell.seq as Seq;
            if let Some(state) = self.state(at, life, cell).await? {
                return Ok(Some(Snapshot { kpi: kpi.clone(), seq, state }));
            }
        }
        Err(PortError::new(ErrorKind::Corrupt, format!("pieces of the snapshot of {kpi} are missing")))
    }

    fn noted(&self, workspace: &WorkspaceId, kpi: &KpiName) -> i32 {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        if lives.is_empty() { 0 } else { lives.get(&(workspace.clone(), kpi.clone())).copied().unwrap_or(0) }
    }

    fn note(&self, workspace: &WorkspaceId, kpi: &KpiName, life: i32) {
        if life > 0 {
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            lives.insert((workspace.clone(), kpi.clone()), life);
        }
    }
}

#[async_trait]
impl SnapshotStore for CqlSnapshots {
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError> {
        let Snapshot { kpi, seq, state } = snapshot;
        let Ok(seq) = i64::try_from(seq) else {
            return Err(PortError::new(ErrorKind::Invalid, format!("{seq} is no sequence number")));
        };
        let workspace = pass.workspace();
        self.names.remember(workspace).await?;
        let at = (workspace.as_str(), kpi.as_str());
        let large = state.len() > INLINE;
        let inline = if large { None } else { Some(Content::Inline(state.clone())) };
        let mut life = self.noted(workspace, &kpi);
        for _ in 0..ATTEMPTS {
            let (now, had_large) = match &inline {
                Some(content) => self.write(at, life, seq, content).await?,
                None => {
                    let pieces = self.chunks.write(at, life, seq, &state).await?;
                    self.write(at, life, seq, &Content::Pieces(pieces)).await?
                }
            };
            if now == life {
                if large || had_large {
                    self.sweep(at, life, seq, large).await?;
                }
                return Ok(());
            }
            self.note(workspace, &kpi, now);
            life = now;
        }
        Err(PortError::new(ErrorKind::Unavailable, format!("the snapshot of {kpi} is deleted again and again")))
    }

    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Option<Snapshot>, PortError> {
        self.read(pass.workspace(), kpi).await
    }

    async fn all(&self, pass: &WorkspacePass) -> Result<Vec<Snapshot>, PortError> {
        let workspace = pass.workspace();
        let parts = (0..PARTS)
            .map(|part| self.database.rows::<(String, i32, Option<Vec<u8>>)>(&self.all, (workspace.as_str(), part)));
        let mut latest: HashMap<KpiName, (i32, Option<Vec<u8>>)> = HashMap::new();
        for (kpi, life, cell) in try_join_all(parts).await?.into_iter().flatten() {
            // The lives of a KPI come in order.
            latest.insert(KpiName::new(&kpi).map_err(unreadable)?, (life, cell));
        }
        let mut snapshots = Vec::with_capacity(latest.len());
        let mut large = Vec::new();
        for (kpi, (life, cell)) in latest {
            self.note(workspace, &kpi, life);
            let Some(cell) = cell else { continue };
            match cell::decode(&cell)? {
                Cell { seq, content: Content::Inline(state) } => {
                    snapshots.push(Snapshot { kpi, seq: seq as Seq, state });
                }
                _ => large.push(kpi),
            }
        }
        let large = stream::iter(large).map(|kpi| async move { self.read(workspace, &kpi).await });
        let large: Vec<Option<Snapshot>> = large.buffer_unordered(LARGE_AT_ONCE).try_collect().await?;
        snapshots.extend(large.into_iter().flatten());
        snapshots.sort_by(|a, b| a.kpi.cmp(&b.kpi));
        Ok(snapshots)
    }

    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError> {
        let (workspace, name) = (pass.workspace().as_str(), kpi.as_str());
        let part = part(name);
        let lives: Vec<(i32, Option<i64>)> = self.database.rows(&self.filled, (workspace, part, name)).await?;
        // A life without a snapshot has just begun.
        let Some((life, Some(_))) = lives.last().copied() else { return Ok(()) };
        self.database.execute(&self.begin_life, (workspace, part, name, life + 1)).await?;
        self.note(pass.workspace(), kpi, life + 1);
        self.database.execute(&self.delete_lives, (workspace, part, name, life)).await?;
        self.chunks.delete_lives((workspace, name), life).await
    }
}

fn part(kpi: &str) -> i32 {
    (xxh3_64(kpi.as_bytes()) % PARTS as u64) as i32
}

/// Grows with `seq` from the first timestamp there is (the very first means "none"), so that no `seq` is in the future: the
/// database may refuse that, and a deletion, which has the time of day, would not reach it.
fn timestamp(seq: i64) -> i64 {
    i64::MIN + 1 + seq
}

#[cfg(test)]
mod tests;
