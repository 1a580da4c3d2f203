//! End to end: a posted sample is scored, committed and sent to followers.

use earcon::app::Overrides;
use serde_json::json;
use std::time::Duration;

use crate::support::{Server, noise};

const START: i64 = 1_767_225_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_sample_arrives_with_its_seq() {
    let server = Server::start().await;
    server.post("checkout.revenue", &[(START, 12.5)]).await;
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": "snapshot"})).await;
    let subscribed = socket.json().await;
    assert_eq!(subscribed["type"], "subscribed");
    assert_eq!(subscribed["recovered"], json!(null));
    let snapshot = socket.json().await;
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["kpis"][0]["kpi"], "checkout.revenue");
    assert_eq!(snapshot["kpis"][0]["series"][0]["value"], 12.5);
    assert_eq!(snapshot["kpis"][0]["series"][0]["state"], "warming");

    let answer = server.post("checkout.revenue", &[(START + 1_000, 13.5)]).await;
    let event = socket.json().await;
    assert_eq!(event["type"], "samples");
    assert_eq!(event["seq"], answer["seq"]);
    assert_eq!(event["epoch"], answer["epoch"]);
    assert_eq!(event["workspace"], "local");
    assert_eq!(event["data"]["series"][0]["samples"][0][0], START + 1_000);
    assert_eq!(event["data"]["series"][0]["samples"][0][1], 13.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_opens_an_anomaly_that_can_be_acknowledged() {
    let server = Server::start().await;
    server.post("orders", &noise(START, 400, 100.0)).await;
    let mut socket = server.follow().await;
    let filter = json!({"types": ["anomaly.opened", "anomaly.acknowledged", "anomaly.closed"], "kpis": ["ord*"]});
    socket.send(json!({"type": "subscribe", "since": "live", "filter": filter})).await;
    socket.until("subscribed").await;
    server.post("orders", &[(START + 400_000, 900.0)]).await;

    let opened = socket.until("anomaly.opened").await;
    let anomaly = &opened["data"];
    assert_eq!(anomaly["state"], "open");
    assert_eq!(anomaly["direction"], "above");
    assert_eq!(anomaly["peak"]["value"], 900.0);
    assert!(anomaly["peak"]["score"].as_f64().unwrap() > 0.5, "{anomaly}");
    assert!(anomaly["peak"]["upper"].as_f64().unwrap() < 200.0, "{anomaly}");

    let id = anomaly["id"].as_str().unwrap();
    let path = format!("/anomalies/{id}/acknowledge");
    let (status, seen) = server.send(reqwest::Method::POST, &path, json!({"note": "a sale"})).await;
    assert_eq!((status, &seen["acknowledged"]["note"]), (200, &json!("a sale")));
    let acknowledged = socket.until("anomaly.acknowledged").await;
    assert_eq!(acknowledged["data"]["id"], *id);

    server.post("orders", &noise(START + 401_000, 80, 100.0)).await;
    let closed = socket.until("anomaly.closed").await;
    assert_eq!(closed["data"]["id"], *id);
    assert_eq!(closed["data"]["acknowledged"]["note"], "a sale", "closing keeps the acknowledgement");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_keep_other_events_away() {
    let server = Server::start().await;
    server.post("other", &[(START, 1.0)]).await;
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "filter": {"kpis": ["wanted.*"]}})).await;
    socket.until("subscribed").await;
    server.post("other", &[(START + 1_000, 1.0)]).await;
    server.post("wanted.one", &[(START, 1.0)]).await;
    assert_eq!(socket.json().await["kpi"], "wanted.one");
    socket.send(json!({"type": "subscribe", "filter": {"types": ["nonsense"]}})).await;
    assert_eq!(socket.json().await["type"], "error");
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.json().await["type"], "pong", "an error leaves the connection open");
    socket.assert_silent_for(Duration::from_millis(200)).await;
}

/// A client that does not read for a while misses events and learns which. Others get all events.
#[tokio::test(flavor = "multi_thread")]
async fn slow_client_gets_a_gap_and_does_not_slow_others() {
    let settings = [("live.buffer_commits", json!(16))];
    let server = Server::start_with(&settings, Overrides::default()).await;
    server.post("load", &[(START, 0.0)]).await;
    let (mut slow, mut quick) = (server.follow_narrowly().await, server.follow().await);
    for socket in [&mut slow, &mut quick] {
        socket.send(json!({"type": "subscribe", "since": "live"})).await;
        socket.until("subscribed").await;
    }
    // Together a little more than the 4 MiB that a socket buffers for a client that does not read.
    // All of it must be sent before the server disconnects the slow client.
    const ROUNDS: usize = 120;
    let reader = tokio::spawn(async move {
        let mut seqs = Vec::new();
        while seqs.len() < ROUNDS {
            let event = quick.json().await;
            assert_eq!(event["type"], "samples", "the quick client has no gaps");
            seqs.push(event["seq"].as_u64().unwrap());
        }
        seqs
    });
    for round in 0..ROUNDS as i64 {
        let rows = noise(START + 1_000 + round * 1_000_000, 1_000, 10.0);
        server.post("load", &rows).await;
    }
    let seqs = reader.await.unwrap();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, each once");

    let (mut last, mut gaps) = (seqs[0] - 1, 0);
    while last < seqs[ROUNDS - 1] {
        let message = slow.json().await;
        if message["type"] == "gap" {
            assert_eq!(message["from"], last + 1);
            last = message["to"].as_u64().unwrap();
            gaps += 1;
        } else {
            assert_eq!(message["seq"], last + 1, "events that are not sent are reported as a gap");
            last += 1;
        }
    }
    assert!(gaps > 0, "the slow client learns that it missed events");
}

/// A client that stops reading for a while, but not for longer than the buffer lasts, misses
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn client_that_pauses_gets_every_event_once_and_in_order() {
    const ROUNDS: u64 = 150;
    let server = Server::start().await;
    server.post("load", &[(START, 0.0)]).await;
    let mut paused = server.follow_narrowly().await;
    paused.send(json!({"type": "subscribe", "since": "live"})).await;
    paused.until("subscribed").await;
    for round in 0..ROUNDS as i64 {
        // More than the socket buffers, so the server has to wait in the middle of a frame.
        let rows = noise(START + 1_000 + round * 1_000_000, 1_000, 10.0);
        server.post("load", &rows).await;
    }
    let first = paused.json().await["seq"].as_u64().expect("an event, not a gap");
    for behind in 1..ROUNDS {
        assert_eq!(paused.json().await["seq"], first + behind);
    }
    // Live again.
    for behind in ROUNDS..ROUNDS + 20 {
        server.post("load", &[(START + 1_000_000_000 + behind as i64, 1.0)]).await;
        assert_eq!(paused.json().await["seq"], first + behind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_can_subscribe_again_while_events_flow() {
    let server = Server::start().await;
    server.post("a", &[(START, 0.0)]).await;
    let mut socket = server.follow().await;
    for round in 1..20 {
        let kpi = if round % 2 == 0 { "a" } else { "b" };
        socket.send(json!({"type": "subscribe", "since": "live", "filter": {"kpis": [kpi]}})).await;
        socket.until("subscribed").await;
        // Answered between events, on the same socket.
        socket.send(json!({"type": "ping"})).await;
        for kpi in ["a", "b"] {
            server.post(kpi, &[(START + round, 1.0)]).await;
        }
        let mut types = Vec::new();
        for _ in 0..2 {
            let message = socket.json().await;
            assert!(message["type"] == "pong" || message["kpi"] == kpi, "{message}");
            types.push(message["type"].as_str().unwrap().to_owned());
        }
        types.sort();
        assert_eq!(types, ["pong", "samples"]);
    }
}
