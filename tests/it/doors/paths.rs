//! Addresses, encodings and content types, and the headers of answers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Server;
use crate::support::raw::Raw;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A request whose path is sent as it is written.
async fn raw(server: &Server, line: &str, more: &str, body: &[u8]) -> crate::support::raw::RawAnswer {
    let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\n{more}content-length: {}\r\n\r\n", body.len());
    Raw::ask(server.address(), [head.as_bytes(), body].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_read_get_the_headers_of_all_answers() {
    let server = Server::start().await;
    let long = "x".repeat(66_000);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {long}"), 431),
        (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", &long[..65_535]), 414),
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /?{long}{long}"), 200),
    ] {
        let mut connection = Raw::connect(server.address()).await;
        connection.send(request).await;
        let mut answer = connection.answer().await.expect("an answer");
        assert_eq!(answer.status, status, "{}", answer.head);
        if status == 200 {
            // Also the second request of a connection.
            answer = connection.answer().await.expect("the second answer");
            assert!(answer.status == 414 || answer.status == 431, "{}", answer.head);
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.head);
        assert!(answer.head.contains("frame-ancestors 'none'"), "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], answer.status, "{problem}");
        let names_limit = answer.status == 400 || problem["detail"].as_str().unwrap().contains("64 KiB");
        assert!(names_limit, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_no_route_is_no_success() {
    let server = Server::start().await;
    let html = "accept: text/html\r\n";
    for (line, status) in [
        ("POST /v1/metrics/", 404),
        ("POST //v1/metrics", 404),
        ("POST /v1/traces", 404),
        ("POST /v1/logs", 404),
        ("POST //write", 404),
        ("POST /write/", 404),
        ("POST /Write", 404),
        ("GET /v1/traces", 404),
        ("PUT /somewhere", 404),
        ("GET /api/v1/nothing", 404),
        ("DELETE /write", 405),
        ("GET /write", 405),
        ("PUT /api/v1/workspaces/local/kpis/ingest", 405),
        ("POST /", 405),
        ("TRACE /", 405),
        ("CONNECT localhost:80", 405),
        ("POST /healthz", 405),
    ] {
        for accept in ["", html] {
            let answer = raw(&server, line, accept, b"a v=1").await;
            // A browser is shown the page at addresses that the application may have.
            let page = line.starts_with("PUT /somewhere") && !accept.is_empty();
            let expected = if page { 405 } else { status };
            assert_eq!(answer.status, expected, "{line} {accept}: {}", answer.head);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{line}");
            assert_eq!(answer.header("allow").is_some(), expected == 405, "{line}: {}", answer.head);
        }
    }
    let similar: Value = serde_json::from_str(&raw(&server, "POST /v1/metrics/", "", b"").await.body).unwrap();
    assert!(similar["detail"].as_str().unwrap().contains("did you mean /v1/metrics?"), "{similar}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_has_the_form_of_influxdb() {
    let server = Server::start().await;
    let health = server.http().get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let health: Value = health.json().await.unwrap();
    assert_eq!((&health["name"], &health["status"]), (&json!("earcon"), &json!("pass")), "{health}");
    assert!(health["message"].is_string() && health["version"].is_string(), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_errors_have_the_form_of_the_protocol() {
    let server = Server::start().await;
    let twice = "precision=s&precision=ms";
    let one = raw(&server, &format!("POST /write?{twice}"), "", b"a v=1").await;
    let one: Value = serde_json::from_str(&one.body).unwrap();
    assert!(one["error"].is_string(), "{one}");
    let two = raw(&server, &format!("POST /api/v2/write?{twice}"), "", b"a v=1").await;
    let two: Value = serde_json::from_str(&two.body).unwrap();
    assert_eq!(two["code"], "invalid", "{two}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_gzip_is_read_and_rubbish_is_refused() {
    let server = Server::start().await;
    let encoded = "content-encoding: gzip\r\n";
    let two = [gzip("two a=1\n"), gzip("two b=2\n")].concat();
    assert_eq!(raw(&server, "POST /write", encoded, &two).await.status, 204);
    assert_eq!((server.get("/kpis/two.a").await.0, server.get("/kpis/two.b").await.0), (200, 200));
    let cut = gzip("cut a=1\n");
    for bad in [&[&gzip("bad a=1\n")[..], b"xx"].concat()[..], &cut[..cut.len() - 3], b"no gzip"] {
        assert_eq!(raw(&server, "POST /write", encoded, bad).await.status, 400, "{}", bad.escape_ascii());
    }
    assert_eq!(server.get("/kpis/bad.a").await.0, 404, "refused input leaves nothing");
    let small = [("server.max_body_bytes", json!(4_096))];
    let server = Server::start_with(&small, Default::default()).await;
    let bomb = gzip(&"a v=1\n".repeat(100_000));
    assert!(bomb.len() < 4_096, "{}", bomb.len());
    assert_eq!(raw(&server, "POST /write", encoded, &bomb).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_and_content_types_have_no_case() {
    let server = Server::start().await;
    for encoding in ["GZIP", "x-gzip", "Gzip"] {
        let header = format!("content-encoding: {encoding}\r\n");
        assert_eq!(raw(&server, "POST /write", &header, &gzip("a v=1")).await.status, 204, "{encoding}");
    }
    for encoding in ["", "Identity", "identity"] {
        let header = format!("content-encoding: {encoding}\r\n");
        assert_eq!(raw(&server, "POST /write", &header, b"a v=1").await.status, 204, "{encoding:?}");
    }
    assert_eq!(raw(&server, "POST /write", "content-encoding: br\r\n", b"a v=1").await.status, 415);
    let native = "POST /api/v1/workspaces/local/kpis/ingest";
    let body = br#"{"samples":[{"kpi":"a","value":1}]}"#;
    for named in ["Application/JSON", "application/json ; charset=\"utf-8\""] {
        assert_eq!(raw(&server, native, &format!("content-type: {named}\r\n"), body).await.status, 200, "{named}");
        let otlp = raw(&server, "POST /v1/metrics", &format!("content-type: {named}\r\n"), b"{}").await;
        assert_eq!((otlp.status, otlp.body.as_str()), (200, "{}"), "{named}");
    }
    let csv = b"time,value\n2026-01-01T00:00:00Z,1\n";
    let upload = "POST /api/v1/workspaces/local/kpis/upload?dry_run=true&kpi=a";
    assert_eq!(raw(&server, upload, "content-type: Text/CSV; Header=present\r\n", csv).await.status, 200);
    let quoted = "content-type: application/x-protobuf;proto=\"prometheus.WriteRequest\"\r\n";
    let empty = snap::raw::Encoder::new().compress_vec(b"").unwrap();
    assert_eq!(raw(&server, "POST /api/v1/write", quoted, &empty).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_must_say_that_they_are_json() {
    let server = Server::start().await;
    server.post("a", &[(1_767_225_600_000, 1.0)]).await;
    for (method, path) in [
        ("PUT", "/detectors/one"),
        ("POST", "/experiments"),
        ("POST", "/jobs"),
        ("POST", "/mutes"),
        ("PUT", "/ingest/rules"),
        ("PATCH", "/mixes/default"),
    ] {
        for named in ["text/plain", "application/x-www-form-urlencoded", ""] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = server.http().request(method.clone(), server.workspace_url(path)).body("{}");
            if !named.is_empty() {
                request = request.header("content-type", named);
            }
            let status = request.send().await.unwrap().status();
            assert_eq!(status, 415, "{method} {path} as {named:?}");
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (status, answer) = server.send(method, path, json!({})).await;
        assert!(status != 415 && status != 405, "{path}: {status} {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_protects_itself_in_browsers() {
    let server = Server::start().await;
    server.post("a", &[(1_767_225_600_000, 1.0)]).await;
    let ogg = "GET /api/v1/workspaces/local/mixes/default/live.ogg";
    for (line, more) in [
        ("GET /", ""),
        ("GET /healthz", ""),
        ("GET /api/v1/workspaces", ""),
        ("GET /api/v1/nothing", ""),
        ("DELETE /write", ""),
        ("GET /", "origin: https://example.org\r\n"),
        (ogg, ""),
    ] {
        let answer = raw(&server, line, more, b"").await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{line}: {}", answer.head);
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{line}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("frame-ancestors 'none'"), "{line}: {policy}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{line}");
        if line == "GET /" && more.is_empty() {
            assert!(policy.contains("connect-src 'self' ws://localhost wss://localhost;"), "{policy}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_another_protocol_is_no_websocket() {
    let server = Server::start().await;
    server.post("a", &[(1_767_225_600_000, 1.0)]).await;
    let offer = "accept: text/event-stream\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let answer = raw(&server, "GET /api/v1/workspaces/local/events", offer, b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{}", answer.head);
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
}
