//! Resume after a disconnect: missed events are sent, or the client learns that they are gone.

use earcon::app::Overrides;
use futures_util::StreamExt;
use serde_json::json;

use crate::support::Server;

const START: i64 = 1_767_225_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn resume_sends_all_missed_events_in_order() {
    let server = Server::start().await;
    let first = server.post("a", &[(START, 0.0)]).await;
    for i in 1..=50 {
        server.post("a", &[(START + i * 1_000, i as f64)]).await;
    }
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": first["seq"], "epoch": first["epoch"]})).await;
    assert_eq!(socket.json().await["recovered"], true);
    let mut seq = first["seq"].as_u64().unwrap();
    for i in 1..=50 {
        let event = socket.json().await;
        seq += 1;
        assert_eq!(event["seq"], seq);
        assert_eq!(event["data"]["series"][0]["samples"][0][1].as_f64(), Some(f64::from(i)));
    }
    server.post("a", &[(START + 51_000, 51.0)]).await;
    assert_eq!(socket.json().await["seq"], seq + 1, "live goes on without a seam");
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_from_another_epoch_or_too_far_back_gets_a_snapshot() {
    let settings = [("live.replay_events", json!(10))];
    let server = Server::start_with(&settings, Overrides::default()).await;
    let mut last = json!(null);
    for i in 0..20 {
        last = server.post("a", &[(START + i * 1_000, i as f64)]).await;
    }
    let wrong = json!({"type": "subscribe", "since": last["seq"], "epoch": "another epoch"});
    let too_old = json!({"type": "subscribe", "since": 1, "epoch": last["epoch"]});
    let ahead = json!({"type": "subscribe", "since": 1_000_000, "epoch": last["epoch"]});
    let mut socket = server.follow().await;
    for request in [wrong, too_old, ahead] {
        socket.send(request).await;
        assert_eq!(socket.json().await["recovered"], false);
        let snapshot = socket.json().await;
        assert_eq!((&snapshot["type"], &snapshot["seq"]), (&json!("snapshot"), &last["seq"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_keeps_seq_and_state_and_begins_an_epoch() {
    let server = Server::start().await;
    let before = server.post("a", &(0..100).map(|i| (START + i * 1_000, 1.0)).collect::<Vec<_>>()).await;
    let (_, kpi_before) = server.get("/kpis/a").await;
    let data = server.shut_down().await;

    let server = Server::start_in(data, &[], Overrides::default()).await;
    let (_, kpi_after) = server.get("/kpis/a").await;
    assert_eq!(kpi_before, kpi_after, "scoring state survives");
    let after = server.post("a", &[(START + 100_000, 1.0)]).await;
    assert_ne!(after["epoch"], before["epoch"]);
    assert_eq!(after["seq"].as_u64(), before["seq"].as_u64().map(|seq| seq + 1), "no hole and no repetition");
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": before["seq"], "epoch": before["epoch"]})).await;
    assert_eq!(socket.json().await["recovered"], true);
    let event = socket.json().await;
    assert_eq!((&event["seq"], &event["epoch"]), (&after["seq"], &after["epoch"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_resume_by_last_event_id() {
    let server = Server::start().await;
    let first = server.post("a", &[(START, 0.0)]).await;
    server.post("a", &[(START + 1_000, 1.0)]).await;
    server.post("b", &[(START + 1_000, 1.0)]).await;
    let id = format!("{}:{}", first["epoch"].as_str().unwrap(), first["seq"]);
    let request = server.http().get(server.workspace_url("/events?kpis=b")).header("last-event-id", id);
    let response = request.header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("\"kpi\":\"b\"") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.expect("the stream goes on").unwrap()));
    }
    assert!(text.contains("event: subscribed") && text.contains("\"recovered\":true"), "{text}");
    assert!(!text.contains("\"kpi\":\"a\""), "the filter holds in a replay too: {text}");
    let last = server.get("/kpis").await.1["seq"].as_u64().unwrap();
    assert!(text.contains(&format!("id: {}:{last}", first["epoch"].as_str().unwrap())), "{text}");
}
