//! Clients that are slow, or do nothing at all.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::raw::{Raw, frame};
use crate::support::{Server, eventually, noise};

const START: i64 = 1_767_225_600_000;
/// Only guards against a test that hangs.
const LONG: Duration = Duration::from_secs(60);

async fn start(settings: &[(&str, Value)]) -> Server {
    Server::start_with(settings, Default::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_answered_with_408() {
    let server = start(&[("connections.head_seconds", json!(1)), ("connections.idle_seconds", json!(60))]).await;
    for begun in ["", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: "] {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(begun).await;
        assert_eq!(raw.answer().await.expect("an answer").status, 408, "{begun:?}");
        assert!(raw.until_end().await.is_empty());
    }
    let mut raw = Raw::connect(server.address()).await;
    raw.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    raw.send("GET /heal").await;
    assert_eq!(raw.answer().await.expect("the second request").status, 408);
    assert!(server.metric("earcon_connections_timed_out_total").await >= 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_between_requests_has_its_own_limit() {
    let server = start(&[("connections.head_seconds", json!(60)), ("connections.idle_seconds", json!(1))]).await;
    let mut raw = Raw::connect(server.address()).await;
    raw.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    assert!(raw.until_end().await.is_empty(), "the connection is closed without an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_is_answered_in_the_form_of_the_protocol() {
    let server =
        start(&[("connections.head_seconds", json!(1)), ("connections.body_bytes_per_second", json!(1_000_000))]).await;
    for (path, member, status) in [
        ("/write", "error", 503),
        ("/api/v1/workspaces/local/kpis/ingest", "detail", 408),
        ("/api/v1/workspaces/local/kpis/upload?name=a.csv", "detail", 408),
    ] {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\na v=1\n")).await;
        let answer = raw.answer().await.expect("an answer");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, status, "{path}: {body}");
        assert!(body[member].as_str().unwrap().contains("slowly"), "{body}");
        assert!(raw.until_end().await.is_empty());
    }
    assert_eq!(server.get("/kpis").await.1["kpis"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_begins_fast_and_stops_is_answered_with_408() {
    let server = start(&[("connections.head_seconds", json!(1))]).await;
    let mut raw = Raw::connect(server.address()).await;
    let head =
        "POST /api/v1/workspaces/local/kpis/ingest HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\r\n";
    // At the least rate, so many bytes would take minutes.
    raw.send(format!("{head}{}", " ".repeat(800_000))).await;
    let answer = raw.answer().await.expect("an answer");
    assert_eq!(answer.status, 408, "{}", answer.body);
    eventually("its bytes are dropped", async || (server.metric("earcon_request_bytes").await == 0.0).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_do_not_arrive_keep_no_place() {
    let server = start(&[]).await;
    let head = "POST /api/v1/workspaces/local/kpis/upload?name=a.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\ntime";
    let mut halves = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(head).await;
        halves.push(raw);
    }
    let csv = "time,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,2\n";
    let upload = server
        .http()
        .post(server.workspace_url("/kpis/upload?name=b.csv&backfill=true"))
        .header("content-type", "text/csv");
    let answer = upload.body(csv).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("\"accepted\":2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let server = start(&[("connections.write_seconds", json!(1))]).await;
    for part in 0..40 {
        server.post("a", &noise(START + part * 1_000_000, 1_000, 1.0)).await;
    }
    let path = format!("/api/v1/workspaces/local/kpis/a/samples?from={START}&to={}&limit=100000", START + 40_000_000);
    let mut raw = Raw::connect_narrow(server.address()).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    // More than the buffers of both sockets hold.
    raw.send(request.repeat(20)).await;
    eventually("the client is found too slow", async || {
        (server.metric("earcon_connections_timed_out_total").await >= 1.0).then_some(())
    })
    .await;
    eventually("its answers are dropped", async || (server.metric("earcon_answer_bytes").await == 0.0).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_nothing_do_not_delay_a_shutdown() {
    let data = {
        // The longest shutdown there may be: without a deadline of its own, a connection takes it.
        let server = start(&[("server.drain_seconds", json!(600)), ("connections.head_seconds", json!(600))]).await;
        server.post("a", &noise(START, 100, 1.0)).await;
        let address = server.address();
        let mut held = Vec::new();
        for begun in [
            "",
            "GET / HT",
            "POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\na v=1\n",
            "POST /api/v1/workspaces/local/kpis/upload?name=a.csv HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\ntime",
            "GET /api/v1/workspaces/local/events HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "GET /api/v1/workspaces/local/mixes/default/live.ogg HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ] {
            let mut raw = Raw::connect_narrow(address).await;
            raw.send(begun).await;
            held.push(raw);
        }
        for path in ["/events", "/kpis/ingest", "/mixes/default/live"] {
            let mut raw = Raw::websocket(address, &format!("/api/v1/workspaces/local{path}")).await;
            raw.send(&frame(0x81, br#"{"type":"subscribe","since":"snapshot"}"#)[..]).await;
            held.push(raw);
        }
        let data = timeout(LONG, server.shut_down()).await.expect("the shutdown ends long before its deadline");
        drop(held);
        data
    };
    // What was in memory was saved: nothing is scored again.
    let server = Server::start_in(data, &[], Default::default()).await;
    let (status, kpi) = server.get("/kpis/a").await;
    assert_eq!((status, kpi["series"][0]["value"].is_number()), (200, true), "{kpi}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_stops_halfway_is_closed_with_the_reason() {
    let server = start(&[("connections.head_seconds", json!(1))]).await;
    server.post("a", &[(START, 1.0)]).await;
    for path in ["events", "kpis/ingest", "mixes/default/live"] {
        let whole = frame(0x81, &[b' '; 3_000]);
        for (what, bytes) in [
            ("half a head", whole[..1].to_vec()),
            ("half a frame", whole[..2_000].to_vec()),
            ("a first fragment", frame(0x01, b"{\"sam")),
            ("half a ping", frame(0x89, b"abc")[..7].to_vec()),
            ("half a frame behind a whole one", [frame(0x89, b""), whole[..2_000].to_vec()].concat()),
        ] {
            let mut raw = Raw::websocket(server.address(), &format!("/api/v1/workspaces/local/{path}")).await;
            raw.send(bytes).await;
            let closed = timeout(LONG, raw.until_close()).await.expect("it is closed");
            assert_eq!(closed.0, Some(1008), "{path}: {what}");
        }
    }
    // Pings between fragments win no time.
    let mut raw = Raw::websocket(server.address(), "/api/v1/workspaces/local/kpis/ingest").await;
    raw.send(frame(0x01, b"{\"samples\": [")).await;
    let began = std::time::Instant::now();
    while began.elapsed() < LONG && raw.try_send(frame(0x89, b"")).await {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(began.elapsed() < LONG, "the connection ends");
    assert!(server.metric("earcon_connections_timed_out_total").await >= 16.0);
    // One that is whole, and then nothing, stays open.
    let mut raw = Raw::websocket(server.address(), "/api/v1/workspaces/local/events").await;
    for piece in [frame(0x01, b"{\"type\":"), frame(0x80, b"\"ping\"}")] {
        raw.send(piece).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    raw.send(frame(0x81, b"{\"type\": \"ping\"}")).await;
    for _ in 0..2 {
        let (kind, content) = raw.frame().await.expect("an answer");
        assert_eq!((kind, content.as_slice()), (0x81, &b"{\"type\":\"pong\"}"[..]));
    }
}
