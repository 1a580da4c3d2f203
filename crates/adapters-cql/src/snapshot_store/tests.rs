//! Contract tests, and tests with several nodes.

use std::time::Instant;

use super::super::tests::{fresh, open};
use super::*;
use earcon_contract as contract;

fn snapshot(kpi: &str, seq: Seq, bytes: usize) -> Snapshot {
    let state = (0..bytes as u64).map(|i| (i ^ (i >> 8) ^ seq) as u8).collect();
    Snapshot { kpi: KpiName::new(kpi).unwrap(), part: 0, seq, state }
}

/// Number of chunks of the KPI in the database.
async fn chunks_left(store: &CqlSnapshots, pass: &WorkspacePass, kpi: &str) -> usize {
    let text = "SELECT chunk FROM snapshot_chunks WHERE workspace = ? AND kpi = ?";
    let select = store.database.prepare(text, Purpose::Read).await.unwrap();
    store.database.rows::<(i32,)>(&select, (pass.workspace().as_str(), kpi)).await.unwrap().len()
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn keeps_the_contract() {
    let database = open().await;
    let store = Arc::new(CqlSnapshots::open(database).await.unwrap());
    contract::snapshot_store(|| store.clone()).await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn snapshot_deleted_by_another_node_can_return_with_a_lower_number() {
    let database = open().await;
    let one = CqlSnapshots::open(database.clone()).await.unwrap();
    let other = CqlSnapshots::open(database).await.unwrap();
    let pass = fresh();
    for bytes in [10, INLINE + 1] {
        for _ in 0..3 {
            one.put(&pass, snapshot("k", 90, bytes)).await.unwrap();
            other.delete(&pass, &snapshot("k", 0, 0).kpi).await.unwrap();
            assert_eq!(one.all(&pass).await.unwrap(), []);
            let again = snapshot("k", 7, bytes);
            one.put(&pass, again.clone()).await.unwrap();
            assert_eq!(other.get(&pass, &again.kpi).await.unwrap(), std::slice::from_ref(&again));
            assert_eq!(other.all(&pass).await.unwrap(), [again]);
        }
    }
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn unneeded_chunks_are_removed() {
    let database = open().await;
    let store = CqlSnapshots::open(database).await.unwrap();
    let pass = fresh();
    let at = (pass.workspace().as_str(), "k");
    store.put(&pass, snapshot("k", 5, 1 << 20)).await.unwrap();
    assert_eq!(chunks_left(&store, &pass, "k").await, 4);
    // A writer that died before it wrote the row.
    store.chunks.write(at, 0, 6, &[1; 600_000]).await.unwrap();
    store.put(&pass, snapshot("k", 7, 300_000)).await.unwrap();
    assert_eq!(chunks_left(&store, &pass, "k").await, 2);
    store.put(&pass, snapshot("k", 6, 10)).await.unwrap();
    assert_eq!(store.all(&pass).await.unwrap(), [snapshot("k", 7, 300_000)], "an older one removes nothing of a newer");
    store.put(&pass, snapshot("k", 8, 10)).await.unwrap();
    assert_eq!(chunks_left(&store, &pass, "k").await, 0);
    store.put(&pass, snapshot("k", 9, 300_000)).await.unwrap();
    store.delete(&pass, &snapshot("k", 0, 0).kpi).await.unwrap();
    assert_eq!(chunks_left(&store, &pass, "k").await, 0);
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn readers_of_a_changing_snapshot_see_one_whole_version() {
    let database = open().await;
    let store = Arc::new(CqlSnapshots::open(database).await.unwrap());
    let pass = fresh();
    let bytes = |seq: Seq| if seq.is_multiple_of(5) { 100 } else { 600_000 };
    store.put(&pass, snapshot("k", 1, bytes(1))).await.unwrap();
    let writer = tokio::spawn({
        let (store, pass) = (store.clone(), pass.clone());
        async move {
            for seq in 2..=40 {
                store.put(&pass, snapshot("k", seq, bytes(seq))).await.unwrap();
            }
        }
    });
    let (mut last, mut reads) = (0, 0);
    while last < 40 {
        let found = store.get(&pass, &snapshot("k", 0, 0).kpi).await.unwrap().remove(0);
        assert!(found.seq >= last, "{} after {last}", found.seq);
        last = found.seq;
        assert!(found == snapshot("k", last, bytes(last)));
        reads += 1;
    }
    writer.await.unwrap();
    assert!(reads > 5, "{reads} reads are no race");
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn snapshot_without_its_chunks_is_corrupt_until_replaced() {
    let database = open().await;
    let store = CqlSnapshots::open(database).await.unwrap();
    let pass = fresh();
    store.put(&pass, snapshot("k", 5, 600_000)).await.unwrap();
    store.chunks.delete_before((pass.workspace().as_str(), "k"), 0, 6).await.unwrap();
    let kpi = snapshot("k", 0, 0).kpi;
    assert_eq!(store.get(&pass, &kpi).await.unwrap_err().kind, ErrorKind::Corrupt);
    store.put(&pass, snapshot("k", 6, 600_000)).await.unwrap();
    assert_eq!(store.get(&pass, &kpi).await.unwrap(), [snapshot("k", 6, 600_000)]);
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn thousands_of_snapshots_are_read_at_once() {
    const KPIS: usize = 10_000;
    let database = open().await;
    let store = CqlSnapshots::open(database.clone()).await.unwrap();
    let pass = fresh();
    let all: Vec<Snapshot> = (0..KPIS).map(|i| snapshot(&format!("kpi.{i:05}"), i as Seq, 1_000)).collect();
    let began = Instant::now();
    let puts = stream::iter(all.clone()).map(Ok);
    puts.try_for_each_concurrent(64, |snapshot| store.put(&pass, snapshot)).await.unwrap();
    let written = began.elapsed();
    // Another node, which has seen none of them.
    let found = CqlSnapshots::open(database).await.unwrap().all(&pass).await.unwrap();
    eprintln!("{KPIS} snapshots of 1,000 bytes: written in {written:?}, read in {:?}", began.elapsed() - written);
    assert!(found == all);
}
