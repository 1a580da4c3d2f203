//! A disk that becomes full and has room again, under the running server; and a data directory that
//! is removed under it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::{Ledger, Program, Socket, eventually};

const RESERVE_MEGABYTES: u64 = 48;

/// Only guards against a test that hangs.
fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().unwrap()
}

/// The right to fill the small file system, for one test at a time, and a directory on it. The
/// directory is removed first, with the ballast.
async fn small_disk() -> (MutexGuard<'static, ()>, TempDir) {
    static FILLED: Mutex<()> = Mutex::const_new(());
    let turn = FILLED.lock().await;
    let disk = std::env::var_os("EARCON_TEST_SMALL_DISK").expect("EARCON_TEST_SMALL_DISK names a small file system");
    (turn, TempDir::new_in(disk).unwrap())
}

fn environment(flush_seconds: u64, reserve_megabytes: u64) -> [(String, String); 2] {
    [
        ("EARCON_STORAGE__FLUSH_SECONDS".to_owned(), flush_seconds.to_string()),
        ("EARCON_STORAGE__RESERVE_MEGABYTES".to_owned(), reserve_megabytes.to_string()),
    ]
}

fn serve(data: &Path) -> Program {
    serve_with(data, 1, RESERVE_MEGABYTES)
}

fn serve_with(data: &Path, flush_seconds: u64, reserve_megabytes: u64) -> Program {
    let environment = environment(flush_seconds, reserve_megabytes);
    Program::serve("full_disk", &["--data", data.to_str().unwrap()], &environment)
}

/// The server, with its log in `log`.
fn serve_with_log(data: &Path, log: File) -> Program {
    Program::serve_with_log("full_disk", &["--data", data.to_str().unwrap()], &environment(1, RESERVE_MEGABYTES), log)
}

/// A file for the server's log on the same disk as the data.
fn log_next_to(data: &Path) -> File {
    File::options().create(true).append(true).open(data.with_extension("log")).unwrap()
}

/// Writes until `left` bytes are free, or until the disk takes no more.
fn fill(ballast: &Path, left: u64) {
    let mut file = File::create(ballast).unwrap();
    let block = vec![1; 1 << 16];
    while rustix::fs::statvfs(ballast).map(|status| status.f_bavail * status.f_frsize).unwrap() > left {
        if file.write_all(&block).is_err() {
            return;
        }
    }
}

/// Removes all ballast.
fn empty(disk: &Path) {
    for name in ["ballast", "ballast.rest"] {
        let _absent = fs::remove_file(disk.join(name)).is_err();
    }
}

async fn ready(http: &Client, program: &Program) -> (StatusCode, String) {
    let answer = http.get(format!("{}/readyz", program.url())).send().await.expect("the server answers");
    (answer.status(), answer.text().await.unwrap())
}

async fn post(http: &Client, program: &Program) -> (StatusCode, Value) {
    let body = json!({"samples": [{"kpi": "a", "value": 1.0}]});
    let request = http.post(program.workspace_url("/kpis/ingest")).json(&body);
    let answer = request.send().await.expect("the server answers");
    (answer.status(), answer.json().await.unwrap())
}

/// Time limit for the server to notice a change. Only guards against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends batches until one is refused.
async fn send_until_refused(ledger: &mut Ledger, http: &Client, program: &Program) {
    let began = Instant::now();
    loop {
        let batch = ledger.next();
        if !ledger.send(http, program.url(), &batch).await {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "samples are refused while the disk is full");
    }
}

/// Sends one batch until it is accepted.
async fn send_until_accepted(ledger: &mut Ledger, http: &Client, program: &Program) {
    let (batch, began) = (ledger.next(), Instant::now());
    while !ledger.send(http, program.url(), &batch).await {
        assert!(began.elapsed() < PATIENCE, "samples are taken while there is room");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small file system in EARCON_TEST_SMALL_DISK"]
async fn full_disk_refuses_samples_and_goes_on_once_there_is_room() {
    let (_turn, disk) = small_disk().await;
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    let (program, http, mut ledger) = (serve_with_log(&data, log_next_to(&data)), client(), Ledger::default());
    send_until_accepted(&mut ledger, &http, &program).await;
    let events = program.url().replace("http://", "ws://") + "/api/v1/workspaces/local/events";
    let mut follower = Socket::connect(&events).await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;

    for full in [false, true] {
        fill(&ballast, (RESERVE_MEGABYTES / 2) << 20);
        send_until_refused(&mut ledger, &http, &program).await;
        if full {
            fill(&ballast.with_extension("rest"), 0);
        }
        let (status, problem) = post(&http, &program).await;
        assert_eq!((status.as_u16(), &problem["type"]), (507, &json!("/problems/storage-full")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("48 MB are kept free"), "{problem}");
        let (status, text) = ready(&http, &program).await;
        assert!(status == 503 && text.contains("samples are refused"), "{status} {text}");
        assert!(program.get("/kpis").await["kpis"].as_array().unwrap().len() >= 3, "queries go on");
        let samples = program.get("/kpis/a/samples?from=0&to=4102444800000").await;
        assert!(samples["series"].is_array(), "samples can be read: {samples}");
        let mut sound = http.get(program.workspace_url("/mixes/default/live.ogg")).send().await.unwrap();
        assert_eq!(sound.status(), 200);
        for _ in 0..5 {
            assert!(sound.chunk().await.unwrap().is_some_and(|page| !page.is_empty()), "sound goes on");
        }
        let mut late = Socket::connect(&events).await;
        late.send(json!({"type": "subscribe"})).await;
        late.until("subscribed").await;

        empty(disk.path());
        send_until_accepted(&mut ledger, &http, &program).await;
        assert_eq!(ready(&http, &program).await.0, 200);
    }
    follower.until("samples").await;
    ledger.assert_log(program.url()).await;
    ledger.assert_history(program.url()).await;

    // So fast that a commit may fail before the disk is measured.
    fill(&ballast, 0);
    send_until_refused(&mut ledger, &http, &program).await;
    let began = Instant::now();
    while post(&http, &program).await.0 != StatusCode::INSUFFICIENT_STORAGE {
        assert!(began.elapsed() < PATIENCE, "the refusal names the disk");
    }
    empty(disk.path());
    send_until_accepted(&mut ledger, &http, &program).await;
    ledger.assert_log(program.url()).await;

    fill(&ballast, 0);
    program.terminate();
    empty(disk.path());
    let program = serve_with_log(&data, log_next_to(&data));
    ledger.assert_log(program.url()).await;
    program.terminate();
}

/// Sends samples whose values cannot be compressed.
async fn send_noise(http: &Client, program: &Program, samples: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for batch in 0..samples / 5_000 {
        let mut lines = String::new();
        for at in batch * 5_000..(batch + 1) * 5_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = state as f64 / 1e15;
            lines += &format!("noise,series={} value={value} {}\n", at % 500, 1_767_225_600_000 + at);
        }
        let request = http.post(format!("{}/write?precision=ms", program.url())).body(lines);
        assert!(request.send().await.unwrap().status().is_success(), "there is room");
    }
}

/// The flush of history finds more room than the database keeps free, and needs still more. So a
/// write of the database itself fails.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small file system in EARCON_TEST_SMALL_DISK"]
async fn full_disk_passes_for_the_database_too() {
    let (_turn, disk) = small_disk().await;
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    // Before snapshots are saved: a small commit would pass, and none would find the disk full.
    let (program, http, mut ledger) = (serve_with(&data, 15, 8), client(), Ledger::default());
    send_until_accepted(&mut ledger, &http, &program).await;
    send_noise(&http, &program, 260_000).await;
    fill(&ballast, (2 << 20) + (200 << 10));
    eventually("the failure is noticed", async || {
        let (status, text) = ready(&http, &program).await;
        (status == 503 && text.contains("settings and history cannot be written")).then_some(())
    })
    .await;
    assert!(!program.get("/kpis").await["kpis"].as_array().unwrap().is_empty(), "queries go on");
    empty(disk.path());
    eventually("the database is open again", async || (ready(&http, &program).await.0 == 200).then_some(())).await;
    send_until_accepted(&mut ledger, &http, &program).await;
    ledger.assert_log(program.url()).await;
    ledger.assert_history(program.url()).await;
    program.terminate();
}

/// The answer to a change of a setting.
async fn put(http: &Client, program: &Program) -> (StatusCode, Value) {
    let request = http.put(program.workspace_url("/ingest/rules")).json(&json!({"rules": []}));
    let answer = request.send().await.expect("the server answers");
    (answer.status(), answer.json().await.unwrap())
}

/// Bytes left: below a quarter of the reserve, and none.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small file system in EARCON_TEST_SMALL_DISK"]
async fn server_starts_on_a_full_disk_and_refuses_samples() {
    let (_turn, disk) = small_disk().await;
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    let (program, http, mut ledger) = (serve(&data), client(), Ledger::default());
    send_until_accepted(&mut ledger, &http, &program).await;
    program.terminate();
    for left in [(RESERVE_MEGABYTES / 8) << 20, 0] {
        fill(&ballast, left);
        let program = serve(&data);
        let (status, problem) = post(&http, &program).await;
        assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{left}: {problem}");
        let (status, text) = ready(&http, &program).await;
        assert!(status == 503 && text.contains("samples are refused"), "{left}: {status} {text}");
        assert!(program.get("/kpis").await["kpis"].as_array().unwrap().len() >= 3, "{left}: queries go on");
        let (status, problem) = put(&http, &program).await;
        assert_eq!((status.as_u16(), &problem["type"]), (507, &json!("/problems/storage-full")), "{left}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("MB are kept free"), "{left}: {problem}");
        let mix = http.patch(program.workspace_url("/mixes/default")).json(&json!({"voices": 2}));
        assert_eq!(mix.send().await.unwrap().status().as_u16(), 507, "{left}");

        empty(disk.path());
        send_until_accepted(&mut ledger, &http, &program).await;
        eventually("settings are taken again", async || (put(&http, &program).await.0 == 200).then_some(())).await;
        program.terminate();
    }
    let program = serve(&data);
    ledger.assert_log(program.url()).await;
    ledger.assert_history(program.url()).await;
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn log_that_cannot_be_written_is_no_reason_to_end() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (program, http) = (serve_with_log(&data, full), client());
    assert_eq!(post(&http, &program).await.0, 200);
    // Noticing it is logged.
    fs::rename(&data, directory.path().join("elsewhere")).unwrap();
    eventually("the loss is noticed", async || (ready(&http, &program).await.0 == 503).then_some(())).await;
    fs::rename(directory.path().join("elsewhere"), &data).unwrap();
    eventually("samples are taken again", async || (post(&http, &program).await.0 == 200).then_some(())).await;
    assert_eq!(ready(&http, &program).await.0, 200);
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_data_directory_is_noticed() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (program, http) = (serve(&data), client());
    assert_eq!(post(&http, &program).await.0, 200);
    fs::rename(&data, directory.path().join("elsewhere")).unwrap();
    eventually("the loss is noticed", async || {
        let (status, problem) = post(&http, &program).await;
        // An append may fail before the loss is known.
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
        problem["detail"].as_str().unwrap().contains("data directory").then_some(())
    })
    .await;
    let (status, text) = ready(&http, &program).await;
    assert!(status == 503 && text.contains(data.to_str().unwrap()) && text.contains("removed"), "{status} {text}");
    fs::rename(directory.path().join("elsewhere"), &data).unwrap();
    eventually("samples are taken again", async || (post(&http, &program).await.0 == 200).then_some(())).await;
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_parts_of_the_data_directory_are_noticed() {
    for part in ["log/local", "db/version", "log/local/00000000000000000001.seg"] {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let (program, http) = (serve(&data), client());
        assert_eq!(post(&http, &program).await.0, 200);
        fs::rename(data.join(part), directory.path().join("elsewhere")).unwrap();
        let text = eventually("the loss is noticed", async || {
            let (status, text) = ready(&http, &program).await;
            (status == 503).then_some(text)
        })
        .await;
        assert!(text.contains(part), "{part}: {text}");
        assert_eq!(post(&http, &program).await.0, 503, "{part}: samples are refused");
        fs::rename(directory.path().join("elsewhere"), data.join(part)).unwrap();
        eventually("samples are taken again", async || (post(&http, &program).await.0 == 200).then_some(())).await;
        program.terminate();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_readable_by_their_owner_only() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let (program, http, mut ledger) = (serve(&data), client(), Ledger::default());
    send_until_accepted(&mut ledger, &http, &program).await;
    program.terminate();
    let mut waiting = vec![data];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has {mode:o}", path.display());
        seen += 1;
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>());
        }
    }
    assert!(seen > 5, "{seen} files and directories");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small file system in EARCON_TEST_SMALL_DISK"]
async fn new_directory_on_a_full_disk_is_no_damage_and_starts_once_there_is_room() {
    let (_turn, disk) = small_disk().await;
    let (data, ballast) = (disk.path().join("data"), disk.path().join("ballast"));
    for left in [0, 20_000, 100_000] {
        fill(&ballast, left);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_earcon"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
            .output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(74), "{left}: {text}");
        assert!(text.contains("No space left on device") && !text.contains("damage"), "{left}: {text}");
        empty(disk.path());
        serve(&data).terminate();
        std::fs::remove_dir_all(&data).unwrap();
    }
}
