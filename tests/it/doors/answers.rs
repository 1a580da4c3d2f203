//! What answers and closes say about samples, workspaces and units.

use earcon::app::Overrides;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, answer, eventually, noise};

const START: i64 = 1_767_225_600_000;

fn rows(unit: &str, samples: &[(i64, f64)]) -> Value {
    let row = |(at, value): &(i64, f64)| json!({"kpi": "load", "timestamp": at, "value": value, "unit": unit});
    json!({"samples": samples.iter().map(row).collect::<Vec<_>>()})
}

/// A quiet series, then samples that are above all expectations.
fn with_a_peak(unit: &str) -> Value {
    let mut samples = noise(START, 400, 100.0);
    samples.extend((400..403).map(|i| (START + i * 1_000, 9_000.0)));
    rows(unit, &samples)
}

async fn open_anomaly(server: &Server) -> Value {
    let found = async || Some(server.get(&format!("/anomalies?from={START}")).await.1["anomalies"][0].clone());
    eventually("an anomaly", async || found().await.filter(|anomaly| !anomaly.is_null())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_anomaly_has_the_unit_that_its_own_request_states() {
    let server = Server::start().await;
    let mut follower = server.follow().await;
    follower.send(json!({"type": "subscribe", "filter": {"types": ["anomaly.opened"]}})).await;
    follower.until("subscribed").await;
    assert_eq!(server.ingest(&with_a_peak("By/s")).await.0, 200);
    let event = follower.until("anomaly.opened").await;
    assert_eq!(event["data"]["unit"], "By/s", "{event}");
    let anomaly = open_anomaly(&server).await;
    assert_eq!(anomaly["unit"], "By/s");
    assert!(anomaly["sentence"].as_str().unwrap().contains(": 9 kB/s where"), "{anomaly}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_stated_later_is_on_anomalies_from_before() {
    let server = Server::start().await;
    assert_eq!(server.ingest(&with_a_peak("")).await.0, 200);
    let anomaly = open_anomaly(&server).await;
    assert_eq!(anomaly["unit"], Value::Null);
    assert_eq!(server.send(Method::PUT, "/kpis/load/settings", json!({"unit": "ms"})).await.0, 200);
    assert_eq!(open_anomaly(&server).await["unit"], "ms");
    let one = server.get(&format!("/anomalies/{}", anomaly["id"].as_str().unwrap())).await.1;
    assert!(one["unit"] == "ms" && one["explanation"]["sentence"].as_str().unwrap().contains("9 s where"), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_anomaly_agrees_with_the_samples_that_are_shown() {
    let server = Server::start().await;
    assert_eq!(server.ingest(&with_a_peak("ms")).await.0, 200);
    let opened = open_anomaly(&server).await;
    let id = opened["id"].as_str().unwrap();
    for i in 403..412 {
        let value = if i == 405 { 100.0 } else { 9_000.0 };
        assert_eq!(server.ingest(&rows("ms", &[(START + i * 1_000, value)])).await.0, 200);
    }
    let path = format!("/kpis/load/samples?from={START}&to={}", START + 1_000_000);
    let shown = eventually("history has the samples", async || {
        let samples = server.get(&path).await.1["series"][0]["samples"].as_array().unwrap().clone();
        (samples.len() == 412).then_some(samples)
    })
    .await;
    let outside: Vec<i64> = shown
        .iter()
        .filter(|row| row[1].as_f64() < row[4].as_f64() || row[1].as_f64() > row[5].as_f64().or(Some(f64::MAX)))
        .map(|row| row[0].as_i64().unwrap())
        .filter(|at| *at >= opened["opened_at"].as_i64().unwrap())
        .collect();
    assert!(outside.len() > 5, "{outside:?}");
    let expected = (json!(outside.len()), json!(outside.last()));
    for anomaly in [open_anomaly(&server).await, server.get(&format!("/anomalies/{id}")).await.1] {
        assert_eq!((&anomaly["samples"], &anomaly["last_at"]), (&expected.0, &expected.1), "{anomaly}");
        assert!(anomaly["sentence"].as_str().unwrap().contains(&format!("({} anomalous", outside.len())), "{anomaly}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_unit_than_the_one_that_holds_is_named_in_the_answer() {
    let server = Server::start().await;
    let row = |series: &str, unit: &str| json!({"kpi": "a", "labels": {"s": series}, "value": 1, "unit": unit});
    let (_, first) = server.ingest(&json!({"samples": [row("1", "ms"), row("2", "ms")]})).await;
    assert_eq!(first.get("notes"), None, "{first}");
    eventually("the unit is kept", async || server.get("/kpis/a/settings").await.1["unit"].as_str().map(str::to_owned))
        .await;
    let (status, other) = server.ingest(&json!({"samples": [row("1", "s")]})).await;
    let note = other["notes"][0].as_str().unwrap();
    assert!(status == 200 && note.contains(r#"unit "s" of a is ignored"#) && note.contains(r#""ms""#), "{other}");
    let both = |unit: &str| json!({"kpi": "b", "labels": {"s": unit}, "value": 1, "unit": unit});
    let (_, mixed) = server.ingest(&json!({"samples": [both("By"), both("bit")]})).await;
    assert!(mixed["notes"][0].as_str().unwrap().contains(r#""bit" of b is ignored"#), "{mixed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reading_than_before_is_named_with_the_unit_that_stays() {
    let server = Server::start().await;
    let row = |second: i64, counter: bool| json!({"kpi": "sent", "timestamp": START + second * 1_000, "value": 5, "counter": counter});
    let mut first = row(0, true);
    first["unit"] = json!("By");
    assert_eq!(server.ingest(&json!({"samples": [first]})).await.1.get("notes"), None);
    eventually("the unit is kept", async || {
        server.get("/kpis/sent/settings").await.1["unit"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(server.ingest(&json!({"samples": [row(1, true)]})).await.1.get("notes"), None);
    let (_, gauge) = server.ingest(&json!({"samples": [row(2, false)]})).await;
    let note = gauge["notes"][0].as_str().unwrap();
    assert!(note.contains("read as measurements from now on") && note.contains(r#"stays "By/s""#), "{gauge}");
    assert_eq!(server.ingest(&json!({"samples": [row(3, false)]})).await.1.get("notes"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_only_ends_its_series_is_accepted_without_a_sample() {
    let server = Server::start().await;
    server.post("jobs", &[(START, 1.0)]).await;
    let end = json!({"samples": [{"kpi": "jobs", "timestamp": START + 5, "ended": true}]});
    let (status, answer) = server.ingest(&end).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected_total"]), (200, &json!(0), &json!(0)), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_refused_is_named() {
    let server = Server::start().await;
    server.post("jobs", &[(START, 1.0)]).await;
    let end = |kpi: &str, at: i64| json!({"kpi": kpi, "timestamp": at, "ended": true});
    let refused = async |rows: Value, row: u64, reason: &str| {
        let (status, answer) = server.ingest(&json!({"samples": rows})).await;
        let first = &answer["rejected"][0];
        assert!(first["row"] == row && first["error"].as_str().unwrap().contains(reason), "{status} {answer}");
        status
    };
    assert_eq!(refused(json!([end("jobs", START - 1)]), 0, "2025-12-31T23:59:59.999Z").await, 400);
    assert_eq!(refused(json!([end("none", START)]), 0, "no such series").await, 400);
    assert_eq!(refused(json!([end("jobs", 4_102_444_800_000)]), 0, "ahead of the server's clock").await, 400);
    let good = json!({"kpi": "jobs", "timestamp": START + 5, "value": 2});
    assert_eq!(refused(json!([good, end("none", START)]), 1, "no such series").await, 200);
    let newer = json!({"kpi": "jobs", "timestamp": START + 9, "value": 2});
    assert_eq!(refused(json!([newer, end("jobs", START + 7)]), 1, "newer sample").await, 200);
    assert_eq!(server.ingest(&json!({"samples": [end("jobs", START + 10)]})).await.0, 200);
    assert_eq!(server.ingest(&json!({"samples": [end("jobs", START + 10)]})).await.0, 200, "it has ended");
    assert_eq!(server.get("/kpis/jobs").await.1["series"][0]["state"], "ended");
}

async fn upload(server: &Server, query: &str, csv: &str) -> (u16, Value) {
    let url = server.workspace_url(&format!("/kpis/upload?name=x.csv&{query}"));
    answer(server.http().post(url).header("content-type", "text/csv").body(csv.to_owned()).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_sample_that_is_taken_is_refused_and_a_preview_warns() {
    let server = Server::start_with(&[("storage.history_days", json!(90))], Overrides::default()).await;
    let csv = "time,sales\n2015-01-01T00:00:00Z,1\n2099-01-01T00:00:00Z,2\n";
    let (status, problem) = upload(&server, "backfill=true", csv).await;
    assert_eq!(
        (status, &problem["type"], &problem["rejected_total"]),
        (400, &json!("/problems/nothing-accepted"), &json!(2))
    );
    let reasons = problem["problems"].to_string();
    assert!(reasons.contains("sales at 2015-01-01T00:00:00Z") && reasons.contains("ahead of the server"), "{reasons}");
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]));

    let (status, preview) = upload(&server, "dry_run=true", csv).await;
    assert_eq!((status, &preview["type"]), (400, &json!("/problems/nothing-accepted")), "{preview}");
    let detail = preview["detail"].as_str().unwrap();
    assert!(detail.starts_with("no sample of the file would be accepted: sales at 2015-01-01T00:00:00Z"), "{detail}");

    // Good ones may follow a beginning.
    let (status, preview) = upload(&server, "dry_run=true&beginning=true", csv).await;
    assert_eq!((status, &preview["refused"]), (200, &json!(2)), "{preview}");
    // Of a file with one good sample, all that would be refused are named.
    let now = jiff::Timestamp::now();
    let (status, preview) = upload(&server, "dry_run=true", &format!("{csv}{now},3\n")).await;
    assert_eq!((status, &preview["samples_total"], &preview["refused"]), (200, &json!(3), &json!(2)), "{preview}");
    let reasons = preview["refusals"].to_string();
    assert!(reasons.contains("older than the 90 days") && reasons.contains("ahead of the server"), "{reasons}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_refuses_what_an_upload_refuses() {
    let server = Server::start().await;
    let now = jiff::Timestamp::now().as_second();
    let rows = |count: i64, row: &dyn Fn(i64) -> String| (0..count).map(row).collect::<String>();
    let none = format!("time,a\n{}", rows(150, &|i| format!("{},x\n", now - 3_000 + i)));
    let repeated = format!(
        "time,store_id,a\n{}{}",
        rows(150, &|i| format!("{},1,{i}\n", now - 3_000 + i)),
        rows(20, &|i| format!("{0},7,1\n{0},8,2\n", now - 2_000 + i))
    );
    let late =
        format!("time,a\n{}", rows(150, &|i| format!("{},{}\n", now - 3_000 + i, if i < 140 { "" } else { "1" })));
    for (file, query) in [(&none, "name=x"), (&repeated, "name=x"), (&late, "name=x"), (&late, "values=b")] {
        let (status, refused) = upload(&server, query, file).await;
        let (dry_status, dry) = upload(&server, &format!("{query}&dry_run=true"), file).await;
        assert_eq!((status, dry_status), (400, 400), "{refused} {dry}");
    }
    let (status, preview) = upload(&server, "values=a&dry_run=true", &late).await;
    assert_eq!((status, &preview["columns"][1]["role"]), (200, &json!("value")), "{preview}");
    let (status, lines) = upload(&server, "values=a", &late).await;
    assert!(
        status == 200 && lines.as_str().unwrap_or_default().contains("\"done\":true,\"rows\":150,\"accepted\":10"),
        "{lines}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_workspace_gets_advice_that_is_permitted_in_the_words_of_each_protocol() {
    let server = Server::start_with(&[("workspaces.create", json!("nobody"))], Overrides::default()).await;
    let post = async |path: &str, body: &str| {
        let url = server.url(&format!("/api/v1/workspaces/shop{path}"));
        let request = server.http().post(url).header("content-type", "application/json").body(body.to_owned());
        answer(request.send().await.unwrap()).await
    };
    for path in ["/kpis/ingest", "/write", "/api/v2/write", "/v1/metrics"] {
        let (status, body) = post(path, "{}").await;
        let text = body.to_string();
        assert!(status == 404 && text.contains("workspaces.names") && !text.contains("PUT"), "{path}: {status} {text}");
    }
    assert_eq!(post("/api/v2/write", "a v=1").await.1["code"], "not found");
    assert_eq!(post("/v1/metrics", "{}").await.1["code"], 5);
    let list = async |server: &Server| {
        answer(server.http().get(server.url("/api/v1/workspaces")).send().await.unwrap()).await.1["may_create"].clone()
    };
    assert_eq!(list(&server).await, false);
    assert_eq!(list(&Server::start().await).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_ends_an_anomaly_says_so_and_one_that_matches_nothing_is_no_event() {
    let server = Server::start().await;
    let mut follower = server.follow().await;
    let types = ["anomaly.closed", "deleted", "kpi.resumed"];
    follower.send(json!({"type": "subscribe", "filter": {"types": types}})).await;
    follower.until("subscribed").await;
    assert_eq!(server.ingest(&with_a_peak("ms")).await.0, 200);
    let anomaly = open_anomaly(&server).await;
    assert_eq!(anomaly["end"], Value::Null);
    let delete = async |path: &str| server.send(Method::DELETE, path, json!(null)).await;
    let (status, nothing) = delete("/kpis/load/samples?labels=region:none").await;
    assert_eq!(
        (status, &nothing["series"], &nothing["seq"], &nothing["done"]),
        (200, &json!(0), &Value::Null, &json!(true))
    );
    assert_eq!(delete(&format!("/kpis/load/samples?from={}", START + 390_000)).await.0, 200);
    let closed = follower.json().await;
    assert_eq!((&closed["type"], &closed["data"]["end"]), (&json!("anomaly.closed"), &json!("deleted")), "{closed}");
    assert!(closed["data"]["sentence"].as_str().unwrap().contains("a person deleted samples of it"), "{closed}");
    assert_eq!(follower.json().await["type"], "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_deleted_workspace_end_with_the_reason() {
    let server = Server::start().await;
    server.post("a", &[(START, 1.0)]).await;
    let stream = server.http().get(server.workspace_url("/events?since=live")).header("accept", "text/event-stream");
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut follower = server.follow().await;
    follower.send(json!({"type": "subscribe"})).await;
    follower.until("subscribed").await;
    assert_eq!(server.send(Method::DELETE, "?confirm=local", json!(null)).await.0, 204);
    assert_eq!(follower.closing().await, Some((1000, "the workspace was deleted".to_owned())));
    let text = stream.text().await.unwrap();
    assert!(text.contains("event: closed") && text.contains("the workspace was deleted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn series_of_otlp_that_become_one_are_told_in_the_answer() {
    let server = Server::start().await;
    let now = jiff::Timestamp::now().as_millisecond();
    let send = async |value: Value, at: i64| {
        let point = json!({"timeUnixNano": (at * 1_000_000).to_string(), "asInt": 1, "attributes": [{"key": "k", "value": value}]});
        let metrics = json!([{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]);
        let body = json!({"resourceMetrics": [{"scopeMetrics": metrics}]});
        answer(server.http().post(server.url("/v1/metrics")).json(&body).send().await.unwrap()).await
    };
    assert_eq!(send(json!({"intValue": "1"}), now).await, (200, json!({})));
    let (status, told) = send(json!({"stringValue": "1"}), now + 1).await;
    let partial = &told["partialSuccess"];
    assert_eq!((status, &partial["rejectedDataPoints"]), (200, &json!("0")), "{told}");
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("m{k:1} has come before as another series"), "{message}");
    assert_eq!(send(json!({"stringValue": "1"}), now + 2).await, (200, json!({})), "once");
}
