//! Damage of the data directory under the running server: old segments, and the directory itself.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, Socket, eventually};

/// A server whose segments hold few events.
fn serve(data: &Path) -> Program {
    let environment = [("EARCON_STORAGE__LOG_MEGABYTES".to_owned(), "16".to_owned())];
    Program::serve("damaged_under_server", &["--data", data.to_str().unwrap()], &environment)
}

async fn post(program: &Program, samples: usize) -> Value {
    let text = "x".repeat(200);
    let series = |number: usize| json!({"kpi": "a", "labels": {"s": format!("{number}{text}")}, "value": 1.0});
    let body = json!({"samples": (0..samples).map(series).collect::<Vec<_>>()});
    let request = reqwest::Client::new().post(program.workspace_url("/kpis/ingest")).json(&body);
    let answer = request.send().await.expect("the server answers");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json().await.unwrap()
}

/// The first answer to a follower who goes on after event `seq`.
async fn resume(program: &Program, seq: u64, epoch: &str) -> Value {
    let events = program.url().replace("http://", "ws://") + "/api/v1/workspaces/local/events";
    let mut follower = Socket::connect(&events).await;
    follower.send(json!({"type": "subscribe", "since": seq, "epoch": epoch})).await;
    follower.until("subscribed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_of_an_old_segment_that_is_gone_gets_a_snapshot_and_readiness_tells() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    let first = post(&program, 3).await;
    let segment = data.join("log/local/00000000000000000001.seg");
    let (seq, epoch) = (first["seq"].as_u64().unwrap(), first["epoch"].as_str().unwrap().to_owned());
    while !data.join("log/local/00000000000000000002.seg").exists() {
        post(&program, 1_000).await;
    }
    assert_eq!(resume(&program, seq, &epoch).await["recovered"], true);

    let aside = directory.path().join("aside");
    std::fs::rename(&segment, &aside).unwrap();
    let answer = resume(&program, seq, &epoch).await;
    assert_eq!(answer["recovered"], false, "{answer}");
    let text = eventually("readiness tells", async || {
        let answer = reqwest::get(format!("{}/readyz", program.url())).await.unwrap();
        (answer.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(answer.text().await.unwrap())
    })
    .await;
    assert!(text.contains(segment.to_str().unwrap()), "{text}");
    post(&program, 1).await;
    std::fs::rename(&aside, &segment).unwrap();
    eventually("the segment is back", async || {
        let answer = reqwest::get(format!("{}/readyz", program.url())).await.unwrap();
        answer.status().is_success().then_some(())
    })
    .await;
    assert_eq!(resume(&program, seq, &epoch).await["recovered"], true);
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_not_acknowledged_into_a_directory_that_was_removed() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    post(&program, 1).await;
    std::fs::rename(&data, directory.path().join("elsewhere")).unwrap();
    let rules = json!({"rules": []});
    let request = reqwest::Client::new().put(program.workspace_url("/ingest/rules")).json(&rules);
    let answer = request.timeout(Duration::from_secs(60)).send().await.unwrap();
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("was removed while the server ran"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kpis_are_listed_and_history_is_read_after_the_repair_of_a_lost_log() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    post(&program, 3).await;
    program.terminate();
    std::fs::remove_dir_all(data.join("log/local")).unwrap();
    let repair = std::process::Command::new(env!("CARGO_BIN_EXE_earcon"))
        .args(["doctor", "--data", data.to_str().unwrap(), "--repair"])
        .output()
        .unwrap();
    assert!(repair.status.success(), "{}", String::from_utf8_lossy(&repair.stderr));
    let program = serve(&data);
    let kpis = program.get("/kpis").await;
    assert_eq!(kpis["kpis"].as_array().map(Vec::len), Some(1), "{kpis}");
    let samples = program.get("/kpis/a/samples?from=0&to=4102444800000").await;
    assert_eq!(samples["series"].as_array().map(Vec::len), Some(3), "{samples}");
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_of_a_log_that_was_removed_is_named_by_every_refusal() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let program = serve(&data);
    post(&program, 1).await;
    let log = data.join("log/local");
    std::fs::remove_dir_all(&log).unwrap();
    let http = reqwest::Client::new();
    let body = json!({"samples": [{"kpi": "a", "value": 1.0}]});
    // The append that fails ends the workspace, which cannot be opened again.
    let _refused = http.post(program.workspace_url("/kpis/ingest")).json(&body).send().await.unwrap();
    let change = || http.patch(program.workspace_url("/mixes/default")).json(&json!({"voices": 2})).send();
    let query = || http.get(program.workspace_url("/kpis")).send();
    for _ in 0..2 {
        let text = eventually("the refusal names the directory", async || {
            let text = change().await.unwrap().text().await.unwrap() + &query().await.unwrap().text().await.unwrap();
            (!text.contains("is restarting")).then_some(text)
        })
        .await;
        assert!(text.contains(log.to_str().unwrap()) && text.contains("removed"), "{text}");
    }
}
