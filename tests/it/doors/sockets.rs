//! How WebSockets begin and end, with frames that no library would send.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::raw::{Raw, frame, handshake};

const EVENTS: &str = "/api/v1/workspaces/local/events";
const INGEST: &str = "/api/v1/workspaces/local/kpis/ingest";
const MIX: &str = "/api/v1/workspaces/local/mixes/default/live";

async fn server() -> Server {
    let server = Server::start().await;
    server.post("a", &[(1_767_225_600_000, 1.0)]).await;
    server
}

/// The code of the close frame that answers these bytes.
async fn code_after(server: &Server, path: &str, bytes: &[u8]) -> Option<u16> {
    let mut raw = Raw::websocket(server.address(), path).await;
    raw.try_send(bytes).await;
    raw.until_close().await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_is_answered_with_its_code() {
    let server = server().await;
    for path in [EVENTS, INGEST, MIX] {
        for (payload, code) in [
            (&[][..], 1005),
            (&1000u16.to_be_bytes()[..], 1000),
            (&1001u16.to_be_bytes()[..], 1001),
            (&4000u16.to_be_bytes()[..], 4000),
            (&[0x03, 0xe8, b'b', b'y', b'e'], 1000),
            (&1005u16.to_be_bytes()[..], 1002),
            (&999u16.to_be_bytes()[..], 1002),
            (&[3], 1002),
            (&[0x03, 0xe8, 0xff], 1007),
        ] {
            assert_eq!(code_after(&server, path, &frame(0x88, payload)).await, Some(code), "{path} {payload:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_is_answered_with_its_code() {
    let server = server().await;
    for (path, most) in [(EVENTS, 256 * 1024), (INGEST, 1 << 20), (MIX, 4_096)] {
        let large = frame(0x81, &vec![b'x'; most + 1]);
        let halves = [frame(0x01, &vec![b'x'; most / 2 + 1]), frame(0x80, &vec![b'x'; most / 2 + 1])].concat();
        for (bytes, code, what) in [
            (frame(0x81, b"\xff\xfe"), 1007, "no UTF-8"),
            (b"\x81\x02hi".to_vec(), 1002, "not masked"),
            (frame(0x83, b"hi"), 1002, "an unknown opcode"),
            (frame(0xc1, b"hi"), 1002, "a reserved bit"),
            (frame(0x09, b"hi"), 1002, "a ping in pieces"),
            (frame(0x89, &[0; 126]), 1002, "a large ping"),
            (frame(0x80, b"hi"), 1002, "a continuation of nothing"),
            (large.clone(), 1009, "too large"),
            (halves, 1009, "too large in pieces"),
        ] {
            assert_eq!(code_after(&server, path, &bytes).await, Some(code), "{path}: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_due_come_before_the_close() {
    let server = server().await;
    let message =
        |id: u64| frame(0x81, json!({"id": id, "samples": [{"kpi": "a", "value": id}]}).to_string().as_bytes());
    for (last, code) in [(frame(0x88, &1000u16.to_be_bytes()), 1000), (frame(0x83, b""), 1002)] {
        let mut raw = Raw::websocket(server.address(), INGEST).await;
        let messages: Vec<u8> = (0..20).flat_map(message).chain(last).chain(message(99)).collect();
        raw.send(messages).await;
        let (closed, texts) = raw.until_close().await;
        let ids: Vec<Value> =
            texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].clone()).collect();
        assert_eq!((closed, ids), (Some(code), (0..20).map(Value::from).collect()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_says_that_the_server_restarts() {
    let server = server().await;
    let mut sockets = Vec::new();
    for path in [EVENTS, INGEST, MIX] {
        sockets.push(Raw::websocket(server.address(), path).await);
    }
    sockets[0].send(frame(0x81, br#"{"type":"subscribe"}"#)).await;
    let reading = tokio::spawn(async move {
        let mut codes = Vec::new();
        for socket in &mut sockets {
            codes.push(socket.until_close().await.0);
        }
        codes
    });
    server.shut_down().await;
    assert_eq!(reading.await.unwrap(), [Some(1012); 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_is_checked() {
    let server = server().await;
    for path in [EVENTS, INGEST, MIX] {
        let old = Raw::ask(server.address(), handshake(path, "8", "dGhlIHNhbXBsZSBub25jZQ==")).await;
        assert_eq!((old.status, old.header("sec-websocket-version")), (426, Some("13")), "{path}: {}", old.head);
        for key in ["short", "", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWVlZQ=="] {
            let bad = Raw::ask(server.address(), handshake(path, "13", key)).await;
            assert_eq!(bad.status, 400, "{path} {key:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_answer_pings_is_disconnected() {
    let settings = [("connections.ping_seconds", json!(1))];
    let server = Server::start_with(&settings, Default::default()).await;
    server.post("a", &[(1_767_225_600_000, 1.0)]).await;
    for path in [EVENTS, INGEST, MIX] {
        let mut silent = Raw::websocket(server.address(), path).await;
        // The first ping comes, and after the second interval the end.
        let mut pings = 0;
        while let Some((kind, _)) = silent.frame().await {
            pings += usize::from(kind == 0x89);
        }
        assert!(pings >= 1, "{path}");
        let mut answering = Raw::websocket(server.address(), path).await;
        for answered in 0..3 {
            while !matches!(answering.frame().await, Some((0x89, _))) {}
            answering.send(frame(0x8a, b"")).await;
            assert!(answered < 3, "{path}");
        }
    }
}
