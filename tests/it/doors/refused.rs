//! Refused samples: nothing comes into being by them, and the answer names those that are too old.

use earcon_model::{Labels, SeriesBatch};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Server;
use crate::support::command::Running;

const DAY_MS: i64 = 86_400_000;

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

async fn write(server: &Server, workspace: &str, lines: &str) -> (u16, String) {
    let request = server.http().post(server.url("/write")).header("x-earcon-workspace", workspace);
    let answer = request.body(lines.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn workspaces(server: &Server) -> Value {
    let answer = server.http().get(server.url("/api/v1/workspaces")).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["workspaces"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_create_no_workspace() {
    let server = Server::start().await;
    for (workspace, lines) in [("ghost1", "a v=1"), ("ghost2", "a v=x"), ("ghost3", "a v=1 4102444800000000000")] {
        let (status, text) = write(&server, workspace, lines).await;
        assert!(status == 404 && text.contains("earcon workspaces create"), "{workspace}: {status} {text}");
    }
    let native = server.url("/api/v1/workspaces/ghost5/kpis/ingest");
    let body = json!({"samples": [{"kpi": "a", "value": 1}]});
    assert_eq!(server.http().post(native).json(&body).send().await.unwrap().status(), 404);
    assert_eq!(workspaces(&server).await, json!([{"id": "local"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kpi_takes_a_place_with_its_first_good_sample() {
    let server = Server::start_with(&[("streams.max_kpis", json!(2))], Default::default()).await;
    for name in ["g1", "g2", "g3"] {
        let (status, text) = write(&server, "local", &format!("{name} v=1 4102444800000000000")).await;
        assert!(status == 400 && text.contains("ahead of the server's clock"), "{text}");
    }
    // One good sample among refused ones is enough.
    let (status, text) = write(&server, "local", "fine1 v=1 4102444800000000000\nfine1 v=1\nfine2 v=1").await;
    assert!(status == 400 && text.contains("dropped=1"), "{text}");
    let (_, kpis) = server.get("/kpis").await;
    let names: Vec<_> = kpis["kpis"].as_array().unwrap().iter().map(|kpi| kpi["kpi"].as_str().unwrap()).collect();
    assert_eq!(names, ["fine1.v", "fine2.v"]);
    assert!(write(&server, "local", "g1 v=1").await.1.contains("as many KPIs"));
    let end = SeriesBatch { ended_at_ms: Some(now_ms()), ..SeriesBatch::gauge(Labels::none(), None) };
    server.take("end", end).await;
    assert_eq!(server.get("/kpis/end").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_total_is_refused_with_the_rule_that_helps() {
    let server = Server::start().await;
    let rules = json!({"rules": [{"name": "b23_sum", "reading": "counter"}]});
    assert_eq!(server.send(reqwest::Method::PUT, "/ingest/rules", rules).await.0, 200);
    let (status, text) = write(&server, "local", "b23_sum value=-3").await;
    assert!(status == 400 && text.contains(r#"\"reading\": \"gauge\""#) && text.contains("/ingest/rules"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_older_than_history_keeps_are_refused_and_named() {
    let server = Server::start_with(&[("storage.history_days", json!(90))], Default::default()).await;
    let (now, oldest) = (now_ms(), now_ms() - 400 * DAY_MS);
    let row = |kpi: &str, timestamp: i64| json!({"kpi": kpi, "timestamp": timestamp, "value": 1});
    let rows = [row("a", now), row("b", now - 91 * DAY_MS), row("c", oldest), row("a", now - 89 * DAY_MS)];
    let (status, answer) = server.ingest(&json!({"samples": rows})).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected_total"]), (200, &json!(2), &json!(2)), "{answer}");
    let too_old = json!({"count": 2, "oldest": oldest, "kpi": "b", "history_days": 90});
    assert_eq!(answer["too_old"], too_old);
    let (status, answer) = server.ingest(&json!({"samples": rows[1..3]})).await;
    assert_eq!((status, &answer["too_old"]), (400, &too_old), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("2 samples are older than the 90 days"), "{answer}");
    let (status, text) = write(&server, "local", &format!("w v=1 {oldest}000000\nw v=1")).await;
    assert!(status == 400 && text.contains("1 sample is older than the 90 days"), "{text}");
    let seconds = json!({"samples": [row("s", now / 1_000)]});
    let (_, answer) = server.ingest(&seconds).await;
    assert!(answer["rejected"][0]["error"].as_str().unwrap().contains("not to be in the unit"), "{answer}");
    let accepted = server.ingest(&json!({"samples": [row("a", now - 2 * DAY_MS)]})).await.1;
    assert_eq!((&accepted["accepted"], accepted.get("too_old")), (&json!(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_say_what_was_too_old() {
    let server = Server::start_with(&[("storage.history_days", json!(90))], Default::default()).await;
    let (now, old) = (now_ms() - DAY_MS, now_ms() - 100 * DAY_MS);
    let csv = format!("time,sales\n{old},1\n{},2\n{now},3\n", old + 1_000);
    let url = server.workspace_url("/kpis/upload?name=x.csv&backfill=true");
    let upload = server.http().post(url).header("content-type", "text/csv").body(csv.clone());
    let text = upload.send().await.unwrap().text().await.unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["accepted"], &last["rejected"]), (&json!(1), &json!(2)), "{last}");
    assert_eq!(last["too_old"], json!({"count": 2, "oldest": old, "kpi": "sales", "history_days": 90}));

    let dir = TempDir::new().unwrap();
    let file = dir.path().join("x.csv");
    std::fs::write(&file, csv).unwrap();
    for command in [&["backfill"][..], &["replay", "--speed", "0"]] {
        let url = server.url("");
        let arguments = [command, &[file.to_str().unwrap(), "--url", &url]].concat();
        let mut run = Running::start(&arguments);
        let said = tokio::task::block_in_place(|| run.line("accepted"));
        assert!(said.contains("2 rejected") && said.contains("2 samples are older than the 90 days"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_in_another_unit_deletes_nothing() {
    let server = Server::start().await;
    let now = jiff::Timestamp::now().as_second();
    server.post("orders", &[(now * 1_000, 1.0)]).await;
    for number in [now.to_string(), (now * 1_000_000).to_string()] {
        for parameter in ["from", "to"] {
            let path = format!("/kpis/orders/samples?{parameter}={number}");
            let (status, answer) = server.send(reqwest::Method::DELETE, &path, json!(null)).await;
            let detail = answer["detail"].as_str().unwrap_or_default();
            assert!(status == 400 && detail.contains(&format!("write {now}000")), "{path}: {answer}");
            assert_eq!(server.get(&path).await.0, 400, "{path}");
        }
    }
    assert_eq!(server.get("/kpis/orders").await.1["series"][0]["value"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_header_is_refused_and_samples_that_replace_each_other_are_told() {
    let server = Server::start().await;
    let url = server.url("/write");
    for header in ["x-earcon-workspace", "content-type", "authorization"] {
        let request = server.http().post(&url).header(header, "local").header(header, "local").body("a value=1");
        assert_eq!(request.send().await.unwrap().status(), 400, "{header}");
    }
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]));
    let now = jiff::Timestamp::now().as_millisecond();
    let row = |value: u32| json!({"kpi": "a", "timestamp": now, "value": value});
    let (status, answer) = server.ingest(&json!({"samples": [row(1), row(2), row(3)]})).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["late"], &answer["replaced"]),
        (200, &json!(3), &json!(2), &json!(2))
    );
    let note = answer["notes"][0].as_str().unwrap();
    assert!(note.starts_with("2 samples have the same series and time as an earlier one of the request"), "{note}");
    let (_, answer) = server.ingest(&json!({"samples": [row(4)]})).await;
    assert_eq!(answer.get("replaced"), None, "of another request: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_parameter_takes_no_samples() {
    let server = Server::start().await;
    let rows = json!({"samples": [{"kpi": "a", "value": 1}]});
    for query in ["backfil=true", "backfill=true&dry_run=true"] {
        let url = server.workspace_url(&format!("/kpis/ingest?{query}"));
        let answer = server.http().post(url).json(&rows).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("there is no parameter `"), "{query}: {text}");
    }
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]));
}
