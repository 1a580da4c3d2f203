//! Compact event format and rate limits.

use std::sync::Arc;
use std::time::Duration;

use earcon_client::{Client, Event, Since, Update};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Server, noise};

const START: i64 = 1_767_225_600_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn compact_format_is_chosen_by_subprotocol() {
    let server = Server::start().await;
    let first = server.post("a", &[(START, 1.0)]).await;
    let mut plain = server.follow().await;
    let url = server.workspace_url("/events").replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    let offered = "earcon.v2.new, earcon.v1.json, earcon.v1.msgpack".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", offered);
    let (mut socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "earcon.v1.msgpack");
    let subscribe = json!({"type": "subscribe", "since": 0, "epoch": first["epoch"]});
    plain.send(subscribe.clone()).await;
    socket.send(Message::text(subscribe.to_string())).await.unwrap();
    let mut samples = noise(START + 1_000, 400, 100.0);
    samples.push((START + 500_000, 900.0));
    server.post("a", &samples).await;
    server.post("a", &[(START, 2.0), (START + 501_000, 100.0)]).await;

    let epoch: Arc<str> = first["epoch"].as_str().unwrap().into();
    let (mut events, mut opened) = (0, false);
    assert_eq!(plain.json().await["type"], "subscribed");
    while !(opened && events >= 4) {
        let json = plain.json().await;
        let bytes = loop {
            match timeout(PATIENCE, socket.next()).await.expect("an event in time").unwrap().unwrap() {
                Message::Binary(bytes) => break bytes,
                Message::Text(text) => {
                    let control: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(control["type"], "subscribed", "only messages that are no events are text");
                }
                _ => {}
            }
        };
        let event = Event::from_msgpack(&bytes, &"local".into(), &epoch).unwrap();
        let again: Value = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(again, json);
        assert!(bytes.len() < json.to_string().len(), "{} bytes for {json}", bytes.len());
        events += 1;
        opened |= json["type"] == "anomaly.opened";
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limit_lets_anomalies_overtake_and_resume_loses_nothing() {
    let server = Server::start().await;
    server.post("orders", &noise(START, 400, 100.0)).await;
    let mut socket = server.follow().await;
    // One event in a hundred seconds: during this test, samples held back stay held back.
    socket.send(json!({"type": "subscribe", "since": "live", "rate": 0.01})).await;
    let epoch = socket.until("subscribed").await["epoch"].clone();
    let passed = server.post("orders", &[(START + 400_000, 100.0)]).await;
    let event = socket.json().await;
    assert_eq!((&event["seq"], event.get("resume"), event.get("conflated")), (&passed["seq"], None, None));
    let held = server.post("orders", &[(START + 401_000, 900.0)]).await;
    let opened = socket.json().await;
    assert_eq!(opened["type"], "anomaly.opened", "it overtakes the sample that is held back");
    assert_eq!(opened["resume"], passed["seq"]);
    assert!(opened["seq"].as_u64() > opened["resume"].as_u64(), "{opened}");

    let mut again = server.follow().await;
    again.send(json!({"type": "subscribe", "since": opened["resume"], "epoch": epoch, "rate": 100})).await;
    assert_eq!(again.json().await["recovered"], true);
    let event = again.until("samples").await;
    assert_eq!(event["data"]["series"][0]["samples"][0][1], 900.0, "{held}");
    assert_eq!(again.until("anomaly.opened").await["data"]["id"], opened["data"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_out_of_range_is_refused() {
    let server = Server::start().await;
    server.post("a", &[(START, 1.0)]).await;
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "live", "rate": 0})).await;
    let error = socket.until("error").await;
    assert!(error["detail"].as_str().unwrap().contains("0.01 to 100"), "{error}");
    let request = server.http().get(server.workspace_url("/events?rate=-1")).header("accept", "text/event-stream");
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_accept_a_rate() {
    let server = Server::start().await;
    let first = server.post("a", &[(START, 1.0)]).await;
    let request = server.http().get(server.workspace_url("/events?rate=0.01")).header("accept", "text/event-stream");
    let id = format!("{}:{}", first["epoch"].as_str().unwrap(), first["seq"]);
    let mut stream = request.header("last-event-id", id).send().await.unwrap().bytes_stream();
    let mut text = String::new();
    let passed = server.post("a", &[(START + 1_000, 2.0)]).await;
    server.post("a", &[(START + 2_000, 3.0)]).await;
    server.post("b", &[(START + 2_000, 4.0)]).await;
    while !text.contains("\"kpi\":\"b\"") {
        let piece = timeout(PATIENCE, stream.next()).await.expect("the stream goes on").unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    assert!(!text.contains("[[1767225602000,3"), "held back: {text}");
    // A browser that reconnects resumes before the samples held back.
    let resume = format!("id: {}:{}\n", first["epoch"].as_str().unwrap(), passed["seq"]);
    assert_eq!(text.matches(&resume).count(), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_delivers_the_same_in_both_formats() {
    let server = Server::start().await;
    server.post("a.b", &[(START, 1.0)]).await;
    let local = Client::new(&server.url("/")).unwrap().workspace("local");
    let follow = local.follow().since(Since::Snapshot).kpis(["a.*"]);
    let (mut plain, mut compact) = (follow.clone().start(), follow.compact().start());
    let mut delivered = Vec::new();
    for updates in [&mut plain, &mut compact] {
        // Both must have the snapshot before the next sample is sent.
        loop {
            let update = timeout(PATIENCE, updates.next()).await.expect("in time").unwrap().unwrap();
            if let Update::Snapshot(snapshot) = update {
                delivered.push(snapshot);
                break;
            }
        }
    }
    assert_eq!(delivered[0], delivered[1]);
    server.post("a.b", &[(START + 1_000, 2.5), (START + 2_000, 1e-7)]).await;
    let mut delivered = Vec::new();
    for updates in [&mut plain, &mut compact] {
        match timeout(PATIENCE, updates.next()).await.expect("in time").unwrap().unwrap() {
            Update::Event(event) => delivered.push(event),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(delivered[0], delivered[1]);
}
