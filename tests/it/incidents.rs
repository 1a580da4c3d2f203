//! Incidents in the whole server: related anomalies make one incident, and no kill repeats or
//! loses its events.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, Server, Socket, eventually, noise};

const START: i64 = 1_767_225_600_000;
const BASELINE: usize = 400;
const SPIKE: i64 = START + BASELINE as i64 * 1_000;

fn row(kpi: &str, labels: &Value, at: i64, value: f64) -> Value {
    json!({"kpi": kpi, "labels": labels, "timestamp": at, "value": value})
}

fn baseline(series: &[(String, Value)]) -> Value {
    let rows = series.iter().flat_map(|(kpi, labels)| {
        noise(START, BASELINE, 100.0).into_iter().map(move |(at, value)| row(kpi, labels, at, value))
    });
    json!({"samples": rows.collect::<Vec<_>>()})
}

fn at_once(series: &[(String, Value)], at: i64, value: f64) -> Value {
    json!({"samples": series.iter().map(|(kpi, labels)| row(kpi, labels, at, value)).collect::<Vec<_>>()})
}

fn calm(series: &[(String, Value)], from: i64) -> Value {
    let rows = series.iter().flat_map(|(kpi, labels)| {
        noise(from, 200, 100.0).into_iter().map(move |(at, value)| row(kpi, labels, at, value))
    });
    json!({"samples": rows.collect::<Vec<_>>()})
}

fn plain(names: &[&str]) -> Vec<(String, Value)> {
    names.iter().map(|name| ((*name).to_owned(), json!({}))).collect()
}

async fn taken(server: &Server, body: &Value) {
    let (status, answer) = server.ingest(body).await;
    assert_eq!(status, 200, "{answer}");
}

async fn incidents(server: &Server, query: &str) -> Vec<Value> {
    let (status, answer) = server.get(&format!("/incidents{query}")).await;
    assert_eq!(status, 200, "{answer}");
    answer["incidents"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_kpis_that_spike_together_are_one_incident() {
    let settings = [("alerts.settle_seconds", json!(4)), ("alerts.linger_seconds", json!(1))];
    let server = Server::start_with(&settings, Default::default()).await;
    let names: Vec<String> = (0..40).map(|n| format!("kpi{n}")).collect();
    let series = plain(&names.iter().map(String::as_str).collect::<Vec<_>>());
    taken(&server, &baseline(&series)).await;
    let mut listener = server.listen().await;
    listener.until("config").await;
    let mut socket = server.follow().await;
    let types = json!({"types": ["incident.opened", "incident.updated", "incident.closed"]});
    socket.send(json!({"type": "subscribe", "since": "snapshot", "filter": types})).await;
    assert_eq!(socket.until("snapshot").await["incidents"], json!([]));

    taken(&server, &at_once(&series, SPIKE, 900.0)).await;
    let opened = socket.json().await;
    assert_eq!((&opened["type"], &opened["data"]["alerted"]), (&json!("incident.opened"), &json!(true)), "{opened}");
    let id = opened["data"]["id"].as_str().unwrap().to_owned();
    let (_, one) = server.get(&format!("/incidents/{id}")).await;
    assert_eq!((one["members_total"].as_u64(), one["state"].as_str()), (Some(40), Some("open")), "{one}");
    assert_eq!(one["members"].as_array().unwrap().len(), 40);
    assert!(one["title"].as_str().unwrap().ends_with("is above the expected range, with 39 other series"), "{one}");
    let mut late = server.follow().await;
    late.send(json!({"type": "subscribe", "since": "snapshot"})).await;
    assert_eq!(late.until("snapshot").await["incidents"][0]["id"], *id);

    taken(&server, &calm(&series, SPIKE + 1_000)).await;
    let mut said = Vec::new();
    loop {
        let event = socket.json().await;
        assert_eq!(event["data"]["id"], *id, "there is one incident only");
        said.push(event["type"].as_str().unwrap().to_owned());
        if event["type"] == "incident.closed" {
            assert_eq!(event["data"]["members_open"], 0);
            break;
        }
    }
    assert_eq!(said.iter().filter(|said| *said == "incident.opened").count(), 0, "{said:?}");
    // One cue at the start of the incident and one at its end.
    for kind in ["opened", "closed"] {
        let cue = listener.until("cue").await;
        assert_eq!((cue["incident"].as_str(), cue["kind"].as_str()), (Some(id.as_str()), Some(kind)), "{cue}");
    }
    let all = eventually("the end is recorded", async || {
        let all = incidents(&server, "?open=false").await;
        (!all.is_empty()).then_some(all)
    })
    .await;
    assert_eq!((all.len(), &all[0]["id"]), (1, &json!(id)));
    // The metric also counts servers of other tests in this process.
    assert!(server.metric("earcon_incidents_alerted_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_unrelated_kpis_are_two_incidents_within_the_budget() {
    let settings = [("alerts.settle_seconds", json!(1)), ("alerts.max_per_day", json!(1))];
    let server = Server::start_with(&settings, Default::default()).await;
    let series = plain(&["orders", "temperature"]);
    taken(&server, &baseline(&series)).await;
    taken(&server, &at_once(&series, SPIKE, 900.0)).await;
    let both = eventually("both are listed", async || {
        let all = incidents(&server, "?open=true").await;
        (all.len() == 2).then_some(all)
    })
    .await;
    assert!(both.iter().all(|incident| incident["members_total"] == 1), "{both:?}");
    let (alerted, suppressed) = (incidents(&server, "?alerted=true").await, incidents(&server, "?alerted=false").await);
    assert_eq!((alerted.len(), suppressed.len()), (1, 1), "one alert a day");
    assert_eq!(incidents(&server, "?kpi=orders").await.len(), 1);
    assert_eq!(incidents(&server, "?limit=1").await.len(), 1);
    assert_eq!(server.get("/incidents/nonsense").await.0, 404);
    assert_eq!(server.get("/incidents?before=nonsense").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_an_incident_acknowledges_its_members() {
    let server = Server::start_with(&[("alerts.settle_seconds", json!(1))], Default::default()).await;
    let series: Vec<_> = (0..3).map(|n| ("orders".to_owned(), json!({"shop": format!("s{n}")}))).collect();
    taken(&server, &baseline(&series)).await;
    taken(&server, &at_once(&series, SPIKE, 900.0)).await;
    let all = eventually("the incident is listed", async || {
        let all = incidents(&server, "").await;
        (all.first()?["members_total"] == 3).then_some(all)
    })
    .await;
    let path = format!("/incidents/{}/acknowledge", all[0]["id"].as_str().unwrap());
    let (status, seen) = server.send(reqwest::Method::POST, &path, json!({"note": "on it"})).await;
    assert_eq!((status, &seen["acknowledged"]["note"]), (200, &json!("on it")), "{seen}");
    eventually("the incident and its members are acknowledged", async || {
        let incident = incidents(&server, "").await.remove(0);
        let members = incident["members"].as_array()?.iter().all(|member| member["acknowledged"] == true);
        (members && incident["acknowledged"]["note"] == "on it").then_some(())
    })
    .await;
    let anomalies = eventually("history knows it", async || {
        let (_, answer) = server.get("/anomalies?acknowledged=true").await;
        answer["anomalies"].as_array().map(Vec::len).filter(|count| *count == 3)
    })
    .await;
    assert_eq!(anomalies, 3);
}

fn start(data: &TempDir) -> Program {
    let set = |key: &str, value: &str| (format!("EARCON_{key}"), value.to_owned());
    let environment = [set("ALERTS__SETTLE_SECONDS", "1"), set("ALERTS__LINGER_SECONDS", "2")];
    Program::serve("incidents", &["--data", data.path().to_str().unwrap()], &environment)
}

async fn feed(program: &Program, body: &Value) {
    let request = reqwest::Client::new().post(program.workspace_url("/kpis/ingest")).json(body);
    let answer = request.timeout(std::time::Duration::from_secs(120)).send().await.expect("the server answers");
    assert_eq!(answer.status(), 200);
}

/// All incident events in the log.
async fn said(program: &Program) -> Vec<Value> {
    let marker = plain(&["marker"]);
    feed(program, &at_once(&marker, SPIKE, 1.0)).await;
    let epoch = program.get("/kpis").await["epoch"].clone();
    let mut socket = Socket::connect(&program.workspace_url("/events").replace("http://", "ws://")).await;
    let filter = json!({"types": ["incident.opened", "incident.updated", "incident.closed", "samples"]});
    socket.send(json!({"type": "subscribe", "since": 0, "epoch": epoch, "filter": filter})).await;
    assert_eq!(socket.until("subscribed").await["recovered"], true);
    let mut events = Vec::new();
    loop {
        let event = socket.json().await;
        if event["kpi"] == "marker" {
            return events;
        }
        if event["type"] != "samples" {
            events.push(event);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_neither_lose_nor_repeat_incident_events() {
    let data = TempDir::new().unwrap();
    let series: Vec<_> = (0..4).map(|n| ("orders".to_owned(), json!({"shop": format!("s{n}")}))).collect();
    let program = start(&data);
    feed(&program, &baseline(&series)).await;
    feed(&program, &at_once(&series[..3], SPIKE, 900.0)).await;
    // Most likely before the incident event: the log has the anomalies but not the incident.
    program.kill();

    let program = start(&data);
    let listed = async |program: &Program, members: u64| {
        eventually("the incident is listed with its members", async || {
            let all = program.get("/incidents").await["incidents"].as_array()?.clone();
            assert!(all.len() <= 1, "{all:?}");
            let one = all.first()?.clone();
            (one["members_total"] == members).then_some(one)
        })
        .await
    };
    let first = listed(&program, 3).await;
    program.kill();

    let program = start(&data);
    let again = listed(&program, 3).await;
    assert_eq!(again["id"], first["id"]);
    feed(&program, &at_once(&series[3..], SPIKE + 1_000, 900.0)).await;
    listed(&program, 4).await;
    feed(&program, &calm(&series, SPIKE + 2_000)).await;
    program.kill();

    let program = start(&data);
    eventually("it is over", async || {
        let answer = program.get("/incidents?open=false").await;
        (answer["incidents"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let events = said(&program).await;
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types.iter().filter(|name| **name == "incident.opened").count(), 1, "{types:?}");
    assert_eq!(types.iter().filter(|name| **name == "incident.closed").count(), 1, "{types:?}");
    assert_eq!((types.first(), types.last()), (Some(&"incident.opened"), Some(&"incident.closed")));
    for (revision, event) in (1..).zip(&events) {
        assert_eq!((&event["data"]["id"], &event["data"]["revision"]), (&first["id"], &json!(revision)), "{types:?}");
    }
    program.terminate();
}
