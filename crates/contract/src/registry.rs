//! The contract of every registry.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use earcon_ports::{Change, ErrorKind, Registry, Watch};

/// Runs every case against tables from `make`. Each call returns another node's view of the same
/// table, which may contain entries of others.
pub async fn registry(make: impl AsyncFn() -> Arc<dyn Registry>) {
    entries_change_by_compare_and_set(&*make().await, &*make().await).await;
    a_removed_entry_can_be_made_again(&*make().await).await;
    bad_keys_and_values_are_invalid(&*make().await).await;
    of_many_writers_of_one_revision_one_succeeds(&make().await).await;
    watch_reports_present_entries_then_changes(&*make().await, &*make().await).await;
}

/// A key that is not in use.
fn fresh(kind: &str) -> String {
    format!("contract.{kind}.{}", uuid::Uuid::new_v4().simple())
}

async fn entries_change_by_compare_and_set(one: &dyn Registry, other: &dyn Registry) {
    let key = fresh("cas");
    assert_eq!(one.get(&key).await.unwrap(), None);
    assert_eq!(one.compare_and_set(&key, 7, vec![1]).await.unwrap_err().kind, ErrorKind::Conflict);
    let first = one.compare_and_set(&key, 0, vec![1]).await.unwrap();
    assert_eq!(other.get(&key).await.unwrap(), Some((first, vec![1])));
    assert_eq!(other.compare_and_set(&key, 0, vec![2]).await.unwrap_err().kind, ErrorKind::Conflict);
    let second = other.compare_and_set(&key, first, Vec::new()).await.unwrap();
    assert!(second > first);
    assert_eq!(one.compare_and_set(&key, first, vec![3]).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(one.get(&key).await.unwrap(), Some((second, Vec::new())));
    let third = one.put(&key, vec![4]).await.unwrap();
    assert!(third > second);
    assert_eq!(other.get(&key).await.unwrap(), Some((third, vec![4])));
}

async fn a_removed_entry_can_be_made_again(table: &dyn Registry) {
    let key = fresh("removed");
    table.delete(&key).await.unwrap();
    let first = table.put(&key, vec![1]).await.unwrap();
    table.delete(&key).await.unwrap();
    table.delete(&key).await.unwrap();
    assert_eq!(table.get(&key).await.unwrap(), None);
    assert_eq!(table.compare_and_set(&key, first, vec![2]).await.unwrap_err().kind, ErrorKind::Conflict);
    let again = table.compare_and_set(&key, 0, vec![3]).await.unwrap();
    assert!(again > first);
    assert_eq!(table.get(&key).await.unwrap(), Some((again, vec![3])));
    table.delete(&key).await.unwrap();
}

async fn bad_keys_and_values_are_invalid(table: &dyn Registry) {
    let long = "k".repeat(201);
    for key in ["", "a b", "a*", ">", "a.>", "é", "a/b", &long] {
        assert_eq!(table.get(key).await.unwrap_err().kind, ErrorKind::Invalid, "{key:?}");
        assert_eq!(table.put(key, Vec::new()).await.unwrap_err().kind, ErrorKind::Invalid, "{key:?}");
    }
    let (key, limit) = (fresh("large"), 64 << 10);
    table.put(&key, vec![7; limit]).await.unwrap();
    assert_eq!(table.put(&key, vec![7; limit + 1]).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(table.get(&key).await.unwrap().unwrap().1, vec![7; limit]);
    table.delete(&key).await.unwrap();
}

async fn of_many_writers_of_one_revision_one_succeeds(table: &Arc<dyn Registry>) {
    let key = fresh("race");
    for expected in [0, table.put(&key, vec![0]).await.unwrap()] {
        if expected == 0 {
            table.delete(&key).await.unwrap();
        } else {
            table.put(&key, vec![0]).await.unwrap();
        }
        let revision = if expected == 0 { 0 } else { table.get(&key).await.unwrap().unwrap().0 };
        let writers: Vec<_> = (1..=8)
            .map(|writer| {
                let (table, key) = (table.clone(), key.clone());
                tokio::spawn(async move { table.compare_and_set(&key, revision, vec![writer]).await.map(|_| writer) })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.unwrap() {
                Ok(winner) => winners.push(winner),
                Err(error) => assert_eq!(error.kind, ErrorKind::Conflict),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(table.get(&key).await.unwrap().unwrap().1, winners);
    }
    table.delete(&key).await.unwrap();
}

async fn watch_reports_present_entries_then_changes(one: &dyn Registry, other: &dyn Registry) {
    let (kept, gone, new) = (fresh("kept"), fresh("gone"), fresh("new"));
    one.put(&kept, vec![0]).await.unwrap();
    let revision = one.put(&kept, vec![1]).await.unwrap();
    one.put(&gone, vec![2]).await.unwrap();
    one.delete(&gone).await.unwrap();

    let mut watch = other.watch().await.unwrap();
    let mut present = Vec::new();
    loop {
        match next(&mut watch).await {
            Change::Synced => break,
            change => present.push(change),
        }
    }
    let of = |key: &str| present.iter().filter(|change| key_of(change) == Some(key)).collect::<Vec<_>>();
    assert_eq!(of(&kept), [&Change::Put { key: kept.clone(), revision, value: vec![1] }]);
    assert!(of(&gone).is_empty(), "a watch begins with the entries there are");

    let revision = one.compare_and_set(&new, 0, vec![3]).await.unwrap();
    assert_eq!(next_of(&mut watch, &new).await, Change::Put { key: new.clone(), revision, value: vec![3] });
    one.delete(&new).await.unwrap();
    assert_eq!(next_of(&mut watch, &new).await, Change::Deleted { key: new.clone() });
    let revision = other.put(&kept, vec![4]).await.unwrap();
    assert_eq!(next_of(&mut watch, &kept).await, Change::Put { key: kept.clone(), revision, value: vec![4] });
    one.delete(&kept).await.unwrap();
    assert_eq!(next_of(&mut watch, &kept).await, Change::Deleted { key: kept });
}

fn key_of(change: &Change) -> Option<&str> {
    match change {
        Change::Put { key, .. } | Change::Deleted { key } => Some(key),
        Change::Synced => None,
    }
}

async fn next(watch: &mut Watch) -> Change {
    let next = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    next.expect("a watch tells in time").expect("a watch goes on").unwrap()
}

async fn next_of(watch: &mut Watch, key: &str) -> Change {
    loop {
        let change = next(watch).await;
        if key_of(&change) == Some(key) {
            return change;
        }
    }
}
