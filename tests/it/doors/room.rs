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
