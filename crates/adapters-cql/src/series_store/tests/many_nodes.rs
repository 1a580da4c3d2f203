//! Stores of several nodes over one database.

use super::*;
use earcon_ports::Rollup;

const HOUR_MS: i64 = 3_600_000;

async fn rollups(store: &dyn SeriesStore, pass: &WorkspacePass, step_ms: i64) -> Vec<Vec<Rollup>> {
    let found = store.rollups(pass, &everything(), step_ms).await.unwrap();
    found.into_iter().map(|series| series.rows).collect()
}

/// Asserts that the rollups match the samples.
async fn assert_rollups_match_samples(store: &dyn SeriesStore, pass: &WorkspacePass) {
    let rows = rows(store, pass).await;
    for step_ms in [1_000, 60_000, HOUR_MS] {
        let rollups = rollups(store, pass, step_ms).await;
        assert_eq!(rollups.len(), rows.len());
        for (rollups, rows) in rollups.iter().zip(&rows) {
            assert_eq!(rollups.iter().map(|step| step.count).sum::<u64>(), rows.len() as u64, "steps of {step_ms}");
            for step in rollups {
                let inside = |row: &&Triple| (step.start_ms..step.start_ms + step_ms).contains(&row.0);
                let values = rows.iter().filter(inside).map(|row| row.1);
                assert_eq!(step.max, values.fold(f64::MIN, f64::max), "step of {step_ms} at {}", step.start_ms);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn other_nodes_see_flushed_rows_and_new_series() {
    let database = database().await;
    let (owner, other, pass) = (node(&database).await, node(&database).await, fresh());
    assert!(counts(&*other, &pass).await.is_empty());
    for round in 0..3 {
        apply(&*owner, &pass, &[samples(round + 1, 1 + round as usize, round as i64 * 40_000, 30)]).await;
        owner.flush(&pass).await.unwrap();
        assert_eq!(counts(&*other, &pass).await, counts(&*owner, &pass).await);
        assert_eq!(rollups(&*other, &pass, 60_000).await, rollups(&*owner, &pass, 60_000).await);
    }
    assert_eq!(counts(&*other, &pass).await, [90, 60, 30]);
    assert_eq!(other.cursor(&pass).await.unwrap(), 3);
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn flush_of_an_old_owner_changes_nothing() {
    let database = database().await;
    let (old, new, pass) = (node(&database).await, node(&database).await, fresh());
    let log: Vec<_> = (0..6).map(|i| samples(i + 1, 2, i as i64 * 100_000, 100)).collect();
    apply(&*old, &pass, &log[..2]).await;
    old.flush(&pass).await.unwrap();
    apply(&*old, &pass, &log[2..4]).await;
    // The new owner continues after the cursor, gets further, and a sample is sent again with
    // another value.
    assert_eq!(new.cursor(&pass).await.unwrap(), 2);
    apply(&*new, &pass, &log[2..6]).await;
    apply(&*new, &pass, &[late(7, &[250_000, 5_000], 777.0)]).await;
    new.flush(&pass).await.unwrap();
    let before = rows(&*new, &pass).await;
    let size = new.size_bytes(&pass).await.unwrap();
    assert_eq!(old.flush(&pass).await.unwrap(), 7, "its memory is forgotten: all of it is stored");
    assert_eq!(old.cursor(&pass).await.unwrap(), 7);
    for store in [&old, &new] {
        assert_eq!(rows(&**store, &pass).await, before);
        assert_rollups_match_samples(&**store, &pass).await;
        assert_eq!(store.size_bytes(&pass).await.unwrap(), size);
    }
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn writes_of_an_old_owner_are_older_than_the_new_owners() {
    let database = database().await;
    let (old, new, pass) = (node(&database).await, node(&database).await, fresh());
    let log = [samples(1, 1, 0, 200), late(2, &[30_000], -1.0), late(3, &[30_000], -3.0), samples(4, 1, 200_000, 100)];
    apply(&*old, &pass, &log[..2]).await;
    // The old owner has read the head and taken its batch; the new owner has not written yet.
    let history = old.history(&pass);
    let mut writer = history.writer.lock().await;
    history.refresh_head(&mut writer).await.unwrap();
    let unflushed = history.memtable().begin_flush();
    apply(&*new, &pass, &log).await;
    new.flush(&pass).await.unwrap();
    let (before, head) = (rows(&*new, &pass).await, history.tables.head(&history.workspace).await.unwrap());

    history.write_unflushed(&unflushed, &mut writer).await.unwrap();
    assert_eq!(history.tables.head(&history.workspace).await.unwrap(), head, "the cursor does not go back");
    assert_eq!(rows(&*new, &pass).await, before);
    assert_eq!(before[0][30].1, -3.0);
    assert_rollups_match_samples(&*new, &pass).await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn interrupted_flush_is_repeated_by_the_next_owner() {
    let database = database().await;
    let (old, new, pass) = (node(&database).await, node(&database).await, fresh());
    let log = [
        samples(1, 2, 0, 90),
        samples(2, 2, 90_000, 90),
        late(3, &[10_000, 95_500], 5.5),
        samples(4, 2, 7_000_000, 90),
    ];
    apply(&*old, &pass, &log[..1]).await;
    old.flush(&pass).await.unwrap();
    apply(&*old, &pass, &log[1..]).await;
    {
        // Everything is written except the head.
        let history = old.history(&pass);
        let mut writer = history.writer.lock().await;
        history.refresh_head(&mut writer).await.unwrap();
        let unflushed = history.memtable().begin_flush();
        history.write_series(&unflushed, &writer).await.unwrap();
    }
    assert_eq!(new.cursor(&pass).await.unwrap(), 1);
    for event in &log[1..] {
        apply(&*new, &pass, std::slice::from_ref(event)).await;
        assert_rollups_match_samples(&*new, &pass).await;
        new.flush(&pass).await.unwrap();
    }
    assert_eq!(counts(&*new, &pass).await, [271, 270]);
    assert_rollups_match_samples(&*new, &pass).await;
    assert_rollups_match_samples(&*old, &pass).await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn expired_rows_stay_deleted_when_an_old_owner_writes_them() {
    let database = database().await;
    let (old, new, pass) = (node(&database).await, node(&database).await, fresh());
    let log = [samples(1, 2, 0, 100), samples(2, 2, 86_400_000, 100)];
    apply(&*old, &pass, &log).await;
    let history = old.history(&pass);
    let mut writer = history.writer.lock().await;
    history.refresh_head(&mut writer).await.unwrap();
    let unflushed = history.memtable().begin_flush();
    apply(&*new, &pass, &log).await;
    new.expire(&pass, 86_400_000).await.unwrap();
    assert_eq!(counts(&*new, &pass).await, [100, 100]);
    history.write_unflushed(&unflushed, &mut writer).await.unwrap();
    assert_eq!(counts(&*new, &pass).await, [100, 100]);
    assert_rollups_match_samples(&*new, &pass).await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn failed_flush_keeps_rows_readable_without_duplicates() {
    let database = database().await;
    let (store, pass) = (node(&database).await, fresh());
    let log = [samples(1, 2, 0, 50), samples(2, 2, 50_000, 50), samples(3, 2, 100_000, 50)];
    apply(&*store, &pass, &log[..2]).await;
    // As after a failure: the batch is taken and never reported as written.
    drop(store.history(&pass).memtable().begin_flush());
    assert_eq!(counts(&*store, &pass).await, [100, 100]);
    // The consumer reads the cursor and applies again from there.
    assert_eq!(store.cursor(&pass).await.unwrap(), 0);
    apply(&*store, &pass, &log).await;
    assert_eq!(counts(&*store, &pass).await, [150, 150]);
    assert_eq!(store.flush(&pass).await.unwrap(), 3);
    assert_eq!(counts(&*store, &pass).await, [150, 150]);
    assert_eq!(store.size_bytes(&pass).await.unwrap(), 300 * super::super::SAMPLE_BYTES);
}
