//! Tests the client against a scripted server.

use std::time::Duration;

use earcon_client::{Backoff, Client, Error, Event, EventData, Follow, Following, Sample, Since, Sound, Update};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that the test controls step by step.
struct Script {
    listener: TcpListener,
}

struct Peer(WebSocketStream<TcpStream>);

impl Script {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.listener.local_addr().unwrap())).unwrap()
    }

    fn follow(&self) -> Follow {
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
        self.client().workspace("local").follow().backoff(backoff)
    }

    async fn tcp(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("the client connects").unwrap().0
    }

    async fn peer(&self) -> Peer {
        Peer(accept_async(self.tcp().await).await.expect("a handshake"))
    }

    /// Answers one HTTP request and returns the text of the request.
    async fn answer(&self, status: &str, headers: &str, body: &str) -> String {
        let mut stream = self.tcp().await;
        let mut request = Vec::new();
        let complete = |request: &[u8]| {
            let text = String::from_utf8_lossy(request).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            body.len() >= length.unwrap_or(0)
        };
        while !complete(&request) {
            let mut chunk = [0; 4_096];
            let read = timeout(PATIENCE, stream.read(&mut chunk)).await.expect("the client sends").unwrap();
            assert!(read > 0, "the client closed the connection");
            request.extend_from_slice(&chunk[..read]);
        }
        let answer =
            format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    }
}

impl Peer {
    async fn receive(&mut self) -> Value {
        let frame = timeout(PATIENCE, self.0.next()).await.expect("the client sends a message").unwrap().unwrap();
        serde_json::from_str(frame.to_text().unwrap()).unwrap()
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribed(&mut self, seq: u64, recovered: Option<bool>) {
        self.send(json!({"type": "subscribed", "seq": seq, "epoch": "e", "recovered": recovered})).await;
    }

    async fn event(&mut self, seq: u64) {
        self.send(event(seq)).await;
    }
}

fn event(seq: u64) -> Value {
    json!({
        "seq": seq, "epoch": "e", "time": 5, "type": "kpi.resumed", "workspace": "local", "subject": "kpi/a",
        "kpi": "a", "data": {}
    })
}

async fn next(updates: &mut Following) -> Update {
    let update = timeout(PATIENCE, updates.next()).await.expect("an update arrives in time");
    update.expect("the stream continues").expect("no error")
}

async fn seq_of_next(updates: &mut Following) -> u64 {
    match next(updates).await {
        Update::Event(event) => event.seq,
        other => panic!("not an event: {other:?}"),
    }
}

async fn connected(updates: &mut Following) -> Option<bool> {
    match next(updates).await {
        Update::Connected(subscribed) => subscribed.recovered,
        other => panic!("not connected: {other:?}"),
    }
}

async fn disconnected(updates: &mut Following) -> Error {
    match next(updates).await {
        Update::Disconnected { error, .. } => error,
        other => panic!("not disconnected: {other:?}"),
    }
}

#[tokio::test]
async fn follow_resumes_at_the_last_event_after_a_break() {
    let script = Script::new().await;
    let mut updates = script.follow().kpis(["a*"]).start();
    let mut peer = script.peer().await;
    let request = peer.receive().await;
    assert_eq!((&request["since"], &request["filter"]["kpis"]), (&json!("live"), &json!(["a*"])));
    peer.subscribed(10, None).await;
    peer.event(11).await;
    assert_eq!(connected(&mut updates).await, None);
    assert_eq!(seq_of_next(&mut updates).await, 11);
    drop(peer);

    assert!(disconnected(&mut updates).await.is_temporary());
    let mut peer = script.peer().await;
    let request = peer.receive().await;
    assert_eq!(
        (&request["since"], &request["epoch"], &request["filter"]["kpis"]),
        (&json!(11), &json!("e"), &json!(["a*"]))
    );
    peer.subscribed(13, Some(true)).await;
    for seq in [11, 12, 13] {
        peer.event(seq).await;
    }
    assert_eq!(connected(&mut updates).await, Some(true));
    assert_eq!(seq_of_next(&mut updates).await, 12, "each event once");
    assert_eq!(seq_of_next(&mut updates).await, 13);
}

#[tokio::test]
async fn failed_resume_delivers_a_snapshot() {
    let script = Script::new().await;
    let mut updates = script.follow().since(Since::Seq { seq: 5, epoch: Some("old".into()) }).start();
    let mut peer = script.peer().await;
    assert_eq!(peer.receive().await["epoch"], "old");
    peer.subscribed(2, Some(false)).await;
    peer.send(json!({"type": "snapshot", "seq": 2, "epoch": "e", "kpis": [], "anomalies": [], "incidents": []})).await;
    peer.event(3).await;
    assert_eq!(connected(&mut updates).await, Some(false));
    assert!(matches!(next(&mut updates).await, Update::Snapshot(snapshot) if snapshot.seq == 2));
    assert_eq!(seq_of_next(&mut updates).await, 3);
}

#[tokio::test]
async fn gap_is_repaired_on_the_same_connection() {
    let script = Script::new().await;
    let mut updates = script.follow().start();
    let mut peer = script.peer().await;
    peer.receive().await;
    peer.subscribed(10, None).await;
    peer.event(11).await;
    peer.send(json!({"type": "gap", "from": 12, "to": 14, "epoch": "e"})).await;
    peer.event(15).await;
    let request = peer.receive().await;
    assert_eq!((&request["since"], &request["epoch"]), (&json!(11), &json!("e")));
    peer.subscribed(15, Some(true)).await;
    for seq in 12..=15 {
        peer.event(seq).await;
    }
    connected(&mut updates).await;
    assert_eq!(seq_of_next(&mut updates).await, 11);
    assert!(matches!(next(&mut updates).await, Update::Gap(gap) if (gap.from, gap.to) == (12, 14)));
    assert_eq!(connected(&mut updates).await, Some(true));
    for seq in 12..=15 {
        assert_eq!(seq_of_next(&mut updates).await, seq);
    }
}

#[tokio::test]
async fn silent_connection_is_replaced() {
    let script = Script::new().await;
    let mut updates = script.follow().silence(Duration::from_millis(200)).start();
    let mut silent = script.peer().await;
    silent.receive().await;
    assert!(disconnected(&mut updates).await.to_string().contains("silent"));
    let mut peer = script.peer().await;
    peer.receive().await;
    peer.subscribed(1, None).await;
    assert_eq!(connected(&mut updates).await, None);
}

#[tokio::test]
async fn follow_retries_temporary_errors_and_reports_them() {
    let script = Script::new().await;
    let mut updates = script.follow().start();
    for _ in 0..3 {
        script.answer("503 Service Unavailable", "", r#"{"detail": "restarting"}"#).await;
        assert!(disconnected(&mut updates).await.to_string().contains("restarting"));
    }
    // An error without a reason causes no second request.
    script.answer("503 Service Unavailable", "", "").await;
    assert!(disconnected(&mut updates).await.to_string().contains("503"));
    let mut peer = script.peer().await;
    peer.receive().await;
    peer.subscribed(1, None).await;
    connected(&mut updates).await;
}

#[tokio::test]
async fn permanent_error_ends_the_stream() {
    let script = Script::new().await;
    let mut updates = script.follow().start();
    script.answer("404 Not Found", "", r#"{"detail": "there is no workspace \"local\""}"#).await;
    let error = timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap_err();
    assert!(
        matches!(&error, Error::Refused { status: 404, .. }) && error.to_string().contains("no workspace"),
        "{error}"
    );
    assert!(timeout(PATIENCE, updates.next()).await.unwrap().is_none());

    let mut updates = script.follow().types(["nonsense"]).start();
    let mut peer = script.peer().await;
    peer.receive().await;
    peer.send(json!({"type": "error", "title": "The filter is not understood", "detail": "no type nonsense"})).await;
    let error = timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("no type nonsense"), "{error}");
}

const KEY: &str = "ek_abcdefghijkl_secret";

/// Accepts a handshake and returns its `Authorization`.
async fn peer_with_key(script: &Script) -> (Peer, Option<String>) {
    let mut sent = None;
    // The error type is the library's.
    #[expect(clippy::result_large_err)]
    let note = |request: &Request, response: Response| {
        sent = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Ok(response)
    };
    let socket = accept_hdr_async(script.tcp().await, note).await.expect("a handshake");
    (Peer(socket), sent)
}

#[tokio::test]
async fn the_key_goes_with_each_request_and_each_handshake() {
    let script = Script::new().await;
    let client = script.client().with_key(KEY).unwrap();
    let (local, header) = (client.workspace("local"), format!("Bearer {KEY}"));
    let asking = {
        let local = local.clone();
        tokio::spawn(async move { (local.kpis().await.is_ok(), local.ingest(&[Sample::new("a", 1.0)]).await.is_ok()) })
    };
    let kpis = script.answer("200 OK", "", r#"{"seq": 1, "epoch": "e", "kpis": []}"#).await;
    let sample = script.answer("200 OK", "", r#"{"accepted": 1}"#).await;
    for request in [kpis, sample] {
        assert!(request.contains(&format!("authorization: {header}")), "{request}");
    }
    assert_eq!(timeout(PATIENCE, asking).await.unwrap().unwrap(), (true, true));
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
    let mut updates = local.follow().backoff(backoff.clone()).start();
    for _ in 0..2 {
        assert_eq!(peer_with_key(&script).await.1.as_ref(), Some(&header), "again after a break");
        disconnected(&mut updates).await;
    }
    drop(updates);
    let _sound = local.listen("default").backoff(backoff).start();
    assert_eq!(peer_with_key(&script).await.1, Some(header));
}

#[tokio::test]
async fn refused_credentials_end_following_and_listening_also_after_a_connection() {
    for (status, code) in [("401 Unauthorized", 401), ("403 Forbidden", 403)] {
        let script = Script::new().await;
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
        let local = script.client().with_key(KEY).unwrap().workspace("local");
        let mut updates = local.follow().backoff(backoff.clone()).start();
        let mut peer = script.peer().await;
        peer.receive().await;
        peer.subscribed(1, None).await;
        connected(&mut updates).await;
        drop(peer);
        disconnected(&mut updates).await;
        script.answer(status, "", r#"{"detail": "the key was revoked"}"#).await;
        let error = timeout(PATIENCE, updates.next()).await.unwrap().unwrap().unwrap_err();
        assert!(error.is_denied() && matches!(error, Error::Refused { status, .. } if status == code), "{error}");
        assert!(error.to_string().contains("the key was revoked"), "{error}");
        assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
        assert!(timeout(PATIENCE, updates.next()).await.unwrap().is_none());

        let mut listening = local.listen("default").backoff(backoff).start();
        let mut peer = script.peer().await;
        peer.send(json!({"type": "config", "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": 20, "pre_skip": 312}))
            .await;
        drop(peer);
        script.answer(status, "", r#"{"detail": "the key was revoked"}"#).await;
        let error = loop {
            match timeout(PATIENCE, listening.next()).await.unwrap().expect("an error before the end") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.is_denied(), "{error}");
        assert!(timeout(PATIENCE, listening.next()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let script = Script::new().await;
    let mut updates = script.follow().start();
    let mut peer = script.peer().await;
    peer.receive().await;
    peer.subscribed(1, None).await;
    connected(&mut updates).await;
    drop(updates);
    let end = timeout(PATIENCE, peer.0.next()).await.expect("the connection ends");
    assert!(matches!(end, None | Some(Err(_) | Ok(Message::Close(_)))), "{end:?}");
}

#[tokio::test]
async fn ingest_with_retries_waits_for_a_full_server() {
    let script = Script::new().await;
    let local = script.client().workspace("local");
    let sending = tokio::spawn(async move { local.ingest_with_retries(&[Sample::new("a", 1.0)], 3).await });
    script.answer("429 Too Many Requests", "retry-after: 0\r\n", r#"{"detail": "full"}"#).await;
    let request = script.answer("200 OK", "", r#"{"accepted": 1, "rejected": [], "seq": 4, "epoch": "e"}"#).await;
    assert!(request.ends_with(r#"{"samples":[{"kpi":"a","value":1.0}]}"#), "{request}");
    let receipt = timeout(PATIENCE, sending).await.unwrap().unwrap().unwrap();
    assert_eq!((receipt.accepted, receipt.seq), (1, Some(4)));
}

#[tokio::test]
async fn receipt_lists_rejected_rows_if_no_row_was_accepted() {
    let script = Script::new().await;
    let local = script.client().workspace("local");
    let sending = tokio::spawn(async move { local.ingest(&[Sample::new("a b", 1.0)]).await });
    script.answer("400 Bad Request", "", r#"{"detail": "nothing", "rejected": [{"row": 0, "error": "kpi"}]}"#).await;
    let receipt = timeout(PATIENCE, sending).await.unwrap().unwrap().unwrap();
    assert_eq!((receipt.accepted, receipt.rejected_total, receipt.rejected[0].row), (0, 1, 0));
}

#[tokio::test]
async fn listen_delivers_packets_and_reconnects() {
    let script = Script::new().await;
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
    let mut listening = script.client().workspace("local").listen("default").backoff(backoff).start();
    for round in 0..2_u64 {
        let mut peer = script.peer().await;
        peer.send(json!({"type": "config", "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": 20, "pre_skip": 312}))
            .await;
        peer.0.send(Message::binary([&(7 + round).to_be_bytes()[..], &[0xfc]].concat())).await.unwrap();
        drop(peer);
        let mut numbers = Vec::new();
        loop {
            match timeout(PATIENCE, listening.next()).await.unwrap().unwrap().unwrap() {
                Sound::Packet(packet) => numbers.push(packet.number),
                Sound::Disconnected { .. } => break,
                _ => {}
            }
        }
        assert_eq!(numbers, [7 + round]);
    }
}

#[tokio::test]
async fn event_of_an_unknown_type_keeps_its_content() {
    let mut unknown = event(3);
    unknown["type"] = json!("kpi.renamed");
    unknown["data"] = json!({"to": "b"});
    let event = Event::from_json(&unknown.to_string()).unwrap();
    assert!(matches!(&event.data, EventData::Other { name, .. } if name == "kpi.renamed"));
    assert_eq!(serde_json::to_value(&event).unwrap(), unknown);
}
