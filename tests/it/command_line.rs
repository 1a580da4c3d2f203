//! The program: its messages and exit codes.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::cql::test_database;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::WorkspaceId;
use earcon_tenancy::Authorizer;

fn earcon(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_earcon")).args(args).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn version_and_help_are_success() {
    let version = earcon(&["--version"]);
    assert!(version.status.success() && said(&version).contains(env!("CARGO_PKG_VERSION")));
    let help = earcon(&["--help"]);
    assert!(help.status.success());
    for command in ["serve", "demo", "replay", "backfill", "config", "migrate", "doctor"] {
        assert!(said(&help).contains(command), "{}", said(&help));
    }
}

#[test]
fn wrong_arguments_exit_with_64() {
    assert_eq!(earcon(&["sing"]).status.code(), Some(64));
    assert_eq!(earcon(&["serve", "--listen", "nowhere"]).status.code(), Some(64));
    assert_eq!(earcon(&["replay", "x.csv", "--kpi", "a b"]).status.code(), Some(64));
}

#[test]
fn a_dry_run_of_a_file_ends_as_sending_it_would() {
    let dir = TempDir::new().unwrap();
    let code = |content: &str| {
        let file = dir.path().join("a.csv");
        std::fs::write(&file, content).unwrap();
        let output = earcon(&["backfill", "--dry-run", file.to_str().unwrap()]);
        (output.status.code().unwrap(), said(&output))
    };
    let old = "2001-01-01 00:00,1\n".repeat(150);
    let (refused, text) = code(&format!("time,load\n{old}"));
    assert!(refused == 65 && text.contains("no sample would be accepted"), "{text}");
    let today = jiff::Timestamp::now();
    let (good, text) = code(&format!("time,load\n{old}{today},1\n"));
    assert_eq!(good, 0, "a good row below the first ones: {text}");
    assert_eq!(code("time,load\nnoon,1\n").0, 65);
    assert_eq!(earcon(&["backfill", "--dry-run", "/nowhere.csv"]).status.code(), Some(69));
}

#[test]
fn config_check_reports_every_problem() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("earcon.toml");
    std::fs::write(&file, "[server]\nlisten = \"0.0.0.0:7070\"\n[sound]\nvoices = 99\nloudness = 3\n").unwrap();
    let output = earcon(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    for expected in ["3 problem", "server.listen", "sound.voices", "sound.loudness", "accounts.required"] {
        assert!(said(&output).contains(expected), "{expected} not in: {}", said(&output));
    }
    let good = earcon(&["config", "check"]);
    assert!(good.status.success(), "{}", said(&good));
}

#[test]
fn the_environment_overrides_and_is_checked() {
    let output = Command::new(env!("CARGO_BIN_EXE_earcon"))
        .args(["config", "check"])
        .env("EARCON_SOUND__VOICES", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("sound.voices"), "{}", said(&output));
}

#[test]
fn unreachable_server_is_a_clear_error() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.csv");
    std::fs::write(&file, "timestamp,value\n2026-01-01 00:00:00,1\n").unwrap();
    let output = earcon(&["replay", file.to_str().unwrap(), "--speed", "0", "--url", "http://127.0.0.1:9"]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    assert!(said(&output).contains("http://127.0.0.1:9"), "{}", said(&output));
    let missing = earcon(&["replay", dir.path().join("none.csv").to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(69), "{}", said(&missing));
    assert!(said(&missing).contains("none.csv"), "{}", said(&missing));
}

#[test]
fn doctor_finds_damage_and_repairs_it() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let doctor = |more: &[&str]| {
        let mut args = vec!["doctor", "--data", data.to_str().unwrap()];
        args.extend(more);
        earcon(&args)
    };
    for more in [&[][..], &["--repair"]] {
        let missing = doctor(more);
        assert_eq!(missing.status.code(), Some(66), "{}", said(&missing));
        assert!(said(&missing).contains("holds no Earcon data"), "{}", said(&missing));
        assert!(!said(&missing).contains("--repair"), "a mistyped path is not repaired: {}", said(&missing));
        assert!(!data.exists(), "nothing is created");
    }

    let store = EmbeddedStore::open(&data, &EmbeddedSettings::default()).unwrap();
    let pass = Authorizer::new().system(&WorkspaceId::new("local").unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        store.event_log().open(&pass).await.unwrap();
        store.close().await.unwrap();
    });
    let clean = doctor(&[]);
    assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
    assert!(said(&clean).contains("log of local: 0 events"), "{}", said(&clean));

    let mark = data.join("log/local/MARK");
    std::fs::remove_file(&mark).unwrap();
    let damaged = doctor(&[]);
    assert_eq!(damaged.status.code(), Some(69), "{}", said(&damaged));
    assert!(said(&damaged).contains(mark.to_str().unwrap()), "{}", said(&damaged));
    assert!(said(&damaged).contains("--repair"), "{}", said(&damaged));
    let refused = earcon(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(69), "{}", said(&refused));
    assert!(said(&refused).contains(mark.to_str().unwrap()), "{}", said(&refused));
    let repaired = doctor(&["--repair"]);
    assert_eq!(repaired.status.code(), Some(0), "{}", said(&repaired));
    let end = format!("The server can start: earcon serve --data {}", data.display());
    assert!(said(&repaired).contains("The repair succeeded. Kept: 0 events in 1 log."), "{}", said(&repaired));
    assert!(said(&repaired).contains(&end), "{}", said(&repaired));
    assert_eq!(doctor(&[]).status.code(), Some(0));
}

/// Runs the program as an account that does not own the data.
fn as_another_account(args: &[&str]) -> std::process::Output {
    use std::os::unix::process::CommandExt;
    let mut program = Command::new(env!("CARGO_BIN_EXE_earcon"));
    if rustix::process::getuid().is_root() {
        program.uid(65_534).gid(65_534);
    }
    program.args(args).output().unwrap()
}

#[test]
fn file_that_may_not_be_read_is_no_damage() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    drop(EmbeddedStore::open(&data, &EmbeddedSettings::default()).unwrap());
    let opened = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Another account may pass the directories and read all but one file.
    opened(dir.path(), 0o777);
    let mut waiting = vec![data.clone()];
    while let Some(path) = waiting.pop() {
        opened(&path, if path.is_dir() { 0o777 } else { 0o666 });
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    for hidden in ["db/keyspaces/2/current", "db.mark", "log/DATABASE", "FORMAT"] {
        let file = data.join(hidden);
        opened(&file, 0);
        let data = data.to_str().unwrap();
        for args in [
            &["doctor", "--data", data][..],
            &["doctor", "--data", data, "--repair"],
            &["serve", "--listen", "127.0.0.1:0", "--data", data],
        ] {
            let refused = as_another_account(args);
            let text = said(&refused);
            assert_eq!(refused.status.code(), Some(74), "{hidden}: {text}");
            assert!(text.contains(&format!("cannot read {}: Permission denied", file.display())), "{text}");
            assert!(!text.contains("--repair") && !text.contains("damage"), "{hidden}: {text}");
        }
        opened(&file, 0o666);
    }
    // A check needs no right to write, and says that a start does.
    let (file, data) = (data.join("db/0.jnl"), data.to_str().unwrap());
    opened(&file, 0o444);
    for args in [
        &["doctor", "--data", data][..],
        &["doctor", "--data", data, "--repair"],
        &["serve", "--listen", "127.0.0.1:0", "--data", data],
    ] {
        let refused = as_another_account(args);
        let text = said(&refused);
        assert_eq!(refused.status.code(), Some(74), "{args:?}: {text}");
        assert!(text.contains(&format!("cannot write {}: Permission denied", file.display())), "{args:?}: {text}");
        assert_eq!(text.contains("no damage found"), args.contains(&"doctor"), "{args:?}: {text}");
    }
    // The owner learns how to get the right back.
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(&file, Some(65_534), Some(65_534)).unwrap();
    }
    opened(&file, 0);
    let text = said(&as_another_account(&["serve", "--listen", "127.0.0.1:0", "--data", data]));
    assert!(text.contains(&format!("run: chmod u+rw {}", file.display())) && !text.contains("account"), "{text}");
}

#[test]
fn migration_without_a_database_is_a_clear_error() {
    let output = earcon(&["migrate"]);
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("cql.nodes is empty"), "{}", said(&output));
    let away = Command::new(env!("CARGO_BIN_EXE_earcon"))
        .arg("migrate")
        .env("EARCON_CQL__NODES", "127.0.0.1:9")
        .output()
        .unwrap();
    assert_eq!(away.status.code(), Some(69), "{}", said(&away));
    assert!(said(&away).contains("127.0.0.1:9"), "{}", said(&away));
}

#[tokio::test]
#[ignore = "needs Cassandra"]
async fn second_migration_of_a_keyspace_changes_nothing() {
    let node = test_database();
    let keyspace = format!("earcon_{}", uuid::Uuid::new_v4().simple());
    let migrate = || {
        let program = Command::new(env!("CARGO_BIN_EXE_earcon"))
            .arg("migrate")
            .env("EARCON_CQL__NODES", &node)
            .env("EARCON_CQL__KEYSPACE", &keyspace)
            .env("EARCON_CQL__REQUEST_TIMEOUT_SECONDS", "60")
            .output();
        program.unwrap()
    };
    let (first, second) = (migrate(), migrate());
    let session = scylla::client::session_builder::SessionBuilder::new().known_node(&node).build().await.unwrap();
    session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
    assert!(first.status.success() && said(&first).contains("applied 0001_schema"), "{}", said(&first));
    assert!(second.status.success() && said(&second).contains("up to date"), "{}", said(&second));
}
