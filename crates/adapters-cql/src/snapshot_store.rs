//! The latest scoring state of every KPI, without transactions: the database itself keeps the
//! higher `seq`.
//!
//! A row's `snapshot` is written with a timestamp made of its `seq`. Of two values of a cell, the
//! database keeps the one with the higher timestamp, in any order of arrival. Deleting a snapshot
//! begins another *generation* of the KPI in a new row, so that lower numbers count again. A writer
//! reads the generation in parallel with its write, and repeats the write if the generation was
//! another. (Of two different states with one `seq` the database keeps the larger one.)
//!
//! Each part of a KPI has a row of its own. The first one is named like the KPI, the others have
//! their number behind a `#`, which no name of a KPI contains.
//!
//! A state of up to 32 KiB is stored in the row. A larger one is stored as chunks in another table
//! under a random id. The chunks are written before the row that names them, and removed after a
//! row that replaces it. A reader that finds chunks missing reads the row again.

mod cell;
mod chunks;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::try_join;
use futures_util::{StreamExt, TryStreamExt, stream};
use xxhash_rust::xxh3::xxh3_64;

use self::cell::{Cell, Content};
use self::chunks::Chunks;
use super::database::{CqlDatabase, Prepared, Purpose};
use super::failure::unreadable;
use super::workspace_names::WorkspaceNames;
use earcon_model::{KpiName, Seq, WorkspaceKey};
use earcon_ports::{ErrorKind, PortError, Snapshot, SnapshotStore};
use earcon_tenancy::WorkspacePass;

/// Partitions of a workspace: enough to spread 20,000 KPIs, few enough to read all of them.
const PARTITIONS: i32 = 16;
/// Rows of a page, so that a page of full rows has 8 MiB.
const PAGE: i32 = 256;
/// Largest state in the row itself, bytes.
const INLINE: usize = 32 << 10;
/// Attempts to read a changing snapshot, or to write in a changing generation.
const ATTEMPTS: usize = 8;
/// Snapshots that are written concurrently: small ones, and ones of several chunks.
const SMALL_PUTS: usize = 16;
const LARGE_PUTS: usize = 2;
/// Large snapshots that are read concurrently.
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
    names_of_part: Prepared,
    delete_part: Prepared,
    /// The last known generation of rows, if it is not the first. A hint that saves the second
    /// write.
    generations: Mutex<HashMap<(WorkspaceKey, String), i32>>,
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
        let names_of_part = "SELECT kpi, large FROM snapshots WHERE workspace = ? AND part = ?";
        let delete_part = "DELETE FROM snapshots WHERE workspace = ? AND part = ?";
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
            names_of_part: database.prepare(names_of_part, Purpose::Read).await?,
            delete_part: database.prepare(delete_part, Purpose::Write).await?,
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
        let part = partition(kpi);
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
            let values = (workspace, partition(kpi), kpi, generation, timestamp(seq));
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
        let Snapshot { kpi, part, seq, state } = snapshot;
        let row = row(kpi, *part);
        let Ok(seq) = i64::try_from(*seq) else {
            return Err(PortError::new(ErrorKind::Invalid, format!("{seq} is no sequence number")));
        };
        let workspace = pass.key();
        self.names.remember(workspace).await?;
        let at = (workspace.as_str(), row.as_str());
        let large = state.len() > INLINE;
        let inline = if large { None } else { Some(Content::Inline(state.clone())) };
        let mut generation = self.noted(workspace, &row);
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
            self.note(workspace, &row, now);
            generation = now;
        }
        Err(PortError::new(ErrorKind::Unavailable, format!("the snapshot of {row} is deleted repeatedly")))
    }

    async fn read(&self, workspace: &WorkspaceKey, kpi: &KpiName, part: u32) -> Result<Option<Snapshot>, PortError> {
        let row = row(kpi, part);
        let at = (workspace.as_str(), row.as_str());
        for _ in 0..ATTEMPTS {
            let generations: Vec<(i32, Option<Vec<u8>>)> =
                self.database.rows(&self.get, (at.0, partition(at.1), at.1)).await?;
            let Some((generation, cell)) = generations.into_iter().next_back() else { return Ok(None) };
            self.note(workspace, &row, generation);
            let Some(cell) = cell else { return Ok(None) };
            let cell = cell::decode(&cell)?;
            let seq = cell.seq as Seq;
            if let Some(state) = self.state(at, generation, cell).await? {
                return Ok(Some(Snapshot { kpi: kpi.clone(), part, seq, state }));
            }
        }
        Err(PortError::new(ErrorKind::Corrupt, format!("chunks of the snapshot of {row} are missing")))
    }

    fn noted(&self, workspace: &WorkspaceKey, row: &str) -> i32 {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.is_empty() {
            0
        } else {
            generations.get(&(workspace.clone(), row.to_owned())).copied().unwrap_or(0)
        }
    }

    fn note(&self, workspace: &WorkspaceKey, row: &str, generation: i32) {
        if generation > 0 {
            let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
            generations.insert((workspace.clone(), row.to_owned()), generation);
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

    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Vec<Snapshot>, PortError> {
        let workspace = pass.key();
        let Some(first) = self.read(workspace, kpi, 0).await? else { return Ok(Vec::new()) };
        let mut found = vec![first];
        // Most KPIs have one part, so the second one is looked for alone.
        if let Some(second) = self.read(workspace, kpi, 1).await? {
            found.push(second);
            let mut rest = pin!(stream::iter(2..).map(|part| self.read(workspace, kpi, part)).buffered(LARGE_AT_ONCE));
            while let Some(Some(snapshot)) = rest.try_next().await? {
                found.push(snapshot);
            }
        }
        Ok(found)
    }

    async fn visit(&self, pass: &WorkspacePass, seen: &mut (dyn FnMut(Snapshot) + Send)) -> Result<(), PortError> {
        let workspace = pass.key();
        for partition in 0..PARTITIONS {
            let rows: Vec<(String, i32, Option<Vec<u8>>)> =
                self.database.rows(&self.all, (workspace.as_str(), partition)).await?;
            // The generations of a row are in order, and the last one counts.
            let latest: HashMap<String, (i32, Option<Vec<u8>>)> =
                rows.into_iter().map(|(row, generation, cell)| (row, (generation, cell))).collect();
            let mut large = Vec::new();
            for (row, (generation, cell)) in latest {
                self.note(workspace, &row, generation);
                let (kpi, part) = parse_row(&row)?;
                let Some(cell) = cell else { continue };
                match cell::decode(&cell)? {
                    Cell { seq, content: Content::Inline(state) } => {
                        seen(Snapshot { kpi, part, seq: seq as Seq, state });
                    }
                    _ => large.push((kpi, part)),
                }
            }
            let read = |(kpi, part)| async move { self.read(workspace, &kpi, part).await };
            let mut large = pin!(stream::iter(large).map(read).buffer_unordered(LARGE_AT_ONCE));
            while let Some(snapshot) = large.try_next().await? {
                snapshot.into_iter().for_each(&mut *seen);
            }
        }
        Ok(())
    }

    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError> {
        let mut parts = 0;
        while self.filled_generation(pass, &row(kpi, parts)).await?.is_some() {
            parts += 1;
        }
        // From the last one, so that no gap is left before the others.
        for part in (0..parts).rev() {
            self.delete_row(pass, &row(kpi, part)).await?;
        }
        Ok(())
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let workspace = pass.key().as_str();
        for part in 0..PARTITIONS {
            let mut pages = self.database.pages::<(String, Option<bool>)>(&self.names_of_part, (workspace, part))?;
            while let Some(page) = pages.next().await? {
                let large: Vec<String> =
                    page.into_iter().filter(|(_, large)| *large == Some(true)).map(|(row, _)| row).collect();
                let remove = |row: String| async move { self.chunks.remove((workspace, &row)).await };
                stream::iter(large).map(remove).buffer_unordered(LARGE_AT_ONCE).try_collect::<()>().await?;
            }
            self.database.execute(&self.delete_part, (workspace, part)).await?;
        }
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.retain(|(key, _), _| key != pass.key());
        Ok(())
    }
}

impl CqlSnapshots {
    /// The generation of a row that has a snapshot.
    async fn filled_generation(&self, pass: &WorkspacePass, row: &str) -> Result<Option<i32>, PortError> {
        let at = (pass.key().as_str(), partition(row), row);
        let generations: Vec<(i32, Option<i64>)> = self.database.rows(&self.filled, at).await?;
        // A generation without a snapshot has just begun.
        Ok(generations.last().and_then(|(generation, written)| written.map(|_| *generation)))
    }

    async fn delete_row(&self, pass: &WorkspacePass, row: &str) -> Result<(), PortError> {
        let Some(generation) = self.filled_generation(pass, row).await? else { return Ok(()) };
        let (workspace, partition) = (pass.key().as_str(), partition(row));
        self.database.execute(&self.begin_generation, (workspace, partition, row, generation + 1)).await?;
        self.note(pass.key(), row, generation + 1);
        self.database.execute(&self.delete_generations, (workspace, partition, row, generation)).await?;
        self.chunks.delete_generations((workspace, row), generation).await
    }
}

/// The name of the row of a part.
fn row(kpi: &KpiName, part: u32) -> String {
    if part == 0 { kpi.to_string() } else { format!("{kpi}#{part}") }
}

fn parse_row(row: &str) -> Result<(KpiName, u32), PortError> {
    let (kpi, part) = match row.split_once('#') {
        Some((kpi, part)) => (kpi, part.parse().map_err(unreadable)?),
        None => (row, 0),
    };
    Ok((KpiName::new(kpi).map_err(unreadable)?, part))
}

fn partition(row: &str) -> i32 {
    (xxh3_64(row.as_bytes()) % PARTITIONS as u64) as i32
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
