//! The contract of every snapshot store.

use std::sync::Arc;

use super::{fresh, next_generation};
use earcon_model::{KpiName, Seq};
use earcon_ports::{Snapshot, SnapshotStore};

/// Runs every case against stores from `make`.
pub async fn snapshot_store(make: impl Fn() -> Arc<dyn SnapshotStore>) {
    the_latest_snapshot_of_each_kpi_is_kept(&*make()).await;
    an_older_snapshot_does_not_replace_a_newer_one(&*make()).await;
    a_large_snapshot_comes_back_whole(&*make()).await;
    all_come_in_order_of_name(&*make()).await;
    parts_of_a_kpi_are_kept_apart(&*make()).await;
    a_deleted_snapshot_is_gone(&*make()).await;
    workspaces_do_not_see_each_other(&*make()).await;
    removed_workspace_leaves_nothing_to_the_next_of_its_name(&*make()).await;
}

fn snapshot(kpi: &str, seq: Seq, state: &[u8]) -> Snapshot {
    Snapshot { kpi: KpiName::new(kpi).expect("the name keeps the rule"), part: 0, seq, state: state.to_vec() }
}

async fn the_latest_snapshot_of_each_kpi_is_kept(store: &dyn SnapshotStore) {
    let pass = fresh();
    let (old, new) = (snapshot("a.b", 5, b"old"), snapshot("a.b", i64::MAX as Seq, b""));
    assert_eq!(store.get(&pass, &old.kpi).await.unwrap(), []);
    store.put(&pass, old.clone()).await.unwrap();
    assert_eq!(store.get(&pass, &old.kpi).await.unwrap(), [old]);
    store.put(&pass, new.clone()).await.unwrap();
    assert_eq!(store.get(&pass, &new.kpi).await.unwrap(), [new]);
}

async fn an_older_snapshot_does_not_replace_a_newer_one(store: &dyn SnapshotStore) {
    let pass = fresh();
    let (old, new) = (snapshot("k", 5, b"old"), snapshot("k", 6, b"new"));
    store.put(&pass, new.clone()).await.unwrap();
    store.put(&pass, old.clone()).await.unwrap();
    assert_eq!(store.get(&pass, &new.kpi).await.unwrap(), std::slice::from_ref(&new));
    assert_eq!(store.all(&pass).await.unwrap(), std::slice::from_ref(&new));
    // After a deletion the log may have begun a new epoch, with lower numbers.
    store.delete(&pass, &new.kpi).await.unwrap();
    store.put(&pass, old.clone()).await.unwrap();
    assert_eq!(store.get(&pass, &old.kpi).await.unwrap(), [old]);
}

async fn a_large_snapshot_comes_back_whole(store: &dyn SnapshotStore) {
    let pass = fresh();
    for (seq, bytes) in [(1, 3_000_000), (2, 5_000_000), (3, 10)] {
        let state: Vec<u8> = (0..bytes).map(|i: u32| (i ^ (i >> 8) ^ seq as u32) as u8).collect();
        let large = Snapshot { state, ..snapshot("large", seq, b"") };
        store.put(&pass, large.clone()).await.unwrap();
        assert!(store.get(&pass, &large.kpi).await.unwrap() == [large.clone()]);
        assert!(store.all(&pass).await.unwrap() == [large]);
    }
}

async fn all_come_in_order_of_name(store: &dyn SnapshotStore) {
    let pass = fresh();
    assert!(store.all(&pass).await.unwrap().is_empty());
    let mut expected = Vec::new();
    for name in ["b", "a", "a.b", "B", "a-b"] {
        let one = snapshot(name, 1, name.as_bytes());
        store.put(&pass, one.clone()).await.unwrap();
        expected.push(one);
    }
    expected.sort_by(|a, b| a.kpi.cmp(&b.kpi));
    assert_eq!(store.all(&pass).await.unwrap(), expected);
}

async fn parts_of_a_kpi_are_kept_apart(store: &dyn SnapshotStore) {
    let pass = fresh();
    let part = |kpi, part, seq| Snapshot { part, ..snapshot(kpi, seq, format!("{kpi} {part} {seq}").as_bytes()) };
    let (neighbour, mut parts) = (part("k.k", 0, 3), Vec::new());
    for number in (0..300).rev() {
        parts.push(Arc::new(part("k", number, 5)));
    }
    store.put_all(&pass, parts).await.unwrap();
    store.put(&pass, neighbour.clone()).await.unwrap();
    store.put(&pass, part("k", 257, 9)).await.unwrap();
    store.put(&pass, part("k", 256, 4)).await.unwrap();
    let found = store.get(&pass, &part("k", 0, 0).kpi).await.unwrap();
    let expected: Vec<_> = (0..300).map(|number| part("k", number, if number == 257 { 9 } else { 5 })).collect();
    assert!(found == expected, "{} parts", found.len());
    let all = store.all(&pass).await.unwrap();
    assert!(all[..300] == expected && all[300..] == [neighbour.clone()]);
    store.delete(&pass, &expected[0].kpi).await.unwrap();
    assert_eq!(store.get(&pass, &expected[0].kpi).await.unwrap(), []);
    assert_eq!(store.all(&pass).await.unwrap(), [neighbour]);
}

async fn a_deleted_snapshot_is_gone(store: &dyn SnapshotStore) {
    let pass = fresh();
    let (kept, gone) = (snapshot("kept", 1, b"1"), snapshot("gone", 2, b"2"));
    store.put(&pass, kept.clone()).await.unwrap();
    store.put(&pass, gone.clone()).await.unwrap();
    store.delete(&pass, &gone.kpi).await.unwrap();
    store.delete(&pass, &gone.kpi).await.unwrap();
    assert_eq!(store.get(&pass, &gone.kpi).await.unwrap(), []);
    assert_eq!(store.all(&pass).await.unwrap(), [kept]);
}

async fn workspaces_do_not_see_each_other(store: &dyn SnapshotStore) {
    let (one, other) = (fresh(), fresh());
    let snapshot = snapshot("k", 1, b"1");
    store.put(&one, snapshot.clone()).await.unwrap();
    assert_eq!(store.get(&other, &snapshot.kpi).await.unwrap(), []);
    assert!(store.all(&other).await.unwrap().is_empty());
}

async fn removed_workspace_leaves_nothing_to_the_next_of_its_name(store: &dyn SnapshotStore) {
    let (old, neighbour) = (fresh(), fresh());
    let new = next_generation(&old);
    let large = vec![7; 700_000];
    for (kpi, state) in [("a", &b"1"[..]), ("b", &b"2"[..]), ("large", large.as_slice())] {
        store.put(&old, snapshot(kpi, 1_000, state)).await.unwrap();
        store.put(&neighbour, snapshot(kpi, 1_000, state)).await.unwrap();
    }
    store.delete(&old, &snapshot("b", 0, b"").kpi).await.unwrap();
    store.remove(&old).await.unwrap();
    store.remove(&old).await.unwrap();
    for pass in [&old, &new] {
        assert!(store.all(pass).await.unwrap().is_empty());
        assert_eq!(store.get(pass, &snapshot("large", 0, b"").kpi).await.unwrap(), []);
    }
    // The log of the new workspace begins again, so its numbers are lower.
    let first = snapshot("large", 3, b"new");
    store.put(&new, first.clone()).await.unwrap();
    assert_eq!(store.all(&new).await.unwrap(), [first]);
    assert_eq!(store.all(&neighbour).await.unwrap().len(), 3);
}
