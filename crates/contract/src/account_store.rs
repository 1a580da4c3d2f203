//! The contract of every account store. All cases share one space of keys, so each has a prefix.

use std::sync::Arc;

use earcon_ports::{AccountStore, ErrorKind};
use earcon_tenancy::{AccountsPass, Authorizer};

/// Runs every case against stores from `make`.
pub async fn account_store(make: impl Fn() -> Arc<dyn AccountStore>) {
    records_change_by_compare_and_set(&*make()).await;
    revisions_never_repeat_after_a_delete(&*make()).await;
    listing_is_by_prefix_in_key_order_and_in_pages(&*make()).await;
    of_many_writers_of_one_revision_one_succeeds(&make()).await;
    keys_have_a_bounded_length(&*make()).await;
}

fn pass() -> AccountsPass {
    Authorizer::new().accounts()
}

/// A prefix that is not in use.
fn fresh() -> String {
    format!("contract/{}/", uuid::Uuid::new_v4().simple())
}

async fn records_change_by_compare_and_set(store: &dyn AccountStore) {
    let (pass, key) = (pass(), fresh() + "a");
    assert_eq!(store.get(&pass, &key).await.unwrap(), None);
    assert_eq!(store.put(&pass, &key, 4, vec![1]).await.unwrap_err().kind, ErrorKind::Conflict);
    let first = store.put(&pass, &key, 0, vec![1]).await.unwrap();
    assert!(first >= 1);
    assert_eq!(store.put(&pass, &key, 0, vec![2]).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(store.put(&pass, &key, first, Vec::new()).await.unwrap(), first + 1);
    let record = store.get(&pass, &key).await.unwrap().unwrap();
    assert_eq!((record.key, record.revision, record.value), (key, first + 1, Vec::new()));
}

async fn revisions_never_repeat_after_a_delete(store: &dyn AccountStore) {
    let (pass, prefix) = (pass(), fresh());
    let key = format!("{prefix}k");
    let first = store.put(&pass, &key, 0, vec![1]).await.unwrap();
    let second = store.put(&pass, &key, first, vec![2]).await.unwrap();
    assert_eq!(store.delete(&pass, &key, first).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(store.delete(&pass, &key, 0).await.unwrap_err().kind, ErrorKind::Invalid);
    store.delete(&pass, &key, second).await.unwrap();
    assert_eq!(store.get(&pass, &key).await.unwrap(), None);
    assert!(store.list(&pass, &prefix, None, 10).await.unwrap().is_empty());
    assert_eq!(store.put(&pass, &key, second, vec![3]).await.unwrap_err().kind, ErrorKind::Conflict);
    assert!(store.put(&pass, &key, 0, vec![3]).await.unwrap() > second);
}

async fn listing_is_by_prefix_in_key_order_and_in_pages(store: &dyn AccountStore) {
    let (pass, prefix) = (pass(), fresh());
    for key in ["user/b", "user/a", "users", "key/z", "user/a/b"] {
        store.put(&pass, &format!("{prefix}{key}"), 0, key.as_bytes().to_vec()).await.unwrap();
    }
    let list = async |wanted: &str, after: Option<&str>, limit| {
        let (wanted, after) = (format!("{prefix}{wanted}"), after.map(|after| format!("{prefix}{after}")));
        let records = store.list(&pass, &wanted, after.as_deref(), limit).await.unwrap();
        assert!(records.iter().all(|record| record.key.as_bytes()[prefix.len()..] == record.value));
        records.into_iter().map(|record| record.key[prefix.len()..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("user/", None, 10).await, ["user/a", "user/a/b", "user/b"]);
    assert_eq!(list("", None, 10).await, ["key/z", "user/a", "user/a/b", "user/b", "users"]);
    assert_eq!(list("user/", None, 2).await, ["user/a", "user/a/b"]);
    assert_eq!(list("user/", Some("user/a/b"), 2).await, ["user/b"]);
    assert!(list("user/", Some("user/b"), 2).await.is_empty() && list("none", None, 2).await.is_empty());
}

async fn of_many_writers_of_one_revision_one_succeeds(store: &Arc<dyn AccountStore>) {
    let (pass, key) = (pass(), fresh() + "k");
    let revision = store.put(&pass, &key, 0, vec![0]).await.unwrap();
    let writers: Vec<_> = (1..=8)
        .map(|writer| {
            let (store, pass, key) = (store.clone(), pass.clone(), key.clone());
            tokio::spawn(async move { store.put(&pass, &key, revision, vec![writer]).await.map(|_| writer) })
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
    assert_eq!(store.get(&pass, &key).await.unwrap().unwrap().value, winners);
}

async fn keys_have_a_bounded_length(store: &dyn AccountStore) {
    let pass = pass();
    for key in [String::new(), "k".repeat(1_025)] {
        assert_eq!(store.put(&pass, &key, 0, vec![1]).await.unwrap_err().kind, ErrorKind::Invalid);
    }
}
