//! Large states, in chunks.
//!
//! The key of a chunk begins with `generation` and `seq`. One range deletion of lower keys removes
//! everything that a snapshot replaces, including the remains of a writer that died. It never
//! removes chunks of a later writer.

use std::sync::Arc;

use futures_util::{TryStreamExt, stream};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::cell::ChunkedState;
use crate::database::{CqlDatabase, Prepared, Purpose};
use earcon_ports::PortError;

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 256 << 10;
/// Rows of a page: 4 MiB.
const PAGE: i32 = 16;
/// Chunks of one state written concurrently.
const AT_ONCE: usize = 8;

pub(super) struct Chunks {
    database: Arc<CqlDatabase>,
    write: Prepared,
    read: Prepared,
    delete_before: Prepared,
    delete_generations: Prepared,
    remove: Prepared,
}

impl Chunks {
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let write = "INSERT INTO snapshot_chunks (workspace, kpi, generation, seq, id, chunk, data) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let read = "SELECT chunk, data FROM snapshot_chunks \
                    WHERE workspace = ? AND kpi = ? AND generation = ? AND seq = ? AND id = ?";
        let delete_before =
            "DELETE FROM snapshot_chunks WHERE workspace = ? AND kpi = ? AND generation = ? AND seq < ?";
        let delete_generations = "DELETE FROM snapshot_chunks WHERE workspace = ? AND kpi = ? AND generation <= ?";
        let remove = "DELETE FROM snapshot_chunks WHERE workspace = ? AND kpi = ?";
        Ok(Self {
            write: database.prepare(write, Purpose::Write).await?,
            read: database.prepare(read, Purpose::Read).await?.in_pages_of(PAGE),
            delete_before: database.prepare(delete_before, Purpose::Write).await?,
            delete_generations: database.prepare(delete_generations, Purpose::Write).await?,
            remove: database.prepare(remove, Purpose::Write).await?,
            database,
        })
    }

    /// Writes a state under a new id.
    pub(super) async fn write(
        &self,
        (workspace, kpi): (&str, &str),
        generation: i32,
        seq: i64,
        state: &[u8],
    ) -> Result<ChunkedState, PortError> {
        let id = Uuid::new_v4();
        let count = state.len().div_ceil(CHUNK_BYTES) as u32;
        let chunks = stream::iter((0..).zip(state.chunks(CHUNK_BYTES)).map(Ok)).try_for_each_concurrent(
            AT_ONCE,
            |(chunk, data): (i32, &[u8])| async move {
                let values = (workspace, kpi, generation, seq, id, chunk, data);
                self.database.execute(&self.write, values).await.map(|_| ())
            },
        );
        chunks.await?;
        Ok(ChunkedState { id, count, bytes: state.len() as u64, hash: xxh3_64(state) })
    }

    /// The state with this id. `None` if it is incomplete.
    pub(super) async fn read(
        &self,
        (workspace, kpi): (&str, &str),
        generation: i32,
        seq: i64,
        chunks: &ChunkedState,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let mut pages =
            self.database.pages::<(i32, Vec<u8>)>(&self.read, (workspace, kpi, generation, seq, chunks.id))?;
        let (mut state, mut found) = (Vec::new(), 0);
        while let Some(page) = pages.next().await? {
            found += page.len();
            page.iter().for_each(|(_, data)| state.extend_from_slice(data));
        }
        let whole = found == chunks.count as usize && state.len() as u64 == chunks.bytes;
        Ok((whole && xxh3_64(&state) == chunks.hash).then_some(state))
    }

    /// Deletes chunks older than `seq` in this generation.
    pub(super) async fn delete_before(&self, at: (&str, &str), generation: i32, seq: i64) -> Result<(), PortError> {
        self.database.execute(&self.delete_before, (at.0, at.1, generation, seq)).await.map(|_| ())
    }

    /// Deletes the chunks of this generation and earlier ones.
    pub(super) async fn delete_generations(&self, at: (&str, &str), generation: i32) -> Result<(), PortError> {
        self.database.execute(&self.delete_generations, (at.0, at.1, generation)).await.map(|_| ())
    }

    /// Deletes all chunks.
    pub(super) async fn remove(&self, at: (&str, &str)) -> Result<(), PortError> {
        self.database.execute(&self.remove, at).await.map(|_| ())
    }
}
