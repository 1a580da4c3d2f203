//! `live.ogg` as HTTP: old clients, other requests on the connection, and clients that leave.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::now_ms;
use crate::support::{Server, eventually, noise};

const PATH: &str = "/api/v1/workspaces/local/mixes/default/live.ogg";

async fn server() -> Server {
    let server = Server::start_with(&[("sound.linger_seconds", json!(0))], Default::default()).await;
    server.post("a.b", &noise(now_ms() - 100_000, 100, 10.0)).await;
    server
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.url("");
    TcpStream::connect(address.trim_start_matches("http://").trim_end_matches('/')).await.unwrap()
}

async fn read_until(stream: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.windows(wanted.len()).any(|bytes| bytes == wanted) {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_and_http_1_1_get_the_bare_stream_until_the_connection_ends() {
    let server = server().await;
    for version in ["1.0", "1.1"] {
        let mut stream = connect(&server).await;
        let request = format!("GET {PATH} HTTP/{version}\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let begin = read_until(&mut stream, b"OpusTags").await;
        let text = String::from_utf8_lossy(&begin).to_ascii_lowercase();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        for header in ["connection: close", "content-type: audio/ogg", "icy-name: earcon: local", "date: "] {
            assert!(head.contains(header), "no {header:?} in {head}");
        }
        assert!(!head.contains("transfer-encoding"), "{head}");
        let body = begin.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        assert!(begin[body..].starts_with(b"OggS"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_leaves_is_no_listener() {
    let server = server().await;
    let mut stream = connect(&server).await;
    stream.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, b"OpusTags").await;
    let (_, mix) = server.get("/mixes/default").await;
    assert_eq!((&mix["running"], &mix["listeners"]), (&json!(true), &json!(1)));
    drop(stream);
    eventually("the mix stops without listeners", async || {
        (server.get("/mixes/default").await.1["running"] == false).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_until_the_stream_begins() {
    let server = server().await;
    let mut stream = connect(&server).await;
    for request in [format!("HEAD {PATH}"), "GET /healthz".to_owned(), format!("GET {PATH}x")] {
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let head = read_until(&mut stream, b"\r\n\r\n").await;
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(!head.to_ascii_lowercase().contains("connection: close"), "{request}: {head}");
    }
    assert_eq!(server.get("/mixes/default").await.1["running"], false, "HEAD does not listen");
    stream.write_all(format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, b"OpusTags").await;
}
