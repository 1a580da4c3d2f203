//! The latest scoring state of every KPI, without transactions: the database itself keeps the
//! higher `seq`.
//!
//! A row's `snapshot` is written with a timestamp made of its `seq`. Of two values of a cell, the
//! database keeps the one with the higher timestamp, in any order of arrival. Deleting a snapshot
//! begins another *generation* of the KPI in a new row, so that lower numbers count again. A writer
//! reads the generation in parallel with its write, and repeats the write if the generation was
//! another. (Of two different states with one `seq` the database keeps the larger one.)
//!
//! A state of up to 32 KiB is stored in the row. A larger one is stored as chunks in another table
//! under a random id. The chunks are written before the row that names them, and removed after a
//! row that replaces it. A reader that finds chunks missing reads the row again.

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

/// Partitions of a workspace: enough to spread 20,000 KPIs, few enough to read all of them.
const PARTS: i32 = 16;
/// Rows of a page, so that a page of full rows has 8 MiB.
const PAGE: i32 = 256;
/// Largest state in the row itself, bytes.
const INLINE: usize = 32 << 10;
/// Attempts to read a changing snapshot, or to write in a changing generation.
const ATTEMPTS: usize = 8;
/// Snapshots that are written concurrently: small ones, and ones of several chunks.
const SMALL_PUTS: usize = 16;
const LARGE_PUTS: usize = 2;
/// Large snapshots that [`SnapshotStore::all`] reads concurrently.
const LARGE_AT_ONCE: usize = 8;

/// The snapshots of all workspaces.
pub struct CqlSnapshots {
    database: Arc<CqlDatabase>,
    names: WorkspaceNames,
    chunks: Chunks,
    write_small: Prepared,
    write_large: Prepared,
    no_longer_large: Prepared,
    generation: Prepared,
    filled: Prepared,
    get: Prepared,
    all: Prepared,
    begin_generation: Prepared,
    delete_generations: Prepared,
    /// The last known generation of KPIs, if it is not the first. A hint that saves the second
    /// write.
    generations: Mutex<HashMap<(WorkspaceId, KpiName), i32>>,
}

impl CqlSnapshots {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let write_small = "INSERT INTO snapshots (workspace, part, kpi, generation, snapshot) VALUES (?, ?, ?, ?, ?) \
                           USING TIMESTAMP ?";
        let write_large = "INSERT INTO snapshots (workspace, part, kpi, generation, snapshot, large) \
                           VALUES (?, ?, ?, ?, ?, true) USING TIMESTAMP ?";
        let no_longer_large = "INSERT INTO snapshots (workspace, part, kpi, generation, large) VALUES (?, ?, ?, ?, false) \
                               USING TIMESTAMP ?";
        let generation = "SELECT generation, large FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let filled =
            "SELECT generation, WRITETIME(snapshot) FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let get = "SELECT generation, snapshot FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ?";
        let all = "SELECT kpi, generation, snapshot FROM snapshots WHERE workspace = ? AND part = ?";
        let begin_generation = "INSERT INTO snapshots (workspace, part, kpi, generation) VALUES (?, ?, ?, ?)";
        let delete_generations =
            "DELETE FROM snapshots WHERE workspace = ? AND part = ? AND kpi = ? AND generation <= ?";
        Ok(Self {
            names: WorkspaceNames::open(database.clone()).await?,
            chunks: Chunks::open(database.clone()).await?,
            write_small: database.prepare(write_small, Purpose::Write).await?,
            write_large: database.prepare(write_large, Purpose::Write).await?,
            no_longer_large: database.prepare(no_longer_large, Purpose::Write).await?,
            generation: database.prepare(generation, Purpose::Read).await?,
            filled: database.prepare(filled, Purpose::Read).await?,
            get: database.prepare(get, Purpose::Read).await?,
            all: database.prepare(all, Purpose::Read).await?.in_pages_of(PAGE),
            begin_generation: database.prepare(begin_generation, Purpose::Write).await?,
            delete_generations: database.prepare(delete_generations, Purpose::Write).await?,
            generations: Mutex::default(),
            database,
        })
    }

    /// Writes into the presumed generation. Returns the actual generation, and whether it had
    /// chunks.
    async fn write(
        &self,
        (workspace, kpi): (&str, &str),
        generation: i32,
        seq: i64,
        content: &Content,
    ) -> Result<(i32, bool), PortError> {
        let part = part(kpi);
        let write = if matches!(content, Content::Chunked(_)) { &self.write_large } else { &self.write_small };
        let values = (workspace, part, kpi, generation, cell::encode(seq, content), timestamp(seq));
        let written = self.database.execute(write, values);
        let found = self.database.rows::<(i32, Option<bool>)>(&self.generation, (workspace, part, kpi));
        let (_, found) = try_join(written, found).await?;
        let (now, large) =
            found.last().map_or((generation, false), |(generation, large)| (*generation, *large == Some(true)));
        Ok((now.max(generation), large))
    }

    /// Removes the chunks of replaced snapshots.
    async fn sweep(
        &self,
        (workspace, kpi): (&str, &str),
        generation: i32,
        seq: i64,
        large: bool,
    ) -> Result<(), PortError> {
        self.chunks.delete_before((workspace, kpi), generation, seq).await?;
        if !large {
            // Uses the timestamp of this snapshot, so that a later large one still sets `large`.
            let values = (workspace, part(kpi), kpi, generation, timestamp(seq));
            self.database.execute(&self.no_longer_large, values).await?;
        }
        Ok(())
    }

    /// The state of a cell. `None` if its chunks are gone.
    async fn state(&self, at: (&str, &str), generation: i32, cell: Cell) -> Result<Option<Vec<u8>>, PortError> {
        match cell.content {
            Content::Inline(state) => Ok(Some(state)),
            Content::Chunked(chunks) => self.chunks.read(at, generation, cell.seq, &chunks).await,
        }
    }

    async fn put_one(&self, pass: &WorkspacePass, snapshot: &Snapshot) -> Result<(), PortError> {
        let Snapshot { kpi, seq, state } = snapshot;
        let Ok(seq) = i64::try_from(*seq) else {
            return Err(PortError::new(ErrorKind::Invalid, format!("{seq} is no sequence number")));
        };
        let workspace = pass.workspace();
        self.names.remember(workspace).await?;
        let at = (workspace.as_str(), kpi.as_str());
        let large = state.len() > INLINE;
        let inline = if large { None } else { Some(Content::Inline(state.clone())) };
        let mut generation = self.noted(workspace, kpi);
        for _ in 0..ATTEMPTS {
            let (now, had_large) = match &inline {
                Some(content) => self.write(at, generation, seq, content).await?,
                None => {
                    let chunks = self.chunks.write(at, generation, seq, state).await?;
                    self.write(at, generation, seq, &Content::Chunked(chunks)).await?
                }
            };
            if now == generation {
                if large || had_large {
                    self.sweep(at, generation, seq, large).await?;
                }
                return Ok(());
            }
            self.note(workspace, kpi, now);
            generation = now;
        }
        Err(PortError::new(ErrorKind::Unavailable, format!("the snapshot of {kpi} is deleted repeatedly")))
    }

    async fn read(&self, workspace: &WorkspaceId, kpi: &KpiName) -> Result<Option<Snapshot>, PortError> {
        let at = (workspace.as_str(), kpi.as_str());
        for _ in 0..ATTEMPTS {
            let generations: Vec<(i32, Option<Vec<u8>>)> =
                self.database.rows(&self.get, (at.0, part(at.1), at.1)).await?;
            let Some((generation, cell)) = generations.into_iter().next_back() else { return Ok(None) };
            self.note(workspace, kpi, generation);
            let Some(cell) = cell else { return Ok(None) };
            let cell = cell::decode(&cell)?;
            let seq = cell.seq as Seq;
            if let Some(state) = self.state(at, generation, cell).await? {
                return Ok(Some(Snapshot { kpi: kpi.clone(), seq, state }));
            }
        }
        Err(PortError::new(ErrorKind::Corrupt, format!("chunks of the snapshot of {kpi} are missing")))
    }

    fn noted(&self, workspace: &WorkspaceId, kpi: &KpiName) -> i32 {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.is_empty() {
            0
        } else {
            generations.get(&(workspace.clone(), kpi.clone())).copied().unwrap_or(0)
        }
    }

    fn note(&self, workspace: &WorkspaceId, kpi: &KpiName, generation: i32) {
        if generation > 0 {
            let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
            generations.insert((workspace.clone(), kpi.clone()), generation);
        }
    }
}

#[async_trait]
impl SnapshotStore for CqlSnapshots {
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError> {
        self.put_one(pass, &snapshot).await
    }

    async fn put_all(&self, pass: &WorkspacePass, snapshots: Vec<Arc<Snapshot>>) -> Result<(), PortError> {
        let (large, small): (Vec<_>, Vec<_>) = snapshots.iter().partition(|snapshot| snapshot.state.len() > INLINE);
        let put = |snapshot: &Arc<Snapshot>| {
            let snapshot = snapshot.clone();
            async move { self.put_one(pass, &snapshot).await }
        };
        stream::iter(small).map(put).buffer_unordered(SMALL_PUTS).try_collect::<()>().await?;
        // Each of them writes several chunks at once.
        stream::iter(large).map(put).buffer_unordered(LARGE_PUTS).try_collect().await
    }

    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Option<Snapshot>, PortError> {
        self.read(pass.workspace(), kpi).await
    }

    async fn all(&self, pass: &WorkspacePass) -> Result<Vec<Snapshot>, PortError> {
        let workspace = pass.workspace();
        let parts = (0..PARTS)
            .map(|part| self.database.rows::<(String, i32, Option<Vec<u8>>)>(&self.all, (workspace.as_str(), part)));
        let mut latest: HashMap<KpiName, (i32, Option<Vec<u8>>)> = HashMap::new();
        for (kpi, generation, cell) in try_join_all(parts).await?.into_iter().flatten() {
            // The generations of a KPI are in order.
            latest.insert(KpiName::new(&kpi).map_err(unreadable)?, (generation, cell));
        }
        let mut snapshots = Vec::with_capacity(latest.len());
        let mut large = Vec::new();
        for (kpi, (generation, cell)) in latest {
            self.note(workspace, &kpi, generation);
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
        let generations: Vec<(i32, Option<i64>)> = self.database.rows(&self.filled, (workspace, part, name)).await?;
        // A generation without a snapshot has just begun.
        let Some((generation, Some(_))) = generations.last().copied() else { return Ok(()) };
        self.database.execute(&self.begin_generation, (workspace, part, name, generation + 1)).await?;
        self.note(pass.workspace(), kpi, generation + 1);
        self.database.execute(&self.delete_generations, (workspace, part, name, generation)).await?;
        self.chunks.delete_generations((workspace, name), generation).await
    }
}

fn part(kpi: &str) -> i32 {
    (xxh3_64(kpi.as_bytes()) % PARTS as u64) as i32
}

/// A write timestamp that grows with `seq`, from the second possible one (the first means "none").
///
/// No `seq` is then in the future. The database may refuse future timestamps, and a deletion, which
/// uses the present time, would not reach such a row.
fn timestamp(seq: i64) -> i64 {
    i64::MIN + 1 + seq
}

#[cfg(test)]
mod tests;
