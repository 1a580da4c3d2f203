//! Names of the server, and pages that may call it.

use serde_json::json;

use crate::support::Server;
use crate::support::raw::Raw;

async fn status(server: &Server, request: &str) -> u16 {
    Raw::ask(server.address(), request.replace('\n', "\r\n")).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_this_server_once() {
    let server = Server::start().await;
    let get = async |host: &str| status(&server, &format!("GET /healthz HTTP/1.1\n{host}\n\n")).await;
    let own = server.address().to_string();
    for host in ["localhost", "localhost.", "LocalHost:1", "127.0.0.1:80", "[::1]:7070", "a.localhost", &own] {
        assert_eq!(get(&format!("host: {host}")).await, 200, "{host}");
    }
    for host in ["127.0.0.1:80.evil.test", "[::1]x:80", "evil.test", "127.0.0.1.evil.test", "user@localhost", "127.1"] {
        assert_eq!(get(&format!("host: {host}")).await, 403, "{host}");
    }
    for hosts in ["x-no: host", "host: 127.0.0.1\nhost: evil.test", "host: localhost\nhost: localhost", "host:"] {
        assert_eq!(get(hosts).await, 400, "{hosts}");
    }
    assert_eq!(status(&server, "GET /healthz HTTP/1.0\n\n").await, 200);
    assert_eq!(status(&server, "GET http://localhost/healthz HTTP/1.1\nhost: localhost\n\n").await, 200);
    assert_eq!(status(&server, "GET http://evil.test/healthz HTTP/1.1\nhost: localhost\n\n").await, 403);
    assert!(server.metric("earcon_requests_foreign_total").await >= 7.0);
    // The second protocol of HTTP is not spoken at all.
    let mut raw = Raw::connect(server.address()).await;
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let answer = raw.until_end().await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", answer.escape_ascii());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_name_further_hosts_and_origins() {
    let settings =
        [("server.hosts", json!("kpi.example.org")), ("server.origins", json!("http://dev.example.org:5173"))];
    let server = Server::start_with(&settings, Default::default()).await;
    let get = async |host: &str| status(&server, &format!("GET /healthz HTTP/1.1\nhost: {host}\n\n")).await;
    assert_eq!((get("kpi.example.org").await, get("127.0.0.1").await, get("localhost").await), (200, 200, 403));
    let post = async |more: &str| {
        let head = format!("POST /write HTTP/1.1\nhost: kpi.example.org\ncontent-length: 5\n{more}\n\na v=1");
        status(&server, &head).await
    };
    assert_eq!(post("origin: http://dev.example.org:5173\nsec-fetch-site: cross-site").await, 204);
    assert_eq!(post("origin: https://kpi.example.org\nsec-fetch-site: same-origin").await, 204);
    assert_eq!(post("origin: http://kpi.example.org:5173").await, 403);
    assert_eq!(post("origin: null").await, 403);
    assert_eq!(post("sec-fetch-site: cross-site").await, 403);
    assert_eq!(post("sec-fetch-site: none").await, 204);
}
