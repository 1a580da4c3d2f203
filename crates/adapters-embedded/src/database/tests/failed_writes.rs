//! Writes that fail, and the database that goes on afterwards without a restart.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::super::{Durability, Fault, Table, WriteBatch};
use crate::tests::{Scratch, pass};
use crate::{EmbeddedSettings, EmbeddedStore};
use earcon_model::KpiName;
use earcon_ports::{ErrorKind, MetaStore, Snapshot};

fn fail_next_commit(store: &EmbeddedStore, fault: Fault) {
    *store.database.fault.lock().unwrap() = Some(fault);
}

async fn put(meta: &Arc<dyn MetaStore>, key: &str, value: &[u8]) -> Result<u64, ErrorKind> {
    meta.put(&pass("w"), key, 0, value.to_vec()).await.map_err(|error| error.kind)
}

async fn keys(meta: &Arc<dyn MetaStore>) -> Vec<String> {
    let records = meta.list(&pass("w"), "", None, usize::MAX).await.unwrap();
    records.into_iter().map(|record| record.key).collect()
}

async fn tend(store: &EmbeddedStore) -> Option<String> {
    let keeper = store.keeper();
    tokio::task::spawn_blocking(move || keeper.tend()).await.unwrap()
}

#[tokio::test]
async fn database_is_only_read_after_a_failed_write_and_goes_on_once_it_is_open_again() {
    for fault in [Fault::BeforeTheWrite, Fault::AtTheSync] {
        let scratch = Scratch::new();
        let store = scratch.open();
        let (meta, snapshots) = (store.meta_store(), store.snapshot_store());
        let state = |seq| Snapshot { kpi: KpiName::new("k").unwrap(), part: 0, seq, state: vec![7; 9] };
        put(&meta, "a", b"one").await.unwrap();
        snapshots.put(&pass("w"), state(1)).await.unwrap();
        assert_eq!(tend(&store).await, None);

        fail_next_commit(&store, fault);
        assert_eq!(put(&meta, "failed", b"x").await, Err(ErrorKind::Unavailable));
        let refused = meta.put(&pass("w"), "refused", 0, vec![]).await.unwrap_err();
        assert!(refused.to_string().contains("injected"), "the refusal names the failure: {refused}");
        assert!(snapshots.put(&pass("w"), state(2)).await.is_err());
        assert!(keys(&meta).await.contains(&"a".to_owned()), "reads go on");

        assert_eq!(tend(&store).await, None);
        assert_eq!(keys(&meta).await, ["a"], "the failed write left nothing: {fault:?}");
        assert_eq!(snapshots.get(&pass("w"), &state(1).kpi).await.unwrap(), [state(1)]);
        put(&meta, "b", b"two").await.unwrap();
        snapshots.put(&pass("w"), state(3)).await.unwrap();

        drop((meta, snapshots));
        store.close().await.unwrap();
        let store = scratch.open();
        assert_eq!(keys(&store.meta_store()).await, ["a", "b"]);
        assert_eq!(store.snapshot_store().all(&pass("w")).await.unwrap(), [state(3)]);
    }
}

#[tokio::test]
async fn reads_under_way_end_before_the_database_is_closed() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let meta = store.meta_store();
    put(&meta, "a", b"one").await.unwrap();
    fail_next_commit(&store, Fault::BeforeTheWrite);
    assert!(put(&meta, "b", b"two").await.is_err());
    let view = store.database.snapshot().unwrap();
    let mut entries = view.iter(store.database.meta);
    drop(view);
    let reader = tokio::task::spawn_blocking(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        entries.next().map(|entry| entry.into_inner().map(drop))
    });
    assert_eq!(tend(&store).await, None);
    assert!(matches!(reader.await.unwrap(), Some(Ok(()))));
    put(&meta, "b", b"two").await.unwrap();
}

#[tokio::test]
async fn refused_commit_of_a_reader_does_not_wait_for_the_attempt_that_waits_for_the_reader() {
    let scratch = Scratch::new();
    let store = scratch.open();
    put(&store.meta_store(), "a", b"one").await.unwrap();
    fail_next_commit(&store, Fault::BeforeTheWrite);
    assert!(put(&store.meta_store(), "b", b"two").await.is_err());
    // As a flush of history does.
    let (database, view) = (store.database.clone(), store.database.snapshot().unwrap());
    let reader = tokio::task::spawn_blocking(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let mut batch = WriteBatch::default();
        batch.insert(database.meta, "w\0k".as_bytes(), "value".as_bytes());
        let refused = database.commit(batch, Durability::Synced).is_err();
        drop(view);
        refused
    });
    assert_eq!(tend(&store).await, None, "the first attempt succeeds");
    assert!(reader.await.unwrap());
}

/// Writes until `left` bytes are free, or until the disk takes no more.
fn fill(ballast: &Path, left: u64) {
    let mut file = File::create(ballast).unwrap();
    for size in [1 << 16, 512] {
        while crate::disk::free_bytes(ballast).unwrap() > left && file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Bytes that cannot be compressed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..100_000).map(|_| next()).collect()
}

/// A disk that is full for fjall itself: at a commit, and while its threads write table files.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small file system in EARCON_TEST_SMALL_DISK"]
async fn full_disk_costs_no_acknowledged_write_and_no_restart() {
    let disk = std::env::var_os("EARCON_TEST_SMALL_DISK").expect("EARCON_TEST_SMALL_DISK names a small file system");
    let disk = tempfile::TempDir::new_in(disk).unwrap();
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    let store = EmbeddedStore::open(&data, &EmbeddedSettings::default()).unwrap();
    let meta = store.meta_store();
    let mut expected = Vec::new();
    for round in 0..4u64 {
        // In every second round there is room for commits, but not for a table file.
        let left = if round % 2 == 0 { 0 } else { 6 << 20 };
        for i in 0..20 {
            let key = format!("{round}-{i:04}");
            put(&meta, &key, &noise(round << 32 | i)).await.unwrap();
            expected.push(key);
        }
        fill(&ballast, left);
        let mut i = 0u64;
        let failure = loop {
            let key = format!("{round}-full-{i:04}");
            match put(&meta, &key, &noise(round << 32 | 1 << 16 | i)).await {
                Ok(_) => expected.push(key),
                Err(kind) => break kind,
            }
            i += 1;
        };
        assert!(matches!(failure, ErrorKind::StorageFull | ErrorKind::Unavailable), "{failure:?}");
        let problem = tend(&store).await.expect("the disk is full");
        assert!(problem.contains("failed"), "{problem}");
        expected.sort();
        assert_eq!(keys(&meta).await, expected, "reads go on in round {round}");
        assert!(put(&meta, "refused", b"").await.is_err());

        fs::remove_file(&ballast).unwrap();
        assert_eq!(tend(&store).await, None, "round {round}");
        assert_eq!(keys(&meta).await, expected, "round {round}");
    }
    put(&meta, "last", b"").await.unwrap();
    expected.push("last".into());
    drop(meta);
    store.close().await.unwrap();
    let store = EmbeddedStore::open(&data, &EmbeddedSettings::default()).unwrap();
    assert_eq!(keys(&store.meta_store()).await, expected);
}

#[test]
fn memtables_of_all_tables_together_are_bounded() {
    let scratch = Scratch::new();
    let database = scratch.open().database;
    let mut most = 0;
    // No table reaches the limit of its own, which is 8 MiB.
    for i in 0..60u64 {
        let mut batch = WriteBatch::default();
        Table::all().into_iter().for_each(|table| batch.insert(table, format!("w{i}"), noise(i)));
        database.commit(batch, Durability::Buffered).unwrap();
        most = most.max(database.memory().unwrap().memtables);
    }
    assert!((20 << 20..27 << 20).contains(&most), "{most} bytes");
}
