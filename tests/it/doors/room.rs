//! What all clients together may hold.

use serde_json::{Value, json};

use crate::support::raw::{Raw, frame};
use crate::support::{Server, eventually};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_for_each_address() {
    let server = Server::start_with(&[("connections.max_per_address", json!(3))], Default::default()).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(HEALTH).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
        held.push(raw);
    }
    let mut refused = Raw::connect(server.address()).await;
    let answer = refused.answer().await.expect("an answer before a request");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.head);
    assert!(serde_json::from_str::<Value>(&answer.body).unwrap()["detail"].as_str().unwrap().contains("this address"));
    // Sockets keep their place after the upgrade, and give it back at their end.
    drop(held.pop());
    let mut socket = eventually("a place is free", async || {
        let mut raw = Raw::connect(server.address()).await;
        raw.try_send(HEALTH).await;
        (raw.answer().await?.status == 200).then_some(raw)
    })
    .await;
    socket.send(HEALTH).await;
    assert_eq!(socket.answer().await.unwrap().status, 200);
    drop((held, socket));
    eventually("all places are free", async || {
        let mut raw = Raw::connect(server.address()).await;
        raw.try_send("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let body = raw.answer().await?.body;
        (body.contains("earcon_connections 1\n") && !body.contains("earcon_connections_refused_total 0")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_arrive_are_bounded_together() {
    let settings = [("connections.request_megabytes", json!(1)), ("server.max_body_bytes", json!(1 << 19))];
    let server = Server::start_with(&settings, Default::default()).await;
    let body = "a v=1\n".repeat(80_000);
    let head = format!("POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut half = Raw::connect(server.address()).await;
    half.send(format!("{head}{}", &body[..body.len() - 1])).await;
    eventually("the first body is held", async || {
        (server.metric("earcon_request_bytes").await > 400_000.0).then_some(())
    })
    .await;
    let mut second = Raw::connect(server.address()).await;
    second.try_send(format!("{head}{body}")).await;
    let answer = second.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.head);
    assert!(answer.body.contains("\"error\""), "in the form of the protocol: {}", answer.body);
    assert!(server.metric("earcon_room_refused_total").await >= 1.0);
    let mut small = Raw::connect(server.address()).await;
    small.send("POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\na v=1").await;
    assert_eq!(small.answer().await.expect("an answer").status, 204, "a small body has room beside a large one");
    drop(half);
    eventually("the first body is dropped", async || {
        (server.metric("earcon_request_bytes").await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_are_bounded_together() {
    let settings = [("connections.request_megabytes", json!(1)), ("server.max_body_bytes", json!(1 << 19))];
    let server = Server::start_with(&settings, Default::default()).await;
    let message = frame(0x81, &vec![b' '; 510_000]);
    let mut half = Raw::websocket(server.address(), "/api/v1/workspaces/local/kpis/ingest").await;
    half.send(&message[..500_000]).await;
    eventually("the first message is held", async || {
        (server.metric("earcon_request_bytes").await > 400_000.0).then_some(())
    })
    .await;
    let mut second = Raw::websocket(server.address(), "/api/v1/workspaces/local/kpis/ingest").await;
    second.try_send(&message[..500_000]).await;
    assert_eq!(second.until_close().await.0, Some(1013));
    // The first one goes on, is answered, and gives its bytes back.
    half.send(&message[500_000..]).await;
    assert!(matches!(half.frame().await, Some((0x81, _))));
    eventually("nothing is held", async || (server.metric("earcon_request_bytes").await == 0.0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_in_a_loop_are_shared_and_complete() {
    let server = Server::start().await;
    let rows: Vec<Value> = (0..2_000).map(|kpi| json!({"kpi": format!("kpi.{kpi}"), "value": kpi})).collect();
    let (status, _) = server.ingest(&json!({"samples": rows})).await;
    assert_eq!(status, 200);
    let subscribe = frame(0x81, br#"{"type":"subscribe","since":"snapshot"}"#);
    // Clients that ask for a snapshot again and again, and read nothing.
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut raw = Raw::websocket(server.address(), "/api/v1/workspaces/local/events").await;
        raw.send(subscribe.repeat(50)).await;
        deaf.push(raw);
    }
    let mut follower = server.follow().await;
    follower.send(json!({"type": "subscribe", "since": "snapshot"})).await;
    let subscribed = follower.until("subscribed").await;
    let snapshot = follower.until("snapshot").await;
    assert_eq!(snapshot["seq"], subscribed["seq"]);
    assert_eq!(snapshot["kpis"].as_array().unwrap().len(), 2_000);
    // An event behind the snapshot follows without a gap, however old the snapshot is.
    let (_, taken) = server.ingest(&json!({"samples": [{"kpi": "kpi.0", "value": 7}]})).await;
    loop {
        let message = follower.json().await;
        assert_ne!(message["type"], "gap", "{message}");
        if message["seq"] == taken["seq"] {
            break;
        }
    }
    let one = snapshot.to_string().len() as f64;
    let held = server.metric("earcon_answer_bytes").await;
    assert!(held < 20.0 * one, "{held} bytes for snapshots of {one}: they are not shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_snapshots_that_nobody_reads_are_counted_and_bounded() {
    let server = Server::start_with(&[("connections.answer_megabytes", json!(16))], Default::default()).await;
    // A snapshot of more bytes than the system takes for a connection.
    let labels = json!({"a": "a".repeat(250), "b": "b".repeat(250)});
    let kpis: Vec<String> = (0..6_000).map(|kpi| format!("kpi.{kpi}")).collect();
    for part in kpis.chunks(2_000) {
        let rows: Vec<Value> = part.iter().map(|kpi| json!({"kpi": kpi, "labels": labels, "value": 1})).collect();
        assert_eq!(server.ingest(&json!({"samples": rows})).await.0, 200);
    }
    // Each filter has a snapshot of its own.
    let open = async |filter: usize| {
        let mut raw = Raw::connect_narrow(server.address()).await;
        let path = format!("/api/v1/workspaces/local/events?since=snapshot&kpis=kpi.*,none.{filter}");
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")).await;
        let answer = raw.answer().await.expect("an answer");
        (answer.status, raw)
    };
    let mut unread = Vec::new();
    let refused = loop {
        let (status, raw) = open(unread.len()).await;
        if status != 200 {
            break status;
        }
        unread.push(raw);
        assert!(unread.len() < 20, "{} bytes are counted", server.metric("earcon_answer_bytes").await);
    };
    assert_eq!(refused, 503);
    let held = server.metric("earcon_answer_bytes").await;
    assert!(held > 1_000_000.0 && held <= f64::from(16 << 20), "{held} bytes are counted");
    drop(unread);
    eventually("nothing is held", async || (server.metric("earcon_answer_bytes").await == 0.0).then_some(())).await;
}
