//! An experiment from shadow to promotion. With and without kills it makes the same events.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{KPIS, body, changes, patient};
use crate::support::{Program, Socket};

/// The server on a new data directory. With `kills` it is killed after every step.
struct Stage {
    program: Option<Program>,
    data: TempDir,
    http: reqwest::Client,
    kills: bool,
}

impl Stage {
    fn begin(kills: bool) -> Self {
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(120)).build().unwrap();
        let mut stage = Self { program: None, data: TempDir::new().unwrap(), http, kills };
        stage.start();
        stage
    }

    fn start(&mut self) {
        let often = ("EARCON_STREAMS__SNAPSHOT_SECONDS".to_owned(), "1".to_owned());
        let name = if self.kills { "promotion-kills" } else { "promotion" };
        self.program = Some(Program::serve(name, &["--data", self.data.path().to_str().unwrap()], &[often]));
    }

    fn maybe_kill(&mut self) {
        if self.kills {
            self.program.take().unwrap().kill();
            self.start();
        }
    }

    fn program(&self) -> &Program {
        self.program.as_ref().unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, self.program().workspace_url(path)).json(&body);
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn feed(&self, from: usize, to: usize) {
        let answer = self.send(Method::POST, "/kpis/ingest", body(from, to)).await;
        assert_eq!(answer["accepted"], json!((to - from) * KPIS.len()), "{answer}");
    }

    async fn socket(&self, since: Value) -> Socket {
        let url = self.program().workspace_url("/events").replace("http://", "ws://");
        let mut socket = Socket::connect(&url).await;
        socket.send(json!({"type": "subscribe", "since": since})).await;
        socket
    }

    /// Sends a request that changes the detector of every KPI, and waits for the changes.
    async fn change(&self, path: &str, body: Value) -> Vec<Value> {
        let mut socket = self.socket(json!("live")).await;
        socket.until("subscribed").await;
        self.send(Method::POST, path, body).await;
        changes(&mut socket, KPIS.len()).await
    }

    /// All events about anomalies and detectors, by KPI in log order, without commit times.
    async fn story(&self) -> Vec<String> {
        let mut socket = self.socket(json!(0)).await;
        let subscribed = socket.json().await;
        assert_eq!(subscribed["recovered"], true, "{subscribed}");
        let mut story = Vec::new();
        for _ in 0..subscribed["seq"].as_u64().unwrap() {
            let event = socket.json().await;
            let kind = event["type"].as_str().unwrap();
            if kind.starts_with("anomaly.") || kind.starts_with("detector.") {
                story.push(format!("{} {kind} {}", event["kpi"], event["data"]));
            }
        }
        story.sort_by(|a, b| a.split(' ').next().cmp(&b.split(' ').next()));
        story
    }
}

async fn play(kills: bool) -> (Stage, Vec<String>) {
    let mut stage = Stage::begin(kills);
    let entry = json!({"detector": "season-reach-1", "options": {"sensitivity": 2}});
    stage.feed(0, 300).await;
    let put = stage.send(Method::PUT, "/detectors/calm", entry).await;
    assert_eq!((&put["entry"], &put["label"]), (&json!("calm@1"), &json!("season-reach-1/calm@1")));

    let begun = json!({"name": "calmer", "candidate": "calm", "policy": patient()});
    let changed = stage.change("/experiments", begun).await;
    assert_eq!(changed[0], json!({"live": "default", "shadow": "calm@1"}));
    stage.feed(300, 450).await;
    stage.maybe_kill();
    stage.feed(450, 600).await;

    let changed = stage.change("/experiments/calmer/promote?force=true", json!({})).await;
    assert_eq!(changed[1], json!({"live": "calm@1", "shadow": "default"}));
    stage.feed(600, 750).await;
    stage.maybe_kill();
    stage.feed(750, 900).await;

    let changed = stage.change("/experiments/calmer/promote?force=true", json!({})).await;
    assert_eq!(changed[0], json!({"live": "calm@1", "shadow": null}));
    stage.feed(900, 1_050).await;
    stage.maybe_kill();
    stage.feed(1_050, 1_200).await;
    stage.maybe_kill();
    let story = stage.story().await;
    (stage, story)
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_with_kills_has_the_same_events_as_without() {
    let (stage, story) = play(false).await;
    let (killed, retold) = play(true).await;
    assert_eq!(retold, story);
    let found =
        |label: &str| story.iter().filter(|line| line.contains("anomaly.opened") && line.contains(label)).count();
    assert!(found("season-reach-1/calm@1") >= 2, "{story:#?}");
    let warm = story.iter().filter(|line| line.contains("detector.changed")).count();
    assert_eq!(warm, 3 * KPIS.len());
    drop(killed);

    let shown = stage.program().get("/experiments/calmer").await;
    assert_eq!((&shown["stage"], &shown["percent"]), (&json!("promoted"), &json!(100.0)));
    let stages: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|step| step["stage"].clone()).collect();
    assert_eq!(stages, ["shadow", "canary", "promoted"]);
    let detectors = stage.program().get("/detectors").await;
    assert_eq!(detectors["live"], "calm@1", "{detectors}");
    // A new KPI starts with the live detector.
    let mut socket = stage.socket(json!("live")).await;
    socket.until("subscribed").await;
    let new = json!({"samples": [{"kpi": "new", "timestamp": super::START, "value": 1.0}]});
    stage.send(Method::POST, "/kpis/ingest", new).await;
    let first = socket.until("detector.changed").await;
    assert_eq!((&first["kpi"], &first["data"]["live"]), (&json!("new"), &json!("calm@1")));
}
