//! The program from outside: its signals, and its log.

use std::fs::File;

use crate::support::Program;
use crate::support::raw::Raw;

/// Whether this process, and so what it starts, ignores SIGHUP, as under nohup.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim().to_owned();
    u64::from_str_radix(&mask, 16).is_ok_and(|mask| mask & 1 == 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_shuts_down_in_order() {
    if ignores_hangup() {
        return;
    }
    let data = tempfile::TempDir::new().unwrap();
    let path = data.path().display().to_string();
    let server = Program::serve("hangup", &["--data", &path], &[]);
    let body = "a v=1";
    let request = format!("POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(Raw::ask(server.address(), request).await.status, 204);
    let mut socket = Raw::websocket(server.address(), "/api/v1/workspaces/local/events").await;
    let closed = tokio::spawn(async move { socket.until_close().await.0 });
    tokio::task::spawn_blocking(move || server.hang_up()).await.unwrap();
    assert_eq!(closed.await.unwrap(), Some(1012));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_no_secrets_no_colours_and_nothing_that_reorders_text() {
    let data = tempfile::TempDir::new().unwrap();
    let (path, log) = (data.path().join("data").display().to_string(), data.path().join("log"));
    let settings = [("EARCON_LOG__LEVEL", "trace"), ("EARCON_LOG__FORMAT", "human")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let server = Program::serve_with_log("logging", &["--data", &path], &settings, File::create(&log).unwrap());
    for target in ["/write?u=me&p=s3cret", "http://me:s3cret@localhost/write?p=s3cret", "/nothing\u{202e}?p=s3cret"] {
        let head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer s3cret\r\n");
        let mut raw = Raw::connect(server.address()).await;
        raw.send(format!("{head}cookie: s3cret=s3cret\r\ncontent-length: 9\r\n\r\ns3cret v=")).await;
        assert!(raw.answer().await.is_some(), "{target}");
    }
    tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("POST") && log.contains("/write"), "requests are in the log at this level: {log}");
    for hidden in ["s3cret", "\u{1b}", "\u{202e}"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(hidden)).collect();
        assert!(lines.is_empty(), "{}: {lines:?}", hidden.escape_unicode());
    }
}
