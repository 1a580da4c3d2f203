//! Large states in pieces.
//!
//! A piece's key begins with `life` and `seq`, so that all that a snapshot replaces, also what a writer left that died
//! halfway, is removed by one range of lower keys, and never what a later writer is just writing.

use std::sync::Arc;

use futures_util::{TryStreamExt, stream};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::cell::Pieces;
use crate::database::{CqlDatabase, Prepared, Purpose};
use earcon_ports::PortError;

/// Bytes of a piece.
const PIECE: usize = 256 << 10;
/// Rows of a page: 4 MiB.
const PAGE: i32 = 16;
/// Pieces of one state written at once.
const AT_ONCE: usize = 8;

pub(super) struct Chunks {
    database: Arc<CqlDatabase>,
    write: Prepared,
    read: Prepared,
    delete_before: Prepared,
    delete_lives: Prepared,
}

impl Chunks {
    pub(super) async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let write =
            "INSERT INTO snapshot_chunks (workspace, kpi, life, seq, id, piece, data) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let read = "SELECT piece, data FROM snapshot_chunks \
                    WHERE workspace = ? AND kpi = ? AND life = ? AND seq = ? AND id = ?";
        let delete_before = "DELETE FROM snapshot_chunks WHERE workspace = ? AND kpi = ? AND life = ? AND seq < ?";
        let delete_lives = "DELETE FROM snapshot_chunks WHERE workspace = ? AND kpi = ? AND life <= ?";
        Ok(Self {
            write: database.prepare(write, Purpose::Write).await?,
            read: database.prepare(read, Purpose::Read).await?.in_pages_of(PAGE),
            delete_before: database.prepare(delete_before, Purpose::Write).await?,
            delete_lives: database.prepare(delete_lives, Purpose::Write).await?,
            database,
        })
    }

    /// Writes a state under a new name.
    pub(super) async fn write(
        &self,
        (workspace, kpi): (&str, &str),
        life: i32,
        seq: i64,
        state: &[u8],
    ) -> Result<Pieces, PortError> {
        let id = Uuid::new_v4();
        let count = state.len().div_ceil(PIECE) as u32;
        let pieces = stream::iter((0..).zip(state.chunks(PIECE)).map(Ok)).try_for_each_concurrent(
            AT_ONCE,
            |(piece, data): (i32, &[u8])| async move {
                let values = (workspace, kpi, life, seq, id, piece, data);
                self.database.execute(&self.write, values).await.map(|_| ())
            },
        );
        pieces.await?;
        Ok(Pieces { id, count, bytes: state.len() as u64, hash: xxh3_64(state) })
    }

    /// The state of that name; `None` when it is not there as a whole.
    pub(super) async fn read(
        &self,
        (workspace, kpi): (&str, &str),
        life: i32,
        seq: i64,
        pieces: &Pieces,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let mut pages = self.database.pages::<(i32, Vec<u8>)>(&self.read, (workspace, kpi, life, seq, pieces.id))?;
        let (mut state, mut found) = (Vec::new(), 0);
        while let Some(page) = pages.next().await? {
            found += page.len();
            page.iter().for_each(|(_, data)| state.extend_from_slice(data));
        }
        let whole = found == pieces.count as usize && state.len() as u64 == pieces.bytes;
        Ok((whole && xxh3_64(&state) == pieces.hash).then_some(state))
    }

    /// Removes what is older than `seq` in this life.
    pub(super) async fn delete_before(&self, at: (&str, &str), life: i32, seq: i64) -> Result<(), PortError> {
        self.database.execute(&self.delete_before, (at.0, at.1, life, seq)).await.map(|_| ())
    }

    /// Removes what is of this life or an earlier one.
    pub(super) async fn delete_lives(&self, at: (&str, &str), life: i32) -> Result<(), PortError> {
        self.database.execute(&self.delete_lives, (at.0, at.1, life)).await.map(|_| ())
    }
}
