//! The contract of every meta store.

use std::sync::Arc;

use super::{fresh, next_generation};
use earcon_ports::{ErrorKind, MetaStore};

/// Runs every case against stores from `make`.
pub async fn meta_store(make: impl Fn() -> Arc<dyn MetaStore>) {
    records_change_by_compare_and_set(&*make()).await;
    revisions_never_repeat_after_a_delete(&*make()).await;
    listing_is_by_prefix_and_in_key_order(&*make()).await;
    a_page_goes_on_after_the_last_key_and_holds_at_most_its_limit(&*make()).await;
    workspaces_are_apart_and_known_by_name(&*make()).await;
    of_many_writers_of_one_revision_one_succeeds(&make()).await;
    removed_workspace_leaves_nothing_to_the_next_of_its_name(&*make()).await;
}

async fn records_change_by_compare_and_set(store: &dyn MetaStore) {
    let pass = fresh();
    assert_eq!(store.get(&pass, "mix/a").await.unwrap(), None);
    assert_eq!(store.put(&pass, "mix/a", 4, vec![1]).await.unwrap_err().kind, ErrorKind::Conflict);
    let first = store.put(&pass, "mix/a", 0, vec![1]).await.unwrap();
    assert!(first >= 1);
    assert_eq!(store.put(&pass, "mix/a", 0, vec![2]).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(store.put(&pass, "mix/a", first, Vec::new()).await.unwrap(), first + 1);
    let record = store.get(&pass, "mix/a").await.unwrap().unwrap();
    assert_eq!((record.key.as_str(), record.revision, record.value), ("mix/a", first + 1, Vec::new()));
}

async fn revisions_never_repeat_after_a_delete(store: &dyn MetaStore) {
    let pass = fresh();
    let first = store.put(&pass, "k", 0, vec![1]).await.unwrap();
    let second = store.put(&pass, "k", first, vec![2]).await.unwrap();
    assert_eq!(store.delete(&pass, "k", first).await.unwrap_err().kind, ErrorKind::Conflict);
    store.delete(&pass, "k", second).await.unwrap();
    assert_eq!(store.get(&pass, "k").await.unwrap(), None);
    assert!(store.list(&pass, "", None, 10).await.unwrap().is_empty());
    assert_eq!(store.delete(&pass, "k", second).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(store.put(&pass, "k", second, vec![3]).await.unwrap_err().kind, ErrorKind::Conflict);
    assert!(store.put(&pass, "k", 0, vec![3]).await.unwrap() > second);
}

async fn listing_is_by_prefix_and_in_key_order(store: &dyn MetaStore) {
    let pass = fresh();
    for key in ["mix/b", "mix/a", "mixture", "job/z", "mix/a/b"] {
        store.put(&pass, key, 0, key.as_bytes().to_vec()).await.unwrap();
    }
    let keys = |records: Vec<earcon_ports::MetaRecord>| -> Vec<String> {
        assert!(records.iter().all(|record| record.value == record.key.as_bytes()));
        records.into_iter().map(|record| record.key).collect()
    };
    assert_eq!(keys(store.list(&pass, "mix/", None, 10).await.unwrap()), ["mix/a", "mix/a/b", "mix/b"]);
    assert_eq!(keys(store.list(&pass, "", None, 10).await.unwrap()), ["job/z", "mix/a", "mix/a/b", "mix/b", "mixture"]);
    assert!(store.list(&pass, "none", None, 10).await.unwrap().is_empty());
}

async fn a_page_goes_on_after_the_last_key_and_holds_at_most_its_limit(store: &dyn MetaStore) {
    let pass = fresh();
    let keys: Vec<String> = (0..20).map(|i| format!("job/{i:02}")).collect();
    for key in keys.iter().map(String::as_str).chain(["jobs", "job", "zoo/1"]) {
        store.put(&pass, key, 0, vec![]).await.unwrap();
    }
    for key in &keys[4..12] {
        store.delete(&pass, key, 1).await.unwrap();
    }
    let live: Vec<&String> = keys[..4].iter().chain(&keys[12..]).collect();
    for limit in [1, 3, 4, 12, 50] {
        let (mut found, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = store.list(&pass, "job/", after.as_deref(), limit).await.unwrap();
            assert!(page.len() <= limit);
            let last = page.len() < limit;
            found.extend(page.into_iter().map(|record| record.key));
            after = found.last().cloned();
            if last {
                break;
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), live, "pages of {limit}");
    }
    let none = async |after: &str, limit| store.list(&pass, "job/", Some(after), limit).await.unwrap().is_empty();
    assert!(none("job/19", 5).await && none("jobs", 5).await && none("job/00", 0).await);
    let all = store.list(&pass, "job/", Some("aaa"), 50).await.unwrap();
    assert_eq!(all.len(), live.len(), "a key below the prefix leaves nothing out");
    let every = store.list(&pass, "", Some("job/18"), 50).await.unwrap();
    assert_eq!(every.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), ["job/19", "jobs", "zoo/1"]);
}

async fn workspaces_are_apart_and_known_by_name(store: &dyn MetaStore) {
    let (one, other) = (fresh(), fresh());
    store.put(&one, "k", 0, vec![1]).await.unwrap();
    assert_eq!(store.get(&other, "k").await.unwrap(), None);
    assert!(store.list(&other, "", None, 10).await.unwrap().is_empty());
    let known = store.workspaces().await.unwrap();
    let names: Vec<_> = known.iter().map(|key| key.workspace()).collect();
    assert!(names.contains(&one.workspace()) && !names.contains(&other.workspace()));
}

async fn of_many_writers_of_one_revision_one_succeeds(store: &Arc<dyn MetaStore>) {
    let pass = fresh();
    let revision = store.put(&pass, "k", 0, vec![0]).await.unwrap();
    let writers: Vec<_> = (1..=8)
        .map(|writer| {
            let (store, pass) = (store.clone(), pass.clone());
            tokio::spawn(async move { store.put(&pass, "k", revision, vec![writer]).await.map(|_| writer) })
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
    assert_eq!(store.get(&pass, "k").await.unwrap().unwrap().value, winners);
}

async fn removed_workspace_leaves_nothing_to_the_next_of_its_name(store: &dyn MetaStore) {
    let (old, neighbour) = (fresh(), fresh());
    let new = next_generation(&old);
    for key in ["a/1", "a/2", "b/1"] {
        store.put(&old, key, 0, vec![1]).await.unwrap();
        store.put(&old, key, 1, vec![2]).await.unwrap();
        store.put(&neighbour, key, 0, vec![3]).await.unwrap();
    }
    store.delete(&old, "b/1", 2).await.unwrap();
    store.remove(&old).await.unwrap();
    store.remove(&old).await.unwrap();
    for pass in [&old, &new] {
        assert_eq!(store.get(pass, "a/1").await.unwrap(), None);
        assert!(store.list(pass, "", None, 10).await.unwrap().is_empty());
    }
    let listed = store.workspaces().await.unwrap();
    assert!(listed.iter().all(|key| key.workspace() != old.workspace()));
    assert_eq!(store.put(&new, "a/1", 0, vec![7]).await.unwrap(), 1, "revisions begin again");
    assert_eq!(store.get(&new, "a/1").await.unwrap().unwrap().value, [7]);
    let listed = store.workspaces().await.unwrap();
    let named: Vec<_> = listed.iter().filter(|key| key.workspace() == old.workspace()).collect();
    assert_eq!(named.len(), 1);
    assert!([0, 1].contains(&named[0].generation()), "a store may know no generations");
    assert_eq!(store.list(&neighbour, "", None, 10).await.unwrap().len(), 3);
}
