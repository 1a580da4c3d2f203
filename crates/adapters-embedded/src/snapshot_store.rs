//! The latest scoring state of every KPI. Writes are not synced: a lost one costs only replay time.
//!
//! Key: workspace, zero, KPI, zero, part. Value: `version u8 | seq u64 | state`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::database::{Database, Durability, Entry, WriteBatch, blocking, corrupt, prefix, unreadable};
use super::series_store::remove_prefix;
use async_trait::async_trait;
use earcon_model::{KpiName, Seq, WorkspaceId};
use earcon_ports::{ErrorKind, PortError, Snapshot, SnapshotStore};
use earcon_tenancy::WorkspacePass;

const VERSION: u8 = 1;
const HEADER: usize = 9;
/// A commit with this much is not made larger.
const COMMIT_BYTES: usize = 1 << 20;
/// Bytes of states that are read at once.
const PAGE_BYTES: usize = 4 << 20;

pub(super) struct EmbeddedSnapshots {
    database: Arc<Database>,
    /// The `seq` of snapshots that this process wrote or looked up, by key. Reading the stored one
    /// for each write would fill the cache with states that are about to be replaced.
    known: Arc<Mutex<HashMap<Vec<u8>, Seq>>>,
}

impl EmbeddedSnapshots {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database, known: Arc::default() }
    }
}

#[async_trait]
impl SnapshotStore for EmbeddedSnapshots {
    async fn put(&self, pass: &WorkspacePass, snapshot: Snapshot) -> Result<(), PortError> {
        self.put_all(pass, vec![Arc::new(snapshot)]).await
    }

    async fn put_all(&self, pass: &WorkspacePass, snapshots: Vec<Arc<Snapshot>>) -> Result<(), PortError> {
        if let Some(wrong) = snapshots.iter().find(|snapshot| i64::try_from(snapshot.seq).is_err()) {
            return Err(PortError::new(ErrorKind::Invalid, format!("{} is no sequence number", wrong.seq)));
        }
        let (database, workspace, known) = (self.database.clone(), pass.workspace().clone(), self.known.clone());
        blocking(move || {
            // One actor of the workspace writes, so no other write comes between a look and a
            // commit.
            let mut rest = snapshots.into_iter();
            while rest.len() > 0 {
                let written = write_some(&database, &workspace, &known, &mut rest)?;
                locked(&known).extend(written);
            }
            Ok(())
        })
        .await
    }

    async fn get(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<Vec<Snapshot>, PortError> {
        let (database, workspace, parts) = (self.database.clone(), prefix(pass.workspace()), parts(pass, kpi));
        blocking(move || {
            let stored = database.snapshot()?.prefix(database.snapshots, &parts);
            stored.map(|entry| decode(&workspace, entry)).collect()
        })
        .await
    }

    async fn visit(&self, pass: &WorkspacePass, seen: &mut (dyn FnMut(Snapshot) + Send)) -> Result<(), PortError> {
        let mut next = prefix(pass.workspace());
        loop {
            let (database, workspace, start) = (self.database.clone(), prefix(pass.workspace()), next);
            let page;
            (page, next) = blocking(move || read_page(&database, &workspace, start)).await?;
            page.into_iter().for_each(&mut *seen);
            if next.is_empty() {
                return Ok(());
            }
        }
    }

    async fn delete(&self, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), PortError> {
        let (database, parts, known) = (self.database.clone(), parts(pass, kpi), self.known.clone());
        blocking(move || {
            let (mut batch, mut keys) = (WriteBatch::default(), Vec::new());
            for entry in database.snapshot()?.prefix(database.snapshots, &parts) {
                keys.push(entry.key().map_err(unreadable)?.to_vec());
            }
            keys.iter().for_each(|key| batch.remove(database.snapshots, key.as_slice()));
            database.commit(batch, Durability::Buffered)?;
            locked(&known).retain(|key, _| !key.starts_with(&parts));
            Ok(())
        })
        .await
    }

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let (database, prefix, known) = (self.database.clone(), prefix(pass.workspace()), self.known.clone());
        blocking(move || {
            remove_prefix(&database, database.snapshots, &prefix)?;
            locked(&known).retain(|key, _| !key.starts_with(&prefix));
            Ok(())
        })
        .await
    }
}

fn locked(known: &Mutex<HashMap<Vec<u8>, Seq>>) -> MutexGuard<'_, HashMap<Vec<u8>, Seq>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last event that a snapshot of the workspace includes. 0 without snapshots. One that cannot
/// be read does not count.
pub(super) fn newest(database: &Database, workspace: &WorkspaceId) -> Result<Seq, PortError> {
    let mut newest = 0;
    for entry in database.snapshot()?.prefix(database.snapshots, prefix(workspace)) {
        let (_, value) = entry.into_inner().map_err(unreadable)?;
        newest = newest.max(read_seq(&value).unwrap_or(0));
    }
    Ok(newest)
}

/// Writes snapshots in one commit, until it is large enough. Returns the written part.
fn write_some(
    database: &Arc<Database>,
    workspace: &WorkspaceId,
    known: &Mutex<HashMap<Vec<u8>, Seq>>,
    rest: &mut impl Iterator<Item = Arc<Snapshot>>,
) -> Result<Vec<(Vec<u8>, Seq)>, PortError> {
    let (mut batch, mut bytes, mut written) = (WriteBatch::default(), 0, Vec::new());
    while bytes < COMMIT_BYTES
        && let Some(snapshot) = rest.next()
    {
        let key = key(workspace, &snapshot.kpi, snapshot.part);
        let before = locked(known).get(&key).copied();
        let before = match before {
            Some(seq) => Some(seq),
            None => stored_seq(database, &key)?,
        };
        if before.is_some_and(|before| before > snapshot.seq) {
            continue;
        }
        let mut value = Vec::with_capacity(HEADER + snapshot.state.len());
        value.push(VERSION);
        value.extend_from_slice(&snapshot.seq.to_le_bytes());
        value.extend_from_slice(&snapshot.state);
        bytes += value.len();
        batch.insert(database.snapshots, key.clone(), value);
        written.push((key, snapshot.seq));
    }
    database.commit(batch, Durability::Buffered)?;
    Ok(written)
}

/// A stored snapshot that cannot be read is replaced.
fn stored_seq(database: &Arc<Database>, key: &[u8]) -> Result<Option<Seq>, PortError> {
    let stored = database.snapshot()?.get(database.snapshots, key).map_err(unreadable)?;
    Ok(stored.and_then(|value| read_seq(&value).ok()))
}

/// The snapshots from `start` on, and the key to go on from; an empty one at the end.
fn read_page(
    database: &Arc<Database>,
    workspace: &[u8],
    start: Vec<u8>,
) -> Result<(Vec<Snapshot>, Vec<u8>), PortError> {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for entry in database.snapshot()?.range(database.snapshots, start..) {
        let (key, value) = entry.into_inner().map_err(unreadable)?;
        if !key.starts_with(workspace) {
            break;
        }
        if bytes >= PAGE_BYTES {
            return Ok((page, key.to_vec()));
        }
        bytes += value.len();
        page.push(decoded(workspace, &key, &value)?);
    }
    Ok((page, Vec::new()))
}

/// The prefix of all parts of a KPI.
fn parts(pass: &WorkspacePass, kpi: &KpiName) -> Vec<u8> {
    let mut key = prefix(pass.workspace());
    key.extend_from_slice(kpi.as_str().as_bytes());
    key.push(0);
    key
}

fn key(workspace: &WorkspaceId, kpi: &KpiName, part: u32) -> Vec<u8> {
    let mut key = prefix(workspace);
    key.extend_from_slice(kpi.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(&part.to_be_bytes());
    key
}

fn read_seq(value: &[u8]) -> Result<Seq, PortError> {
    let seq = value.split_first().filter(|(version, _)| **version == VERSION).and_then(|(_, rest)| rest.first_chunk());
    seq.map(|seq| Seq::from_le_bytes(*seq)).ok_or_else(|| corrupt("a snapshot"))
}

fn decode(workspace: &[u8], entry: Entry) -> Result<Snapshot, PortError> {
    let (key, value) = entry.into_inner().map_err(unreadable)?;
    decoded(workspace, &key, &value)
}

fn decoded(workspace: &[u8], key: &[u8], value: &[u8]) -> Result<Snapshot, PortError> {
    let seq = read_seq(value)?;
    let (kpi, part) = name(&key[workspace.len()..]).ok_or_else(|| corrupt("the name of a KPI"))?;
    Ok(Snapshot { kpi, part, seq, state: value[HEADER..].to_vec() })
}

fn name(key: &[u8]) -> Option<(KpiName, u32)> {
    let (kpi, part) = key.split_last_chunk()?;
    let kpi = std::str::from_utf8(kpi.strip_suffix(&[0])?).ok()?;
    Some((KpiName::new(kpi).ok()?, u32::from_be_bytes(*part)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, pass};
    use super::*;
    use earcon_contract as contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let scratch = Scratch::new();
        let store = scratch.open();
        contract::snapshot_store(|| store.snapshot_store()).await;
    }

    #[tokio::test]
    async fn snapshots_small_and_large_survive_a_restart() {
        let scratch = Scratch::new();
        let big = Snapshot {
            kpi: KpiName::new("big").unwrap(),
            part: 0,
            seq: 9,
            state: (0..20 << 20).map(|i| i as u8).collect(),
        };
        {
            let snapshots = scratch.open().snapshot_store();
            let small = (0..2_000u64).map(|i| {
                let kpi = KpiName::new(&format!("kpi.{i:05}")).unwrap();
                Arc::new(Snapshot { kpi, part: 0, seq: i, state: vec![i as u8; 200] })
            });
            snapshots.put_all(&pass("a"), small.collect()).await.unwrap();
            snapshots.put(&pass("a"), big.clone()).await.unwrap();
        }
        let all = scratch.open().snapshot_store().all(&pass("a")).await.unwrap();
        assert_eq!(all.len(), 2_001);
        assert_eq!(all[0], big);
        assert!(
            all[1..].iter().enumerate().all(|(i, snapshot)| snapshot.seq == i as u64 && snapshot.state.len() == 200)
        );
    }
}
