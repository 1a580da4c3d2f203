//! Jobs that train a detector from history.

use earcon::experiments::{JobState, Progress, TrainingJob};
use earcon::services::detectors::records::DetectorRecords;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::{DetectorRef, KpiName, WorkspaceId};
use earcon_tenancy::Authorizer;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{KPIS, START, body, changes, in_time, patient};
use crate::support::Server;

/// Sends samples of every KPI and waits until history has them.
async fn remember(server: &Server, count: usize) {
    let (status, answer) = server.ingest(&body(0, count)).await;
    assert_eq!(status, 200, "{answer}");
    for kpi in KPIS {
        let path = format!("/kpis/{kpi}/samples?from={START}&to={}&limit=10000", START + count as i64 * 1_000);
        in_time("history has the samples", async || {
            let (_, answer) = server.get(&path).await;
            answer["series"][0]["samples"].as_array().filter(|rows| rows.len() == count).map(Vec::len)
        })
        .await;
    }
}

async fn ended(server: &Server, id: &str) -> Value {
    in_time("the job ends", async || {
        let (_, job) = server.get(&format!("/jobs/{id}")).await;
        (!["running", "cancelling"].contains(&job["state"].as_str().unwrap())).then_some(job)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn candidate_trained_from_history_is_warm_when_live() {
    let server = Server::start().await;
    // The last spike is long over, so no anomaly is open.
    remember(&server, 1_100).await;
    let entry = json!({"detector": "season-reach-1", "options": {"sensitivity": 2}});
    assert_eq!(server.send(Method::PUT, "/detectors/calm", entry).await.0, 200);
    let order = json!({"kind": "train", "entry": "calm", "kpis": ["a.*", "b.x"], "from": START});
    let (status, answer) = server.send(Method::POST, "/jobs", order.clone()).await;
    assert_eq!(status, 409, "it is neither live nor tried out: {answer}");

    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live"})).await;
    socket.until("subscribed").await;
    let wanted = json!({"name": "try", "candidate": "calm", "policy": patient()});
    assert_eq!(server.send(Method::POST, "/experiments", wanted).await.0, 201);
    changes(&mut socket, KPIS.len()).await;
    let (status, job) = server.send(Method::POST, "/jobs", order).await;
    assert_eq!((status, &job["state"], &job["entry"]), (202, &json!("running"), &json!("calm@1")), "{job}");
    let done = ended(&server, job["id"].as_str().unwrap()).await;
    assert_eq!((&done["state"], &done["percent"]), (&json!("done"), &json!(100.0)), "{done}");
    assert_eq!(
        (&done["kpis_done"], &done["series"], &done["samples"]),
        (&json!(2), &json!(2), &json!(2_200)),
        "{done}"
    );
    for _ in KPIS {
        let trained = socket.until("detector.trained").await;
        assert_eq!(trained["data"], json!({"entry": "calm@1", "detector": "season-reach-1", "series": 1}));
    }

    let promote = || server.send(Method::POST, "/experiments/try/promote?force=true", json!({}));
    assert_eq!(promote().await.0, 200);
    changes(&mut socket, KPIS.len()).await;
    server.ingest(&body(1_100, 1_101)).await;
    let state = async |server: &Server| server.get("/kpis/a.x").await.1["series"][0]["state"].clone();
    assert_eq!(state(&server).await, "normal", "without the training it would be warming up");
    // The same after a restart, from the log.
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Default::default()).await;
    assert_eq!(state(&server).await, "normal");
    let (status, again) =
        server.send(Method::DELETE, &format!("/jobs/{}", job["id"].as_str().unwrap()), json!({})).await;
    assert_eq!((status, &again["state"]), (202, &json!("done")), "a finished job does not change");
    let (status, _) = server.get("/jobs/12345").await;
    assert_eq!(status, 404);
}

fn job(state: JobState, progress: Progress) -> TrainingJob {
    TrainingJob {
        id: String::new(),
        choice: DetectorRef::Configured,
        kpis: Vec::new(),
        from_ms: START,
        to_ms: START + 1_000_000_000,
        state,
        progress,
        problem: None,
        created_ms: START,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn job_continues_and_cancelled_job_ends_after_a_restart() {
    let server = Server::start().await;
    remember(&server, 300).await;
    let data: TempDir = server.shut_down().await;
    let half =
        Progress { kpis: 2, kpis_done: 1, last_kpi: KpiName::new(KPIS[0]).ok(), samples: 300, ..Progress::default() };
    {
        let store = EmbeddedStore::open(data.path(), &EmbeddedSettings::default()).unwrap();
        let (records, pass) =
            (DetectorRecords::new(store.meta_store()), Authorizer::new().system(&WorkspaceId::new("local").unwrap()));
        for one in [job(JobState::Running, Progress::default()), job(JobState::Running, half)] {
            records.add_job(&pass, one).await.unwrap();
        }
        let first = records.all_jobs(&pass).await.unwrap().values().remove(0);
        let first = TrainingJob { state: JobState::Cancelling, ..first };
        records.jobs.put(&pass, &first.id, 1, &first).await.unwrap();
        drop(records);
        store.close().await.unwrap();
    }
    let server = Server::start_in(data, &[], Default::default()).await;
    let cancelled = ended(&server, "00000001").await;
    assert_eq!((&cancelled["state"], &cancelled["kpis_done"]), (&json!("cancelled"), &json!(0)), "{cancelled}");
    let done = ended(&server, "00000002").await;
    assert_eq!((&done["state"], &done["kpis_done"]), (&json!("done"), &json!(2)), "{done}");
    assert_eq!(done["samples"], json!(600), "only the remaining samples were read: {done}");
    let (_, all) = server.get("/jobs").await;
    assert_eq!(all["jobs"].as_array().map(Vec::len), Some(2));
}
