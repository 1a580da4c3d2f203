//! Repeated `kill -9` at varied moments: no acknowledged sample is lost, and none is stored twice.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Ledger, Program};

const ROUNDS: usize = 12;

fn start(data: &TempDir) -> Program {
    let often = |key: &str| (key.to_owned(), "1".to_owned());
    let environment = [often("EARCON_STORAGE__FLUSH_SECONDS"), often("EARCON_STREAMS__SNAPSHOT_SECONDS")];
    Program::serve("kill", &["--data", data.path().to_str().unwrap()], &environment)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_acknowledged_and_repeats_nothing() {
    let data = TempDir::new().unwrap();
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        let program = start(&data);
        let url = program.url().to_owned();
        // The moment varies: from the first batches to well after snapshots and flushes.
        let pause = Duration::from_millis(30 + (round as u64 * 7_919) % 2_300);
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(pause);
            program.kill();
        });
        let http = reqwest::Client::new();
        loop {
            let batch = ledger.next();
            if !ledger.send(&http, &url, &batch).await {
                break;
            }
        }
        killer.await.unwrap();
    }
    assert!(ledger.acknowledged() > ROUNDS, "the test acknowledged something: {}", ledger.acknowledged());

    let program = start(&data);
    let head = ledger.assert_log(program.url()).await;
    ledger.assert_history(program.url()).await;
    eprintln!(
        "kills: {ROUNDS}, acknowledged: {} samples, sent: {} samples, newest event: {head}",
        ledger.acknowledged(),
        ledger.sent()
    );
    program.kill();
}
