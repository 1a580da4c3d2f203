//! Files of the data directory that are removed, cut or closed under the running server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, eventually};

const SEGMENT: &str = "log/local/00000000000000000001.seg";

fn serve(data: &Path) -> Program {
    Program::serve("watched_files", &["--data", data.to_str().unwrap()], &[])
}

/// Posts a sample. Returns the status and the whole answer.
async fn post(program: &Program) -> (StatusCode, String) {
    let body = json!({"samples": [{"kpi": "a", "value": 1.0}]});
    let request = reqwest::Client::new().post(program.workspace_url("/kpis/ingest")).json(&body);
    let answer = request.send().await.expect("the server answers");
    (answer.status(), answer.text().await.unwrap())
}

async fn accepted(program: &Program) {
    eventually("samples are taken", async || post(program).await.0.is_success().then_some(())).await;
}

async fn put_rules(program: &Program) -> (StatusCode, Value) {
    let request = reqwest::Client::new().put(program.workspace_url("/ingest/rules")).json(&json!({"rules": []}));
    let answer = request.send().await.expect("the server answers");
    (answer.status(), answer.json().await.unwrap_or_default())
}

async fn readiness(program: &Program) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}/readyz", program.url())).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Waits until the server is not ready because of a file.
async fn reported(program: &Program, file: &Path) -> String {
    eventually("readiness names the file", async || {
        let (status, text) = readiness(program).await;
        (status == StatusCode::SERVICE_UNAVAILABLE && text.contains(file.to_str().unwrap())).then_some(text)
    })
    .await
}

async fn ready(program: &Program) {
    eventually("the server is ready", async || (readiness(program).await.0 == StatusCode::OK).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_files_of_the_database_are_noticed_and_refuse_settings() {
    let directory = TempDir::new().unwrap();
    let (data, aside) = (directory.path().join("data"), directory.path().join("aside"));
    let log = directory.path().join("log");
    let output = fs::File::create(&log).unwrap();
    let program = Program::serve_with_log("watched_files", &["--data", data.to_str().unwrap()], &[], output);
    accepted(&program).await;
    // Journals get larger numbers while the server runs.
    let journal = fs::read_dir(data.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).max().unwrap();
    let files = [journal, data.join("db/keyspaces/2"), data.join("db/keyspaces/2/current")];
    for file in &files {
        fs::rename(file, &aside).unwrap();
        let text = reported(&program, file).await;
        assert!(text.contains("settings and history cannot be written"), "{text}");
        let (status, problem) = put_rules(&program).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(file.to_str().unwrap()), "{problem}");
        assert!(post(&program).await.0.is_success(), "samples are in the log");
        fs::rename(&aside, file).unwrap();
        ready(&program).await;
        assert!(put_rules(&program).await.0.is_success());
    }
    program.terminate();
    let log = fs::read_to_string(&log).unwrap();
    for file in &files {
        let lines = log.lines().filter(|line| line.contains("ERROR") && line.contains(&format!("{} ", file.display())));
        assert_eq!(lines.count(), 1, "one line about {}:\n{log}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_marks_are_noticed_and_written_again_at_the_stop() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let marks: [PathBuf; 3] = ["log/local/MARK", "log/DATABASE", "db.mark"].map(|name| data.join(name));
    for mark in &marks {
        let program = serve(&data);
        accepted(&program).await;
        fs::remove_file(mark).unwrap();
        reported(&program, mark).await;
        program.terminate();
        assert!(mark.exists(), "{}", mark.display());
    }
    // Without any wait.
    let program = serve(&data);
    accepted(&program).await;
    marks.iter().for_each(|mark| fs::remove_file(mark).unwrap());
    program.terminate();
    let program = serve(&data);
    accepted(&program).await;
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_mark_is_noticed() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    accepted(&program).await;
    let mark = data.join("log/local/MARK");
    let mut bytes = fs::read(&mark).unwrap();
    [40, 4_096 + 40].iter().for_each(|at| bytes[*at] ^= 1);
    fs::write(&mark, &bytes).unwrap();
    let text = reported(&program, &mark).await;
    assert!(text.contains("was changed"), "{text}");
    program.terminate();
    let program = serve(&data);
    accepted(&program).await;
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_that_was_cut_takes_no_samples() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    accepted(&program).await;
    let segment = data.join(SEGMENT);
    let whole = fs::read(&segment).unwrap();
    fs::File::options().write(true).open(&segment).unwrap().set_len(200).unwrap();
    // The first sample may come before the watch has looked.
    let (status, text) = post(&program).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert!(reported(&program, &segment).await.contains("was cut"), "{}", readiness(&program).await.1);
    let (status, text) = post(&program).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains(segment.to_str().unwrap()), "{text}");
    fs::write(&segment, whole).unwrap();
    accepted(&program).await;
    ready(&program).await;
    program.terminate();
    serve(&data).terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_files_are_named_and_the_server_recovers_with_its_rights() {
    let directory = TempDir::new().unwrap();
    // The account of the server may enter the directory.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let data = directory.path().join("data");
    let start = || Program::serve_without_privileges("watched_files", &["--data", data.to_str().unwrap()]);
    let program = start();
    accepted(&program).await;
    program.terminate();
    // Its segment is not open yet.
    let program = start();
    let everything = everything_below(&data);
    everything.iter().for_each(|(path, _)| close(path));
    let names_one = |text: &str| {
        let named = everything.iter().any(|(path, _)| text.contains(&format!("{} ", path.display())));
        named && text.contains("Permission denied")
    };
    let text = eventually("the server is not ready", async || {
        let (status, text) = readiness(&program).await;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(text)
    })
    .await;
    assert!(names_one(&text), "{text}");
    let (status, answer) = post(&program).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert!(names_one(&answer), "{answer}");
    everything.iter().rev().for_each(|(path, mode)| set_mode(path, *mode));
    accepted(&program).await;
    ready(&program).await;
    program.terminate();
}

/// The files and directories below a directory with their modes, directories after their content.
fn everything_below(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_below(&path));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        found.push((path, mode));
    }
    found
}

fn close(path: &Path) {
    set_mode(path, 0);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
