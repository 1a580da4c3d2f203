//! Migrations of a real database. Each test has a new keyspace, which it drops at the end.

use std::time::Duration;

use super::*;
use crate::test_server;

const ONE: Migration<'static> =
    Migration { name: "0001_one", text: "CREATE TABLE IF NOT EXISTS one (k text PRIMARY KEY); -- why" };
const TWO: Migration<'static> = Migration {
    name: "0002_two",
    text: "CREATE TABLE IF NOT EXISTS two (k text PRIMARY KEY);\nCREATE TABLE IF NOT EXISTS three (k text PRIMARY KEY);",
};

/// Runs `test` with a keyspace that does not exist yet.
async fn in_a_new_keyspace(test: impl AsyncFnOnce(&CqlSettings)) {
    let keyspace = format!("earcon_{}", uuid::Uuid::new_v4().simple());
    let settings = test_server::settings(&keyspace);
    test(&settings).await;
    let database = CqlDatabase::connect(&settings).await.unwrap();
    change_schema(&database, &format!("DROP KEYSPACE IF EXISTS {keyspace}")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn migrations_are_applied_once_and_in_order() {
    in_a_new_keyspace(async |settings| {
        let migrated = run(settings, &[ONE]).await.unwrap();
        assert_eq!(migrated, Migrated { from: 0, to: 1, applied: vec!["0001_one".into()] });
        let migrated = run(settings, &[ONE, TWO]).await.unwrap();
        assert_eq!(migrated, Migrated { from: 1, to: 2, applied: vec!["0002_two".into()] });
        let migrated = run(settings, &[ONE, TWO]).await.unwrap();
        assert_eq!(migrated, Migrated { from: 2, to: 2, applied: vec![] });
        let database = CqlDatabase::connect(settings).await.unwrap();
        for table in ["one", "two", "three"] {
            database.prepare(&format!("SELECT k FROM {table}"), Purpose::Read).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn concurrent_migrations_apply_once() {
    in_a_new_keyspace(async |settings| {
        let both = [ONE, TWO];
        let (a, b) = tokio::join!(run(settings, &both), run(settings, &both));
        let mut runs = [a.unwrap(), b.unwrap()];
        runs.sort_by_key(|run| run.from);
        assert_eq!(runs[0], Migrated { from: 0, to: 2, applied: vec!["0001_one".into(), "0002_two".into()] });
        assert_eq!(runs[1], Migrated { from: 2, to: 2, applied: vec![] });
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn keyspace_with_another_schema_is_refused_by_name() {
    in_a_new_keyspace(async |settings| {
        run(settings, &[ONE]).await.unwrap();
        let other = Migration { text: "CREATE TABLE IF NOT EXISTS one (k blob PRIMARY KEY)", ..ONE };
        let error = run(settings, &[other, TWO]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        let sentence = error.to_string();
        assert!(sentence.contains("0001_one") && sentence.contains(&settings.keyspace), "{sentence}");
        assert!(sentence.contains("name an empty keyspace in cql.keyspace"), "{sentence}");
        // The schema of an earlier build is also refused when the keyspace is opened.
        let opened = CqlDatabase::open(settings).await.err().unwrap();
        assert_eq!(opened.kind, ErrorKind::Invalid);
        assert!(opened.to_string().contains("has another schema: its version 1 is 0001_one"), "{opened}");
        let migrated =
            run(settings, &[Migration { text: "CREATE  TABLE IF NOT EXISTS one\n(k text PRIMARY KEY)", ..ONE }]);
        assert_eq!(migrated.await.unwrap().applied, Vec::<String>::new(), "other blanks and comments are no edit");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn missing_or_newer_keyspace_is_not_opened() {
    in_a_new_keyspace(async |settings| {
        let missing = CqlDatabase::open(settings).await.err().unwrap();
        assert_eq!(missing.kind, ErrorKind::Invalid);
        assert!(missing.to_string().contains("earcon migrate"), "{missing}");
        run(settings, &[]).await.unwrap();
        let empty = CqlDatabase::open(settings).await.err().unwrap();
        assert!(empty.to_string().contains("earcon migrate"), "{empty}");

        let names: Vec<String> = (1..=MIGRATIONS.len() + 1).map(|version| format!("{version:04}_later")).collect();
        let mut later: Vec<Migration<'_>> = names.iter().map(|name| Migration { name, ..ONE }).collect();
        later.splice(..MIGRATIONS.len(), MIGRATIONS.iter().map(|&Migration { name, text }| Migration { name, text }));
        run(settings, &later).await.unwrap();
        for error in [CqlDatabase::open(settings).await.err().unwrap(), migrate(settings).await.unwrap_err()] {
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.to_string().contains("newer than this program"), "{error}");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn held_lock_keeps_others_waiting() {
    in_a_new_keyspace(async |settings| {
        let database = CqlDatabase::connect(settings).await.unwrap();
        make_keyspace(&database, &settings.replication).await.unwrap();
        let lock = Lock::acquire(&database).await.unwrap();
        let migration = run(settings, &[ONE]);
        tokio::pin!(migration);
        assert!(tokio::time::timeout(Duration::from_secs(2), &mut migration).await.is_err(), "it waits for the lock");
        lock.renew().await.unwrap();
        lock.release().await.unwrap();
        assert_eq!(migration.await.unwrap().to, 1);
    })
    .await;
}

#[tokio::test]
async fn absent_or_silent_database_is_unavailable_in_time() {
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for node in [away, silent.local_addr().unwrap()] {
        let settings = CqlSettings {
            request_timeout: Duration::from_secs(1),
            ..test_server::at(vec![node.to_string()], "earcon_nowhere")
        };
        let opening = tokio::time::timeout(Duration::from_secs(60), CqlDatabase::open(&settings));
        let error = opening.await.expect("it gives up by itself").err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.to_string().contains(&node.to_string()), "{error}");
    }
}

#[test]
fn migrations_are_numbered_without_gaps_and_repeatable() {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert!(migration.name.starts_with(&format!("{number:04}_")), "{}", migration.name);
        let statements = statements(migration.text);
        assert!(!statements.is_empty(), "{} is empty", migration.name);
        for statement in statements {
            assert!(statement.contains("IF NOT EXISTS"), "{}: {statement}", migration.name);
        }
    }
}
