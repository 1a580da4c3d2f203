//! Samples, series and KPIs that a person deletes are gone: for queries, followers and limits, and
//! after a restart or `kill -9`.

use std::time::Duration;

use earcon::app::Overrides;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, Server, eventually, noise};

const START: i64 = 1_767_225_600_000;

async fn delete(server: &Server, path: &str) -> (u16, Value) {
    server.send(Method::DELETE, path, json!(null)).await
}

/// The timestamps of a KPI in history, by series.
async fn times(server: &Server, kpi: &str) -> Vec<(String, Vec<i64>)> {
    let path = format!("/kpis/{kpi}/samples?from=0&to={}&limit=100000", START + 10_000_000_000);
    let (status, answer) = server.get(&path).await;
    if status == 404 {
        return Vec::new();
    }
    let time = |row: &Value| row[0].as_i64().unwrap();
    let rows = |series: &Value| series["samples"].as_array().unwrap().iter().map(time).collect();
    let series = answer["series"].as_array().unwrap();
    series.iter().map(|series| (series["labels"].to_string(), rows(series))).collect()
}

fn labelled(kpi: &str, labels: &Value, samples: &[(i64, f64)]) -> Value {
    let row = |(at, value): &(i64, f64)| json!({"kpi": kpi, "labels": labels, "timestamp": at, "value": value});
    json!({"samples": samples.iter().map(row).collect::<Vec<_>>()})
}

async fn kept(server: &Server, kpi: &str, count: usize) {
    eventually("history has the samples", async || {
        let found: usize = times(server, kpi).await.iter().map(|(_, times)| times.len()).sum();
        (found == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn range_goes_from_history_and_view_and_scoring_goes_on() {
    let server = Server::start().await;
    server.post("shop.orders", &noise(START, 1, 50.0)).await;
    let mut follower = server.follow().await;
    follower.send(json!({"type": "subscribe", "since": "live", "filter": {"types": ["deleted"]}})).await;
    assert_eq!(follower.json().await["type"], "subscribed");
    server.post("shop.orders", &noise(START, 600, 50.0)[1..]).await;
    kept(&server, "shop.orders", 600).await;

    let range = format!("/kpis/shop.orders/samples?from={}&to={}", START + 100_000, START + 10_000_000);
    let (status, counted) = delete(&server, &format!("{range}&dry_run=true")).await;
    assert_eq!((status, &counted["samples"], &counted["dry_run"]), (200, &json!(500), &json!(true)), "{counted}");
    kept(&server, "shop.orders", 600).await;
    let (_, before) = server.get("/kpis/shop.orders").await;
    let (status, deleted) = delete(&server, &range).await;
    assert_eq!((status, &deleted["samples"], &deleted["done"]), (200, &json!(500), &json!(true)), "{deleted}");
    let expected: Vec<i64> = (0..100).map(|i| START + i * 1_000).collect();
    assert_eq!(times(&server, "shop.orders").await[0].1, expected);
    let (_, kpi) = server.get("/kpis/shop.orders").await;
    let series = &kpi["series"][0];
    assert_eq!((&series["value"], &series["state"]), (&Value::Null, &before["series"][0]["state"]), "{kpi}");

    let event = follower.json().await;
    assert_eq!(
        (&event["type"], &event["seq"], &event["kpi"]),
        (&json!("deleted"), &deleted["seq"], &json!("shop.orders"))
    );
    assert_eq!(event["data"]["scope"], "samples");
    assert_eq!((&event["data"]["from"], &event["data"]["by"]), (&json!(START + 100_000), &json!("local")));

    // Samples in the range are taken again, late ones and new ones.
    server.post("shop.orders", &[(START + 200_000, 1.0), (START + 700_000, 50.0)]).await;
    kept(&server, "shop.orders", 102).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_series_and_kpis_count_no_longer_and_stay_away_after_a_restart() {
    let settings = [("streams.max_series", json!(2)), ("streams.max_kpis", json!(2))];
    let server = Server::start_with(&settings, Overrides::default()).await;
    for (at, region) in ["eu", "us"].iter().enumerate() {
        let body = labelled("shop.orders", &json!({"region": region}), &[(START + at as i64, 1.0)]);
        assert_eq!(server.ingest(&body).await.1["accepted"], 1);
    }
    let third = labelled("shop.orders", &json!({"region": "as"}), &[(START + 5, 1.0)]);
    assert_eq!(server.ingest(&third).await.0, 400, "the KPI has as many series as it may have");
    let (status, deleted) = delete(&server, "/kpis/shop.orders/samples?labels=region:us").await;
    assert_eq!((status, &deleted["scope"], &deleted["series"]), (200, &json!("series"), &json!(1)), "{deleted}");
    assert_eq!(server.ingest(&third).await.1["accepted"], 1);
    let (_, kpi) = server.get("/kpis/shop.orders").await;
    let labels: Vec<&Value> = kpi["series"].as_array().unwrap().iter().map(|series| &series["labels"]).collect();
    assert_eq!(labels, [&json!({"region": "as"}), &json!({"region": "eu"})]);

    server.post("shop.visits", &[(START, 1.0)]).await;
    let baskets = labelled("shop.baskets", &json!({}), &[(START, 3.0)]);
    assert_eq!(server.ingest(&baskets).await.0, 400, "the workspace has as many KPIs as it may have");
    let (status, _) = delete(&server, "/kpis/shop.visits").await;
    assert_eq!((status, server.get("/kpis/shop.visits").await.0), (200, 404));
    assert_eq!(delete(&server, "/kpis/shop.visits").await.0, 404);
    assert_eq!(server.ingest(&baskets).await.1["accepted"], 1);

    let data = server.shut_down().await;
    let server = Server::start_in(data, &settings, Overrides::default()).await;
    let (_, kpis) = server.get("/kpis").await;
    let names: Vec<&str> = kpis["kpis"].as_array().unwrap().iter().map(|kpi| kpi["kpi"].as_str().unwrap()).collect();
    assert_eq!(names, ["shop.baskets", "shop.orders"]);
    assert_eq!(times(&server, "shop.orders").await.len(), 2);

    // A deleted KPI may come back, as a new one.
    delete(&server, "/kpis/shop.baskets").await;
    server.post("shop.baskets", &[(START - 5_000, 4.0)]).await;
    kept(&server, "shop.baskets", 1).await;
    let (_, kpi) = server.get("/kpis/shop.baskets").await;
    assert_eq!(kpi["series"][0]["late"], 0, "it has no memory of the later sample");
}

#[tokio::test(flavor = "multi_thread")]
async fn anomalies_incidents_and_mutes_go_with_their_kpi() {
    let server = Server::start().await;
    let mut samples = noise(START, 700, 50.0);
    samples.extend((0..5).map(|i| (START + 700_000 + i * 1_000, 900.0)));
    server.post("shop.orders", &samples).await;
    server.post("shop.visits", &samples).await;
    let open = eventually("both have an anomaly, and an incident is recorded", async || {
        let (_, anomalies) = server.get("/anomalies").await;
        let (_, incidents) = server.get("/incidents").await;
        let members = incidents["incidents"].as_array()?.iter().map(|i| i["members"].as_array().map_or(0, Vec::len));
        let found = anomalies["anomalies"].as_array()?.clone();
        (found.len() >= 2 && members.sum::<usize>() >= 2).then_some(found)
    })
    .await;
    let mute = json!({"name": "one", "kpis": ["shop.orders"], "from": START, "until": START + 30_000_000_000_i64});
    assert_eq!(server.send(Method::POST, "/mutes", mute).await.0, 201);
    let (status, deleted) = delete(&server, "/kpis/shop.orders").await;
    assert!(status == 200 && deleted["anomalies"].as_u64() >= Some(1), "{deleted}");
    let gone = open.iter().find(|anomaly| anomaly["kpi"] == "shop.orders").unwrap();
    assert_eq!(server.get(&format!("/anomalies/{}", gone["id"].as_str().unwrap())).await.0, 404);
    assert_eq!(server.get("/mutes").await.1["mutes"], json!([]));
    eventually("the incidents have no member of the KPI", async || {
        let (_, incidents) = server.get("/incidents").await;
        let text = incidents.to_string();
        (text.contains("shop.visits") && !text.contains("shop.orders")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_without_a_scope_is_refused() {
    let server = Server::start().await;
    server.post("shop.orders", &[(START, 1.0)]).await;
    for (path, part) in [
        ("/kpis/shop.orders/samples", "from, to or labels"),
        ("/kpis/shop.orders/samples?labels=", "from, to or labels"),
        ("/kpis/shop.orders/samples?from=9&to=9", "before"),
    ] {
        let (status, problem) = delete(&server, path).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(part), "{path}: {problem}");
    }
    assert_eq!(delete(&server, "/kpis/unknown/samples?from=1").await.0, 404);
    kept(&server, "shop.orders", 1).await;
}

/// Kills the server at varied moments around deletions. What was answered holds afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_around_a_deletion_does_not_bring_anything_back() {
    let data = TempDir::new().unwrap();
    let often = |key: &str| (key.to_owned(), "1".to_owned());
    let environment = [often("EARCON_STORAGE__FLUSH_SECONDS"), often("EARCON_STREAMS__SNAPSHOT_SECONDS")];
    let start = || Program::serve("deletion", &["--data", data.path().to_str().unwrap()], &environment);
    let http = reqwest::Client::new();
    for round in 0..12_i64 {
        let program = start();
        let ingest = program.workspace_url("/kpis/ingest");
        let at = START + round * 1_000_000;
        for kpi in ["whole", "part"] {
            let rows: Vec<Value> = (0..2_000)
                .map(|i| json!({"kpi": kpi, "labels": {"s": (i % 5).to_string()}, "timestamp": at + i, "value": i % 7}))
                .collect();
            let answer = http.post(&ingest).json(&json!({"samples": rows})).send().await.unwrap();
            assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], 2_000);
        }
        // The moment varies, from before the first flush to after snapshots.
        tokio::time::sleep(Duration::from_millis((round as u64 * 331) % 1_800)).await;
        let range = format!("/kpis/part/samples?from={at}&to={}", at + 1_500);
        for path in ["/kpis/whole", range.as_str()] {
            let answer = http.delete(program.workspace_url(path)).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        }
        tokio::time::sleep(Duration::from_millis((round as u64 * 97) % 300)).await;
        program.kill();
    }
    let program = start();
    let kpis = program.get("/kpis").await;
    let names: Vec<&Value> = kpis["kpis"].as_array().unwrap().iter().map(|kpi| &kpi["kpi"]).collect();
    assert_eq!(names, [&json!("part")]);
    let left = eventually("history has read the log", async || {
        let samples = program.get("/kpis/part/samples?from=0&to=9999999999999&limit=100000").await;
        let rows =
            samples["series"].as_array()?.iter().flat_map(|series| series["samples"].as_array().unwrap().clone());
        let times: Vec<i64> = rows.map(|row| row[0].as_i64().unwrap()).collect();
        (times.len() == 12 * 500).then_some(times)
    })
    .await;
    assert!(left.iter().all(|time| (time - START) % 1_000_000 >= 1_500), "only the rest of each round is left");
    program.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_workspace_is_gone_and_its_name_begins_again() {
    let server = Server::start().await;
    server.post("shop.orders", &noise(START, 100, 50.0)).await;
    kept(&server, "shop.orders", 100).await;
    let mute = json!({"name": "one", "kpis": ["shop.orders"], "from": START, "until": START + 30_000_000_000_i64});
    assert_eq!(server.send(Method::POST, "/mutes", mute).await.0, 201);
    let mut follower = server.follow().await;
    follower.send(json!({"type": "subscribe"})).await;
    let subscribed = follower.json().await;
    for path in ["", "?confirm=other"] {
        let (status, problem) = delete(&server, path).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains("confirm=local"), "{problem}");
    }
    assert_eq!(delete(&server, "?confirm=local&dry_run=true").await.0, 400, "nothing is counted, nothing deleted");
    assert_eq!(delete(&server, "?confirm=local").await.0, 204);
    let reason = Some((1000, "the workspace was deleted".to_owned()));
    assert_eq!(follower.closing().await, reason, "its connections end");
    assert_eq!(server.get("/kpis").await.0, 404);
    assert_eq!(delete(&server, "?confirm=local").await.0, 404);

    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Overrides::default()).await;
    let (status, kpis) = server.get("/kpis").await;
    assert_eq!((status, &kpis["kpis"]), (200, &json!([])), "the configuration creates it again, empty");
    let posted = server.post("shop.orders", &[(START, 1.0)]).await;
    assert_eq!(posted["seq"], 1, "the log begins again: {posted}");
    kept(&server, "shop.orders", 1).await;
    assert_eq!(server.get("/mutes").await.1["mutes"], json!([]));
    let mut follower = server.follow().await;
    let (since, epoch) = (&subscribed["seq"], &subscribed["epoch"]);
    follower.send(json!({"type": "subscribe", "since": since, "epoch": epoch})).await;
    assert_eq!(follower.json().await["recovered"], false);
    let data = server.shut_down().await;
    let server = Server::start_in(data, &[], Overrides::default()).await;
    kept(&server, "shop.orders", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_can_be_used_again_at_once() {
    let server = Server::start().await;
    let http = server.http();
    let url = format!("http://{}/api/v1/workspaces/again", server.address());
    for round in 0..40 {
        assert_eq!(http.put(&url).send().await.unwrap().status(), 201, "round {round}");
        let rows = json!({"samples": [{"kpi": "a", "value": round}]});
        let posted = http.post(format!("{url}/kpis/ingest")).json(&rows).send().await.unwrap();
        assert_eq!(posted.status(), 200, "round {round}: {}", posted.text().await.unwrap());
        assert_eq!(http.delete(format!("{url}?confirm=again")).send().await.unwrap().status(), 204, "round {round}");
    }
    server.post("shop.orders", &[(START, 1.0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kpi_that_comes_back_states_its_unit_again() {
    let server = Server::start().await;
    let rows = json!({"samples": [{"kpi": "a", "value": 1, "unit": "ms"}]});
    for round in 0..3 {
        assert_eq!(server.ingest(&rows).await.0, 200);
        eventually("the unit is known", async || {
            (server.get("/kpis/a/settings").await.1["unit"] == "ms").then_some(())
        })
        .await;
        assert_eq!(delete(&server, "/kpis/a").await.0, 200, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_deletion_of_a_workspace_goes_on_at_the_next_start() {
    let server = Server::start().await;
    server.post("shop.orders", &[(START, 1.0)]).await;
    let data = server.shut_down().await;
    {
        let settings = earcon_adapters_embedded::EmbeddedSettings::default();
        let store = earcon_adapters_embedded::EmbeddedStore::open(data.path(), &settings).unwrap();
        let pass = earcon_tenancy::Authorizer::new().system(&"local".parse().unwrap());
        store.meta_store().put(&pass, "workspace/deleting", 0, Vec::new()).await.unwrap();
        store.series_store().remove(&pass).await.unwrap();
    }
    let server = Server::start_in(data, &[], Overrides::default()).await;
    assert_eq!(server.get("/kpis").await.1["kpis"], json!([]), "created again, empty");
    assert_eq!(server.post("shop.orders", &[(START, 1.0)]).await["seq"], 1);
}
